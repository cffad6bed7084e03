"""What the server answers: the page, its health, poses that come in, and viewers (docs/serving.md)."""

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import numpy as np
import torch
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from pyg_sybio.data.motion import Motion
from pyg_sybio.serving.access import SiteCheck, knows_token
from pyg_sybio.serving.hub import Viewer
from pyg_sybio.serving.limits import (
    BAD_MESSAGES,
    IDLE,
    INTERNAL_ERROR,
    TOO_BIG,
    TOO_FAST,
    TOO_MANY,
    UNSUPPORTED,
    WRONG_TOKEN,
    Allowance,
    Limits,
    Refusal,
)
from pyg_sybio.serving.page_messages import page_hello
from pyg_sybio.serving.playback import Playback
from pyg_sybio.serving.source import Service, Source, one_line
from pyg_sybio.streaming.messages import Frame, encode, error_message, hello_message, parse_message
from pyg_sybio.streaming.motion_stream import MotionStream

logger = logging.getLogger(__name__)

_PAGE = Path(__file__).parent / "page.html"
# The page is one file: nothing is loaded, and nothing can be sent anywhere else.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_VIEWER_RATE = 20.0  # messages a second


def create_app(
    start_stream: Callable[[float | None], MotionStream],
    *,
    limits: Limits | None = None,
    token: str | None = None,
    recordings: Sequence[tuple[str, Motion]] = (),
    hosts: frozenset[str] | None = None,
    origins: Iterable[str] = (),
    name: str = "",
    threads: int | None = None,
) -> Starlette:
    r"""The application that ``sybio serve`` runs.

    Args:
        start_stream: Makes the stream of one connection, for poses at so many frames a second (None: those of
            the model).
        limits: What one connection may ask for.
        token: What a client has to know; None lets everybody in.
        recordings: Motions that are played, and their names.
        hosts: Names under which the server may be called; None for any.
        origins: Other web sites whose pages may connect.
        name: Of the model, for people.
        threads: On how many processors the model may run. (default: half of them)

    Note:
        The model has one call at a time, of all who wait (:class:`~pyg_sybio.serving.turns.Turns`). On two
        processors it has one, and the other is for messages and for whoever sends poses: as soon as two
        threads of a model have to wait for a processor that is busy otherwise, each of its operations waits.
    """
    limits = limits or Limits()
    first = start_stream(None)
    skeleton = first.skeleton
    service = Service(
        start_stream=start_stream,
        hello=hello_message(first),
        skeleton=skeleton,
        limits=limits,
        pool=ThreadPoolExecutor(
            max_workers=1,
            thread_name_prefix="model",
            initializer=torch.set_num_threads,
            initargs=(threads or max(1, (os.cpu_count() or 1) // 2),),
        ),
    )
    playbacks = [Playback(each, motion, service) for each, motion in recordings]

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await asyncio.get_running_loop().run_in_executor(service.pool, _warm_up, first)
        tasks = [asyncio.create_task(playback.run()) for playback in playbacks]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            service.pool.shutdown(cancel_futures=True)

    server = _Server(service, token, name)
    app = Starlette(
        routes=[
            Route("/", server.page),
            Route("/health", server.health),
            WebSocketRoute("/ws/poses", server.poses),
            WebSocketRoute("/ws/view", server.view),
        ],
        middleware=[Middleware(SiteCheck, hosts=hosts, origins=tuple(origins))],
        lifespan=lifespan,
    )
    app.state.service = service
    return app


class _Server:
    """The answers of the routes."""

    def __init__(self, service: Service, token: str | None, name: str) -> None:
        self._service = service
        self._token = token
        self._name = name
        self._page = _PAGE.read_text(encoding="utf-8")
        self._page_hello = encode(page_hello(service.hello, service.skeleton))
        self._started = time.monotonic()

    async def page(self, request: Request) -> Response:
        """The page. It holds nothing that would need a token; its WebSocket does."""
        return HTMLResponse(self._page, headers=_PAGE_HEADERS)

    async def health(self, request: Request) -> Response:
        """How the server is."""
        if not knows_token(self._token, request.scope):
            return JSONResponse(error_message("the token is missing or wrong"), status_code=401)
        service = self._service
        return JSONResponse(
            {
                "status": "ok",
                "model": {
                    "name": self._name,
                    "skeleton": service.skeleton.name,
                    "classes": len(service.hello["classes"]),
                    "frame_rate": service.hello["frame_rate"],
                    "num_observed": service.hello["num_observed"],
                    "num_future": service.hello["num_future"],
                },
                "seconds": round(time.monotonic() - self._started, 1),
                "producers": service.producers,
                "viewers": len(service.hub.viewers),
                "sources": [source.describe() for source in service.hub.sources.values()],
                "frames": service.frames,
                "dropped": service.dropped,
                "refused": service.refused,
                "latency_ms": service.latency.percentiles(),
                "model_ms": service.model_time.percentiles(),
            }
        )

    async def poses(self, socket: WebSocket) -> None:
        """Poses come in, results go out."""
        service = self._service
        async with self._conversation(socket, "producer"):
            self._admit(socket)
            if service.producers >= service.limits.producers:
                raise Refusal(TOO_MANY, f"there are {service.producers} producers, and no more are taken")
            service.producers += 1
            try:
                await self._produce(socket)
            finally:
                service.producers -= 1

    async def view(self, socket: WebSocket) -> None:
        """Somebody watches."""
        service = self._service
        async with self._conversation(socket, "viewer"):
            self._admit(socket)
            if len(service.hub.viewers) >= service.limits.viewers:
                raise Refusal(
                    TOO_MANY, f"there are {len(service.hub.viewers)} viewers, and no more are taken"
                )
            viewer = Viewer()
            viewer.offer("hello", self._page_hello)
            service.hub.enter(viewer)
            try:
                await _first_to_end(self._listen(socket, viewer), self._tell(socket, viewer))
            finally:
                service.hub.leave(viewer)

    # Producers --------------------------------------------------------------------------------------------

    async def _produce(self, socket: WebSocket) -> None:
        service = self._service
        loop = asyncio.get_running_loop()
        stream = await loop.run_in_executor(service.pool, service.start_stream, None)
        source = Source(_address(socket), "live", stream, service)
        await socket.send_text(encode(service.hello))
        service.hub.add(source)
        try:
            await _first_to_end(self._take(socket, source), source.run(socket.send_text))
        finally:
            service.hub.remove(source)
            logger.info("%s: gone after %d frames, %d dropped", source.name, source.taken, source.dropped)

    async def _take(self, socket: WebSocket, source: Source) -> None:
        """Read messages until there are none."""
        limits = self._service.limits
        allowance = Allowance(limits.rate)
        largest = limits.bytes_of_message(self._service.skeleton)
        while True:
            try:
                text = await asyncio.wait_for(_text(socket, largest), limits.idle)
            except TimeoutError:
                raise Refusal(IDLE, f"no message for {limits.idle:g} s") from None
            if not allowance.take():
                raise Refusal(TOO_FAST, f"more than {limits.rate:g} messages a second")
            try:
                item = parse_message(text, self._service.skeleton)
                if isinstance(item, Frame) and len(item.poses) > limits.people:
                    raise ValueError(
                        f"'people' has {len(item.poses)} entries, expected at most {limits.people}"
                    )
            except ValueError as error:
                await source.complain(error, socket.send_text)
                continue
            source.put(item)

    # Viewers ----------------------------------------------------------------------------------------------

    async def _tell(self, socket: WebSocket, viewer: Viewer) -> None:
        while True:
            await socket.send_text(await viewer.next())

    async def _listen(self, socket: WebSocket, viewer: Viewer) -> None:
        allowance = Allowance(_VIEWER_RATE)
        mistakes = 0
        while True:
            text = await _text(socket, _VIEWER_BYTES)
            if not allowance.take():
                raise Refusal(TOO_FAST, f"more than {_VIEWER_RATE:g} messages a second")
            try:
                self._obey(text, viewer)
            except ValueError as error:
                mistakes += 1
                message = one_line(error)
                logger.warning("%s: refused: %s", _address(socket), message)
                self._service.refused += 1
                viewer.offer("error", encode(error_message(message)))
                if mistakes > self._service.limits.mistakes:
                    raise Refusal(BAD_MESSAGES, f"{mistakes} messages could not be taken") from None

    def _obey(self, text: str, viewer: Viewer) -> None:
        """What a viewer wants.

        Raises:
            ValueError: If that is nothing that it can want.
        """
        try:
            wish = json.loads(text)
        except (ValueError, RecursionError):
            wish = None
        if not isinstance(wish, dict) or wish.get("type") not in ("watch", "pause"):
            raise ValueError("expected {'type': 'watch' or 'pause', 'source': ...}")
        source = self._service.hub.sources.get(str(wish.get("source")))
        if source is None:
            raise ValueError(f"there is no source {str(wish.get('source'))[:40]!r}, it may have gone")
        if wish["type"] == "watch":
            self._service.hub.watch(viewer, source)
        elif not isinstance(wish.get("paused"), bool):
            raise ValueError("'paused' of a pause is missing, expected true or false")
        else:
            self._service.hub.pause(source, wish["paused"])

    # Both -------------------------------------------------------------------------------------------------

    def _admit(self, socket: WebSocket) -> None:
        if not knows_token(self._token, socket.scope):
            raise Refusal(WRONG_TOKEN, "the token is missing or wrong: add ?token=TOKEN to the address")

    @contextlib.asynccontextmanager
    async def _conversation(self, socket: WebSocket, kind: str) -> AsyncIterator[None]:
        """Accept, and whatever ends the conversation, say why, on the line and in the log."""
        address = _address(socket)
        await socket.accept()
        logger.info("%s: %s", address, kind)
        try:
            yield
        except WebSocketDisconnect as end:
            if end.code in _WORTH_A_WARNING:
                logger.warning("%s: %s closed: %s", address, kind, _WORTH_A_WARNING[end.code])
                self._service.refused += 1
            else:
                logger.info("%s: %s has left", address, kind)
        except Refusal as refusal:
            logger.warning("%s: %s refused: %s", address, kind, refusal)
            self._service.refused += 1
            await _close(socket, refusal.code, str(refusal))
        except Exception:
            logger.exception("%s: %s: an error of the server", address, kind)
            await _close(socket, INTERNAL_ERROR, "an error of the server, which its log describes")


_VIEWER_BYTES = 4096
_WORTH_A_WARNING = {
    TOO_BIG: "a message was too big",
    1002: "no WebSocket any more",
    1007: "a text was no UTF-8",
}


async def _text(socket: WebSocket, largest: int) -> str:
    """The next message.

    Raises:
        WebSocketDisconnect: If there is none.
        Refusal: If it is no text, or too large a one.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    text = message.get("text")
    if text is None:
        raise Refusal(UNSUPPORTED, "a binary message, expected text")
    if len(text) > largest:
        raise Refusal(TOO_BIG, f"a message of {len(text)} characters, expected at most {largest}")
    return str(text)


async def _close(socket: WebSocket, code: int, message: str) -> None:
    """Say why, and close; somebody who has gone meanwhile, or does not listen, hears nothing."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(2):
            await socket.send_text(encode(error_message(message)))
            # A reason has room for 123 bytes.
            await socket.close(code, message.encode()[:120].decode(errors="ignore"))


async def _first_to_end(*parts: Awaitable[None]) -> None:
    """Run both halves of a conversation until one ends, and raise what it ended with."""
    ends: list[Exception] = []

    async def run(part: Awaitable[None]) -> None:
        try:
            await part
        except Exception as end:
            ends.append(end)
        finally:
            group.cancel_scope.cancel()

    # A group, not bare tasks: whoever cancels the conversation, as a server does that stops, ends all of it.
    async with anyio.create_task_group() as group:
        for part in parts:
            group.start_soon(run, part)
    if ends:
        raise ends[0]


def _address(socket: WebSocket) -> str:
    return "unknown" if socket.client is None else f"{socket.client.host}:{socket.client.port}"


def _warm_up(stream: MotionStream) -> None:
    """Let a stream answer once: what is made on first use is made before anybody waits for it."""
    skeleton = stream.skeleton
    pose = np.random.default_rng(0).normal(size=(skeleton.num_joints, skeleton.num_features))
    for step in range(3):
        stream.update(pose + 0.01 * step)
    stream.reset()
