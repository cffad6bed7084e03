"""Baselines on motions that they predict exactly, and their error messages."""

import pytest
import torch
from torch import nn

from pyg_sybio.models.baselines import ConstantVelocity, ZeroVelocity


def test_zero_velocity_repeats_the_last_frame() -> None:
    x = torch.randn(2, 3, 6, 5, 3)
    future = ZeroVelocity()(x, num_future=4)
    assert future.shape == (2, 3, 4, 5, 3)
    for frame in range(4):
        assert torch.equal(future[:, :, frame], x[:, :, 5])


def test_zero_velocity_does_not_share_memory_with_its_input() -> None:
    x = torch.zeros(6, 5, 3)
    ZeroVelocity()(x, num_future=2)[0] += 1
    assert not x.any()


def test_constant_velocity_continues_a_straight_motion() -> None:
    start, velocity = (
        torch.randn(2, 1, 5, 2, dtype=torch.float64),
        torch.randn(2, 1, 5, 2, dtype=torch.float64),
    )
    motion = start + torch.arange(10, dtype=torch.float64)[:, None, None] * velocity
    torch.testing.assert_close(ConstantVelocity()(motion[:, :6], num_future=4), motion[:, 6:])


@pytest.mark.parametrize("baseline", [ZeroVelocity(), ConstantVelocity()])
def test_a_static_pose_stays_the_same(baseline: nn.Module) -> None:
    x = torch.randn(1, 5, 3).expand(4, 5, 3)
    torch.testing.assert_close(baseline(x, 3), x[:3])
    assert not list(baseline.parameters())
    assert repr(baseline) == f"{type(baseline).__name__}()"


@pytest.mark.parametrize("num_future", [1, 25])
def test_gradients_reach_the_input(num_future: int) -> None:
    x = torch.randn(4, 5, 3, requires_grad=True)
    ConstantVelocity()(x, num_future).sum().backward()
    assert x.grad is not None
    # The sum over the future contains (1 + t) x[-1] - t x[-2] for t = 1 ... num_future.
    turns = num_future * (num_future + 1) / 2
    torch.testing.assert_close(x.grad[-1], torch.full((5, 3), num_future + turns))
    torch.testing.assert_close(x.grad[-2], torch.full((5, 3), -turns))


def test_too_few_frames_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"'x' has shape \[1, 5, 3\], expected .* at least 2 frame"):
        ConstantVelocity()(torch.zeros(1, 5, 3), 2)
    with pytest.raises(ValueError, match=r"'x' has shape \[0, 5, 3\], expected .* at least 1 frame"):
        ZeroVelocity()(torch.zeros(0, 5, 3), 2)
