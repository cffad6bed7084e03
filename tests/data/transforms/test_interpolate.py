"""Interpolation compared with SciPy, and exact results for weights 0 and 1."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp

from pyg_sybio.data.transforms.interpolate import interpolate


def test_weights_0_and_1_return_the_exact_values() -> None:
    before, after = torch.randn(2, 50, 3)
    for rotations in (False, True):
        for weight, expected in ((0.0, before), (1.0, after)):
            assert torch.equal(
                interpolate(before, after, torch.full((50, 1), weight), rotations=rotations), expected
            )


def test_positions_are_interpolated_on_a_line_and_rotations_on_the_shortest_arc() -> None:
    before, after = torch.randn(2, 50, 3, dtype=torch.float64)
    weight = torch.rand(50, 1, dtype=torch.float64)
    line = interpolate(before, after, weight, rotations=False)
    np.testing.assert_allclose(line, before.numpy() * (1 - weight.numpy()) + after.numpy() * weight.numpy())
    arc = interpolate(before, after, weight, rotations=True)
    for a, b, w, found in zip(before, after, weight, arc, strict=True):
        expected = Slerp([0, 1], Rotation.from_rotvec(np.stack([a, b])))(float(w))
        assert (expected.inv() * Rotation.from_rotvec(found)).magnitude() < 1e-9


def test_rotations_have_constant_speed() -> None:
    axis = torch.tensor([[0.36, 0.48, 0.8]], dtype=torch.float64)
    for angle in (1e-12, 1e-9, 1e-6, 1e-3, 1.0, 3.1):
        ends = torch.zeros_like(axis), angle * axis
        for weight in (0.25, 0.5, 0.75):
            found = interpolate(*ends, torch.tensor([[weight]], dtype=torch.float64), rotations=True)
            torch.testing.assert_close(found, weight * angle * axis, rtol=1e-9, atol=0)


def test_the_shorter_arc_may_pass_through_half_a_turn() -> None:
    axis = torch.tensor([[0.0, 0.6, 0.8]], dtype=torch.float64)
    before, after = 3.0 * axis, -3.0 * axis  # 2 pi - 6 apart, through half a turn
    found = interpolate(before, after, torch.tensor([[0.25]], dtype=torch.float64), rotations=True)
    torch.testing.assert_close(found, (3.0 + (2 * torch.pi - 6) / 4) * axis)
