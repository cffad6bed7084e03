r"""The last frames of one person, in bounded memory."""

import math

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.resample import at_times
from pyg_sybio.skeleton import Skeleton

# A moment this close to a frame (in frames) is that frame: clocks round, and so do seconds since 1970.
_SAME_FRAME = 1e-4
# So many poses are kept of a short window, too: their rate can be told.
_LEAST = 32


class Track:
    r"""The poses of one person as they came, and the last of them at the frame rate of a model.

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
        self._poses = torch.zeros(rows, skeleton.num_joints, skeleton.num_features, dtype=torch.float64)
        self._present = torch.zeros(rows, skeleton.num_joints, dtype=torch.bool)
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

    def append(self, time: float, pose: Tensor, present: Tensor) -> None:
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
            moved = slice(0, self._capacity - 1)
            self._times[moved] = self._times[keep]
            self._poses[moved] = self._poses[keep]
            self._present[moved] = self._present[keep]
            self._start, self._stop = 0, self._capacity - 1
        self._times[self._stop] = time
        self._poses[self._stop] = pose
        self._present[self._stop] = present
        self._stop += 1
        self._start = max(self._start, self._stop - self._capacity)

    def window(self) -> Motion:
        r"""The last frames at the window's frame rate, the last of which is the newest pose.

        Between two poses, it is interpolated as :func:`~pyg_sybio.data.transforms.resample.at_times` does it.
        A window reaches as far back as poses do.
        """
        times = self.times
        span = (times[-1] - times[0]) * self.frame_rate + _SAME_FRAME
        num_frames = min(self.num_frames, int(span) + 1)
        moments = times[-1] - np.arange(num_frames)[::-1] / self.frame_rate
        places = np.interp(moments, times, np.arange(len(times), dtype=float))
        nearest = np.rint(places)
        places = np.where(np.abs(places - nearest) <= _SAME_FRAME, nearest, places)
        if places[-1] - places[0] == num_frames - 1 and (places == nearest).all():
            rows = slice(self._stop - num_frames, self._stop)
            return self._motion(rows)
        first = int(places[0])
        held = self._motion(slice(self._start + first, self._stop))
        return at_times(held, torch.from_numpy(places - first))

    def _motion(self, rows: slice) -> Motion:
        # A copy: who gets a window may keep it.
        return Motion(
            poses=self._poses[rows].clone()[None],
            present=self._present[rows].clone()[None],
            skeleton=self.skeleton,
            frame_rate=self.frame_rate,
            check_values=False,
        )
