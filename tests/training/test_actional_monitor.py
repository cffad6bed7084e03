"""The monitor of the actional graphs: logged values, the interval of logging, and warnings."""

import csv
import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_gnn import build
from tiny_recipe import tiny
from torch import Tensor, nn

from pyg_sybio.training.actional_monitor import ActionalGraphMonitor
from pyg_sybio.training.module import SybioModule
from pyg_sybio.training.recipes import fit

ALIVE = torch.eye(4).expand(2, 4, 4)
UNIFORM = torch.full((2, 4, 4), 0.25)


def distance_of(graphs: Tensor) -> float:
    """The mean total variation between two rows, pair by pair."""
    pairs = list(itertools.combinations(range(graphs.size(-1)), 2))
    each = [sum(float((g[i] - g[j]).abs().sum()) / 2 for i, j in pairs) / len(pairs) for g in graphs]
    return sum(each) / len(each)


def entropy_of(graphs: Tensor) -> float:
    rows = [-sum(p * math.log(p) for p in row if p > 0) for row in graphs.flatten(0, 1).tolist()]
    return sum(rows) / len(rows) / math.log(graphs.size(-1))


def norm_of(module: nn.Module) -> float:
    return math.sqrt(sum(float(each.grad.square().sum()) for each in module.parameters()))


