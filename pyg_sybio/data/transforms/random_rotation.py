r"""Rotate motions at random."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import LinearTransform, check_range
from pyg_sybio.rotations import euler_to_matrix


class RandomRotation(LinearTransform):
    r"""Rotate a motion about the origin by random angles, the same for all persons and frames.

    .. math::
        x' = R_x(\alpha)\, R_y(\beta)\, R_z(\gamma)\, x, \qquad \alpha, \beta, \gamma \sim U(-m, m)

    with one `m` per axis. `max_degrees=[0, 180, 0]` rotates by any angle about a vertical y. In the plane,
    only the rotation about z remains.

    Args:
        max_degrees: Largest angle about each axis, in degrees, from 0 to 180: one for all axes, or three.
            (default: 15)

    Raises:
        ValueError: If `max_degrees` is neither one nor three angles from 0 to 180, or poses are rotations.

    Note:
        Centre the motion first: a rotation about the origin of a camera moves the body through the room.
    """

    def __init__(self, *, max_degrees: float | Sequence[float] = 15.0) -> None:
        angles = tuple(max_degrees) if isinstance(max_degrees, Sequence) else (max_degrees,) * 3
        if len(angles) != 3:
            raise ValueError(f"'max_degrees' is {max_degrees!r}, expected one angle or three")
        self.max_degrees = tuple(check_range("max_degrees", angle, 0, 180) for angle in angles)

    def matrix(self, motion: Motion) -> Tensor:
        limits = torch.tensor(self.max_degrees, dtype=torch.float64).deg2rad()
        angles = limits * (2 * torch.rand(3, dtype=torch.float64) - 1)
        if motion.num_spatial == 2:
            angles[:2] = 0
        return euler_to_matrix(angles)[: motion.num_spatial, : motion.num_spatial].to(motion.poses)
