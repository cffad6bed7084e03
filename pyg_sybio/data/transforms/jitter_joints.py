r"""Add noise to the joints."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range


class JitterJoints(MotionTransform):
    r"""Add Gaussian noise to every joint that is present, independently in every frame and coordinate.

    .. math::
        x' = x + \sigma\,\varepsilon, \qquad \varepsilon \sim \mathcal N(0, I)

    Scores get no noise. For rotations, the noise is added to the exponential map.

    Args:
        std: The standard deviation :math:`\sigma`, in the unit of the coordinates (radians for rotations).

    Raises:
        ValueError: If `std` is negative.
    """

    def __init__(self, *, std: float) -> None:
        self.std = check_range("std", std, 0, 1e6)

    def forward(self, motion: Motion) -> Motion:
        noise = self.std * torch.randn_like(motion.poses)
        noise = noise.masked_fill(~motion.present[..., None], 0)
        if motion.num_spatial:
            noise[..., motion.num_spatial :] = 0
        return motion.replace(poses=motion.poses + noise)
