r"""Updates of several streams at once."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyg_sybio.streaming.inference import Windows, answer
from pyg_sybio.streaming.motion_stream import MotionStream, StreamOutput
from pyg_sybio.streaming.poses import Confidence, Pose


@dataclass(frozen=True, eq=False)
class Update:
    r"""A stream and the arguments of :meth:`~pyg_sybio.streaming.motion_stream.MotionStream.update_many`.

    Args:
        stream: The stream.
        poses: Pose of each track.
        confidences: Confidence in each joint, for any of the tracks.
        timestamp: Time of the poses, in seconds. (default: `1 / fps` after the newest pose of all tracks)

    Shapes:
        - **poses:** `[M, D]` each
        - **confidences:** `[M]` each
    """

    stream: MotionStream
    poses: Mapping[int, Pose]
    confidences: Mapping[int, Confidence] = field(default_factory=dict)
    timestamp: float | None = None


def update_together(updates: Sequence[Update]) -> list[dict[int, StreamOutput] | Exception]:
    r"""Update several streams, with one call per model that they share.

    Each returned item is the result of :meth:`~pyg_sybio.streaming.motion_stream.MotionStream.update_many`,
    or the error that it would raise: an error in one stream does not affect other streams. The latency is the
    duration of the whole call.

    Args:
        updates: At most one update per stream.

    Raises:
        ValueError: If there are several updates of one stream.
    """
    start = time.perf_counter()
    streams = {id(update.stream): update.stream for update in updates}
    if len(streams) < len(updates):
        raise ValueError(f"'updates' has {len(updates)} of {len(streams)} streams, expected one per stream")
    with contextlib.ExitStack() as locks:
        for _, stream in sorted(streams.items()):  # all threads lock in the same order, to avoid deadlocks
            locks.enter_context(stream.lock)
        taken = [_take_in(update) for update in updates]
        answer(windows for batches in taken if not isinstance(batches, Exception) for windows in batches)
        latency = time.perf_counter() - start
        return [
            batches if isinstance(batches, Exception) else update.stream.outputs(batches, latency)
            for update, batches in zip(updates, taken, strict=True)
        ]


def _take_in(update: Update) -> list[Windows] | Exception:
    try:
        return update.stream.take_in(update.poses, update.confidences, update.timestamp)
    except Exception as error:
        return error
