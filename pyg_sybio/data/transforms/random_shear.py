r"""Slanted motions."""

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import LinearTransform, check_range


class RandomShear(LinearTransform):
    r"""Slant a clip at random, all persons and frames alike.

    .. math::
        x' = (I + S)\, x, \qquad s_{ii} = 0, \quad s_{ij} \sim U(-\text{amount}, \text{amount})

    Args:
        amount: Largest slant, from 0 to 0.5: up to there the map has an inverse whatever is drawn.
            (default: 0.5, the field's)

    Raises:
        ValueError: If `amount` is not from 0 to 0.5, or poses are rotations.
    """

    def __init__(self, *, amount: float = 0.5) -> None:
        self.amount = check_range("amount", amount, 0, 0.5)

    def matrix(self, motion: Motion) -> Tensor:
        size = motion.num_spatial
        slant = self.amount * (2 * torch.rand(size, size, dtype=motion.poses.dtype) - 1)
        return slant.fill_diagonal_(1).to(motion.poses.device)
