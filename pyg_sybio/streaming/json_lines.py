r"""A stream from end to end: frames of a recording or of JSON lines, answered as JSON lines."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np
import torch

from pyg_sybio.data.datasets.motion_folder import SAME_RATE
from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.messages import (
    Frame,
    Reset,
    encode,
    error_message,
    hello_message,
    parse_message,
    result_message,
)
from pyg_sybio.streaming.motion_stream import MotionStream

MAX_LINE = 2**20
"""A line of more bytes is refused."""

# Latencies of so many frames are kept for the summary, however long a stream runs.
_LATENCIES = 100_000


@dataclass(frozen=True)
class Item:
    """What came: the number of its line or frame, from 1, and a frame, a reset, or what is wrong with it."""

    number: int
    content: Frame | Reset | ValueError


def items_of_motions(
    motions: Iterable[Motion], *, fps: float, same_rate: bool = False, with_confidence: bool = False
) -> Iterator[Item]:
    r"""The frames of recordings, one recording after the other.

    A person of whom no joint was seen is left out of a frame.

    Args:
        motions: The recordings; persons of each have tracks from 0 on.
        fps: Frames a second of one that does not say it.
        same_rate: Whether they are those of all, whatever they say.
        with_confidence: Whether the frames tell the confidence of joints, where it was recorded.
    """
    number, begin = 0, 0.0
    for index, motion in enumerate(motions):
        if index:
            yield Item(number, Reset())
        said = None if same_rate else motion.frame_rate
        rate = fps if said is None or abs(said - fps) <= SAME_RATE * fps else said
        poses = motion.poses.double().masked_fill(~motion.present[..., None], torch.nan).numpy()
        seen = motion.seen.numpy()
        trust = motion.confidence if with_confidence else None
        for frame in range(motion.num_frames):
            number += 1
            people = seen[:, frame].nonzero()[0].tolist()
            yield Item(
                number,
                Frame(
                    poses={person: poses[person, frame] for person in people},
                    confidences={}
                    if trust is None
                    else {person: trust[person, frame].double().numpy() for person in people},
                    timestamp=begin + frame / rate,
                ),
            )
        begin += motion.num_frames / rate


def items_of_lines(lines: BinaryIO, skeleton: Skeleton) -> Iterator[Item]:
    r"""The messages of a text, one a line; empty lines do not count.

    Args:
        lines: Bytes in UTF-8.
        skeleton: The joints of the poses.
    """
    number = 0
    while line := lines.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = lines.readline(MAX_LINE)
            yield Item(number, ValueError(f"it has more than {MAX_LINE} bytes, expected a shorter line"))
        elif line.strip():
            try:
                yield Item(number, parse_message(line, skeleton))
            except ValueError as error:
                yield Item(number, error)


@dataclass
class Summary:
    """How a stream went.

    Args:
        what: What the items are, for people.
        frames: Frames that came.
        dropped: Those that were not answered, as they came too late.
        refused: Lines or frames that could not be used.
        first_error: What was wrong with the first of them.
        latencies: How long each answer took, in seconds.
        seconds: How long it took from the first item to the end.
    """

    what: str = "line"
    frames: int = 0
    dropped: int = 0
    refused: int = 0
    first_error: str = ""
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES))
    seconds: float = 0.0

    def text(self) -> str:
        """One line for people."""
        counts = f"{self.frames} frames, {self.dropped} dropped, {self.refused} refused"
        if not self.latencies:
            return counts
        p50, p95, p99 = 1e3 * np.quantile(np.array(self.latencies), [0.5, 0.95, 0.99])
        rate = f", {self.frames / self.seconds:.1f} a second" if self.seconds else ""
        return f"{counts}{rate}; latency p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms"


class Pace:
    r"""When frames are due, at real speed or a multiple of it.

    A frame is due as long after the one before it as its timestamp says, divided by the speed.

    Args:
        speed: How much faster than real.
        max_delay: A frame that is late by more seconds is to be dropped.
        max_pause: No frame is waited for longer (in seconds of timestamps).
        clock: Tells the time in seconds.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        speed: float,
        *,
        max_delay: float,
        max_pause: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.speed = speed
        self.max_delay = max_delay
        self.max_pause = max_pause
        self._clock, self._sleep = clock, sleep
        self._last: tuple[float, float] | None = None  # timestamp, when it was due

    def wait(self, timestamp: float) -> bool:
        """Wait until a frame is due; False if it comes too late to be answered."""
        now = self._clock()
        if self._last is None:
            due = now
        else:
            step = min(max(timestamp - self._last[0], 0.0), self.max_pause)
            due = self._last[1] + step / self.speed
        self._last = timestamp, due
        if now < due:
            self._sleep(due - now)
            return True
        return now - due <= self.max_delay


def answer_all(
    stream: MotionStream,
    items: Iterable[Item],
    write: Callable[[str], None],
    summary: Summary,
    *,
    pace: Pace | None = None,
) -> None:
    r"""Answer what comes, until it ends: a greeting, and then a result or an error for each frame.

    A frame without a timestamp is `1 / fps` later than the one before it. What cannot be used is answered
    with an error, and the stream goes on.

    Args:
        stream: Of which all tracks are used.
        items: Frames, resets, and what is wrong.
        write: Takes the lines of the answers.
        summary: Is filled in while it goes.
        pace: When frames are due. (default: as they come, and none is dropped)
    """
    write(encode(hello_message(stream)))
    start, now = time.perf_counter(), -1 / stream.fps
    for item in items:
        try:
            if isinstance(item.content, ValueError):
                raise item.content
            if isinstance(item.content, Reset):
                stream.reset(item.content.track)
                continue
            summary.frames += 1
            said = item.content.timestamp
            frame = replace(item.content, timestamp=now + 1 / stream.fps if said is None else said)
            assert frame.timestamp is not None
            if pace is not None and not pace.wait(frame.timestamp):
                summary.dropped += 1
                now = max(now, frame.timestamp)
                continue
            began = time.perf_counter()
            outputs = stream.update_many(frame.poses, frame.confidences, frame.timestamp)
            summary.latencies.append(time.perf_counter() - began)
            now = frame.timestamp
            message = {**result_message(outputs), "timestamp": frame.timestamp}
        except ValueError as error:
            summary.refused += 1
            message = error_message(f"{summary.what} {item.number}: {error}")
            summary.first_error = summary.first_error or message["message"]
        finally:
            summary.seconds = time.perf_counter() - start
        write(encode(message))
