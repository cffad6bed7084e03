"""The profile of a model's operators adds up, and its FLOPs are those of the equations."""

import json
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CEILING = 100.0  # GFLOP/s
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
FRAMES, PERSONS, BATCH, ORDERS = 9, 2, 3, 3


@pytest.fixture(autouse=True)
def operators(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script, on a machine whose ceiling is known at once."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import common
    import operators

    monkeypatch.setattr(common, "convolution_ceiling", lambda *arguments: CEILING)
    yield operators


def _profile(operators: ModuleType, mode: str = "eager", **arguments: Any) -> dict[str, Any]:
    shape = {"batch": BATCH, "persons": PERSONS, "frames": FRAMES}
    device = torch.device("cpu")
    result: dict[str, Any] = operators.profile(
        "demo", mode, device, seconds=0.0, recordings=2, **shape, **TINY, **arguments
    )
    return result


def _row(rows: list[dict[str, Any]], key: str, name: str) -> dict[str, Any]:
    (row,) = (row for row in rows if row[key] == name)
    return row


def _executed(operators: ModuleType, mode: str, **overrides: Any) -> int:
    model, x = operators.build("demo", batch=BATCH, persons=PERSONS, observed=FRAMES, **TINY, **overrides)
    with FlopCounterMode(display=False) as counter:
        operators.in_mode(model, mode, x)  # runs once
    return int(counter.get_total_flops())


@pytest.mark.parametrize("mode", ["plain", "eager", "bf16", "folded", "folded-bf16"])
def test_every_table_sums_to_the_same_total(operators: ModuleType, mode: str) -> None:
    result = _profile(operators, mode)
    for name in ("operators", "blocks", "torch operators"):
        *rows, total = result[name]
        for figure in ("calls", "GFLOP", "MB", "ms", "of total"):
            assert sum(row[figure] for row in rows) == pytest.approx(total[figure])
        for figure in ("calls", "GFLOP", "MB", "ms"):
            assert total[figure] == pytest.approx(result["operators"][-1][figure])
        assert total["of total"] == pytest.approx(1)
        assert total["ms"] == pytest.approx(result["ms of recorded calls"])


@pytest.mark.parametrize("mode", ["plain", "eager", "folded", "folded-bf16"])
def test_the_flops_are_those_that_torch_counts(operators: ModuleType, mode: str) -> None:
    result = _profile(operators, mode)
    assert 1e9 * result["GFLOP executed"] == pytest.approx(_executed(operators, mode), rel=1e-12)


@pytest.mark.parametrize("mode", ["plain", "eager", "folded", "folded-bf16"])
def test_temporal_convolutions_have_the_flops_of_the_equation(operators: ModuleType, mode: str) -> None:
    result = _profile(operators, mode)
    skeleton = operators.build("demo", **TINY)[0].skeleton
    expected, length = 0, FRAMES
    for block, (channels, stride) in enumerate(zip(TINY["channels"], TINY["strides"], strict=True)):
        length = ceil(length / stride)
        for graph in (skeleton, skeleton.dual()):
            nodes = graph.num_joints + (graph.num_parts if block > 0 else 0)
            expected += 2 * BATCH * PERSONS * ORDERS * length * nodes * TINY["kernel_size"] * channels**2
    row = _row(result["operators"], "operator", "temporal convolution")
    assert 1e9 * row["GFLOP"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("mode", ["eager", "folded"])
def test_wide_temporal_convolutions_of_long_clips_take_fewer_flops(operators: ModuleType, mode: str) -> None:
    """Five products for three outputs of three taps, instead of nine."""
    shape: dict[str, Any] = {"channels": (128,), "strides": (1,), "fusions": (), "kernel_size": 3}
    frames, clips = 117, 2  # three orders of them are long enough
    device = torch.device("cpu")
    wide = {**TINY, **shape}
    result = operators.profile(
        "demo", mode, device, seconds=0.0, recordings=1, batch=clips, frames=frames, **wide
    )
    skeleton = operators.build("demo", **wide)[0].skeleton
    nodes = skeleton.num_joints + skeleton.dual().num_joints
    expected = 2 * clips * ORDERS * frames * nodes * 3 * 128**2 * 5 / 9
    row = _row(result["operators"], "operator", "temporal convolution")
    # What is not prepared pays for its kernels too.
    assert 1e9 * row["GFLOP"] == pytest.approx(expected, rel=1e-12 if mode == "folded" else 1e-2)


@pytest.mark.parametrize("mode", ["plain", "eager", "folded", "folded-bf16"])
def test_residuals_are_no_feature_products(operators: ModuleType, mode: str) -> None:
    """Without parts nothing is fused, and the residuals' linear maps have the FLOPs of the equation."""
    result = _profile(operators, mode, parts=False)
    skeleton = operators.build("demo", **TINY)[0].skeleton
    nodes = skeleton.num_joints + skeleton.dual().num_joints
    in_channels, (first, second) = skeleton.num_features, TINY["channels"]
    lengths = FRAMES, ceil(FRAMES / 2)
    expected = 2 * BATCH * PERSONS * ORDERS * nodes
    expected *= lengths[0] * in_channels * first + lengths[1] * first * second
    row = _row(result["operators"], "operator", "batch norms, activations, residual")
    assert 1e9 * row["GFLOP"] == pytest.approx(expected, rel=1e-12)
    for word in ("JGC gather", "JGC feature product"):
        assert _row(result["operators"], "operator", word)["GFLOP"] > 0


@pytest.mark.parametrize("mode", ["plain", "eager", "folded", "folded-bf16"])
def test_every_row_is_known_and_every_operator_has_one(operators: ModuleType, mode: str) -> None:
    result = _profile(operators, mode)
    words = [row["operator"] for row in result["operators"]]
    assert words == [word for word in operators.OPERATORS if word != "loss"] + ["total"]
    assert _row(result["operators"], "operator", "rest")["GFLOP"] == 0
    blocks = {row["block"] for row in result["blocks"]}
    for network in ("joint network", "bone network"):
        assert {f"{network}, joint block {i}" for i in (0, 1)} <= blocks
        assert f"{network}, part block 1" in blocks
        assert f"{network}, part block 0" not in blocks
    assert {"aten.convolution", "aten.bmm", "aten.addmm"} <= {
        row["function"] for row in result["torch operators"]
    }


def test_rates_follow_from_the_sums(operators: ModuleType) -> None:
    row = _row(_profile(operators)["operators"], "operator", "temporal convolution")
    rate = row["GFLOP"] / (row["ms"] / 1e3)
    assert row["GFLOP/s"] == pytest.approx(rate)
    assert row["share"] == pytest.approx(rate / CEILING)
    assert row["FLOP/byte"] == pytest.approx(1e3 * row["GFLOP"] / row["MB"])
    assert row["GB/s"] == pytest.approx(row["MB"] / row["ms"])


def test_a_training_step_has_both_directions_and_knows_its_gradients(operators: ModuleType) -> None:
    result = _profile(operators, train=True)
    forward, backward, total = result["directions"]
    assert (forward["direction"], backward["direction"]) == ("forward", "backward")
    assert forward["calls"] + backward["calls"] == total["calls"] == result["operators"][-1]["calls"]
    # A gradient by the input and one by the weights, except where the input is the data.
    assert result["GFLOP executed"] < result["GFLOP needed"] < 1.5 * result["GFLOP executed"]
    assert 1.5 * forward["GFLOP"] < backward["GFLOP"] < 2 * forward["GFLOP"]
    assert _row(result["operators"], "operator", "rest")["GFLOP"] == 0
    convolution = _row(_profile(operators)["operators"], "operator", "temporal convolution")
    trained = _row(result["operators"], "operator", "temporal convolution")
    assert trained["GFLOP"] == pytest.approx(3 * convolution["GFLOP"])
    assert _row(result["operators"], "operator", "loss")["calls"] > 0


def test_bytes_are_those_of_inputs_and_outputs_once(operators: ModuleType) -> None:
    class Steps(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            turned = x.t()  # a view
            row = x[:1].expand(4, 6)  # one row, four times
            return turned.clone().t().add_(row)

    recorder = operators.Recorder(torch.device("cpu"))
    module, x = Steps(), torch.ones(4, 6)
    moved = {call.function: call.bytes for call in recorder.record(lambda: module(x))}
    assert moved["aten.t"] == moved["aten.slice"] == moved["aten.expand"] == 0
    assert moved["aten.clone"] == 4 * (24 + 24)
    assert moved["aten.add_"] == 4 * (24 + 6 + 24)  # read, read, written


def test_a_module_that_runs_several_times_is_one_row(operators: ModuleType) -> None:
    """As when persons are run in chunks: a call more, the same names."""
    model, x = operators.build("demo", batch=2, observed=FRAMES, **TINY)

    def chunks() -> None:
        with torch.inference_mode():
            model(x[:1])
            model(x[1:])

    recorder = operators.Recorder(x.device)
    halves = operators.rows(recorder.record(chunks), "operator", CEILING)
    whole = operators.rows(recorder.record(operators.in_mode(model, "eager", x)), "operator", CEILING)
    names = [row["operator"] for row in whole]
    assert [row["operator"] for row in halves] == names
    for name in ("temporal convolution", "AGIM"):
        half, one = (_row(rows, "operator", name) for rows in (halves, whole))
        assert half["GFLOP"] == pytest.approx(one["GFLOP"])
        assert half["calls"] == 2 * one["calls"]


def test_modules_are_followed_no_longer_than_recorded(operators: ModuleType) -> None:
    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no")

    recorder = operators.Recorder(torch.device("cpu"))
    with pytest.raises(RuntimeError, match="no"):
        recorder.record(lambda: Fails()(torch.ones(1)))
    (call,) = recorder.record(lambda: torch.ones(2).neg())[-1:]
    assert (call.operator, call.block) == ("rest", "rest")


def test_a_mode_that_hides_its_operators_is_refused(operators: ModuleType) -> None:
    with pytest.raises(ValueError, match="cannot be recorded in mode 'compiled', only in plain, eager, bf16"):
        _profile(operators, "compiled")
    with pytest.raises(ValueError, match="a training step cannot be recorded in mode 'plain'"):
        _profile(operators, "plain", train=True)


def test_the_command_prints_tables_and_writes_json(
    operators: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import common

    monkeypatch.setattr(common, "product_ceiling", lambda *arguments: CEILING)
    output = tmp_path / "profile.json"
    shape = ["--frames", "8", "--persons", "2", "--batch", "2"]
    argv = ["--presets", "demo", "--modes", "plain", "eager", *shape, "--seconds", "0", "--recordings", "1"]
    operators.main([*argv, "--output", str(output)])
    printed = capsys.readouterr().out
    assert printed.count("torch:") == 1
    for words in ("JGC gather", "joint network, joint block 2", "aten.convolution"):
        assert printed.count(words) == 2
    assert "demo (eager, 2 clips of 2 persons and 8 frames) takes" in printed
    document = json.loads(output.read_text())
    assert document["environment"]["torch"] == torch.__version__
    assert [row["mode"] for row in document["rows"]] == ["plain", "eager"]
    for row in document["rows"]:
        assert (row["frames"], row["persons"], row["batch"]) == (8, 2, 2)
        assert row["operators"][-1]["operator"] == "total"
        assert row["time x ceiling, GFLOP"] == pytest.approx(row["ms"] / 1e3 * CEILING)


def test_recording_leaves_the_numbers_as_they_are(operators: ModuleType) -> None:
    model, x = operators.build("demo", batch=2, observed=FRAMES, **TINY)
    for mode in ("plain", "eager", "bf16", "folded", "folded-bf16"):
        run, recorded = operators.in_mode(model, mode, x), []
        operators.Recorder(x.device).record(lambda run=run, to=recorded: to.append(run()))
        torch.testing.assert_close(recorded[0].future, run().future)
        torch.testing.assert_close(recorded[0].logits, run().logits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this torch sees no CUDA device")
@pytest.mark.parametrize("train", [False, True])
def test_events_time_the_calls_on_cuda(operators: ModuleType, train: bool) -> None:
    result = operators.profile("demo", "eager", torch.device("cuda"), seconds=0.0, recordings=2, train=train)
    *rows, total = result["operators"]
    assert sum(row["ms"] for row in rows) == pytest.approx(total["ms"])
    assert all(row["ms"] > 0 for row in rows)
    assert _row(rows, "operator", "rest")["GFLOP"] == 0
