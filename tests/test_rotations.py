"""Rotations compared with SciPy in both precisions, and forward kinematics compared with a recursion."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from pyg_sybio import rotations

ORDERS = ["".join(order) for order in permutations("XYZ")]
PI = torch.pi


def random_rotations(num: int = 500) -> Rotation:
    return Rotation.random(num, rng=np.random.default_rng(0))


def to_torch(array: np.ndarray, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.as_tensor(array, dtype=dtype)


def edge_cases() -> Tensor:
    """Exponential maps at and near zero rotation and half a turn, about coordinate axes and other axes."""
    axes = [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0.6, 0, -0.8], [2 / 3, -2 / 3, 1 / 3]]
    angles = [0.0, 1e-30, 1e-9, 1e-4, 0.00099, 0.00101, 0.5, PI / 2, PI - 1e-4, PI - 1e-9, PI]
    return torch.tensor(angles, dtype=torch.float64)[:, None, None] * torch.tensor(axes, dtype=torch.float64)


def test_expmap_to_matrix_equals_scipy() -> None:
    expmap = torch.cat([to_torch(random_rotations().as_rotvec()), edge_cases().flatten(0, 1)])
    expected = to_torch(Rotation.from_rotvec(expmap.numpy()).as_matrix())
    torch.testing.assert_close(rotations.expmap_to_matrix(expmap), expected, rtol=0, atol=1e-12)
    single = rotations.expmap_to_matrix(expmap.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=0, atol=1e-6)


def test_matrix_to_expmap_equals_scipy() -> None:
    turns = random_rotations()
    expmap = rotations.matrix_to_expmap(to_torch(turns.as_matrix()))
    torch.testing.assert_close(expmap, to_torch(turns.as_rotvec()), rtol=0, atol=1e-9)


def test_matrix_to_expmap_keeps_leading_dimensions_and_inverts_edge_cases() -> None:
    expmap = edge_cases()
    matrix = rotations.expmap_to_matrix(expmap)
    back = rotations.matrix_to_expmap(matrix)
    assert back.shape == expmap.shape
    torch.testing.assert_close(rotations.expmap_to_matrix(back), matrix, rtol=0, atol=1e-9)
    # The result for half a turn may be about the opposite axis.
    torch.testing.assert_close(back[:-2], expmap[:-2], rtol=0, atol=1e-9)
    small = expmap[:6]
    torch.testing.assert_close(back[:6], small, rtol=0, atol=1e-14)


def test_quaternions_equal_scipy() -> None:
    turns = random_rotations()
    expected = to_torch(turns.as_quat(canonical=True, scalar_first=True))
    quaternion = rotations.matrix_to_quaternion(to_torch(turns.as_matrix()))
    torch.testing.assert_close(quaternion, expected, rtol=0, atol=1e-9)


def test_expmaps_and_quaternions_equal_scipy() -> None:
    turns = random_rotations()
    expected = to_torch(turns.as_quat(canonical=True, scalar_first=True))
    expmap = to_torch(turns.as_rotvec())
    quaternion = rotations.expmap_to_quaternion(expmap)
    torch.testing.assert_close(quaternion, expected, rtol=0, atol=1e-9)
    for sign in (1, -1):
        torch.testing.assert_close(rotations.quaternion_to_expmap(sign * expected), expmap, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_expmap_to_quaternion_is_exact_at_edge_cases(dtype: torch.dtype, tolerance: float) -> None:
    expmap = edge_cases()
    expected = rotations.matrix_to_quaternion(rotations.expmap_to_matrix(expmap))
    quaternion = rotations.expmap_to_quaternion(expmap.to(dtype))
    assert quaternion.dtype == dtype
    sign = (quaternion * expected).sum(-1, keepdim=True).sign()  # half a turn has two exponential maps
    torch.testing.assert_close(quaternion.double(), sign * expected, rtol=0, atol=max(tolerance, 1e-9))
    small = rotations.quaternion_to_expmap(quaternion)[:6].double()
    torch.testing.assert_close(small, expmap[:6], rtol=0, atol=tolerance)


def test_matrix_to_quaternion_is_accurate_at_half_turns() -> None:
    matrix = rotations.expmap_to_matrix(edge_cases()[-1])
    quaternion = rotations.matrix_to_quaternion(matrix)
    assert (quaternion[..., 0].abs() < 1e-9).all()
    expected = to_torch(Rotation.from_quat(quaternion.numpy(), scalar_first=True).as_matrix())
    torch.testing.assert_close(expected, matrix, rtol=0, atol=1e-9)


@pytest.mark.parametrize("order", ORDERS)
def test_euler_angles_equal_scipy(order: str) -> None:
    turns = random_rotations()
    angles = to_torch(turns.as_euler(order))
    matrix = to_torch(turns.as_matrix())
    torch.testing.assert_close(rotations.euler_to_matrix(angles, order), matrix, rtol=0, atol=1e-9)


def hard_rotations() -> tuple[Tensor, Rotation]:
    """Exponential maps of every edge case about many axes, and SciPy's rotations for them."""
    axes = Rotation.random(40, rng=np.random.default_rng(1)).as_matrix()[:, 0]
    axes = np.concatenate([axes, np.eye(3), -np.eye(3), [[0.6, 0, -0.8], [1e-9, 1, 1e-9]]])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = [
        0,
        1e-300,
        1e-16,
        1e-9,
        1e-6,
        9.99e-4,
        1.001e-3,
        1e-2,
        PI / 2,
        PI - 1e-3,
        PI - 1e-6,
        PI - 1e-9,
        PI,
    ]
    expmap = (np.array(angles)[:, None, None] * axes).reshape(-1, 3)
    return to_torch(expmap), Rotation.from_rotvec(expmap)


