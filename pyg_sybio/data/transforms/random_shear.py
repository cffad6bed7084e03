r"""Shear motions at random."""

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import LinearTransform, check_range


class RandomShear(LinearTransform):
    r"""Shear a motion at random, the same for all persons and frames.

    .. math::
        x' = (I + S)\, x, \qquad s_{ii} = 0, \quad s_{ij} \sim U(-\text{amount}, \text{amount})

    Args:
        amount: Largest shear, from 0 to 0.5, up to which the map always has an inverse. (default: 0.5, a
            common choice)

    Raises:
        ValueError: If `amount` is not from 0 to 0.5, or poses are rotations.
    """

    def __init__(self, *, amount: float = 0.5) -> None:
        self.amount = check_range("amount", amount, 0, 0.5)

    def matrix(self, motion: Motion) -> Tensor:
        size = motion.num_spatial
        slant = self.amount * (2 * torch.rand(size, size, dtype=motion.poses.dtype) - 1)
        return slant.fill_diagonal_(1).to(motion.poses.device)
