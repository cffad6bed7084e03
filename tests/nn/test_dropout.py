"""Dropout by places against what independent draws have: shares, pairs, the spread of counts."""

import math

import pytest
import torch

from pyg_sybio.nn.dropout import Dropout

RATES = [0.02, 0.1, 0.3, 0.5, 0.8]


def dropped(p: float, *shape: int) -> torch.Tensor:
    return Dropout(p)(torch.ones(shape)) == 0


@pytest.mark.parametrize("p", RATES)
def test_each_feature_is_dropped_with_the_probability(p: float) -> None:
    times = 2000
    share = torch.stack([dropped(p, 7, 9) for _ in range(times)]).double().mean(dim=0)
    assert (share - p).abs().max() < 5 * math.sqrt(p * (1 - p) / times)


@pytest.mark.parametrize("p", RATES)
def test_features_are_dropped_independently(p: float) -> None:
    # A fixed number of places would have no spread; draws that repeat would drop too few.
    n, times = 500, 4000
    counts = torch.stack([dropped(p, n).sum() for _ in range(times)]).double()
    variance = n * p * (1 - p)
    assert counts.mean().item() == pytest.approx(n * p, abs=5 * math.sqrt(variance / times))
    assert counts.var().item() == pytest.approx(variance, rel=5 * math.sqrt(2 / times))
    mask = dropped(p, 400_000)
    pairs = (mask[::2] & mask[1::2]).double().mean().item()
    assert pairs == pytest.approx(p**2, abs=5 * math.sqrt(p**2 * (1 - p**2) / 200_000))


@pytest.mark.parametrize("p", RATES)
def test_what_is_kept_is_scaled_and_the_gradient_with_it(p: float) -> None:
    x = torch.randn(40, 5, 6, dtype=torch.double).transpose(0, 2).requires_grad_()
    out = Dropout(p)(x)
    kept = out != 0
    torch.testing.assert_close(out[kept], x[kept] / (1 - p))
    out.sum().backward()
    torch.testing.assert_close(x.grad, kept.double() / (1 - p))


def test_the_seed_decides() -> None:
    torch.manual_seed(0)
    first, second = dropped(0.1, 1000), dropped(0.1, 1000)
    torch.manual_seed(0)
    assert torch.equal(dropped(0.1, 1000), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5])
def test_in_evaluation_and_at_zero_nothing_changes(p: float) -> None:
    x = torch.randn(8, 8)
    assert torch.equal(Dropout(p).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


def test_nothing_may_come_in() -> None:
    assert Dropout(0.1)(torch.zeros(0, 4)).shape == (0, 4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays(dtype: torch.dtype) -> None:
    assert Dropout(0.1)(torch.ones(10, 10, dtype=dtype)).dtype == dtype
