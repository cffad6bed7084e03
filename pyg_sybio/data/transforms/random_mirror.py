r"""Swap left and right at random."""

from typing import Literal

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import check_range
from pyg_sybio.data.transforms.mirror import Mirror


class RandomMirror(Mirror):
    r"""Reflect a motion with probability `p`, as :class:`~pyg_sybio.data.transforms.Mirror` does.

    Args:
        p: Probability of a reflection, from 0 to 1. (default: 0.5)
        axis: The axis from one side of the body to the other. (default: `"x"`)

    Raises:
        ValueError: If `p` is not from 0 to 1, `axis` is not an axis, or not one of the skeleton's
            coordinates.

    Shapes:
        - **parameters** of :meth:`apply`: whether the motion was reflected, `[]`
    """

    def __init__(self, *, p: float = 0.5, axis: Literal["x", "y", "z"] = "x") -> None:
        super().__init__(axis=axis)
        self.p = check_range("p", p, 0, 1)

    def apply(self, motion: Motion) -> tuple[Motion, Tensor]:
        reflect = torch.rand(()) < self.p
        return self.invert(motion, reflect), reflect
