r"""Rotations as exponential maps, matrices, quaternions and Euler angles, and forward kinematics.

All functions are differentiable and accept any leading dimensions, in single or double precision. Matrices
act on column vectors (`R @ v`), angles are in radians, and quaternions are `(w, x, y, z)`. Euler angles are
intrinsic, so each rotation is about an axis of the rotated frame. For example, `order="XYZ"` means `R =
R_x(a) R_y(b) R_z(c)`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

# If the squared angle is below this threshold, quotients such as sin(a) / a are computed from their Taylor
# series. Their first neglected term is then below the rounding error of double precision.
_SMALL_SQUARE = 1e-6


def expmap_to_matrix(expmap: Tensor) -> Tensor:
    r"""Rotation matrix of an exponential map (Rodrigues' formula).

    .. math::
        R = I + \frac{\sin\theta}{\theta}\,[v]_\times + \frac{1-\cos\theta}{\theta^2}\,[v]_\times^2,
        \qquad \theta = \lVert v \rVert

    Both quotients are computed as functions of :math:`\theta^2`, because :math:`\theta` is not differentiable
    at zero. The gradient at zero rotation is therefore finite and correct.

    Args:
        expmap: Rotation axis times angle, in radians.

    Shapes:
        - **input:** `[..., 3]`
        - **output:** `[..., 3, 3]`

    Raises:
        ValueError: If the last dimension is not 3.
    """
    _check_shape("expmap", expmap, (3,))
    square, small, angle = _length(expmap)
    half = (angle / 2).sin() / (angle / 2)
    first = torch.where(small, 1 - square / 6 + square.square() / 120, angle.sin() / angle)
    second = torch.where(small, 0.5 - square / 24 + square.square() / 720, half.square() / 2)

    x, y, z = expmap.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    identity = torch.eye(3, dtype=expmap.dtype, device=expmap.device)
    return identity + first[..., None] * cross + second[..., None] * (cross @ cross)


def matrix_to_expmap(matrix: Tensor) -> Tensor:
    r"""Exponential map of a rotation matrix, with an angle in `[0, pi]`.

    The computation uses the quaternion (:func:`quaternion_to_expmap`), which is well conditioned near an
    angle of pi, where the trace does not determine the angle accurately.

    Args:
        matrix: Rotation matrices.

    Shapes:
        - **input:** `[..., 3, 3]`
        - **output:** `[..., 3]`, radians

    Raises:
        ValueError: If the last two dimensions are not 3 and 3.

    Note:
        Rotations by pi about opposite axes are the same rotation; either axis may be returned.
    """
    return quaternion_to_expmap(matrix_to_quaternion(matrix))


def expmap_to_quaternion(expmap: Tensor) -> Tensor:
    r"""Unit quaternion `(w, x, y, z)` of an exponential map.

    .. math::
        q = \Bigl(\cos\tfrac\theta2,\ \frac{\sin(\theta/2)}{\theta}\,v\Bigr), \qquad
        \theta = \lVert v \rVert

    Args:
        expmap: Rotation axis times angle, in radians.

    Shapes:
        - **input:** `[..., 3]`
        - **output:** `[..., 4]`

    Raises:
        ValueError: If the last dimension is not 3.
    """
    _check_shape("expmap", expmap, (3,))
    square, small, angle = _length(expmap)
    real = torch.where(small, 1 - square / 8 + square.square() / 384, (angle / 2).cos())
    ratio = torch.where(small, 0.5 - square / 48 + square.square() / 3840, (angle / 2).sin() / angle)
    return torch.cat([real, ratio * expmap], dim=-1)


def quaternion_to_expmap(quaternion: Tensor) -> Tensor:
    r"""Exponential map of a unit quaternion `(w, u)`, with an angle in `[0, pi]`.

    .. math::
        v = 2\,\operatorname{atan2}(\lVert u\rVert, w)\,\frac{u}{\lVert u\rVert}

    Args:
        quaternion: Unit quaternions `(w, x, y, z)`; `q` and `-q` are the same rotation.

    Shapes:
        - **input:** `[..., 4]`
        - **output:** `[..., 3]`, radians

    Raises:
        ValueError: If the last dimension is not 4.

    Note:
        Rotations by pi about opposite axes are the same rotation; either axis may be returned.
    """
    _check_shape("quaternion", quaternion, (4,))
    real, imaginary = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion).split((1, 3), dim=-1)
    square, small, sine = _length(imaginary)
    ratio = torch.where(small, 2 + square / 3 + 3 * square.square() / 20, 2 * torch.atan2(sine, real) / sine)
    return ratio * imaginary


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    r"""Unit quaternion `(w, x, y, z)` of a rotation matrix, with `w >= 0`.

    The entries of :math:`4\,q q^\top` are linear in the entries of `R`. Every row of :math:`4\,q q^\top` is a
    multiple of `q`, and the row with the largest diagonal entry has a norm of at least 2, so dividing by its
    norm is safe for every rotation.

    Args:
        matrix: Rotation matrices.

    Shapes:
        - **input:** `[..., 3, 3]`
        - **output:** `[..., 4]`

    Raises:
        ValueError: If the last two dimensions are not 3 and 3.
    """
    _check_shape("matrix", matrix, (3, 3))
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in matrix.unbind(-2))
    products = [
        [1 + xx + yy + zz, zy - yz, xz - zx, yx - xy],
        [zy - yz, 1 + xx - yy - zz, yx + xy, xz + zx],
        [xz - zx, yx + xy, 1 - xx + yy - zz, zy + yz],
        [yx - xy, xz + zx, zy + yz, 1 - xx - yy + zz],
    ]
    outer = torch.stack([torch.stack(row, dim=-1) for row in products], dim=-2)  # [..., 4, 4]
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)
    index = largest[..., None, None].expand(*largest.shape, 1, 4)
    row = outer.gather(-2, index).squeeze(-2)
    unit = row / torch.linalg.vector_norm(row, dim=-1, keepdim=True)
    return torch.where(unit[..., :1] < 0, -unit, unit)


def euler_to_matrix(angles: Tensor, order: str = "XYZ") -> Tensor:
    r"""Rotation matrix of intrinsic Euler angles, `R = R_{order[0]}(a) R_{order[1]}(b) R_{order[2]}(c)`.

    Args:
        angles: The angles about the axes in `order`, in radians.
        order: Three different axes, such as `"ZXY"`, the usual order of channels in BVH files.

    Shapes:
        - **input:** `[..., 3]`
        - **output:** `[..., 3, 3]`

    Raises:
        ValueError: If the last dimension is not 3 or `order` is not three different axes.
    """
    _check_shape("angles", angles, (3,))
    if sorted(order) != ["X", "Y", "Z"]:
        raise ValueError(f"'order' is {order!r}, expected three different axes such as 'XYZ' or 'ZXY'")
    axes = torch.eye(3, dtype=angles.dtype, device=angles.device)[["XYZ".index(axis) for axis in order]]
    turns = expmap_to_matrix(angles[..., None] * axes)  # [..., 3 (turn), 3, 3]
    first, second, third = turns.unbind(-3)
    return first @ second @ third


def benchmark_euler_angles(matrix: Tensor) -> Tensor:
    r"""Euler angles as defined by the angle-space benchmarks of motion prediction.

    .. math::
        e_2 = -\arcsin R_{02}, \quad e_1 = \operatorname{atan2}(R_{12}, R_{22}), \quad
        e_3 = \operatorname{atan2}(R_{01}, R_{00})

    The benchmark's angles are the intrinsic XYZ angles with opposite signs. In gimbal lock (`R_02 = ±1`), the
    benchmark defines `e_3 = 0`, `e_2 = ∓pi/2` and `e_1 = atan2(R_01, R_02)`.

    Args:
        matrix: Rotation matrices.

    Shapes:
        - **input:** `[..., 3, 3]`
        - **output:** `[..., 3]`, radians

    Raises:
        ValueError: If the last two dimensions are not 3 and 3.

    Note:
        The benchmark also divides both arguments of each arctangent by `cos e_2`. This factor is positive and
        only affects the rounding, so it is omitted here. The benchmark's angles in gimbal lock do not
        represent the rotation; the formula is kept because published errors were computed with it.
    """
    _check_shape("matrix", matrix, (3, 3))
    sine = matrix[..., 0, 2]
    locked = sine.abs() >= 1
    zero, one = torch.zeros_like(sine), torch.ones_like(sine)
    first = torch.atan2(
        torch.where(locked, matrix[..., 0, 1], matrix[..., 1, 2]),
        torch.where(locked, sine, matrix[..., 2, 2]),
    )
    second = torch.where(locked, -torch.pi / 2 * sine.sign(), -torch.where(locked, zero, sine).asin())
    third = torch.atan2(
        torch.where(locked, zero, matrix[..., 0, 1]), torch.where(locked, one, matrix[..., 0, 0])
    )
    return torch.stack([first, second, third], dim=-1)


def forward_kinematics(
    rotations: Tensor, offsets: Tensor, parents: Sequence[int], root_position: Tensor
) -> tuple[Tensor, Tensor]:
    r"""Compute joint positions from joint rotations and bone offsets.

    .. math::
        G_i = G_{p(i)} R_i, \qquad x_i = x_{p(i)} + G_{p(i)}\, o_i

    for a joint `i` with parent `p(i)`. The global rotation of the root is its `R`, and its position is
    `root_position`.

    Args:
        rotations: Rotation of each joint in its parent's frame.
        offsets: Position of each joint in its parent's frame, in the unit of the result. The root's offset is
            not used.
        parents: Index of each joint's parent, -1 for the root; parents come before their children.
        root_position: Position of the root.

    Shapes:
        - **rotations:** `[..., M, 3, 3]`
        - **offsets:** `[..., M, 3]`; leading dimensions are broadcast (`[M, 3]` if all frames share them)
        - **root_position:** `[..., 3]`
        - **output:** positions `[..., M, 3]` and global rotations `[..., M, 3, 3]`

    Raises:
        ValueError: If the shapes do not match, or `parents` does not list one root first and every other
            joint after its parent.
    """
    _check_shape("rotations", rotations, (len(parents), 3, 3))
    _check_shape("offsets", offsets, (len(parents), 3))
    _check_shape("root_position", root_position, (3,))
    check_parents(parents)
    leading = torch.broadcast_shapes(rotations.shape[:-3], offsets.shape[:-2], root_position.shape[:-1])
    turns = rotations.expand(*leading, -1, -1, -1).unbind(-3)
    steps = offsets.expand(*leading, -1, -1).unbind(-2)
    positions, orientations = [root_position.expand(*leading, -1)], [turns[0]]
    for joint, parent in enumerate(parents[1:], start=1):
        step = (orientations[parent] @ steps[joint][..., None]).squeeze(-1)
        positions.append(positions[parent] + step)
        orientations.append(orientations[parent] @ turns[joint])
    return torch.stack(positions, dim=-2), torch.stack(orientations, dim=-3)


def check_parents(parents: Sequence[int]) -> None:
    """Check that `parents` lists one root first, and every other joint after its parent.

    Raises:
        ValueError: If there is another root, or a joint comes before its parent.
    """
    for joint, parent in enumerate(parents):
        if not (parent == -1 if joint == 0 else 0 <= parent < joint):
            expected = "-1, the root" if joint == 0 else f"the index of an earlier joint, 0 to {joint - 1}"
            raise ValueError(f"'parents' has {parent} for joint {joint}, expected {expected}")


def _length(vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the squared length, whether it is small, and the length (1 if it is small), each ``[...,
    1]``."""
    square = vectors.square().sum(-1, keepdim=True)
    small = square < _SMALL_SQUARE
    # The square root has an infinite gradient at zero.
    return square, small, square.where(~small, torch.ones_like(square)).sqrt()


def _check_shape(name: str, value: Tensor, ending: tuple[int, ...]) -> None:
    if tuple(value.shape[-len(ending) :]) != ending:
        expected = ", ".join(map(str, ending))
        raise ValueError(f"'{name}' has shape {list(value.shape)}, expected [..., {expected}]")
