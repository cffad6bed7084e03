"""One WebSocket connection: limits for incoming messages, error messages, and the reason for closing it."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from pyg_sybio.serving.access import knows_token
from pyg_sybio.serving.limits import Allowance, CloseCode, Refusal
from pyg_sybio.serving.places import Places
from pyg_sybio.serving.source import Service
from pyg_sybio.streaming.messages import encode, error_message

logger = logging.getLogger(__name__)

# Close codes with which the WebSocket library ends a connection itself.
_ABUSES = {
    CloseCode.TOO_BIG: "a message was too big",
    1002: "WebSocket protocol error",
    1007: "a message was not valid UTF-8",
}


class Connection:
    """A WebSocket connection.

    Args:
        socket: The WebSocket, before it is accepted.
        service: State shared with other connections.
        rate: Maximum number of messages per second.
        max_size: Maximum length of a message.
        idle: Maximum time between two messages, in seconds. (default: unlimited)
    """

    def __init__(
        self, socket: WebSocket, service: Service, *, rate: float, max_size: int, idle: float | None = None
    ) -> None:
        self.host, port = socket.client or ("unknown", 0)
        self.name = f"{self.host}:{port}"
        self.active = False
        self._socket = socket
        self._service = service
        self._allowance = Allowance(rate)
        self._max_size = max_size
        self._idle = idle
        self._mistakes = 0
        self._displaced = asyncio.Event()

    async def converse(self, places: Places, talk: Callable[["Connection"], Awaitable[None]]) -> None:
        """Accept the connection, run `talk`, and report to the client and the log why it ends.

        Args:
            places: The slots for connections of this type.
            talk: Function that receives and sends until it raises an error.
        """
        service, kind = self._service, places.kind
        # The listener provides `admitted`: while the connection has a slot, the listener does not close it.
        admitted = getattr(self._socket.state, "admitted", contextlib.nullcontext)
        try:
            await self._socket.accept()
            logger.info("%s: %s", self.name, kind)
            if not knows_token(service.token, self._socket.scope):
                hint = "add ?token=TOKEN to the address"
                raise Refusal(CloseCode.WRONG_TOKEN, f"the token is missing or wrong: {hint}")
            places.take(self)
            try:
                with admitted():
                    await talk(self)
            finally:
                places.leave(self)
        except WebSocketDisconnect as end:
            if end.code in _ABUSES:
                service.refuse(self.name, _ABUSES[end.code])
            else:
                logger.info("%s: %s has left", self.name, kind)
        except Refusal as refusal:
            service.refuse(self.name, refusal)
            await self._close(refusal.code, str(refusal))
        except Exception:
            logger.exception("%s: %s: internal error", self.name, kind)
            await self._close(CloseCode.INTERNAL_ERROR, "internal error of the server: see its log")

    async def exchange(
        self, handle: Callable[[str], None], deliver: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Receive and send messages until the connection ends.

        Args:
            handle: Function that handles a message; its `ValueError` is sent to the client.
            deliver: Function that sends messages forever.

        Raises:
            WebSocketDisconnect: If the client has left.
            Refusal: If the client exceeds a limit, or is displaced.
        """
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._receive, handle)
                group.start_soon(deliver)
                group.start_soon(self._until_displaced)
        except BaseExceptionGroup as ends:
            # Sending to a client that has left fails too; the reason why it was disconnected matters more.
            raise max(ends.exceptions, key=_importance) from None

    async def _receive(self, handle: Callable[[str], None]) -> None:
        while True:
            text = await self._next()
            try:
                handle(text)
                self.active = True
            except ValueError as error:
                await self.complain(error)

    def displace(self) -> None:
        """End the connection, because another client takes its slot."""
        self._displaced.set()

    async def _until_displaced(self) -> None:
        await self._displaced.wait()
        raise Refusal(CloseCode.TOO_MANY, "displaced by another client, because no message was sent")

    async def _next(self) -> str:
        try:
            message = await asyncio.wait_for(self._socket.receive(), self._idle)
        except TimeoutError:
            raise Refusal(CloseCode.IDLE, f"no message for {self._idle:g} s") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        text = message.get("text")
        if text is None:
            raise Refusal(CloseCode.UNSUPPORTED, "a binary message, expected text")
        if len(text) > self._max_size:
            expected = f"expected at most {self._max_size}"
            raise Refusal(CloseCode.TOO_BIG, f"a message of {len(text)} characters, {expected}")
        if not self._allowance.take():
            raise Refusal(CloseCode.TOO_FAST, f"more than {self._allowance.rate:g} messages per second")
        return str(text)

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            WebSocketDisconnect: If the client has left, or the connection is being closed.
            Refusal: If the client does not read.
        """
        limit = self._service.limits.idle
        try:
            async with asyncio.timeout(limit):
                await self._socket.send_text(text)
        except TimeoutError:
            raise Refusal(CloseCode.IDLE, f"no message was read for {limit:g} s") from None
        except RuntimeError:  # the connection is already closed
            raise WebSocketDisconnect(1006) from None

    async def complain(self, error: ValueError) -> None:
        """Report an invalid message to the client.

        Raises:
            Refusal: If the client has sent too many invalid messages.
        """
        message = error_message(error)
        self._service.refuse(self.name, message["message"])
        self._mistakes += 1
        await self.send(encode(message))
        if self._mistakes > self._service.limits.mistakes:
            hint = "docs/serving.md describes the format"
            raise Refusal(CloseCode.BAD_MESSAGES, f"{self._mistakes} messages were invalid: {hint}")

    async def _close(self, code: CloseCode, message: str) -> None:
        """Send the reason and close, unless the client has left or does not read."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(2):
                await self.send(encode(error_message(message)))
                # The reason of a WebSocket close has at most 123 bytes.
                await self._socket.close(code, message.encode()[:120].decode(errors="ignore"))


def _importance(end: BaseException) -> int:
    """Return the rank of an error that ends a connection; the error with the highest rank is reported."""
    if not isinstance(end, WebSocketDisconnect):
        return 2
    return int(end.code in _ABUSES)
