"""The path of a frame: from the source through the model, back to its producer and to the viewers."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pyg_sybio.serving.audience import Audience, Channel, Kind
from pyg_sybio.serving.limits import Limits
from pyg_sybio.serving.page_messages import PageFrames
from pyg_sybio.serving.places import Places
from pyg_sybio.serving.turns import Outputs, Turns
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.latency import RecentTimes
from pyg_sybio.streaming.messages import Frame, Reset, encode, result_message
from pyg_sybio.streaming.motion_stream import MotionStream
from pyg_sybio.streaming.updates import Update
from pyg_sybio.visualization.view import View

logger = logging.getLogger(__name__)

Send = Callable[[str], Awaitable[None]]
Complain = Callable[[ValueError], Awaitable[None]]


@dataclass
class Service:
    """State and settings that all connections share.

    Args:
        start_stream: Function that creates the stream of one connection, for poses with a given frame rate
            (None: the default). All streams share one model.
        hello: The first message for a producer.
        skeleton: The skeleton of the poses.
        limits: The limits of the server.
        token: Password for connections; None allows all connections.
        pool: Executor that runs the model outside of the event loop.
    """

    start_stream: Callable[[float | None], MotionStream]
    hello: dict[str, Any]
    skeleton: Skeleton
    limits: Limits
    token: str | None
    pool: Executor
    audience: Audience = field(default_factory=Audience)
    frames: int = 0
    dropped: int = 0
    refused: int = 0
    latency: RecentTimes = field(default_factory=RecentTimes)
    model_time: RecentTimes = field(default_factory=RecentTimes)
    numbers: count = field(default_factory=count)

    def __post_init__(self) -> None:
        self.turns = Turns(self.pool)
        limits = self.limits
        self.producers = Places("producer", limits.producers, limits.per_address)
        self.viewers = Places("viewer", limits.viewers, limits.per_address)

    def refuse(self, who: str, why: object) -> None:
        """Log and count a refusal."""
        logger.warning("%s: refused: %s", who, why)
        self.refused += 1


class Source:
    """The frames of one producer or recording, in order, and the outputs of the model.

    The model processes one frame of a source at a time. While it is busy, a few frames wait; a further frame
    replaces the oldest of them.

    Args:
        name: Displayed name of the source.
        kind: Whether the source is live or a recording.
        stream: Stream of the source.
        service: State shared with other sources.
        view: The view in which the poses are drawn. (default: estimated from the frames)
    """

    def __init__(
        self, name: str, kind: Kind, stream: MotionStream, service: Service, *, view: View | None = None
    ) -> None:
        self.name = name
        self.channel = Channel(str(next(service.numbers)), name, kind)
        self.taken = 0
        self.dropped = 0
        self._stream = stream
        self._service = service
        self._page = PageFrames(self.channel.id, service.skeleton, view)
        self._waiting: deque[tuple[Frame | Reset, float]] = deque()
        self._changed = asyncio.Event()
        if view is not None:
            self.channel.show("view", encode(self._page.view_message()))

    def put(self, item: Frame | Reset) -> None:
        """Queue a frame or a reset."""
        if isinstance(item, Reset) and self._waiting and self._waiting[-1][0] == item:
            return
        self._waiting.append((item, time.perf_counter()))
        frames = [entry for entry in self._waiting if isinstance(entry[0], Frame)]
        if len(frames) > self._service.limits.waiting:
            self._waiting.remove(frames[0])
            self.dropped += 1
            self._service.dropped += 1
        self._changed.set()

    async def run(self, send: Send | None = None, complain: Complain | None = None) -> None:
        """Process queued frames in order, forever.

        Args:
            send: Function that sends a result to the producer. (default: none)
            complain: Function that reports an invalid frame to the producer. (default: the error is raised)
        """
        # The model processes the next frame while a result is sent; results keep their order.
        delivery: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(0))
        try:
            while True:
                while not self._waiting:
                    self._changed.clear()
                    await self._changed.wait()
                item, arrived = self._waiting.popleft()
                if isinstance(item, Reset):
                    self._stream.reset(item.track)
                    continue
                update = Update(self._stream, item.poses, item.confidences, item.timestamp)
                try:
                    outputs = await self._service.turns.answer(update)
                except ValueError as error:
                    if complain is None:
                        raise
                    await delivery
                    await complain(error)
                    continue
                await delivery
                delivery = asyncio.create_task(self._deliver(item, outputs, arrived, send))
        finally:
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)

    async def _deliver(self, frame: Frame, outputs: Outputs, arrived: float, send: Send | None) -> None:
        """Send the outputs of the model to the producer and to the viewers."""
        if send is not None:
            await send(await asyncio.to_thread(self._result, outputs))
        latency = time.perf_counter() - arrived
        self.taken += 1
        self._service.frames += 1
        self._service.latency.add(latency)
        if outputs:  # one call of the model has the same latency for all persons
            self._service.model_time.add(next(iter(outputs.values())).latency)
        if self.channel.viewers:
            view = self._page.view
            text = await asyncio.to_thread(self._frame, frame, outputs, latency)
            if self._page.view is not view:
                self.channel.show("view", encode(self._page.view_message()))
            self.channel.show("frame", text)

    def _result(self, outputs: Outputs) -> str:
        return encode({**result_message(outputs), "dropped": self.dropped})

    def _frame(self, frame: Frame, outputs: Outputs, latency: float) -> str:
        facts = {"number": self.taken, "latency_ms": round(1e3 * latency, 3), "dropped": self.dropped}
        return encode(self._page.frame_message(frame.poses, outputs) | facts)
