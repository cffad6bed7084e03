"""Who may talk to the server: tokens, pages of other sites, and names that only seem to be this machine."""

import hmac
import json
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class SiteCheck:
    """ASGI middleware that keeps other web sites out.

    A browser opens a WebSocket to this machine for any page, whatever site it is from, and says in `Origin`
    which one that was. And a site may give its own name this machine's address, which `Host` shows.

    Args:
        app: What is guarded.
        hosts: Names under which the server is called; None for any.
        origins: Other origins whose pages may connect, such as `"http://localhost:3000"`.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None, origins: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass; answer the rest with 403."""
        if (
            scope["type"] not in ("http", "websocket")
            or (reason := self._reason(Headers(scope=scope))) is None
        ):
            await self._app(scope, receive, send)
            return
        kind = "http" if scope["type"] == "http" else "websocket.http"
        body = json.dumps({"type": "error", "message": reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if kind == "websocket.http" and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
            return
        await send({"type": f"{kind}.response.start", "status": 403, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": body})

    def _reason(self, headers: Headers) -> str | None:
        """Why a request is refused; None if it is not."""
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if self._hosts is not None and name not in self._hosts:
            return f"this server is called {' or '.join(sorted(self._hosts))}, not {host!r}"
        origin = headers.get("origin")
        if origin is None or origin.lower() in self._origins:
            return None
        if origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            return f"pages of {origin!r} may not connect: --allow-origin lets them"
        return None


def knows_token(token: str | None, scope: Scope) -> bool:
    """Whether a request brings the token, as `Authorization: Bearer TOKEN` or as `?token=TOKEN`.

    Args:
        token: The right one; None lets everybody in.
        scope: Of the request.
    """
    if token is None:
        return True
    kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        query = parse_qs(scope["query_string"].decode("latin-1"))
        given = query.get("token", [""])[0]
    # The comparison takes as long for a token that is nearly right.
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())
