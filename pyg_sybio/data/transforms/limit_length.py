r"""Limit the number of frames of motions."""

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_count
from pyg_sybio.data.transforms.resample_length import ResampleLength


class LimitLength(MotionTransform):
    r"""Resample longer motions to a number of frames (:class:`~pyg_sybio.data.transforms.ResampleLength`).

    Other motions are unchanged and keep their tempo.

    Args:
        num_frames: Largest number of frames of the result.

    Raises:
        ValueError: If `num_frames` is not positive.
    """

    def __init__(self, *, num_frames: int) -> None:
        self.num_frames = check_count("num_frames", num_frames)

    def forward(self, motion: Motion) -> Motion:
        if motion.num_frames <= self.num_frames:
            return motion
        return ResampleLength(num_frames=self.num_frames)(motion)
