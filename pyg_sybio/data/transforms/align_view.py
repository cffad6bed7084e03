r"""Rotate motions to a common view."""

import torch
from torch import Tensor
from torch.nn import functional

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import LinearTransform, space_of

# Two vectors whose angle has a smaller sine give no direction.
_DEGENERATE = 1e-4


class AlignView(LinearTransform):
    r"""Rotate a motion so that its first person stands along z with the shoulders along x (NTU RGB+D).

    With `v` and `h` the vectors from the first to the second joint of `vertical` and `horizontal`, in one
    frame of the first person, the whole motion is rotated about the origin by

    .. math::
        R = \begin{pmatrix} e_x & e_y & e_z \end{pmatrix}^{\top}, \quad
        e_z = \frac{v}{\lVert v\rVert}, \quad
        e_x = \frac{h - (h^\top e_z)\,e_z}{\lVert h - (h^\top e_z)\,e_z \rVert}, \quad e_y = e_z \times e_x.

    The vectors come from the first frame in which the four joints are present, both vectors are longer than
    0, and the sine of their angle is at least 1e-4. Without such a frame, the motion is not rotated. Centre
    the motion first; otherwise it is rotated about the camera.

    Args:
        vertical: The two joints, from low to high. (default: the pelvis and the spine)
        horizontal: The two joints, from the body's right to its left. (default: the shoulders)

    Raises:
        ValueError: If the skeleton lacks one of the joints or is not three-dimensional.

    Shapes:
        - **parameters** of :meth:`apply`: `R`, `[3, 3]`

    Note:
        Spine and shoulders are not exactly at right angles. Here, the spine is exactly along z, and the
        shoulders are as close to x as a rotation about z allows. Other implementations rotate the shoulders
        onto x with a second, unconstrained rotation, which tilts the spine again by the same angle.
    """

    def __init__(
        self,
        *,
        vertical: tuple[str, str] = ("pelvis", "spine"),
        horizontal: tuple[str, str] = ("right_shoulder", "left_shoulder"),
    ) -> None:
        self.vertical = _check_pair("vertical", vertical)
        self.horizontal = _check_pair("horizontal", horizontal)

    def matrix(self, motion: Motion) -> Tensor:
        return self.matrices(motion.persons([0]))[0]

    def matrices(self, motion: Motion) -> Tensor:
        space = space_of(motion, self)
        if motion.num_spatial != 3:
            found = f"skeleton '{motion.skeleton.name}' has coordinates '{motion.skeleton.coordinates}'"
            raise ValueError(f"AlignView rotates in space, but {found}, expected 'xyz'")
        joints = [motion.skeleton.joint_index(name) for name in (*self.vertical, *self.horizontal)]
        low, high, right, left = space[:, :, joints].double().unbind(2)  # [P, T, 3] each
        up, across = high - low, left - right
        length = torch.linalg.vector_norm(up, dim=-1) * torch.linalg.vector_norm(across, dim=-1)
        area = torch.linalg.vector_norm(torch.linalg.cross(up, across), dim=-1)
        usable = motion.present[:, :, joints].all(2) & (length > 0) & (area >= _DEGENERATE * length)
        person, frame = torch.arange(len(usable), device=usable.device), usable.int().argmax(1)
        z = functional.normalize(up[person, frame], dim=-1)  # [P, 3]
        x = across[person, frame]
        x = functional.normalize(x - (x * z).sum(-1, keepdim=True) * z, dim=-1)
        turn = torch.stack([x, torch.linalg.cross(z, x), z], dim=1).to(space.dtype)
        standing = torch.eye(3, dtype=space.dtype, device=space.device)
        return turn.where(usable.any(1)[:, None, None], standing)


def _check_pair(name: str, value: tuple[str, str]) -> tuple[str, str]:
    if isinstance(value, str) or len(value) != 2 or value[0] == value[1]:
        raise ValueError(f"'{name}' is {value!r}, expected the names of two different joints")
    return value[0], value[1]
