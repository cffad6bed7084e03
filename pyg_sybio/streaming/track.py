r"""The last frames of each person, in bounded memory, and at the frame rate of a model."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.interpolate import interpolate
from pyg_sybio.skeleton import Skeleton

# A moment this close to a frame (in frames) is that frame: clocks round, and so do seconds since 1970.
_SAME_FRAME = 1e-4
# So many poses are kept of a short window, too: their rate can be told.
_LEAST = 32


class Track:
    r"""The poses of one person as they came.

    Memory is bounded by the window, whatever the rate at which poses come: of poses that come faster than
    `max_rate`, those in between are dropped, but never the newest one.

    Args:
        skeleton: The joints of the poses.
        num_frames: Frames of the window.
        frame_rate: Of the window, Hz.
        max_rate: Poses a second that are kept at most, at least `frame_rate`.
    """

    def __init__(self, skeleton: Skeleton, *, num_frames: int, frame_rate: float, max_rate: float) -> None:
        self.skeleton = skeleton
        self.num_frames = num_frames
        self.frame_rate = frame_rate
        self._step = (1 - 1e-6) / max_rate
        # The window, one pose before it to interpolate from, and the newest one, which may stand in between.
        self._capacity = max(math.ceil((num_frames - 1) / frame_rate / self._step) + 3, _LEAST)
        # Twice as much, so that frames are moved once for as many new ones, and always lie in a row.
        rows = 2 * self._capacity
        self._times = np.zeros(rows)
        self._poses = np.zeros((rows, skeleton.num_joints, skeleton.num_features))
        self._present = np.zeros((rows, skeleton.num_joints), dtype=bool)
        self._start = self._stop = 0

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def newest(self) -> float:
        """Time of the newest pose, in seconds."""
        return float(self._times[self._stop - 1])

    @property
    def times(self) -> np.ndarray:
        """Times of the poses that are held, in seconds."""
        return self._times[self._start : self._stop]

    def clear(self) -> None:
        """Forget all poses."""
        self._start = self._stop = 0

    def append(self, time: float, pose: np.ndarray, present: np.ndarray) -> None:
        r"""Take in a pose.

        Args:
            time: In seconds, later than that of the newest one.
            pose: Zero where a joint is not present.
            present: Which joints were seen.

        Shapes:
            - **pose:** `[M, D]`
            - **present:** `[M]`
        """
        if len(self) >= 2 and self._times[self._stop - 1] - self._times[self._stop - 2] < self._step:
            self._stop -= 1  # of poses that come too fast, the newest takes the place of the one before
        elif self._stop == len(self._times):
            keep = slice(self._stop - self._capacity + 1, self._stop)
            for rows in (self._times, self._poses, self._present):
                rows[: self._capacity - 1] = rows[keep]
            self._start, self._stop = 0, self._capacity - 1
        self._times[self._stop] = time
        self._poses[self._stop] = pose
        self._present[self._stop] = present
        self._stop += 1
        self._start = max(self._start, self._stop - self._capacity)

    def places(self) -> np.ndarray:
        r"""Where the frames of the window are among the poses that are held, `[T]`.

        The last one is the newest pose. A frame between two poses has a place between theirs. A window
        reaches as far back as poses do.
        """
        times = self.times
        span = (times[-1] - times[0]) * self.frame_rate + _SAME_FRAME
        num_frames = min(self.num_frames, int(span) + 1)
        moments = times[-1] - np.arange(num_frames)[::-1] / self.frame_rate
        places = np.interp(moments, times, np.arange(len(times), dtype=float))
        nearest = np.rint(places)
        return np.where(np.abs(places - nearest) <= _SAME_FRAME, nearest, places)

    def poses_at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Poses `[T, M, D]`, and which joints of them were seen `[T, M]`, at whole places."""
        rows = self._start + places.astype(int)
        return self._poses[rows], self._present[rows]


def window_of(tracks: Sequence[Track], places: Sequence[np.ndarray]) -> Motion:
    r"""The windows of tracks as one motion, each track a person.

    Between two poses, it is interpolated as :func:`~pyg_sybio.data.transforms.resample.at_times` does it: a
    joint is present if it is in both.

    Args:
        tracks: One or more, of the same skeleton.
        places: What :meth:`Track.places` says of each; as many for all.
    """
    weight = np.stack(places) % 1  # [P, T]
    poses, present = _stacked(tracks, [np.floor(each) for each in places])
    if weight.any():
        after, present_after = _stacked(tracks, [np.ceil(each) for each in places])
        present = present & present_after
        share = torch.from_numpy(weight)[:, :, None, None]
        rotations = tracks[0].skeleton.coordinates == "expmap"
        poses = interpolate(poses, after, share, rotations=rotations)
        poses = poses.masked_fill(~present[..., None], 0.0)
    return Motion(
        poses=poses,
        present=present,
        skeleton=tracks[0].skeleton,
        frame_rate=tracks[0].frame_rate,
        check_values=False,
    )


def _stacked(tracks: Sequence[Track], places: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    poses, present = zip(
        *(track.poses_at(each) for track, each in zip(tracks, places, strict=True)), strict=True
    )
    return torch.from_numpy(np.stack(poses)), torch.from_numpy(np.stack(present))
