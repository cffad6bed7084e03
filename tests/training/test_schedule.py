"""Learning rates compared with their formulas, step by step."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler

from pyg_sybio.training.schedule import StepDecay, WarmupCosine


def optimizer(rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)


def rates(schedule: LRScheduler, steps: int) -> list[float]:
    """The learning rate in each step, and after the last step."""
    found = []
    for _ in range(steps):
        found.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.optimizer.step()
        schedule.step()
    return [*found, schedule.optimizer.param_groups[0]["lr"]]


def test_warmup_cosine_follows_its_formula() -> None:
    total, warmup, highest = 40, 0.2, 0.5
    found = rates(WarmupCosine(optimizer(highest), total, warmup), total)
    rising = [highest * (s + 1) / 8 for s in range(8)]
    falling = [highest * math.cos(math.pi / 2 * (s - 8) / 32) ** 2 for s in range(8, total)]
    assert found == pytest.approx([*rising, *falling, 0])


def test_warmup_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'warmup' is .*, expected a fraction"):
        WarmupCosine(optimizer(1.0), 10, 1.5)


def test_step_decay_is_a_tenth_every_thirty_of_a_hundred_epochs() -> None:
    steps_an_epoch = 7
    found = rates(StepDecay(optimizer(0.1), 100 * steps_an_epoch), 100 * steps_an_epoch)
    by_epoch = [0.1 * 0.1 ** (epoch // 30) for epoch in range(100)]
    assert found[:-1] == pytest.approx([rate for rate in by_epoch for _ in range(steps_an_epoch)])


def test_step_decay_follows_other_milestones() -> None:
    found = rates(StepDecay(optimizer(1.0), 10, milestones=[0.5, 0.8], factor=0.5), 10)
    assert found[:-1] == pytest.approx([1.0] * 5 + [0.5] * 3 + [0.25] * 2)


@pytest.mark.parametrize("milestones", [[0.5, 0.5], [0.8, 0.5], [0.0], [1.0], [-0.1], [float("nan")]])
def test_milestones_out_of_order_are_refused(milestones: list[float]) -> None:
    with pytest.raises(ValueError, match="expected increasing fractions between 0 and 1"):
        StepDecay(optimizer(1.0), 10, milestones)


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_factor_must_be_positive(factor: float) -> None:
    with pytest.raises(ValueError, match=r"'factor' is .*, expected a positive number"):
        StepDecay(optimizer(1.0), 10, factor=factor)
