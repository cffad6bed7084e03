"""The way of a frame: from who sends it, through the model, back to the sender and to all who watch."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pyg_sybio.serving.hub import Hub
from pyg_sybio.serving.limits import BAD_MESSAGES, Limits, Refusal
from pyg_sybio.serving.page_messages import (
    decimals,
    page_frame,
    page_view,
    view_of_frames,
)
from pyg_sybio.serving.recent_times import RecentTimes
from pyg_sybio.serving.turns import Outputs, Turns
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.messages import Frame, Reset, encode, error_message, result_message
from pyg_sybio.streaming.motion_stream import MotionStream
from pyg_sybio.streaming.updates import Update
from pyg_sybio.visualization.view import View

logger = logging.getLogger(__name__)

Deliver = Callable[[str], Awaitable[None]]

# Live poses are looked at from where these many frames show best; a first view is there with the first frame.
_FRAMES_OF_VIEW = 30


@dataclass
class Service:
    """What all connections share.

    Args:
        start_stream: Makes the stream of one connection, for poses at so many frames a second (None: those of
            the model); all of them share the model.
        hello: What a producer is told first.
        skeleton: Of the poses.
        limits: What one connection may ask for.
        pool: Where the model runs, away from the event loop.
    """

    start_stream: Callable[[float | None], MotionStream]
    hello: dict[str, Any]
    skeleton: Skeleton
    limits: Limits
    pool: Executor
    hub: Hub = field(default_factory=Hub)
    frames: int = 0
    dropped: int = 0
    refused: int = 0
    producers: int = 0
    latency: RecentTimes = field(default_factory=RecentTimes)
    model_time: RecentTimes = field(default_factory=RecentTimes)
    numbers: count = field(default_factory=count)

    def __post_init__(self) -> None:
        self.turns = Turns(self.pool)

    @property
    def spatial(self) -> int:
        """How many features of a joint are coordinates in space; 0 for rotations."""
        return {"xyz": 3, "xy": 2, "xy+score": 2, "expmap": 0}[self.skeleton.coordinates]


class Source:
    """Frames of one producer, in order, with what the model says of them.

    The model takes one frame of a source at a time. Frames that come meanwhile wait, only so many; then the
    oldest is dropped, and counted.

    Args:
        name: For people.
        kind: `"live"` or `"recording"`.
        stream: Of this source alone.
        service: What it shares with the others.
        view: In which to draw it. (default: found from its frames)
    """

    def __init__(
        self, name: str, kind: str, stream: MotionStream, service: Service, *, view: View | None = None
    ) -> None:
        self.id = str(next(service.numbers))
        self.name = name
        self.kind = kind
        self.paused = False
        self.taken = 0
        self.dropped = 0
        self.mistakes = 0
        self._stream = stream
        self._service = service
        self._view = view
        self._for_view: list[Any] = []
        self._digits: int | None = None
        self._shown: str | None = None
        self._newest = 0.0
        self._waiting: deque[tuple[Frame | Reset, float]] = deque()
        self._news = asyncio.Event()
        self._viewers = 0
        self._wanted = asyncio.Event()

    # What the hub asks ------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Its entry in the list of sources."""
        return {"id": self.id, "name": self.name, "kind": self.kind, "paused": self.paused}

    def opening(self) -> dict[str, str]:
        """Messages for who turns to it, by their kinds: how to draw it, and what it showed last."""
        shown = {} if self._shown is None else {"frame": self._shown}
        return shown if self._view is None else {"view": encode(page_view(self.id, self._view)), **shown}

    def watched(self, count: int) -> None:
        """So many watch now."""
        self._viewers = count
        self._compare()

    def pause(self, paused: bool) -> bool:
        """Only a recording can stop."""
        changed = self.kind == "recording" and paused != self.paused
        if changed:
            self.paused = paused
            self._compare()
        return changed

    @property
    def wanted(self) -> bool:
        """Whether somebody watches, and has not stopped it."""
        return self._wanted.is_set()

    async def wait_until_wanted(self) -> None:
        """Wait for somebody to watch, or to go on."""
        await self._wanted.wait()

    def _compare(self) -> None:
        if self._viewers and not self.paused:
            self._wanted.set()
        else:
            self._wanted.clear()

    # Frames -----------------------------------------------------------------------------------------------

    def put(self, item: Frame | Reset) -> None:
        """Let a frame, or a wish to forget, wait for its turn."""
        if isinstance(item, Reset) and self._waiting and self._waiting[-1][0] == item:
            return
        self._waiting.append((item, time.perf_counter()))
        frames = [entry for entry in self._waiting if isinstance(entry[0], Frame)]
        if len(frames) > self._service.limits.waiting:
            self._waiting.remove(frames[0])
            self.dropped += 1
            self._service.dropped += 1
        self._news.set()

    async def run(self, deliver: Deliver | None = None) -> None:
        """Take what waits, one after the other, for ever.

        Args:
            deliver: Takes results and errors, as text.

        Raises:
            Refusal: If too many frames could not be taken.
        """
        # While a result is written, the model takes the next frame already; results keep their order.
        written: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(0))
        try:
            while True:
                item, arrived = await self._next()
                if isinstance(item, Reset):
                    self._stream.reset(item.track)
                    continue
                update = Update(self._stream, item.poses, item.confidences, item.timestamp)
                try:
                    outputs = await self._service.turns.answer(update)
                except ValueError as error:
                    await written
                    await self.complain(error, deliver)
                    continue
                await written
                written = asyncio.create_task(self._write(item, outputs, arrived, deliver))
        finally:
            written.cancel()
            await asyncio.gather(written, return_exceptions=True)

    async def _next(self) -> tuple[Frame | Reset, float]:
        """The next that waits, and when it came."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    async def _write(self, frame: Frame, outputs: Outputs, arrived: float, deliver: Deliver | None) -> None:
        """Send what the model said of a frame, and count it."""
        if deliver is not None:
            await deliver(await asyncio.to_thread(_result_text, outputs, self.dropped))
        latency = time.perf_counter() - arrived
        self.taken += 1
        self._service.frames += 1
        self._service.latency.add(latency)
        for output in outputs.values():
            self._service.model_time.add(output.latency)
            break  # the same for all persons: they are one call
        if self._viewers:
            await self._show(frame, outputs, latency)

    async def complain(self, error: ValueError, deliver: Deliver | None) -> None:
        """Answer what cannot be taken.

        Raises:
            Refusal: If there were too many of that kind.
        """
        message = one_line(error)
        logger.warning("%s: refused: %s", self.name, message)
        self._service.refused += 1
        self.mistakes += 1
        if deliver is not None:
            await deliver(encode(error_message(message)))
        if self.mistakes > self._service.limits.mistakes:
            raise Refusal(
                BAD_MESSAGES, f"{self.mistakes} messages could not be taken, expected {_FORMAT}; good bye"
            )

    # Viewers ----------------------------------------------------------------------------------------------

    async def _show(self, frame: Frame, outputs: Outputs, latency: float) -> None:
        view = self._view
        text = await asyncio.to_thread(self._draw, frame, outputs, latency)
        self._shown = text
        if self._view is not view:
            self._service.hub.show(self, "view", self.opening()["view"])
        self._service.hub.show(self, "frame", text)

    def _draw(self, frame: Frame, outputs: Outputs, latency: float) -> str:
        spatial = self._service.spatial
        poses = {track: frame.poses[track] for track in outputs}
        if self._digits is None and spatial:
            self._digits = decimals(poses, spatial)
        if spatial and (self._view is None or self._for_view):
            self._look_at(poses)
        for output in outputs.values():
            self._newest = output.timestamp
        message = page_frame(
            self.id,
            self._newest,
            poses,
            outputs,
            spatial=spatial,
            digits=4 if self._digits is None else self._digits,
        )
        message["number"] = self.taken
        message["latency_ms"] = round(1e3 * latency, 3)
        message["dropped"] = self.dropped
        return encode(message)

    def _look_at(self, poses: Any) -> None:
        """Find the view from the first frames: at once, and again when there are some more."""
        if poses:
            self._for_view.append(poses)
        if self._view is None or len(self._for_view) >= _FRAMES_OF_VIEW:
            self._view = view_of_frames(self._for_view, self._service.skeleton) or self._view
        if len(self._for_view) >= _FRAMES_OF_VIEW:
            self._for_view = []


def _result_text(outputs: Outputs, dropped: int) -> str:
    return encode({**result_message(outputs), "dropped": dropped})


_FORMAT = "messages as docs/serving.md describes them"


def one_line(error: BaseException | str) -> str:
    """What an error says, short and without line breaks, fit for a log."""
    text = " ".join(str(error).split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 300 else text[:297] + "..."
