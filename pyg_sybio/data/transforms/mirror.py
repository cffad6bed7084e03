r"""Swap left and right."""

from typing import Literal

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import InvertibleTransform, check_choice
from pyg_sybio.skeleton import Skeleton


class Mirror(InvertibleTransform):
    r"""Reflect a motion in the plane through the origin across an axis, and swap its left and right joints.

    With `S` the identity with -1 at the axis and :math:`\pi` the skeleton's mirror pairs,

    .. math::
        x'_{\pi(i)} = S\,x_i \;(\text{positions}), \qquad
        v'_{\pi(i)} = -S\,v_i \;(\text{rotations}),

    since a rotation :math:`R = \exp[v]_\times` becomes :math:`S R S`: its axis is reflected and its direction
    is reversed. The path of the root is reflected like positions. The transform is its own inverse.

    Args:
        axis: The axis from one side of the body to the other. (default: `"x"`)

    Raises:
        ValueError: If `axis` is not an axis, or not one of the skeleton's coordinates.

    Shapes:
        - **parameters** of :meth:`apply`: whether the motion was reflected, `[]`

    Note:
        The origin of the coordinates must be in the middle: shift image coordinates from 0 to 1 by -0.5
        first. Rotations must belong to a body whose rest pose is symmetric across the same axis. If a class
        names left or right, the label does not fit the mirror image.
    """

    def __init__(self, *, axis: Literal["x", "y", "z"] = "x") -> None:
        self.axis = check_choice("axis", axis, ("x", "y", "z"))

    def apply(self, motion: Motion) -> tuple[Motion, Tensor]:
        reflected = torch.tensor(True)
        return self.invert(motion, reflected), reflected

    def invert(self, motion: Motion, parameters: Tensor) -> Motion:
        if not parameters:
            return motion
        translation = motion.translation
        swap = list(motion.skeleton.mirror_permutation)
        return motion.replace(
            poses=mirrored_poses(motion.poses, motion.skeleton, self.axis),
            present=motion.present[:, :, swap],
            confidence=None if motion.confidence is None else motion.confidence[:, :, swap],
            translation=None if translation is None else translation * _signs(self.axis, 3).to(translation),
        )


def mirrored_poses(poses: Tensor, skeleton: Skeleton, axis: str) -> Tensor:
    r"""Poses `[..., M, D]` reflected across an axis, left and right joints swapped (see :class:`Mirror`).

    Raises:
        ValueError: If `axis` is not one of the skeleton's coordinates.
    """
    rotations = skeleton.coordinates == "expmap"
    if not rotations and axis not in skeleton.coordinates.partition("+")[0]:
        found = f"skeleton '{skeleton.name}' has coordinates '{skeleton.coordinates}'"
        raise ValueError(f"'axis' is '{axis}', but {found}")
    signs = _signs(axis, poses.size(-1)).to(poses)
    return poses[..., list(skeleton.mirror_permutation), :] * (-signs if rotations else signs)


def _signs(axis: str, size: int) -> Tensor:
    signs = torch.ones(size)
    signs["xyz".index(axis)] = -1
    return signs
