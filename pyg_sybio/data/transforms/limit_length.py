r"""Limit the number of frames of motions."""

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.resample_length import ResampleLength


class LimitLength(ResampleLength):
    r"""Resample longer motions to a number of frames (:class:`~pyg_sybio.data.transforms.ResampleLength`).

    Motions that are not longer are unchanged and keep their tempo.

    Args:
        num_frames: Largest number of frames of the result.

    Raises:
        ValueError: If `num_frames` is not positive.
    """

    def forward(self, motion: Motion) -> Motion:
        return motion if motion.num_frames <= self.num_frames else super().forward(motion)
