"""Access control: tokens, pages of other sites, and unknown host names."""

import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pyg_sybio.streaming.messages import error_message

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class SiteCheck:
    """ASGI middleware that refuses requests from other web sites with status 403.

    A browser lets any page open a WebSocket to the local machine, and sends the site of the page in `Origin`.
    A site may also resolve its own name to the address of the local machine (DNS rebinding), which `Host`
    reveals.

    Args:
        app: The application that handles the accepted requests.
        hosts: Names by which clients may address the server; None for any.
        origins: Further origins whose pages may connect, such as `"http://localhost:3000"`.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None, origins: Iterable[str] = ()) -> None:
        self.app = app
        self.hosts = hosts
        self.origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        reason = self._objection(Headers(scope=scope)) if scope["type"] in ("http", "websocket") else None
        response = self.app if reason is None else JSONResponse(error_message(reason), status_code=403)
        await response(scope, receive, send)

    def _objection(self, headers: Headers) -> str | None:
        """Return why a request is refused; None if it is accepted."""
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if self.hosts is not None and name not in self.hosts:
            return f"unknown host {host!r}: the server's name is {' or '.join(sorted(self.hosts))}"
        origin = headers.get("origin")
        if origin is None or origin.lower() in self.origins:
            return None
        if origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            return f"pages from {origin!r} may not connect (--allow-origin lets them)"
        return None


def knows_token(token: str | None, scope: Scope) -> bool:
    """Whether a request contains the token, as `Authorization: Bearer TOKEN` or as `?token=TOKEN`.

    Args:
        token: The correct token; None admits every request.
        scope: The ASGI scope of the request.
    """
    if token is None:
        return True
    request = HTTPConnection(scope)
    kind, _, header = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        given = header.encode("latin-1")  # the bytes as sent, in UTF-8 or Latin-1
    else:
        given = request.query_params.get("token", "").encode("utf-8", "replace")
    # In constant time, so that the duration does not reveal how much of the token is correct.
    spellings = token.encode(), token.encode("latin-1", "backslashreplace")
    return any(hmac.compare_digest(given, spelling) for spelling in spellings)
