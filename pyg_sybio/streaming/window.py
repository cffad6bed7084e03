r"""The recent poses of each track, in bounded memory, and the window of frames that a model observes."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.interpolate import interpolate
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.timeline import STEPS_PER_WINDOW, Segment, Timeline

KEPT_SEGMENTS = 16
"""Number of segments of a track's timeline to keep."""

# A time this close to a frame (in frames) counts as the time of the frame, because timestamps are rounded.
_SAME_FRAME = 1e-4
# Minimum number of poses to keep, even for a short window, so that their rate can be measured.
_MIN_POSES = 32


class Track:
    r"""The recent poses of one person, as they arrived.

    The memory is bounded for any rate of the poses: if they arrive faster than `max_rate`, intermediate poses
    are dropped, but never the newest one.

    Args:
        skeleton: The skeleton of the poses.
        num_frames: Length of the window in frames.
        frame_rate: Frame rate of the window, in Hz.
        max_rate: Maximum number of poses to keep per second, at least `frame_rate`.
        class_names: Names of the classes of the timeline.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        num_frames: int,
        frame_rate: float,
        max_rate: float,
        class_names: Sequence[str] = (),
    ) -> None:
        self.skeleton = skeleton
        self.num_frames = num_frames
        self.frame_rate = frame_rate
        self.class_names = class_names
        self._step = (1 - 1e-6) / max_rate
        # Room for the window, an earlier pose to interpolate from, and the newest pose, which may be
        # replaced.
        self._capacity = max(math.ceil((num_frames - 1) / frame_rate / self._step) + 3, _MIN_POSES)
        # Twice the capacity, so that rows are contiguous and move only once per `capacity` poses.
        rows = 2 * self._capacity
        self._times = np.zeros(rows)
        self._poses = np.zeros((rows, skeleton.num_joints, skeleton.num_features))
        self._present = np.zeros((rows, skeleton.num_joints), dtype=bool)
        self.clear()

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def times(self) -> np.ndarray:
        """Times of the stored poses, in seconds."""
        return self._times[self._start : self._stop]

    @property
    def newest(self) -> float:
        """Time of the newest pose, in seconds."""
        return float(self._times[self._stop - 1])

    def clear(self) -> None:
        """Forget all poses."""
        self._start = self._stop = 0
        self._timeline = Timeline(self.class_names, self.num_frames / self.frame_rate, keep=KEPT_SEGMENTS)
        self._recognised = -math.inf
        self.segments: tuple[Segment, ...] = ()

    def has_frames(self, count: int) -> bool:
        """Whether the window has at least this number of frames without padding."""
        return bool((self.times[-1] - self.times[0]) * self.frame_rate + _SAME_FRAME >= count - 1)

    def add_window(self, probabilities: np.ndarray) -> None:
        """Add the class probabilities `[C]` of the window to the timeline, unless it is padded.

        As in recordings, the starts of windows are an eighth of a window apart.
        """
        start = self.newest - (self.num_frames - 1) / self.frame_rate
        step = max(1, round(self.num_frames / STEPS_PER_WINDOW))
        since = (start - self._recognised) * self.frame_rate
        if self.has_frames(self.num_frames) and since + _SAME_FRAME >= step:
            self._timeline.add(start, self.newest + 1 / self.frame_rate, probabilities)
            self._recognised = start
            self.segments = tuple(self._timeline.segments)

    def append(self, time: float, pose: np.ndarray, present: np.ndarray) -> None:
        r"""Add a pose.

        Args:
            time: Time of the pose in seconds, later than the newest time.
            pose: The pose, zero for joints that are not present.
            present: The joints that were observed.

        Shapes:
            - **pose:** `[M, D]`
            - **present:** `[M]`
        """
        if len(self) >= 2 and self.times[-1] - self.times[-2] < self._step:
            self._stop -= 1  # too fast: the new pose replaces the newest one
        elif self._stop == len(self._times):
            kept = self._capacity - 1
            for rows in (self._times, self._poses, self._present):
                rows[:kept] = rows[self._stop - kept :]
            self._start, self._stop = 0, kept
        self._times[self._stop] = time
        self._poses[self._stop] = pose
        self._present[self._stop] = present
        self._stop += 1
        self._start = max(self._start, self._stop - self._capacity)

    def positions(self) -> np.ndarray:
        r"""Positions of the window's frames among the stored poses, `[T]`.

        The last position is the newest pose. The position of a frame between two poses is fractional. The
        window does not start before the oldest stored pose.
        """
        times = self.times
        span = (times[-1] - times[0]) * self.frame_rate + _SAME_FRAME
        num_frames = min(self.num_frames, int(span) + 1)
        frame_times = times[-1] - np.arange(num_frames)[::-1] / self.frame_rate
        positions = np.interp(frame_times, times, np.arange(len(times), dtype=float))
        nearest = np.rint(positions)
        return np.where(np.abs(positions - nearest) <= _SAME_FRAME, nearest, positions)

    def poses_at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Poses `[T, M, D]` at integer positions, and which of their joints were observed `[T, M]`."""
        rows = self._start + positions.astype(int)
        return self._poses[rows], self._present[rows]


def window_of(tracks: Sequence[Track], positions: Sequence[np.ndarray]) -> Motion:
    r"""Return the windows of several tracks as one motion, one person per track.

    Between two poses, the window is interpolated like a recording
    (:func:`~pyg_sybio.data.transforms.resample.at_times`): a joint is present if both poses have it.

    Args:
        tracks: At least one track; all have the same skeleton.
        positions: :meth:`Track.positions` of each track, all of the same length.
    """
    weight = np.stack(positions) % 1  # [P, T]
    poses, present = _stacked(tracks, [np.floor(each) for each in positions])
    if weight.any():
        after, present_after = _stacked(tracks, [np.ceil(each) for each in positions])
        present = present & present_after
        share = torch.from_numpy(weight)[:, :, None, None]
        poses = interpolate(poses, after, share, rotations=tracks[0].skeleton.coordinates == "expmap")
        poses = poses.masked_fill(~present[..., None], 0.0)
    return Motion(
        poses=poses,
        present=present,
        skeleton=tracks[0].skeleton,
        frame_rate=tracks[0].frame_rate,
        check_values=False,
    )


def _stacked(tracks: Sequence[Track], positions: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    pairs = [track.poses_at(each) for track, each in zip(tracks, positions, strict=True)]
    poses, present = zip(*pairs, strict=True)
    return torch.from_numpy(np.stack(poses)), torch.from_numpy(np.stack(present))
