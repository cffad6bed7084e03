"""The routes of the server: the page, its health, producers and viewers (docs/serving.md)."""

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

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
from pyg_sybio.serving.audience import Viewer
from pyg_sybio.serving.limits import Allowance, CloseCode, Limits, Refusal
from pyg_sybio.serving.playback import Playback
from pyg_sybio.serving.source import Service, Source
from pyg_sybio.streaming.messages import Frame, encode, error_message, hello_message, parse_message
from pyg_sybio.streaming.motion_stream import MotionStream

logger = logging.getLogger(__name__)

_PAGE = Path(__file__).parent / "page.html"
# The page is one file, which loads nothing, and sends nothing to another server.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_VIEWER_RATE = 20.0  # messages per second
_VIEWER_BYTES = 4096
# Close codes with which the WebSocket library ends a connection itself.
_ABUSES = {
    CloseCode.TOO_BIG: "a message was too big",
    1002: "WebSocket protocol error",
    1007: "a message was not valid UTF-8",
}


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
    r"""Return the application that ``sybio serve`` runs.

    Args:
        start_stream: Creates the stream of one connection, for poses with a given frame rate (None: the
            default). All streams should share one model.
        limits: The limits of the server.
        token: Password for connections; None admits everybody.
        recordings: Motions to play, with their names.
        hosts: Names by which clients may address the server; None for any.
        origins: Other web sites whose pages may connect.
        name: Name of the model, for people.
        threads: Number of threads for the model. (default: half of the processors)

    Note:
        The model answers all waiting frames in one call (:class:`~pyg_sybio.serving.turns.Turns`). It leaves
        half of the processors to messages and to the programs that send poses: if one of the model's threads
        had to wait for a busy processor, each of its operations would wait.
    """
    limits = limits or Limits()
    first = start_stream(None)
    service = Service(
        start_stream=start_stream,
        hello=hello_message(first),
        skeleton=first.skeleton,
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

    routes = _Routes(service, token, name)
    app = Starlette(
        routes=[
            Route("/", routes.page),
            Route("/health", routes.health),
            WebSocketRoute("/ws/poses", routes.poses),
            WebSocketRoute("/ws/view", routes.view),
        ],
        middleware=[Middleware(SiteCheck, hosts=hosts, origins=tuple(origins))],
        lifespan=lifespan,
    )
    app.state.service = service
    return app


class _Routes:
    """The handlers of the routes."""

    def __init__(self, service: Service, token: str | None, name: str) -> None:
        self._service = service
        self._token = token
        self._page = _PAGE.read_text(encoding="utf-8")
        self._started = time.monotonic()
        described = {key: service.hello[key] for key in ("frame_rate", "num_observed", "num_future")}
        classes = len(service.hello["classes"])
        self._model = {"name": name, "skeleton": service.skeleton.name, "classes": classes, **described}

    async def page(self, request: Request) -> Response:
        """Return the page, which needs no token; its WebSocket does."""
        return HTMLResponse(self._page, headers=_PAGE_HEADERS)

    async def health(self, request: Request) -> Response:
        """Return the state of the server."""
        if not knows_token(self._token, request.scope):
            return JSONResponse(error_message("the token is missing or wrong"), status_code=401)
        service = self._service
        return JSONResponse(
            {
                "status": "ok",
                "model": self._model,
                "seconds": round(time.monotonic() - self._started, 1),
                "producers": service.connected["producer"],
                "viewers": service.connected["viewer"],
                "sources": [channel.describe() for channel in service.audience.channels.values()],
                "frames": service.frames,
                "dropped": service.dropped,
                "refused": service.refused,
                "latency_ms": service.latency.percentiles(),
                "model_ms": service.model_time.percentiles(),
            }
        )

    # Producers --------------------------------------------------------------------------------------------

    async def poses(self, socket: WebSocket) -> None:
        """Receive poses, and send results."""
        await self._converse(socket, "producer", self._service.limits.producers, self._produce)

    async def _produce(self, socket: WebSocket) -> None:
        service = self._service
        loop = asyncio.get_running_loop()
        stream = await loop.run_in_executor(service.pool, service.start_stream, None)
        source = Source(_address(socket), "live", stream, service)
        await socket.send_text(encode(service.hello))
        service.audience.add(source.channel)
        try:
            await _first_to_end(
                partial(self._receive_poses, socket, source), partial(source.run, socket.send_text)
            )
        finally:
            service.audience.remove(source.channel)
            logger.info("%s: %d frames, %d dropped", source.name, source.taken, source.dropped)

    async def _receive_poses(self, socket: WebSocket, source: Source) -> None:
        limits, skeleton = self._service.limits, self._service.skeleton
        allowance = Allowance(limits.rate)
        while True:
            try:
                text = await asyncio.wait_for(
                    _receive(socket, allowance, limits.bytes_of_message(skeleton)), limits.idle
                )
            except TimeoutError:
                raise Refusal(CloseCode.IDLE, f"no message for {limits.idle:g} s") from None
            try:
                item = parse_message(text, skeleton)
                if isinstance(item, Frame) and len(item.poses) > limits.people:
                    raise ValueError(
                        f"'people' has {len(item.poses)} entries, expected at most {limits.people}"
                    )
            except ValueError as error:
                await source.complain(error, socket.send_text)
                continue
            source.put(item)

    # Viewers ----------------------------------------------------------------------------------------------

    async def view(self, socket: WebSocket) -> None:
        """Send what a viewer watches, and follow its wishes."""
        await self._converse(socket, "viewer", self._service.limits.viewers, self._watch)

    async def _watch(self, socket: WebSocket) -> None:
        audience, viewer = self._service.audience, Viewer()
        viewer.offer("hello", encode(self._service.hello))
        audience.enter(viewer)
        try:
            await _first_to_end(
                partial(self._receive_wishes, socket, viewer), partial(_send_pending, socket, viewer)
            )
        finally:
            audience.leave(viewer)

    async def _receive_wishes(self, socket: WebSocket, viewer: Viewer) -> None:
        allowance = Allowance(_VIEWER_RATE)
        mistakes = 0
        while True:
            text = await _receive(socket, allowance, _VIEWER_BYTES)
            try:
                self._follow(text, viewer)
            except ValueError as error:
                mistakes += 1
                message = error_message(error)
                self._service.refuse(_address(socket), message["message"])
                viewer.offer("error", encode(message))
                if mistakes > self._service.limits.mistakes:
                    raise Refusal(CloseCode.BAD_MESSAGES, f"{mistakes} messages were invalid") from None

    def _follow(self, text: str, viewer: Viewer) -> None:
        """Do what a viewer wants.

        Raises:
            ValueError: If the message is invalid.
        """
        try:
            wish = json.loads(text)
        except (ValueError, RecursionError):
            wish = None
        if not isinstance(wish, dict) or wish.get("type") not in ("watch", "pause"):
            raise ValueError("expected {'type': 'watch' or 'pause', 'source': ...}")
        audience = self._service.audience
        channel = audience.channels.get(str(wish.get("source")))
        if channel is None:
            raise ValueError(f"source {str(wish.get('source'))[:40]!r} does not exist, or has gone")
        if wish["type"] == "watch":
            audience.watch(viewer, channel)
        elif not isinstance(wish.get("paused"), bool):
            raise ValueError("'paused' is missing, expected true or false")
        else:
            audience.pause(channel, wish["paused"])

    # Both -------------------------------------------------------------------------------------------------

    async def _converse(
        self, socket: WebSocket, kind: str, limit: int, talk: Callable[[WebSocket], Awaitable[None]]
    ) -> None:
        """Accept a connection, talk, and tell the client and the log why it ends."""
        service, address = self._service, _address(socket)
        await socket.accept()
        logger.info("%s: %s", address, kind)
        try:
            if not knows_token(self._token, socket.scope):
                raise Refusal(
                    CloseCode.WRONG_TOKEN, "the token is missing or wrong: add ?token=TOKEN to the address"
                )
            if service.connected[kind] >= limit:
                raise Refusal(CloseCode.TOO_MANY, f"too many {kind}s: the limit is {limit}")
            service.connected[kind] += 1
            try:
                await talk(socket)
            finally:
                service.connected[kind] -= 1
        except WebSocketDisconnect as end:
            if end.code in _ABUSES:
                service.refuse(address, _ABUSES[end.code])
            else:
                logger.info("%s: %s has left", address, kind)
        except Refusal as refusal:
            service.refuse(address, refusal)
            await _close(socket, refusal.code, str(refusal))
        except Exception:
            logger.exception("%s: %s: internal error", address, kind)
            await _close(socket, CloseCode.INTERNAL_ERROR, "internal error of the server: see its log")


async def _send_pending(socket: WebSocket, viewer: Viewer) -> None:
    while True:
        await socket.send_text(await viewer.next())


async def _receive(socket: WebSocket, allowance: Allowance, max_size: int) -> str:
    """Return the next message.

    Raises:
        WebSocketDisconnect: If the connection has ended.
        Refusal: If the message is not text, or too large, or comes too soon.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    text = message.get("text")
    if text is None:
        raise Refusal(CloseCode.UNSUPPORTED, "a binary message, expected text")
    if len(text) > max_size:
        raise Refusal(CloseCode.TOO_BIG, f"a message of {len(text)} characters, expected at most {max_size}")
    if not allowance.take():
        raise Refusal(CloseCode.TOO_FAST, f"more than {allowance.rate:g} messages per second")
    return str(text)


async def _close(socket: WebSocket, code: CloseCode, message: str) -> None:
    """Tell the client why and close, unless it has left or does not read."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(2):
            await socket.send_text(encode(error_message(message)))
            # A reason has room for 123 bytes.
            await socket.close(code, message.encode()[:120].decode(errors="ignore"))


async def _first_to_end(*parts: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run both directions of a conversation until one raises, and raise the same."""
    try:
        async with anyio.create_task_group() as group:
            for part in parts:
                group.start_soon(part)
    except BaseExceptionGroup as ends:
        raise ends.exceptions[0] from None


def _address(socket: WebSocket) -> str:
    return "unknown" if socket.client is None else f"{socket.client.host}:{socket.client.port}"


def _warm_up(stream: MotionStream) -> None:
    """Run everything once, as first runs are slow."""
    skeleton = stream.skeleton
    pose = np.random.default_rng(0).normal(size=(skeleton.num_joints, skeleton.num_features))
    for step in range(3):
        stream.update(pose + 0.01 * step)
    stream.reset()
