"""The routes of the server: the page, the health report, and the WebSockets of producers and viewers
(docs/serving.md)."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from pyg_sybio.data.motion import Motion
from pyg_sybio.files import parse_json
from pyg_sybio.serving.access import SiteCheck, knows_token
from pyg_sybio.serving.audience import Viewer
from pyg_sybio.serving.connection import Connection
from pyg_sybio.serving.limits import Limits
from pyg_sybio.serving.playback import Playback
from pyg_sybio.serving.source import Service, Source
from pyg_sybio.streaming.messages import Frame, encode, error_message, hello_message, parse_message
from pyg_sybio.streaming.motion_stream import MotionStream

logger = logging.getLogger(__name__)

_PAGE = Path(__file__).parent / "page.html"
# The page is a single file, which loads no other resources and sends nothing to other servers.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_VIEWER_RATE = 20.0  # messages per second
_VIEWER_BYTES = 4096
_REQUEST = "{'type': 'watch' or 'pause', 'source': ...}"


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
        start_stream: Function that creates the stream of one connection, for poses with a given frame rate
            (None: the default). All streams should share one model.
        limits: The limits of the server.
        token: Password for connections; None allows all connections.
        recordings: Motions to play, with their names.
        hosts: Names by which clients may address the server; None for any.
        origins: Other web sites whose pages may connect.
        name: Displayed name of the model.
        threads: Number of threads for the model. (default: half of the processors)

    Note:
        The model processes all waiting frames in one call (:class:`~pyg_sybio.serving.turns.Turns`). It
        leaves half of the processors to messages and to the programs that send poses: if one thread of the
        model had to wait for a busy processor, all of its threads would wait in every operation.
    """
    limits = limits or Limits()
    first = start_stream(None)
    service = Service(
        start_stream=start_stream,
        hello=hello_message(first),
        skeleton=first.skeleton,
        limits=limits,
        token=token,
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

    routes = _Routes(service, name)
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

    def __init__(self, service: Service, name: str) -> None:
        self._service = service
        self._page = _PAGE.read_text(encoding="utf-8")
        self._started = time.monotonic()
        described = {key: service.hello[key] for key in ("frame_rate", "num_observed", "num_future")}
        classes = len(service.hello["classes"])
        self._model = {"name": name, "skeleton": service.skeleton.name, "classes": classes, **described}

    async def page(self, request: Request) -> Response:
        """Return the page. It needs no token, but its WebSocket needs one."""
        return HTMLResponse(self._page, headers=_PAGE_HEADERS)

    async def health(self, request: Request) -> Response:
        """Return the state of the server."""
        if not knows_token(self._service.token, request.scope):
            return JSONResponse(error_message("the token is missing or wrong"), status_code=401)
        service = self._service
        return JSONResponse(
            {
                "status": "ok",
                "model": self._model,
                "seconds": round(time.monotonic() - self._started, 1),
                "producers": len(service.producers),
                "viewers": len(service.viewers),
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
        service, limits = self._service, self._service.limits
        size = limits.bytes_of_message(service.skeleton)
        connection = Connection(socket, service, rate=limits.rate, max_size=size, idle=limits.idle)
        await connection.converse(service.producers, self._produce)

    async def _produce(self, connection: Connection) -> None:
        service = self._service
        loop = asyncio.get_running_loop()
        stream = await loop.run_in_executor(service.pool, service.start_stream, None)
        source = Source(connection.name, "live", stream, service)
        await connection.send(encode(service.hello))
        service.audience.add(source.channel)
        try:
            await connection.exchange(
                partial(self._take, source), partial(source.run, connection.send, connection.complain)
            )
        finally:
            service.audience.remove(source.channel)
            logger.info("%s: %d frames, %d dropped", source.name, source.taken, source.dropped)

    def _take(self, source: Source, text: str) -> None:
        """Queue a frame or a reset.

        Raises:
            ValueError: If the message is invalid.
        """
        item = parse_message(text, self._service.skeleton)
        limit = self._service.limits.people
        if isinstance(item, Frame) and len(item.poses) > limit:
            raise ValueError(f"'people' has {len(item.poses)} entries, expected at most {limit}")
        source.put(item)

    # Viewers ----------------------------------------------------------------------------------------------

    async def view(self, socket: WebSocket) -> None:
        """Send the messages of the watched source, and handle the requests of the viewer."""
        connection = Connection(socket, self._service, rate=_VIEWER_RATE, max_size=_VIEWER_BYTES)
        await connection.converse(self._service.viewers, self._watch)

    async def _watch(self, connection: Connection) -> None:
        audience, viewer = self._service.audience, Viewer()
        viewer.offer("hello", encode(self._service.hello))
        audience.enter(viewer)
        try:
            await connection.exchange(partial(self._follow, viewer), partial(viewer.run, connection.send))
        finally:
            audience.leave(viewer)

    def _follow(self, viewer: Viewer, text: str) -> None:
        """Handle a request of a viewer.

        Raises:
            ValueError: If the message is invalid.
        """
        request = parse_json(text, "not JSON", expected=_REQUEST)
        if not isinstance(request, dict) or request.get("type") not in ("watch", "pause"):
            raise ValueError(f"expected {_REQUEST}")
        audience = self._service.audience
        if request == {"type": "watch", "source": None}:
            audience.watch(viewer, None)
            return
        channel = audience.channels.get(str(request.get("source")))
        if channel is None:
            raise ValueError(f"source {str(request.get('source'))[:40]!r} does not exist or has disconnected")
        if request["type"] == "watch":
            audience.watch(viewer, channel)
        elif not isinstance(request.get("paused"), bool):
            raise ValueError("'paused' is missing, expected true or false")
        else:
            audience.pause(channel, request["paused"])


def _warm_up(stream: MotionStream) -> None:
    """Run the model once, because first runs are slow, and let the process reuse freed memory."""
    _keep_memory()
    skeleton = stream.skeleton
    pose = np.random.default_rng(0).normal(size=(skeleton.num_joints, skeleton.num_features))
    for step in range(3):
        stream.update(pose + 0.01 * step)
    stream.reset()


def _keep_memory() -> None:
    """Let the C library reuse freed memory, instead of returning it to the system after every frame.

    glibc returns free memory to the system when it exceeds twice the largest block freed so far (only blocks
    of up to 32 MiB count). By default, a call of the model frees more. With ten people, each frame then took
    3200 page faults.
    """
    np.empty(31 * 2**20, dtype=np.uint8)  # freed at once, without being written
