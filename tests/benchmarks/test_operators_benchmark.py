"""The rows of a profile add up, and its FLOPs equal the counts of torch and of the equations."""

import json
from dataclasses import replace
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from benchmark_scripts import Scripts

FRAMES, PERSONS, BATCH, ORDERS = 9, 2, 3, 3
TINY: dict[str, Any] = {
    "channels": (8, 16),
    "strides": (1, 2),
    "fusions": (1,),
    "kernel_size": 5,
    "head_channels": 8,
    "actional_channels": 8,
    "actional_frames": 6,
    "num_future": 2,
}
SHAPE = {"batch": BATCH, "persons": PERSONS, "observed": FRAMES}
MODES = ("eager", "bf16", "folded", "folded-bf16")


@pytest.fixture
def operators(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a small model instead of the preset."""
    module, build = scripts["operators"], scripts["modes"].build
    monkeypatch.setattr(
        module, "build", lambda preset, device, **shape: build(preset, device, **shape, **TINY)
    )
    monkeypatch.setattr(module, "torch_operators", lambda run, device: [])  # tested separately
    return module


def _run(operators: ModuleType, folder: Path, *argv: str) -> dict[str, Any]:
    output = folder / "profile.json"
    shape = ["--frames", str(FRAMES), "--persons", str(PERSONS), "--batch", str(BATCH)]
    argv = (
        "--presets",
        "demo",
        *argv,
        *shape,
        "--seconds",
        "0",
        "--recordings",
        "2",
        "--output",
        str(output),
    )
    operators.main(argv)
    document: dict[str, Any] = json.loads(output.read_text())
    return document


def _executed(scripts: Scripts, mode: str) -> float:
    modes = scripts["modes"]
    model, x = modes.build("demo", **SHAPE, **TINY)
    return float(modes.flops(modes.in_mode(model, mode, x).countable()))


@pytest.mark.parametrize("mode", MODES)
def test_the_tables_of_an_evaluation_add_up(
    scripts: Scripts, operators: ModuleType, tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = _run(operators, tmp_path, "--modes", mode)
    *classes, total = document["classes"]
    assert total["class"] == "total"
    for figure in ("calls", "GFLOP", "ms", "of total"):
        assert sum(row[figure] for row in classes) == pytest.approx(total[figure])
    assert 1e9 * total["GFLOP"] == pytest.approx(_executed(scripts, mode), rel=1e-12)
    root, outside = document["modules"][0], document["modules"][-1]
    assert root["module"] == "(model)"
    assert root["ms"] + outside["ms"] == pytest.approx(total["ms"])
    assert outside["GFLOP"] == 0
    (model,) = document["models"]
    assert (model["mode"], model["batch"], model["persons"], model["frames"]) == (
        mode,
        BATCH,
        PERSONS,
        FRAMES,
    )
    assert model["executed"] == total["GFLOP"] and model["recorded ms"] == total["ms"]
    ceiling = 200 if mode.endswith("bf16") else 100
    assert total["share"] == pytest.approx(total["GFLOP"] / (total["ms"] / 1e3) / ceiling)
    # A module includes its submodules.
    rows = {row["module"]: row for row in document["modules"]}
    heads = [row for name, row in rows.items() if name.endswith("joint_network.prediction_head")]
    assert heads and all(row["GFLOP"] > 0 for row in heads)
    printed = capsys.readouterr().out
    assert "prediction_head" in printed and "backward ms" not in printed


def test_a_training_step_includes_forward_and_backward(operators: ModuleType, tmp_path: Path) -> None:
    document = _run(operators, tmp_path, "--train")
    total = document["classes"][-1]
    assert total["forward ms"] + total["backward ms"] == pytest.approx(total["ms"])
    by_class = {row["class"]: row for row in document["classes"]}
    skeleton = operators.build("demo", "cpu")[0].skeleton
    expected, length = 0, FRAMES
    for block, (channels, stride) in enumerate(zip(TINY["channels"], TINY["strides"], strict=True)):
        length = ceil(length / stride)
        for graph in (skeleton, skeleton.dual()):
            nodes = graph.num_joints + (graph.num_parts if block > 0 else 0)
            expected += 2 * BATCH * PERSONS * ORDERS * length * nodes * TINY["kernel_size"] * channels**2
    # Forward pass, and the gradients of the input and of the weights.
    rows = [row for row in document["modules"] if row["module"].endswith("temporal_conv")]
    assert {row["class"] for row in rows} == {"TemporalConv"}
    assert 1e9 * sum(row["GFLOP"] for row in rows) == pytest.approx(3 * expected, rel=1e-12)
    assert by_class["SymbioticLoss"]["calls"] == 1
    assert by_class["(outside of modules)"]["GFLOP"] == 0


def test_modules_are_printed_down_to_a_depth(
    operators: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = _run(operators, tmp_path, "--depth", "2")
    printed = capsys.readouterr().out
    assert "joint_network.backbone " in printed and "joint_network.backbone.branches" not in printed
    assert any(row["module"].startswith("joint_network.backbone.branches") for row in document["modules"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--modes", "compiled"], "argument --modes: only eager, bf16, folded, folded-bf16 can be profiled"),
        (["--modes", "folded", "--train"], "argument --modes: only eager, bf16 can be profiled"),
    ],
)
def test_a_mode_that_runs_no_modules_is_refused(
    operators: ModuleType, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as end:
        operators.main(argv)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_torch_operators_are_sorted_by_their_own_time(scripts: Scripts) -> None:
    x = torch.randn(64, 64)
    rows = scripts["operators"].torch_operators(lambda: [x @ x for _ in range(3)], x.device)
    (product,) = (row for row in rows if row["operator"] == "aten::mm")
    assert product["calls"] == 3
    times = [row["ms"] for row in rows]
    assert times == sorted(times, reverse=True)
    assert 0 < product["of total"] <= 1


@pytest.mark.parametrize("mode", MODES)
def test_recording_does_not_change_the_results(scripts: Scripts, operators: ModuleType, mode: str) -> None:
    model, x = operators.build("demo", "cpu", **SHAPE)
    run = scripts["modes"].in_mode(model, mode, x)
    expected, results = run(), []
    noted = replace(run, module=lambda x: results.append(run.module(x)))
    operators.recorded(noted, dict(run.module.named_modules()), torch.device("cpu"), 1)
    assert len(results) == 2  # for the time, and for the FLOPs
    for each in results:
        torch.testing.assert_close(each.future, expected.future)
        torch.testing.assert_close(each.logits, expected.logits)


@pytest.mark.cuda
@pytest.mark.slow
@pytest.mark.parametrize("train", [[], ["--train"]])
def test_the_table_adds_up_on_cuda(operators: ModuleType, tmp_path: Path, train: list[str]) -> None:
    *classes, total = _run(operators, tmp_path, "--device", "cuda", *train)["classes"]
    assert sum(row["ms"] for row in classes) == pytest.approx(total["ms"])