def test_every_conversion_of_edge_case_rotations_equals_scipy() -> None:
    expmap, turns = hard_rotations()
    matrix = to_torch(turns.as_matrix())
    torch.testing.assert_close(rotations.expmap_to_matrix(expmap), matrix, rtol=0, atol=1e-9)

    # q and -q are the same rotation: close to half a turn, rounding decides which of them has w >= 0.
    quaternion = rotations.matrix_to_quaternion(matrix)
    expected = to_torch(turns.as_quat(scalar_first=True))
    expected = expected * (expected * quaternion).sum(-1, keepdim=True).sign()
    torch.testing.assert_close(quaternion, expected, rtol=0, atol=1e-9)
    assert (quaternion[:, 0] >= 0).all()

    # Half a turn about an axis is the same rotation as half a turn about the opposite axis.
    back = rotations.matrix_to_expmap(matrix)
    scipys = to_torch(turns.as_rotvec())
    opposite = (scipys.norm(dim=-1) > PI - 1e-7) & ((back * scipys).sum(-1) < 0)
    scipys = torch.where(opposite[:, None], scipys * (1 - 2 * PI / scipys.norm(dim=-1, keepdim=True)), scipys)
    torch.testing.assert_close(back, scipys, rtol=0, atol=1e-9)
    assert (opposite.sum() < len(opposite) / 10) and (back.norm(dim=-1) <= PI + 1e-12).all()


@pytest.mark.parametrize("order", ORDERS)
def test_euler_to_matrix_equals_scipy_even_in_gimbal_lock(order: str) -> None:
    grid = [-7.0, -PI, -PI / 2, -1e-9, 0.0, 0.7, PI / 2 - 1e-8, PI / 2, PI, 100.0]
    angles = torch.cartesian_prod(*[torch.tensor(grid, dtype=torch.float64)] * 3)
    expected = to_torch(Rotation.from_euler(order, angles.numpy()).as_matrix())
    torch.testing.assert_close(rotations.euler_to_matrix(angles, order), expected, rtol=0, atol=1e-9)


def test_benchmark_angles_are_the_negative_intrinsic_xyz_angles() -> None:
    turns = random_rotations()
    angles = rotations.benchmark_euler_angles(to_torch(turns.as_matrix()))
    torch.testing.assert_close(angles, to_torch(-turns.as_euler("XYZ")), rtol=0, atol=1e-9)


def test_benchmark_angles_equal_the_definition_with_divisions_by_the_cosine() -> None:
    for matrix in random_rotations(50).as_matrix():
        e2 = -np.arcsin(matrix[0, 2])
        e1 = np.arctan2(matrix[1, 2] / np.cos(e2), matrix[2, 2] / np.cos(e2))
        e3 = np.arctan2(matrix[0, 1] / np.cos(e2), matrix[0, 0] / np.cos(e2))
        angles = rotations.benchmark_euler_angles(to_torch(matrix))
        torch.testing.assert_close(angles, to_torch(np.array([e1, e2, e3])), rtol=0, atol=1e-12)


@pytest.mark.parametrize("sine", [1.0, -1.0, 1.0 + 1e-15])
def test_benchmark_angles_in_gimbal_lock_follow_the_definition(sine: float) -> None:
    matrix = torch.tensor([[0, 0, sine], [0.6, 0.8, 0], [-0.8, 0.6, 0]], dtype=torch.float64)
    matrix.requires_grad_()
    angles = rotations.benchmark_euler_angles(matrix)
    expected = [np.arctan2(0.0, sine), -np.copysign(PI / 2, sine), 0.0]
    torch.testing.assert_close(angles, torch.tensor(expected, dtype=torch.float64))
    angles.sum().backward()
    assert matrix.grad is not None and matrix.grad.isfinite().all()


def expmap_round_trip(expmap: Tensor) -> Tensor:
    return rotations.matrix_to_expmap(rotations.expmap_to_matrix(expmap))


def expmap_quaternion_round_trip(expmap: Tensor) -> Tensor:
    return rotations.quaternion_to_expmap(rotations.expmap_to_quaternion(expmap))


