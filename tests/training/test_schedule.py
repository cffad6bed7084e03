"""Learning rates compared with their formulas, step by step."""

import math
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from tiny_recipe import TINY
from torch.optim.lr_scheduler import LRScheduler

from pyg_sybio.training.recipes import RecipeError, prepare, train
from pyg_sybio.training.schedule import StepDecay, WarmupCosine


class Rates(L.Callback):
    """Callback that records the learning rate of every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_before_optimizer_step(self, trainer: L.Trainer, module: L.LightningModule, optimizer: Any) -> None:
        self.seen.append(optimizer.param_groups[0]["lr"])


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
def test_the_factor_must_be_positive(factor: float) -> None:
    with pytest.raises(ValueError, match=r"'factor' is .*, expected a positive number"):
        StepDecay(optimizer(1.0), 10, factor=factor)


TORCH = "torch.optim.lr_scheduler"


@pytest.mark.parametrize(
    ("schedule", "settings", "rates"),
    [
        # Per epoch, as in Lightning: three epochs of two steps.
        (f"{TORCH}.ExponentialLR", {"gamma": 0.5}, [1, 1, 0.5, 0.5, 0.25, 0.25]),
        (f"{TORCH}.StepLR", {"step_size": 2}, [1, 1, 1, 1, 0.1, 0.1]),
        (f"{TORCH}.MultiStepLR", {"milestones": "[1, 2]"}, [1, 1, 0.1, 0.1, 0.01, 0.01]),
        (f"{TORCH}.LinearLR", {"start_factor": 0.5, "total_iters": 2}, [0.5, 0.5, 0.75, 0.75, 1, 1]),
        # No loss is below -1000: the rate is reduced after the second and the third epoch.
        (
            f"{TORCH}.ReduceLROnPlateau",
            {"patience": 0, "threshold": 1000, "threshold_mode": "abs"},
            [1, 1, 1, 1, 0.1, 0.1],
        ),
        (
            "lightning.pytorch.cli.ReduceLROnPlateau",
            {
                "monitor": "val_accuracy",
                "mode": "max",
                "patience": 0,
                "threshold": 2,
                "threshold_mode": "abs",
            },
            [1, 1, 1, 1, 0.1, 0.1],
        ),
        # Per step, over the steps of the run.
        ("pyg_sybio.training.schedule.StepDecay", {"milestones": "[0.5]"}, [1, 1, 1, 0.1, 0.1, 0.1]),
        (
            f"{TORCH}.OneCycleLR",
            {"max_lr": 1e-6, "pct_start": 0.5, "anneal_strategy": "linear"},
            [1 / 25, 13 / 25, 1, 2 / 3 + 4e-6 / 3, 1 / 3 + 8e-6 / 3, 4e-6],
        ),
    ],
)
def test_a_recipe_may_use_any_schedule(
    schedule: str, settings: dict[str, object], rates: list[float], tmp_path: Path
) -> None:
    options = [f"--model.lr_scheduler.{name}={value}" for name, value in settings.items()]
    run = [
        *TINY,
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.max_epochs=3",
        "--model.optimizer.lr=1e-6",
    ]
    cli = prepare("synthetic", [*run, f"--model.lr_scheduler={schedule}", *options])
    recorder = Rates()
    cli.trainer.callbacks.append(recorder)
    train(cli)
    assert [rate / 1e-6 for rate in recorder.seen] == pytest.approx(rates, rel=1e-5)


def test_the_interval_of_a_schedule_can_be_chosen(tmp_path: Path) -> None:
    run = [
        *TINY,
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.max_steps=2",
        "--model.optimizer.lr=1e-6",
    ]
    schedule = [f"--model.lr_scheduler={TORCH}.ExponentialLR", "--model.lr_scheduler.gamma=0.5"]
    cli = prepare("synthetic", [*run, *schedule, "--model.lr_interval=step"])
    recorder = Rates()
    cli.trainer.callbacks.append(recorder)
    train(cli)
    assert recorder.seen == pytest.approx([1e-6, 0.5e-6])


def test_a_schedule_without_a_required_argument_is_an_error() -> None:
    with pytest.raises(RecipeError, match="the following arguments are required: gamma"):
        prepare("synthetic", [*TINY, f"--model.lr_scheduler={TORCH}.ExponentialLR"])