class Run:
    """A monitor with minimal mocks of the trainer and the module."""

    def __init__(self, model: nn.Module, interval: int = 1) -> None:
        self.logged: dict[str, Tensor] = {}
        self.monitor, self.model = ActionalGraphMonitor(), model
        self.module: Any = SimpleNamespace(model=model, log=self.logged.__setitem__)
        self.trainer: Any = SimpleNamespace(global_step=0, log_every_n_steps=interval)

    def step(self, **graphs: Tensor) -> None:
        optimizer: Any = None
        self.monitor.on_before_optimizer_step(self.trainer, self.module, optimizer)
        self.trainer.global_step += 1
        self.monitor.on_train_batch_end(self.trainer, self.module, {"actional": graphs}, None, 0)

    def warnings(self) -> list[str]:
        """Return the warnings at the end of an epoch."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.monitor.on_train_epoch_end(self.trainer, self.module)
        return [str(each.message) for each in caught]


def with_gradients(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    return model


def test_absent_persons_are_ignored() -> None:
    run = Run(build(bones=False))
    graphs = torch.randn(3, 2, 4, 4).softmax(dim=-1)
    graphs[1, 1] = 0
    run.step(joints=graphs)
    present = torch.stack([*graphs[0], graphs[1, 0], *graphs[2]])
    assert float(run.logged["actional_distance_joints"]) == pytest.approx(distance_of(present), rel=1e-5)
    assert float(run.logged["actional_entropy_joints"]) == pytest.approx(entropy_of(present), rel=1e-5)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, ("joints", "bones")),
        ({"bones": False}, ("joints",)),
        ({"joints": False}, ("bones",)),
        ({"actional": False}, ()),
        ({"actional_graphs": "shared"}, ("joints", "bones")),
        ({"actional_graphs": "uniform"}, ()),
    ],
    ids=str,
)
def test_the_gradient_norm_of_agim_is_a_fraction_of_the_norm_of_the_network(
    overrides: dict[str, Any], expected: tuple[str, ...]
) -> None:
    model: Any = with_gradients(build(**overrides))
    run = Run(model)
    run.step()
    assert run.logged.keys() == {f"actional_gradient_{name}" for name in expected}
    for name in expected:
        network = model.joint_network if name == "joints" else model.bone_network
        share = norm_of(network.actional_graph) / norm_of(network)
        assert float(run.logged[f"actional_gradient_{name}"]) == pytest.approx(share, rel=1e-5)


def test_the_fraction_is_zero_without_gradients() -> None:
    model = build(bones=False)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    run = Run(model)
    run.step()
    assert run.logged["actional_gradient_joints"] == 0


@pytest.mark.parametrize(("interval", "due"), [(1, [1, 2, 3, 4, 5, 6]), (3, [3, 6]), (0, []), (50, [])])
def test_all_values_are_logged_in_the_steps_that_lightning_logs(interval: int, due: list[int]) -> None:
    run, steps = Run(with_gradients(build(bones=False)), interval), []
    for step in range(1, 7):
        run.logged.clear()
        run.step(joints=ALIVE)
        if run.logged:
            assert run.logged.keys() == {
                f"actional_{name}_joints" for name in ("distance", "entropy", "gradient")
            }
            steps.append(step)
    assert steps == due


def test_graphs_with_equal_rows_are_reported_once_for_each_network() -> None:
    run = Run(build())
    run.step(joints=UNIFORM, bones=ALIVE)
    [message] = run.warnings()
    assert "of the joints are dead after 1 steps: their rows differ by 0.0000 on average" in message
    assert run.warnings() == []
    run.step(joints=UNIFORM, bones=UNIFORM)
    [message] = run.warnings()
    assert "of the bones are dead after 2 steps" in message


def test_graphs_with_different_rows_are_not_reported() -> None:
    run = Run(build())
    run.step(joints=ALIVE, bones=ALIVE)
    assert run.warnings() == []
    run.step(joints=torch.full((1, 4, 4), math.nan))  # diverged training is reported elsewhere
    assert run.warnings() == []


@pytest.mark.parametrize("graphs", ["shared", "uniform"])
def test_shared_and_uniform_graphs_are_not_reported(graphs: str) -> None:
    run = Run(build(actional_graphs=graphs))
    run.step(joints=UNIFORM, bones=UNIFORM)
    assert run.warnings() == []


# In training ------------------------------------------------------------------------------------------------


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, float]]]:
    """The values that each step of a training should log, computed independently."""
    found: list[dict[str, float]] = []
    own: Callable[..., dict[str, Any]] = SybioModule.training_step
    current: dict[str, float] = {}

    def training_step(module: SybioModule, batch: Any, batch_idx: int) -> dict[str, Any]:
        step = own(module, batch, batch_idx)
        for name, graphs in step["actional"].items():
            current[f"actional_distance_{name}"] = distance_of(graphs.detach())
            current[f"actional_entropy_{name}"] = entropy_of(graphs.detach())
        return step

    def on_before_optimizer_step(module: SybioModule, optimizer: Any) -> None:
        for name in ("joints", "bones"):
            network = getattr(module.model, f"{name[:-1]}_network")
            current[f"actional_gradient_{name}"] = norm_of(network.actional_graph) / norm_of(network)
        found.append(dict(current))

    monkeypatch.setattr(SybioModule, "training_step", training_step)
    monkeypatch.setattr(SybioModule, "on_before_optimizer_step", on_before_optimizer_step)
    yield found


def logged(folder: Path) -> dict[int, dict[str, float]]:
    """The logged values by the number of the step, counted from 1."""
    with next(folder.rglob("metrics.csv")).open(newline="") as file:
        rows = list(csv.DictReader(file))
    values: dict[int, dict[str, float]] = {}
    for row in rows:
        mine = {key: float(value) for key, value in row.items() if key.startswith("actional_") and value}
        if mine:
            values[int(row["step"]) + 1] = mine
    return values


@pytest.mark.parametrize(
    ("accumulated", "interval", "due"),
    [(1, 1, [1, 2, 3, 4]), (1, 2, [2, 4]), (2, 1, [1, 2])],
    ids=["each step", "every second step", "accumulated gradients"],
)
def test_training_logs_the_values_of_the_monitor(
    accumulated: int, interval: int, due: list[int], tmp_path: Path, steps: list[dict[str, float]]
) -> None:
    overrides = [
        *tiny(tmp_path, steps=due[-1]),
        "--trainer.precision=32-true",
        f"--trainer.accumulate_grad_batches={accumulated}",
        f"--trainer.log_every_n_steps={interval}",
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit("synthetic", overrides)
    assert not any("are dead" in str(each.message) for each in caught)
    values = logged(tmp_path)
    assert list(values) == due
    for step in due:
        assert values[step] == pytest.approx(steps[step - 1], rel=1e-4)
    assert all(value > 0 for value in values[due[-1]].values())


def test_training_warns_once_about_graphs_with_equal_rows(tmp_path: Path) -> None:
    overrides = [*tiny(tmp_path, steps=4), "--trainer.precision=32-true", "--model.variant.bones=false"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit("synthetic", [*overrides, "--model.variant.actional_scale=1e-6"])  # one warning in two epochs
    messages = [str(each.message) for each in caught if "are dead" in str(each.message)]
    assert len(messages) == 1
    assert messages[0].startswith("the actional graphs of the joints are dead after 2 steps: ")


def test_training_with_uniform_graphs_runs_without_a_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit("synthetic", [*tiny(tmp_path, steps=2), "--model.variant.actional_graphs=uniform"])
    assert not any("are dead" in str(each.message) for each in caught)
    last = logged(tmp_path)[2]
    assert last["actional_distance_joints"] == pytest.approx(0, abs=1e-6)
    assert last["actional_entropy_joints"] == pytest.approx(1)
    assert "actional_gradient_joints" not in last
