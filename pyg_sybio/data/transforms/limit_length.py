r"""Motions of at most a given number of frames."""

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_count
from pyg_sybio.data.transforms.resample_length import ResampleLength


class LimitLength(MotionTransform):
    r"""A longer motion in so many frames, as by :class:`~pyg_sybio.data.transforms.ResampleLength`.

    One of no more frames stays as it is and keeps its tempo.

    Args:
        num_frames: The most frames of the result.

    Raises:
        ValueError: If `num_frames` is not positive.
    """

    def __init__(self, *, num_frames: int) -> None:
        self.num_frames = check_count("num_frames", num_frames)

    def forward(self, motion: Motion) -> Motion:
        if motion.num_frames <= self.num_frames:
            return motion
        return ResampleLength(num_frames=self.num_frames)(motion)
