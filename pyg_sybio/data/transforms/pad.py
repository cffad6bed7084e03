r"""Pad motions in time."""

from typing import Literal

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import InvertibleTransform, check_choice, check_count, hide


class Pad(InvertibleTransform):
    r"""Add frames to motions that are too short; longer ones are unchanged.

    A motion of `T` frames is extended at the end: frame :math:`t \ge T` is a copy of frame

    .. math::
        t \bmod T \;(\text{repeat}), \qquad T - 1 \;(\text{hold}),

    or a frame in which nobody is present (zero). With `side="start"`, the repeated sequences end directly
    before the first recorded frame, or the first frame is held.

    Args:
        num_frames: Smallest number of frames of the result.
        mode: `"repeat"`, `"hold"` or `"zero"`. (default: `"repeat"`)
        side: Where frames are added, at the `"end"` or the `"start"`. (default: `"end"`)

    Raises:
        ValueError: If `num_frames` is not positive, or `mode` or `side` has another value.

    Shapes:
        - **parameters** of :meth:`apply`: index of the first recorded frame, and number of recorded frames,
          `[2]`
    """

    def __init__(
        self,
        *,
        num_frames: int,
        mode: Literal["repeat", "hold", "zero"] = "repeat",
        side: Literal["end", "start"] = "end",
    ) -> None:
        self.num_frames = check_count("num_frames", num_frames)
        self.mode = check_choice("mode", mode, ("repeat", "hold", "zero"))
        self.side = check_choice("side", side, ("end", "start"))

    def apply(self, motion: Motion) -> tuple[Motion, Tensor]:
        length = motion.num_frames
        missing = max(self.num_frames - length, 0)
        first = missing if self.side == "start" else 0
        parameters = torch.tensor([first, length])
        if not missing:
            return motion, parameters
        time = torch.arange(self.num_frames, device=motion.poses.device) - first
        padded = motion.frames(time % length if self.mode == "repeat" else time.clamp(0, length - 1))
        if self.mode == "zero":
            padded = hide(padded, ((time < 0) | (time >= length))[:, None])
        return padded, parameters

    def invert(self, motion: Motion, parameters: Tensor) -> Motion:
        first, length = parameters.tolist()
        return motion.frames(slice(first, first + length))
