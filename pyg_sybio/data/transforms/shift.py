r"""Shift the origin of the coordinates."""

from collections.abc import Sequence

from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import InvertibleTransform, shift_space, space_of


class Shift(InvertibleTransform):
    r"""Add a constant to the coordinates of every joint that is present.

    .. math::
        x' = x + o

    Image coordinates from 0 to 1 (Kinetics-Skeleton) are centred by `offset=[-0.5, -0.5]`; joints with score
    0, which are not present, stay zero. The inverse is the shift by `-offset`.

    Args:
        offset: The offset, one number per coordinate in space, in the unit of the coordinates.

    Raises:
        ValueError: If `offset` has another number of coordinates than the skeleton, or poses are rotations.

    Shapes:
        - **parameters** of :meth:`apply`: the offset, `[S]`
    """

    def __init__(self, *, offset: Sequence[float]) -> None:
        self.offset = tuple(map(float, offset))

    def apply(self, motion: Motion) -> tuple[Motion, Tensor]:
        if len(self.offset) != space_of(motion, self).size(-1):
            found = f"skeleton '{motion.skeleton.name}' has {motion.num_spatial} coordinates"
            raise ValueError(f"'offset' has {len(self.offset)} numbers, but {found}")
        offset = motion.poses.new_tensor(self.offset)
        return shift_space(motion, offset, self), offset

    def invert(self, motion: Motion, parameters: Tensor) -> Motion:
        return shift_space(motion, -parameters, self)
