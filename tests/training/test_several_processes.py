"""Training with several processes on the CPU, which also covers training on several GPUs."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_recipe import TINY
from torch import Tensor, distributed, nn

from pyg_sybio.nn.actional_graph import ActionalMLP
from pyg_sybio.nn.blocks import FeatureNorm
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.recompute import recompute
from pyg_sybio.trained.evaluation import answers
from pyg_sybio.trained.load import load_trained
from pyg_sybio.training.synchronised import SynchronisedStatistics

SIZES = (1, 4)  # persons of each process


def norms() -> nn.ModuleDict:
    torch.manual_seed(1)
    modules = {"feature": FeatureNorm(3), "actional": ActionalMLP(3, 4, dropout=0.0, shift=False)}
    return nn.ModuleDict({**modules, "input": InputNorm(1, 5, 3)}).double().train()


def applied(modules: nn.ModuleDict, x: Tensor) -> dict[str, Tensor]:
    """Outputs, gradients of the input and of weights, and statistics, after two steps."""
    x.requires_grad_()
    for _ in range(2):
        out = {name: module(x[None] if name == "input" else x) for name, module in modules.items()}
        out["recomputed"] = recompute(modules["feature"], x)
    sum((each * torch.arange(each.size(-1))).square().sum() for each in out.values()).backward()  # type: ignore[union-attr]
    weights = {name: weight.grad for name, weight in modules.named_parameters() if weight.grad is not None}
    assert x.grad is not None
    return {**out, "x": x.grad, **weights, **dict(modules.named_buffers())}


def _one_of_two(rank: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    modules, plugin = norms(), SynchronisedStatistics()
    names = list(modules.state_dict())
    x = torch.load(folder / "x.pt").split(SIZES)[rank].clone()
    torch.save(applied(plugin.apply(modules), x), folder / f"{rank}.pt")  # type: ignore[arg-type]
    plugin.revert(modules)
    assert list(modules.state_dict()) == names
    assert [type(each) for each in modules.modules()] == [type(each) for each in norms().modules()]
    distributed.destroy_process_group()


def test_statistics_of_two_processes_equal_the_statistics_of_the_global_batch(tmp_path: Path) -> None:
    x = 3 + 2 * torch.randn(sum(SIZES), 6, 5, 3, dtype=torch.float64)
    torch.save(x, tmp_path / "x.pt")
    torch.multiprocessing.spawn(_one_of_two, (tmp_path,), nprocs=2)
    expected = applied(norms(), x.clone())
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert ranks[0].keys() == expected.keys()
    for name, value in expected.items():
        first, second = ranks[0][name], ranks[1][name]
        if name in ("feature", "actional", "recomputed", "x"):
            both = torch.cat([first, second])
        elif name == "input":
            both = torch.cat([first, second], dim=1)
        else:
            both = first + second if name in dict(norms().named_parameters()) else first
        torch.testing.assert_close(both, value, atol=1e-10, rtol=1e-10, msg=name)


def logged(folder: Path, *words: str) -> dict[str, list[float]]:
    """Train in new processes, and return the logged values by name."""
    command = [sys.executable, "-m", "pyg_sybio", "fit", "synthetic", *TINY, *words]
    done = subprocess.run(
        [*command, f"--trainer.default_root_dir={folder}"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[float]] = {}
    with next(folder.rglob("metrics.csv")).open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value:
                    found.setdefault(name, []).append(float(value))
    return found


@pytest.mark.slow
def test_two_processes_train_and_validate_like_a_single_process(tmp_path: Path) -> None:
    # Each step has all training clips, without random changes. The validation clips are split into 17 and 16.
    # With a higher learning rate, rounding errors grow beyond the tolerance within 50 steps.
    same = [
        "--trainer.precision=64-true",
        "--trainer.max_steps=50",
        "--trainer.max_epochs=-1",
        "--trainer.check_val_every_n_epoch=10",
        "--model.optimizer.init_args.lr=0.0002",
        "--model.variant.dropout=0.0",
        "--data.train.corrupt=[]",
        "--data.val.num_clips=33",
    ]
    one = logged(tmp_path / "one", *same, "--data.batch_size=24")
    two = logged(
        tmp_path / "two", *same, "--data.batch_size=12", "--trainer.devices=2", "--trainer.strategy=ddp"
    )
    names = [name for name in one if name.startswith(("train_", "val_"))]
    assert {"train_loss", "val_loss", "val_accuracy", "val_mpjpe_mm"} <= {*names}
    for name in names:
        assert len(one[name]) == len(two[name]) == (50 if name.startswith("train_") else 5)
        assert two[name] == pytest.approx(one[name], rel=1e-5, abs=1e-9), name
    seen = [load_trained(path).seen_classes for path in tmp_path.rglob("last.ckpt")]
    assert len(seen) == 2 and seen[0] == seen[1]


@pytest.mark.slow
def test_two_processes_evaluate_the_saved_model_on_all_clips(tmp_path: Path) -> None:
    found = logged(
        tmp_path,
        "--trainer.devices=2",
        "--trainer.strategy=ddp",
        "--trainer.precision=32-true",
        "--trainer.max_steps=2",
        "--trainer.val_check_interval=1.0",
        "--data.val.num_clips=13",
        "--data.batch_size=6",
    )
    trained = load_trained(next(tmp_path.rglob("last.ckpt")))
    expected = answers(trained.model, trained.splits().clips("val"))
    assert expected.logits is not None
    accuracy = (expected.logits.argmax(1) == expected.y).float().mean()
    errors = expected.errors["mpjpe_mm"]["model"].means()["mean_of_classes"]
    assert found["step"][-1] == 1  # the second of two steps, after which the checkpoint was saved
    assert found["val_accuracy"] == pytest.approx([float(accuracy)], abs=1e-6)
    assert found["val_mpjpe_mm"] == pytest.approx([float(errors.mean())], rel=1e-4)
