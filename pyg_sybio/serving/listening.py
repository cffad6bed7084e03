"""The listening socket, limits for connections that have not sent a request, and uvicorn."""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from pyg_sybio.serving.limits import Allowance

logger = logging.getLogger(__name__)


Address = tuple[str, int]


class Listener(socket.socket):
    """A listening socket that limits the connections which it accepts.

    uvicorn waits forever for the request of a connection, and for a client that does not read its response. A
    connection that is neither a producer nor a viewer is called *silent* here, and is closed after some
    seconds. If there are too many connections, a new one displaces a silent one: the oldest one from the
    address with the most silent connections.

    Args:
        family: Address family.
        connections: Maximum number of open connections.
        handshake: Seconds within which a connection must become a producer or viewer, or read its response.

    Note:
        The limits need an event loop that accepts connections by :meth:`accept`, as asyncio's does except on
        Windows.
    """

    def __init__(self, family: int, *, connections: int, handshake: float) -> None:
        # asyncio sends small messages at once (TCP_NODELAY) only if the protocol of the socket is given.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.connections = connections
        self.handshake = handshake
        self._admitted = 0
        self._silent: dict[Address, tuple[socket.socket, asyncio.TimerHandle]] = {}
        self._closing: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection; if there are too many, it displaces a silent one."""
        connection, address = super().accept()
        self._closing = [each for each in self._closing if each.fileno() != -1]
        for client, (each, timer) in list(self._silent.items()):
            if each.fileno() == -1:
                timer.cancel()
                del self._silent[client]
        if self._admitted + len(self._silent) >= self.connections and self._silent:
            silent = Counter(host for host, _ in self._silent)
            self._close(max(self._silent, key=lambda client: silent[client[0]]), "too many connections")
        if self._admitted + len(self._closing) >= 2 * self.connections:
            connection.close()
            raise ConnectionAbortedError
        self._expect(address[:2], connection)
        return connection, address

    def _expect(self, client: Address, connection: socket.socket) -> None:
        reason = f"no request within {self.handshake:g} s"
        timer = asyncio.get_running_loop().call_later(self.handshake, self._close, client, reason)
        self._silent[client] = connection, timer

    def _close(self, client: Address, reason: str) -> None:
        connection, timer = self._silent.pop(client)
        timer.cancel()
        if connection.fileno() != -1:
            logger.info("%s:%d: closed, %s", *client, reason)
            self._closing.append(connection)
            with contextlib.suppress(OSError):  # the client has closed the connection
                connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _admit(self, client: Address) -> Iterator[None]:
        """Keep a connection open for as long as it is a producer or a viewer."""
        connection, timer = self._silent.pop(client, (None, None))
        if connection is None or timer is None:  # the connection was closed in the meantime
            yield
            return
        timer.cancel()
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1
            if connection.fileno() != -1:
                self._expect(client, connection)

    def heard_by(self, app: ASGIApp) -> ASGIApp:
        """Wrap the application so that it can tell which connections are producers and viewers.

        The application enters the context manager `admitted` in the state of the request.
        """

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_and_close(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
                await send(message)

            if scope.get("client"):
                scope.setdefault("state", {})["admitted"] = partial(self._admit, tuple(scope["client"]))
            await app(scope, receive, send_and_close)

        return wrapped


class FrameLimits(WebSocketsSansIOProtocol):
    """The WebSocket protocol of uvicorn, with limits for frames that are not complete messages.

    uvicorn answers pings even if the client reads no answer, and collects any number of empty fragments. A
    connection that exceeds one of the following limits is closed.

    Attributes:
        control_frames: Maximum number of pings and pongs per second, on average; a burst may have twice as
            many.
        fragments: Maximum number of fragments per message.
    """

    control_frames = 10.0
    fragments = 1024

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._allowance = Allowance(self.control_frames)

    def handle_ping(self) -> None:
        if self._admits(self._allowance.take(), "too many pings"):
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self._admits(self._allowance.take(), "too many pongs"):
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        if self._admits(len(self.frames) < self.fragments, "too many fragments"):
            super().handle_cont(event)

    def _admits(self, within_limit: bool, reason: str) -> bool:
        """Return whether the limit is kept; close the connection if not."""
        if not within_limit and not self.transport.is_closing():
            logger.info("%s:%d: closed, %s", *(self.client or ("?", 0)), reason)
            self.transport.abort()
        return within_limit


def listen(host: str, port: int, *, connections: int = 128, handshake: float = 10.0) -> Listener:
    """Return a listening socket.

    Args:
        host: Name or address of a local network interface.
        port: TCP port; 0 selects a free one.
        connections: Maximum number of open connections.
        handshake: Seconds within which a connection must become a producer or viewer, or read its response.

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
        ws=FrameLimits,
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
