"""The difference operator compared with a sum with binomial weights."""

from math import comb

import pytest
import torch

from pyg_sybio.nn.difference import Difference


@pytest.mark.parametrize("num_frames", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("max_order", [0, 1, 2, 3])
def test_differences_equal_the_binomial_sum_and_are_zero_at_the_boundary(
    num_frames: int, max_order: int
) -> None:
    x = torch.randn(2, num_frames, 5, 3, dtype=torch.float64)
    orders = Difference(max_order)(x)
    assert orders.shape == (max_order + 1, 2, num_frames, 5, 3)
    for order in range(max_order + 1):
        for frame in range(num_frames):
            expected = torch.zeros(2, 5, 3, dtype=torch.float64)
            if frame >= order:
                for back in range(order + 1):
                    expected += (-1) ** back * comb(order, back) * x[:, frame - back]
            torch.testing.assert_close(orders[order, :, frame], expected, atol=1e-12, rtol=0)


def test_constant_velocity_has_no_acceleration_at_any_frame() -> None:
    start, velocity = torch.randn(2, 1, 5, 3, dtype=torch.float64).unbind()
    x = start + torch.arange(6, dtype=torch.float64)[:, None, None] * velocity
    positions, velocities, accelerations = Difference()(x)
    torch.testing.assert_close(positions, x)
    assert not velocities[0].any()
    torch.testing.assert_close(velocities[1:], velocity.expand(5, 5, 3))
    torch.testing.assert_close(accelerations, torch.zeros_like(x), atol=1e-12, rtol=0)


def test_leading_dimensions_are_arbitrary() -> None:
    x = torch.randn(2, 3, 4, 5, 3)
    assert torch.equal(Difference()(x)[:, 1, 2], Difference()(x[1, 2]))
    assert torch.equal(Difference()(x[0, 0])[2], Difference()(x[:1, :1])[2, 0, 0])


def test_the_repr_has_the_highest_order_and_orders_are_counted_from_zero() -> None:
    assert repr(Difference()) == "Difference(max_order=2)"
    assert Difference(1).num_orders == 2
