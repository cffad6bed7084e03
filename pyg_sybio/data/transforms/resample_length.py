r"""Resample motions to a number of frames."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_count
from pyg_sybio.data.transforms.resample import at_times


class ResampleLength(MotionTransform):
    r"""Resample the whole motion to a number of frames, evenly spaced from the first frame to the last.

    Frame `k` of the result is the pose at frame :math:`k\,(T-1)/(T'-1)` of the motion, interpolated as by
    :class:`~pyg_sybio.data.transforms.Resample`; a result of one frame is the middle frame. The frame
    rate becomes :math:`f' = f\,(T'-1)/(T-1)`, so that the duration does not change.

    Args:
        num_frames: The new number of frames.

    Raises:
        ValueError: If `num_frames` is not positive.
    """

    def __init__(self, *, num_frames: int) -> None:
        self.num_frames = check_count("num_frames", num_frames)

    def forward(self, motion: Motion) -> Motion:
        last = motion.num_frames - 1
        if self.num_frames == 1 or last == 0:  # with a single frame, the frame rate does not change
            return motion.frames(torch.full((self.num_frames,), last // 2))
        stretch = (self.num_frames - 1) / last
        times = torch.arange(self.num_frames, dtype=torch.float64) / stretch
        resampled = at_times(motion, times)
        return resampled.replace(frame_rate=motion.frame_rate and motion.frame_rate * stretch)
