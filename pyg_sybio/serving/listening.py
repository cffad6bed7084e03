"""The listening socket, limits for connections that have not sent a request, and uvicorn."""

import asyncio
import contextlib
import logging
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)


class Listener(socket.socket):
    """A listening socket that limits the connections which it accepts.

    uvicorn waits forever for the request of a connection. A client that opens connections and sends nothing,
    or sends its request byte by byte, would use up all connections.

    Args:
        family: Address family.
        connections: Maximum number of open connections.
        handshake: Seconds within which a connection must send its request.

    Note:
        The limits need an event loop that accepts connections by :meth:`accept`, as asyncio's does except on
        Windows.
    """

    def __init__(self, family: int, *, connections: int, handshake: float) -> None:
        # asyncio sends small messages at once (TCP_NODELAY) only if the protocol is given.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.connections = connections
        self.handshake = handshake
        self._open: list[socket.socket] = []
        self._silent: dict[tuple[str, int], socket.socket] = {}

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, unless there are too many."""
        connection, address = super().accept()
        self._open = [each for each in self._open if each.fileno() != -1]
        if len(self._open) >= self.connections:
            connection.close()
            logger.warning("%s:%d: closed, there are %d connections", *address[:2], self.connections)
            raise ConnectionAbortedError
        self._open.append(connection)
        self._silent[address[:2]] = connection
        loop = asyncio.get_running_loop()
        loop.call_later(self.handshake, self._give_up, address[:2], connection)
        return connection, address

    def _give_up(self, address: tuple[str, int], connection: socket.socket) -> None:
        if self._silent.get(address) is connection:
            del self._silent[address]
            if connection.fileno() != -1:
                logger.info("%s:%d: closed, no request within %g s", *address, self.handshake)
                with contextlib.suppress(OSError):  # the client has closed the connection
                    connection.shutdown(socket.SHUT_RDWR)

    def heard_by(self, app: ASGIApp) -> ASGIApp:
        """Wrap the application so that it tells this socket when a connection has sent its request."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_and_close(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
                await send(message)

            if scope.get("client"):
                self._silent.pop(tuple(scope["client"]), None)
            await app(scope, receive, send_and_close)

        return wrapped


def listen(host: str, port: int, *, connections: int = 128, handshake: float = 10.0) -> Listener:
    """Return a listening socket.

    Args:
        host: Name or address of an interface of this machine.
        port: TCP port; 0 selects a free one.
        connections: Maximum number of open connections.
        handshake: Seconds within which a connection must send its request.

    Raises:
        OSError: If the address is not available.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = Listener(family, connections=connections, handshake=handshake)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"cannot listen on {host} port {port}: {reason} (--port selects another)") from None
    return listener


def make_server(app: ASGIApp, listener: Listener, *, message_bytes: int) -> uvicorn.Server:
    """Return a uvicorn server, to be run with `sockets=[listener]`.

    Args:
        app: The application.
        listener: The listening socket.
        message_bytes: Maximum size of a WebSocket message.
    """
    config = uvicorn.Config(
        listener.heard_by(app),
        loop="asyncio",
        http="h11",
        ws_max_size=message_bytes,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_per_message_deflate=False,  # a small compressed message may be huge
        lifespan="on",
        log_config=None,
        access_log=False,  # the log would contain tokens
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)
