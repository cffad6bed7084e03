r"""Streaming from recordings or JSON lines to results as JSON lines."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import torch

from pyg_sybio.data.datasets.motion_folder import SAME_RATE
from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming import messages
from pyg_sybio.streaming.latency import RecentTimes
from pyg_sybio.streaming.messages import Frame, Reset, encode
from pyg_sybio.streaming.motion_stream import MotionStream

MAX_LINE = 2**20
"""Maximum length of a line in bytes."""


@dataclass(frozen=True)
class Item:
    """A frame, a reset, or an error, with the number of its line or frame, counted from 1."""

    number: int
    content: Frame | Reset | ValueError


def items_of_motions(
    motions: Iterable[Motion], *, fps: float, same_rate: bool = False, with_confidence: bool = False
) -> Iterator[Item]:
    r"""Yield the frames of recordings, one recording after the other.

    A frame does not contain persons without an observed joint.

    Args:
        motions: The recordings; the persons of each recording become the tracks 0, 1, ...
        fps: Frame rate of recordings that do not contain one.
        same_rate: Use `fps` for every recording, overriding the file's own rate.
        with_confidence: Include the confidence in joints, if it was recorded.
    """
    number, begin = 0, 0.0
    for index, motion in enumerate(motions):
        if index:
            yield Item(number, Reset())
        rate = fps if same_rate or motion.frame_rate is None else motion.frame_rate
        if abs(rate - fps) <= SAME_RATE * fps:
            rate = fps
        poses = motion.poses.double().masked_fill(~motion.present[..., None], torch.nan).numpy()
        trust = (
            motion.confidence.double().numpy() if with_confidence and motion.confidence is not None else None
        )
        for frame, seen in enumerate(motion.seen.T.numpy()):
            number += 1
            people = seen.nonzero()[0].tolist()
            content = Frame(
                poses=dict(zip(people, poses[people, frame], strict=True)),
                confidences={} if trust is None else dict(zip(people, trust[people, frame], strict=True)),
                timestamp=begin + frame / rate,
            )
            yield Item(number, content)
        begin += motion.num_frames / rate


def items_of_lines(lines: BinaryIO, skeleton: Skeleton) -> Iterator[Item]:
    r"""Yield the messages of a text, one per line; empty lines are skipped.

    Args:
        lines: The text, in UTF-8.
        skeleton: The skeleton of the poses.
    """
    number = 0
    while line := lines.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = lines.readline(MAX_LINE)
            yield Item(number, ValueError(f"the line is too long, expected at most {MAX_LINE} bytes"))
        elif line.strip():
            try:
                yield Item(number, messages.parse_message(line, skeleton))
            except ValueError as error:
                yield Item(number, error)


@dataclass
class Summary:
    """Statistics of a stream.

    Args:
        what: Displayed name of an item, ``"line"`` or ``"frame"``.
        frames: Number of frames.
        dropped: Number of frames that were dropped because they were too late.
        refused: Number of invalid lines or frames.
        first_error: Error of the first invalid line or frame.
        latencies: Durations of the updates.
        seconds: Time from the start to the end.
    """

    what: str = "line"
    frames: int = 0
    dropped: int = 0
    refused: int = 0
    first_error: str = ""
    latencies: RecentTimes = field(default_factory=lambda: RecentTimes(100_000))
    seconds: float = 0.0

    def text(self) -> str:
        """Format the statistics in one line."""
        counts = f"{self.frames} frames, {self.dropped} dropped, {self.refused} refused"
        percentiles = self.latencies.percentiles()
        if percentiles is None:
            return counts
        rate = f", {self.frames / self.seconds:.1f} per second" if self.seconds else ""
        return f"{counts}{rate}; latency " + ", ".join(f"{p} {ms:.1f} ms" for p, ms in percentiles.items())


@dataclass
class Pace:
    r"""Timer that waits until frames are due, in real time or faster.

    The interval between two frames is the difference of their timestamps, divided by the speed.

    Args:
        speed: Multiple of real time.
        max_delay: Maximum delay of a frame in seconds; later frames are dropped.
        max_pause: Maximum interval to wait for, in seconds of timestamps.
        clock: Function that returns the time in seconds.
        sleep: Function that waits for a number of seconds.
    """

    speed: float
    max_delay: float
    max_pause: float
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    _last: tuple[float, float] | None = None  # timestamp of the last frame, and its due time on the clock

    def wait(self, timestamp: float) -> bool:
        """Wait until a frame is due. Return False if it is too late."""
        now = due = self.clock()
        if self._last is not None:
            step = min(max(timestamp - self._last[0], 0.0), self.max_pause)
            due = self._last[1] + step / self.speed
        self._last = timestamp, due
        if now < due:
            self.sleep(due - now)
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
    r"""Process all input: write a greeting, then a result or an error for each frame.

    A frame without a timestamp is `1 / fps` later than the previous one. Invalid input causes an error
    message, and the stream continues.

    Args:
        stream: The stream.
        items: Frames, resets, and errors.
        write: Function that writes one line.
        summary: The statistics, which are updated for every item.
        pace: Timing of the frames. (default: process each frame immediately, and drop none)
    """
    write(encode(messages.hello_message(stream)))
    start, now = time.perf_counter(), -1 / stream.fps
    for item in items:
        try:
            if isinstance(item.content, ValueError):
                raise item.content
            if isinstance(item.content, Reset):
                stream.reset(item.content.track)
                continue
            summary.frames += 1
            frame = item.content
            timestamp = now + 1 / stream.fps if frame.timestamp is None else frame.timestamp
            if pace is not None and not pace.wait(timestamp):
                summary.dropped += 1
                now = max(now, timestamp)
                continue
            began = time.perf_counter()
            outputs = stream.update_many(frame.poses, frame.confidences, timestamp)
            summary.latencies.add(time.perf_counter() - began)
            now = timestamp
            message = messages.result_message(outputs) | {"timestamp": timestamp}
        except ValueError as error:
            summary.refused += 1
            message = messages.error_message(f"{summary.what} {item.number}: {error}")
            summary.first_error = summary.first_error or message["message"]
        finally:
            summary.seconds = time.perf_counter() - start
        write(encode(message))
