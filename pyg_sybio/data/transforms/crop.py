r"""Part of a clip in time."""

from typing import Literal

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_choice, check_count


class Crop(MotionTransform):
    r"""At most so many frames in a row; a shorter clip stays as it is.

    Args:
        num_frames: How many frames to keep at most.
        position: Which ones: from the `"start"`, from the `"center"` (of the frames that are too many, one
            more goes at the end if their number is odd) or up to the `"end"`. (default: `"start"`)

    Raises:
        ValueError: If `num_frames` is not positive or `position` is another word.
    """

    def __init__(self, *, num_frames: int, position: Literal["start", "center", "end"] = "start") -> None:
        self.num_frames = check_count("num_frames", num_frames)
        self.position = check_choice("position", position, ("start", "center", "end"))

    def forward(self, motion: Motion) -> Motion:
        excess = max(motion.num_frames - self.num_frames, 0)
        first = {"start": 0, "center": excess // 2, "end": excess}[self.position]
        return motion.frames(slice(first, first + self.num_frames))
