r"""Left and right swapped."""

from typing import Literal

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import InvertibleTransform, check_choice


class Mirror(InvertibleTransform):
    r"""Reflect a motion in the plane through the origin across an axis, and swap its left and right joints.

    With `S` the identity with -1 at the axis and :math:`\pi` the skeleton's mirror pairs,

    .. math::
        x'_{\pi(i)} = S\,x_i \;(\text{positions}), \qquad
        v'_{\pi(i)} = -S\,v_i \;(\text{rotations}),

    since a rotation :math:`R = \exp[v]_\times` becomes :math:`S R S`: its axis is reflected and its sense is
    turned about. The path of the root is reflected as positions are. It is its own inverse.

    Args:
        axis: The axis from one side of the body to the other. (default: `"x"`)

    Raises:
        ValueError: If `axis` is no axis, or not one of the skeleton's coordinates.

    Shapes:
        - **parameters** of :meth:`apply`: whether the motion was reflected, `[]`

    Note:
        Coordinates must have their origin in the middle: shift image coordinates from 0 to 1 by -0.5 first.
        Rotations must be those of a body whose rest pose is symmetric across the same axis. Where a class
        says left or right, the label no longer fits.
    """

    def __init__(self, *, axis: Literal["x", "y", "z"] = "x") -> None:
        self.axis = check_choice("axis", axis, ("x", "y", "z"))

    def apply(self, motion: Motion) -> tuple[Motion, Tensor]:
        return mirrored(motion, self.axis), torch.tensor(True)

    def invert(self, motion: Motion, parameters: Tensor) -> Motion:
        return mirrored(motion, self.axis) if parameters else motion


def mirrored(motion: Motion, axis: str) -> Motion:
    """The motion reflected across an axis, its left and right joints swapped (see :class:`Mirror`)."""
    number = "xyz".index(axis)
    if number >= (motion.num_spatial or 3):
        raise ValueError(
            f"'axis' is '{axis}', but skeleton '{motion.skeleton.name}' has coordinates "
            f"'{motion.skeleton.coordinates}'"
        )
    swap = list(motion.skeleton.mirror_permutation)
    signs = torch.ones(motion.poses.size(-1)).to(motion.poses)
    signs[number] = -1
    translation = motion.translation
    return motion.replace(
        poses=motion.poses[:, :, swap] * (signs if motion.num_spatial else -signs),
        present=motion.present[:, :, swap],
        confidence=None if motion.confidence is None else motion.confidence[:, :, swap],
        translation=None if translation is None else translation * signs.to(translation),
    )
