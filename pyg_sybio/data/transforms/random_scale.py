r"""Scale motions at random."""

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import LinearTransform, check_range


class RandomScale(LinearTransform):
    r"""Scale a motion about the origin by a random factor, the same for all persons and frames.

    .. math::
        x' = \operatorname{diag}(s)\, x, \qquad s \sim U(\text{low}, \text{high})

    Args:
        low: Smallest factor, above 0. (default: 0.9)
        high: Largest factor. (default: 1.1)
        each_axis: Whether each axis has its own factor, which changes proportions. (default: False)

    Raises:
        ValueError: If a factor is not positive, `low` is above `high`, or poses are rotations.
    """

    def __init__(self, *, low: float = 0.9, high: float = 1.1, each_axis: bool = False) -> None:
        self.high = check_range("high", high, 1e-6, 1e6)
        self.low = check_range("low", low, 1e-6, self.high)
        self.each_axis = each_axis

    def matrix(self, motion: Motion) -> Tensor:
        uniform = torch.rand(motion.num_spatial if self.each_axis else 1, dtype=motion.poses.dtype)
        factors = self.low + (self.high - self.low) * uniform
        return factors.expand(motion.num_spatial).diag().to(motion.poses.device)
