r"""Crop motions in time."""

from typing import Literal

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_choice, check_count


class Crop(MotionTransform):
    r"""Keep at most a number of consecutive frames; shorter motions are unchanged.

    Args:
        num_frames: Largest number of frames to keep.
        position: The frames at the `"start"`, in the `"center"` (if an odd number of frames is dropped, one
            more at the end) or at the `"end"`. (default: `"start"`)

    Raises:
        ValueError: If `num_frames` is not positive or `position` has another value.
    """

    def __init__(self, *, num_frames: int, position: Literal["start", "center", "end"] = "start") -> None:
        self.num_frames = check_count("num_frames", num_frames)
        self.position = check_choice("position", position, ("start", "center", "end"))

    def forward(self, motion: Motion) -> Motion:
        excess = max(motion.num_frames - self.num_frames, 0)
        first = {"start": 0, "center": excess // 2, "end": excess}[self.position]
        return motion.frames(slice(first, first + self.num_frames))
