"""The network side: the socket, uvicorn around the application, and connections that say nothing."""

import asyncio
import logging
import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound.

    Args:
        host: Name or address of this machine's interface.
        port: 0 chooses a free one.

    Raises:
        OSError: If that cannot be had, in one line.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(128)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"cannot listen on {host} port {port}: {reason} (--port takes another)") from None
    return bound


def make_server(app: ASGIApp, *, message_bytes: int, handshake: float, connections: int) -> uvicorn.Server:
    """uvicorn, ready to be run on a socket.

    Args:
        app: The application.
        message_bytes: Size of the largest WebSocket message.
        handshake: Seconds that a connection has for its request.
        connections: How many there may be, whatever they want.
    """

    class Impatient(H11Protocol):
        """HTTP that waits for a request only so long, and for so many only.

        uvicorn waits for the first request of a connection for ever: a client that opens connections and says
        nothing, or says it byte by byte, would use them all up.
        """

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > connections:
                logger.warning("%s: closed, there are %d connections", _peer(transport), connections)
                transport.abort()
                return
            self.loop.call_later(handshake, self._give_up)

        def _give_up(self) -> None:
            is_mine = self.transport.get_protocol() is self  # and not a WebSocket's by now
            if is_mine and self.cycle is None and not self.transport.is_closing():
                logger.info("%s: closed, no request in %g s", _peer(self.transport), handshake)
                self.transport.abort()

    config = uvicorn.Config(
        app,
        http=Impatient,
        ws_max_size=message_bytes,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        # What is small when it is packed may be huge when it is not.
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,  # it would write tokens
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)


def _peer(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "unknown"