@pytest.mark.parametrize(
    "function",
    [rotations.expmap_to_matrix, expmap_round_trip, expmap_quaternion_round_trip],
)
def test_gradients_match_finite_differences_even_at_zero_and_near_half_a_turn(
    function: Callable[[Tensor], Tensor],
) -> None:
    expmap = torch.randn(5, 3, dtype=torch.float64)
    expmap[0] = 0
    expmap[1] = torch.tensor([1e-7, -2e-7, 0])
    expmap[2] = torch.tensor([0, PI - 1e-3, 0])
    assert torch.autograd.gradcheck(function, expmap.requires_grad_(), atol=1e-5)


def test_euler_gradients_match_finite_differences() -> None:
    angles = torch.rand(5, 3, dtype=torch.float64) - 0.5
    angles[0] = 0
    assert torch.autograd.gradcheck(rotations.euler_to_matrix, angles.requires_grad_())
    assert torch.autograd.gradcheck(
        lambda v: rotations.benchmark_euler_angles(rotations.expmap_to_matrix(v)), angles
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "function",
    [
        rotations.expmap_to_matrix,
        expmap_round_trip,
        expmap_quaternion_round_trip,
        lambda v: rotations.benchmark_euler_angles(rotations.expmap_to_matrix(v)),
    ],
)
def test_gradients_are_finite_at_every_edge_case(
    function: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    expmap = edge_cases().to(dtype).requires_grad_()
    function(expmap).sum().backward()
    assert expmap.grad is not None and expmap.grad.isfinite().all()


PARENTS = [-1, 0, 1, 1, 0, 4, 5, 5]


def recursive_position(
    joint: int, turns: np.ndarray, offsets: np.ndarray, root: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    parent = PARENTS[joint]
    if parent < 0:
        return root, turns[joint]
    position, orientation = recursive_position(parent, turns, offsets, root)
    return position + orientation @ offsets[joint], orientation @ turns[joint]


def test_forward_kinematics_equals_a_naive_recursion_and_keeps_bone_lengths() -> None:
    turns = random_rotations(6 * len(PARENTS)).as_matrix().reshape(2, 3, len(PARENTS), 3, 3)
    offsets = torch.randn(len(PARENTS), 3, dtype=torch.float64)
    root = torch.randn(2, 3, 3, dtype=torch.float64)
    positions, orientations = rotations.forward_kinematics(to_torch(turns), offsets, PARENTS, root)
    assert positions.shape == (2, 3, len(PARENTS), 3)
    for n, t, joint in np.ndindex(2, 3, len(PARENTS)):
        position, orientation = recursive_position(joint, turns[n, t], offsets.numpy(), root[n, t].numpy())
        torch.testing.assert_close(positions[n, t, joint], to_torch(position), rtol=0, atol=1e-9)
        torch.testing.assert_close(orientations[n, t, joint], to_torch(orientation), rtol=0, atol=1e-9)
    lengths = (positions[..., 1:, :] - positions[..., PARENTS[1:], :]).norm(dim=-1)
    torch.testing.assert_close(lengths, offsets[1:].norm(dim=-1).expand_as(lengths), rtol=0, atol=1e-9)


def test_forward_kinematics_broadcasts_one_pose_over_many_root_positions() -> None:
    turns = to_torch(random_rotations(len(PARENTS)).as_matrix())
    offsets = torch.randn(len(PARENTS), 3, dtype=torch.float64)
    root = torch.randn(4, 3, dtype=torch.float64)
    positions, orientations = rotations.forward_kinematics(turns, offsets, PARENTS, root)
    assert orientations.shape == (4, len(PARENTS), 3, 3)
    at_origin, _ = rotations.forward_kinematics(turns, offsets, PARENTS, torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(positions, at_origin + root[:, None])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: rotations.expmap_to_matrix(torch.zeros(2, 4)),
            r"'expmap' has shape \[2, 4\], expected \[..., 3\]",
        ),
        (
            lambda: rotations.matrix_to_expmap(torch.zeros(3)),
            r"'matrix' has shape \[3\], expected \[..., 3, 3\]",
        ),
        (lambda: rotations.expmap_to_quaternion(torch.zeros(4)), r"'expmap' has shape \[4\]"),
        (lambda: rotations.quaternion_to_expmap(torch.zeros(3)), r"'quaternion' has shape \[3\]"),
        (
            lambda: rotations.euler_to_matrix(torch.zeros(3), "XYX"),
            "'order' is 'XYX', expected three different axes",
        ),
        (lambda: rotations.euler_to_matrix(torch.zeros(3), "xyz"), "'order' is 'xyz'"),
        (
            lambda: rotations.forward_kinematics(
                torch.zeros(3, 3, 3), torch.zeros(3, 3), [-1, 2, 0], torch.zeros(3)
            ),
            "'parents' has 2 for joint 1, expected the index of an earlier joint, 0 to 0",
        ),
        (
            lambda: rotations.forward_kinematics(
                torch.zeros(3, 3, 3), torch.zeros(2, 3), [-1, 0, 0], torch.zeros(3)
            ),
            r"'offsets' has shape \[2, 3\], expected \[..., 3, 3\]",
        ),
    ],
)
def test_errors_name_the_expected_value(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
