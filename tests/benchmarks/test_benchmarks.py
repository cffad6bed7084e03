"""Benchmarks: each script runs, and the values derived from the times are correct."""

import argparse
import importlib
import json
import pickle
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from benchmark_scripts import BENCHMARKS, CEILINGS, Scripts
from exported_models import onnx_file
from marks import slow

from pyg_sybio.export import Exported
from pyg_sybio.models.sybio_gnn import SybioGNN

CPU = torch.device("cpu")


@pytest.fixture
def common(scripts: Scripts) -> ModuleType:
    return scripts["common"]


@pytest.fixture
def modes(scripts: Scripts) -> ModuleType:
    return scripts["modes"]


@pytest.fixture
def timing(scripts: Scripts) -> ModuleType:
    return scripts["timing"]


def rows_of(script: ModuleType, folder: Path, *argv: str) -> list[dict[str, Any]]:
    """Run a script briefly and return the rows that it wrote."""
    output = folder / "figures.json"
    script.main([*argv, "--seconds", "0", "--output", str(output)])
    document = json.loads(output.read_text())
    assert document["environment"]["torch"] == torch.__version__
    assert document["environment"]["convolution ceiling in bf16, GFLOP/s"] == CEILINGS[torch.bfloat16]
    assert {"device", "threads", "python", "date"} <= document["environment"].keys()
    rows: list[dict[str, Any]] = document["rows"]
    for row in rows:
        figures = {key: value for key, value in row.items() if key.split()[-1] in ("ms", "share", "ceiling")}
        assert figures and all(value > 0 for value in figures.values() if value is not None)
    return rows


# Scripts --------------------------------------------------------------------------------------------------


def test_the_latency_table_has_a_row_per_variant_and_mode(
    scripts: Scripts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--presets", "demo", "--variants", "full", "no bones", "--modes", "eager", "bf16", "--batch", "2"]
    rows = rows_of(scripts["latency"], tmp_path, *argv, "--frames", "10", "--persons", "2")
    assert [(row["variant"], row["mode"]) for row in rows] == [
        ("full", "eager"),
        ("full", "bf16"),
        ("no bones", "eager"),
        ("no bones", "bf16"),
    ]
    assert capsys.readouterr().out.count("no bones") == 2
    for eager, bf16 in (rows[:2], rows[2:]):
        assert eager["x eager"] == 1
        assert bf16["x eager"] == pytest.approx(eager["p50 ms"] / bf16["p50 ms"])
        assert eager["share bf16"] is None
        assert bf16["share bf16"] == bf16["share"] == pytest.approx(bf16["share fp32"] / 2)
        assert eager["GFLOP"] == bf16["GFLOP"]
        assert eager["GFLOP"] == pytest.approx(eager["executed"])
    assert rows[0]["GFLOP"] > rows[2]["GFLOP"]
    for row in rows:
        shape = (row["batch"], row["persons"], row["frames"], row["joints"])
        assert shape == (2, 2, 10, 25)
        # GFLOP: the time in seconds times the ceiling in GFLOP/s, per clip of two.
        assert row["time x ceiling"] == pytest.approx(row["p50 ms"] / 1e3 * 100 / 2)
        assert row["share fp32"] == pytest.approx(row["GFLOP"] / (row["p50 ms"] / 1e3) / 100)
        assert row["p50 ms"] <= row["p95 ms"] <= row["p99 ms"]


@pytest.mark.slow
def test_throughput_is_clips_per_second_and_memory_grows_with_the_batch(
    scripts: Scripts, tmp_path: Path
) -> None:
    argv = ["--presets", "demo", "--modes", "eager", "--batch", "1", "16"]
    one, many = rows_of(scripts["throughput"], tmp_path, *argv)
    assert (one["batch"], many["batch"]) == (1, 16)
    assert many["clips/s"] == pytest.approx(16 / (many["p50 ms"] / 1e3))
    if sys.platform == "linux":
        assert many["peak MB"] > one["peak MB"] > 0
    else:
        assert many["peak MB"] is None


def test_the_training_table_has_a_row_per_precision(
    scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One step in this process; the throughput test covers separate processes.
    monkeypatch.setattr(scripts["training"], "peak_memory", lambda prepare, device: float(prepare()()))
    fp32, bf16 = rows_of(scripts["training"], tmp_path, "--presets", "demo", "--batch", "2")
    assert (fp32["precision"], bf16["precision"]) == ("fp32", "bf16")
    assert fp32["samples/s"] == pytest.approx(2 / (fp32["p50 ms"] / 1e3))
    assert fp32["GFLOP"] == bf16["GFLOP"]
    assert bf16["share"] == pytest.approx(bf16["GFLOP"] / (bf16["p50 ms"] / 1e3) / 200)
    assert bf16["share of product"] == pytest.approx(bf16["share"])
    assert bf16["time x ceiling"] == pytest.approx(bf16["p50 ms"] / 1e3 * 100 / 2)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_step_trains(scripts: Scripts, precision: str) -> None:
    step = scripts["training"].training_step("demo", 4, precision, "plain", CPU)
    losses = [float(step()) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_a_checkpointed_step_computes_more_with_the_same_result(scripts: Scripts) -> None:
    training, losses, flops = scripts["training"], [], []
    for way in ("plain", "checkpointed"):
        step = training.training_step("demo", 2, "fp32", way, CPU)
        losses.append([float(step()), float(step())])
        flops.append(scripts["modes"].flops(step))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert flops[0] < flops[1]


def test_a_dense_step_computes_less_with_the_same_result(scripts: Scripts) -> None:
    training, losses, flops = scripts["training"], [], []
    for way in ("plain", "dense"):
        step = training.training_step("demo", 2, "fp32", way, CPU)
        losses.append([float(step()), float(step())])
        flops.append(scripts["modes"].flops(step))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert flops[0] > flops[1]


def test_the_actional_table_has_a_row_per_number_of_iterations_and_pass(
    scripts: Scripts, tmp_path: Path
) -> None:
    argv = ["--skeletons", "jhmdb15", "--batch", "3", "--iterations", "0", "1", "--width", "8"]
    rows = rows_of(scripts["actional"], tmp_path, *argv)
    assert [(row["K"], row["pass"]) for row in rows] == [
        (0, "evaluation"),
        (0, "training"),
        (1, "evaluation"),
        (1, "training"),
    ]
    for row in rows:
        assert (row["joints"], row["batch"]) == (15, 3)
        assert row["ratio"] == pytest.approx(row["message passing ms"] / row["dense ms"])
    assert rows[1]["GFLOP"] == pytest.approx(3 * rows[0]["GFLOP"])
    # The perceptron of an edge has layers with 16 and 8 inputs, and the perceptron of a joint two with 8.
    edges, joints = 15 * 14, 15
    more = 2 * 3 * 8 * (edges * (16 + 8) + joints * (8 + 8))
    assert 1e9 * (rows[2]["GFLOP"] - rows[0]["GFLOP"]) == pytest.approx(more)


def test_the_iterations_table_counts_the_predicted_frames_of_all_clips(
    scripts: Scripts, tmp_path: Path
) -> None:
    argv = ["--preset", "demo", "--modes", "eager", "--iterations", "0", "3", "--future", "4", "--batch", "2"]
    none, three = rows_of(scripts["iterations"], tmp_path, *argv)
    assert (none["K"], three["K"]) == (0, 3)
    assert three["GFLOP"] > none["GFLOP"]
    assert three["frames in 20 ms"] == pytest.approx(2 * 4 * 20 / three["p50 ms"])


def test_ten_frames_in_100_ms_are_two_in_20_ms(scripts: Scripts) -> None:
    # Ten frames in 100 ms are two frames in 20 ms.
    assert scripts["iterations"].frames_in_20_ms(10, 0.1) == pytest.approx(2)


def test_exported_models_are_compared_with_pytorch_in_the_same_run(
    scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A small model instead of the preset, whose export is slow.
    script, (model, content, exported) = scripts["exported"], onnx_file("joints alone")

    def write(model: SybioGNN, path: Path, **settings: Any) -> Exported:
        assert settings == {"persons": False}
        path.write_bytes(content)
        return exported

    monkeypatch.setattr(script, "build", lambda preset, batch=1: (model, torch.randn(batch, 1, 30, 15, 2)))
    monkeypatch.setattr(script, "export_onnx", write)
    argv = ["--presets", "realtime", "--modes", "eager", "folded", "--batch", "1", "2"]
    rows = rows_of(script, tmp_path, *argv)
    modes = ("eager", "folded", "onnx")
    assert [(row["batch"], row["mode"]) for row in rows] == [(n, mode) for n in (1, 2) for mode in modes]
    for eager, folded, onnx in (rows[:3], rows[3:]):
        assert onnx["x eager"] == pytest.approx(eager["p50 ms"] / onnx["p50 ms"])
        assert onnx["MB"] == len(content) / 1e6
        assert 0 < onnx["difference"] < 1e-5
        assert folded["MB"] is None
        # GFLOP: the time in seconds times the ceiling in GFLOP/s, per clip.
        assert onnx["time x ceiling"] == pytest.approx(onnx["p50 ms"] / 1e3 * 100 / onnx["batch"])


def test_the_scaling_table_has_a_row_per_size_with_an_exponent(scripts: Scripts, tmp_path: Path) -> None:
    argv = ["--presets", "demo", "--modes", "eager", "--frames", "2", "--joints", "4", "--batch", "1"]
    rows = rows_of(scripts["scaling"], tmp_path, *argv)
    assert [(row["growth"], row["base"]) for row in rows] == [
        ("frames", 2),
        ("joints", 4),
        ("persons", 1),
        ("batch", 1),
    ]
    for row in rows:
        assert row["to linear"] == pytest.approx(row["ms 8x"] / (8 * row["ms 1x"]) - 1)
        assert row["exponent"] < 3


@pytest.mark.parametrize("power", [0.0, 1.0, 1.7])
def test_the_exponent_of_a_power_law_is_its_power(scripts: Scripts, power: float) -> None:
    sizes = (1, 2, 4, 8)
    assert scripts["scaling"].exponent(sizes, [0.3 * size**power for size in sizes]) == pytest.approx(power)


def test_the_exponent_is_fitted_to_all_sizes(scripts: Scripts) -> None:
    # Log-times 0, 0, 0, 3 against 0, 1, 2, 3: the least-squares slope is 4.5 / 5.
    assert scripts["scaling"].exponent((1, 2, 4, 8), (1, 1, 1, 8)) == pytest.approx(0.9)


@pytest.mark.parametrize("num_joints", [2, 7])
def test_a_chain_is_a_valid_skeleton(scripts: Scripts, num_joints: int) -> None:
    chain = scripts["scaling"].chain(num_joints)
    assert (chain.num_joints, chain.num_bones) == (num_joints, num_joints - 1)
    assert chain.num_parts == -(-num_joints // 3)
    assert chain.dual().num_joints == num_joints - 1


def test_the_data_benchmark_measures_preparation_loading_and_training_steps(
    scripts: Scripts, tmp_path: Path
) -> None:
    output = tmp_path / "figures.json"
    argv = ["--ntu", "3", "--processes", "1", "--loader", "0", "--step", "demo", "--step-clips", "2"]
    scripts["data"].main([*argv, "--output", str(output)])
    document = json.loads(output.read_text())
    (preparation,), (loader,), (step,) = (document[name] for name in ("preparation", "loader", "step"))
    assert (preparation["files"], preparation["clips"]) == (3, 3)
    assert preparation["files/s"] == pytest.approx(3 / preparation["seconds"])
    assert preparation["all of NTU, min"] == pytest.approx(56880 / preparation["files/s"] / 60)
    assert loader["clips/s"] > 0 and step["clips/s"] > 0
    assert preparation["PSS, MB"] > preparation["own, MB"] > 0


# Command line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["latency", "throughput", "iterations", "scaling"])
def test_an_unknown_mode_is_a_usage_error(
    scripts: Scripts, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for mode in ("fast", "graph"):
        with pytest.raises(SystemExit) as end:
            scripts[name].main(["--modes", "eager", mode])
        assert end.value.code == 2
        assert f"argument --modes: unknown mode '{mode}' on cpu, expected eager, bf16, folded" in (
            capsys.readouterr().err
        )


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cpus", "expected cpu or cuda, got 'cpus'"),
        ("meta", "expected cpu or cuda, got 'meta'"),
        ("cuda:x", "expected cpu or cuda, got 'cuda:x'"),
        pytest.param(
            "cuda",
            "'cuda': torch finds no CUDA device",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this torch sees a CUDA device"),
        ),
    ],
)
def test_invalid_and_missing_devices_are_usage_errors(
    scripts: Scripts, device: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        scripts["latency"].main(["--device", device])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "many"])
def test_counts_that_are_not_positive_integers_are_refused(common: ModuleType, count: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"expected a positive integer, got '{count}'"):
        common.positive_int(count)


@pytest.mark.parametrize("name", ["latency", "training", "serving", "peers", "compare", "data", "operators"])
def test_help_shows_examples(scripts: Scripts, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        scripts[name].main(["--help"])
    assert end.value.code == 0
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out


def test_help_shows_default_values(common: ModuleType) -> None:
    parser = common.argument_parser("Test.", preset="realtime", batch=[1, 8], persons=None, seconds=0.5)
    text = " ".join(parser.format_help().split())
    assert "model size (default: realtime)" in text
    assert "clips per batch (default: 1 8)" in text
    assert "measure each model (default: 0.5)" in text


def test_emulated_bf16_is_skipped_unless_requested(
    scripts: Scripts, common: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def parsed(*argv: str) -> argparse.Namespace:
        defaults = {"modes": ["folded", "folded-bf16"], "precisions": ["fp32", "bf16"]}
        parser = common.argument_parser("Test.", **defaults, **common.COMMON)
        arguments: argparse.Namespace = common.parsed(parser, argv)
        return arguments

    assert parsed().modes == ["folded", "folded-bf16"]
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(scripts["timing"], "has_native_bf16", lambda device: False)
    arguments = parsed()
    assert (arguments.modes, arguments.precisions) == (["folded"], ["fp32"])
    printed = "This cpu emulates bfloat16: folded-bf16, bf16 skipped unless requested\n"
    assert capsys.readouterr().out == printed
    assert not any("bf16" in key for key in common.environment(CPU))
    arguments = parsed("--modes", "bf16", "--precisions", "bf16")
    assert (arguments.modes, arguments.precisions) == (["bf16"], ["bf16"])


# Modes and samples ----------------------------------------------------------------------------------------


def test_bf16_results_are_close_to_fp32(modes: ModuleType) -> None:
    model, x = modes.build("demo")
    eager, half = (modes.in_mode(model, mode, x)() for mode in ("eager", "bf16"))
    assert not torch.equal(eager.logits, half.logits)
    torch.testing.assert_close(eager.logits, half.logits.float(), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("mode", "tolerance"),
    [("folded", 1e-4), ("folded-bf16", 0.1), ("compiled", 1e-4), slow("compiled-bf16", 0.1)],
)
def test_folded_and_compiled_results_are_close_to_eager(
    modes: ModuleType, monkeypatch: pytest.MonkeyPatch, mode: str, tolerance: float
) -> None:
    # Only the front end of the compiler, because generating code takes minutes.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    model, x = modes.build("demo", batch=2, observed=12, num_future=2)
    eager, other = (modes.in_mode(model, each, x)() for each in ("eager", mode))
    torch.testing.assert_close(eager.logits, other.logits.float(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(eager.future, other.future.float(), rtol=tolerance, atol=tolerance)
    reference = modes.executed_flops(model, "eager", x)
    assert 0.3 * reference < modes.executed_flops(model, mode, x) <= 1.05 * reference


def test_reference_flops_scale_with_the_number_of_clips(modes: ModuleType) -> None:
    def gflop(**settings: Any) -> float:
        (row,) = modes.measure([modes.Case("demo", "folded", settings)], CPU, 0.0)
        return float(row["GFLOP"])

    model, x = modes.build("demo", batch=3)
    one = gflop()
    assert 1e9 * gflop(batch=3) == pytest.approx(modes.executed_flops(model, "eager", x), rel=1e-12)
    assert gflop(batch=3) == pytest.approx(3 * one)
    assert one < gflop(persons=2) < 2 * one  # one classifier per clip
    assert gflop(bones=False) < 0.6 * one


def test_modes_that_the_device_does_not_support_are_refused(common: ModuleType, modes: ModuleType) -> None:
    model, x = modes.build("demo")
    with pytest.raises(ValueError, match=r"unknown mode 'fast' on cpu, expected eager, bf16, fol"):
        modes.in_mode(model, "fast", x)
    with pytest.raises(ValueError, match=r"unknown mode 'graph' on cpu, expected eager"):
        modes.in_mode(model, "graph", x)
    common.check_modes(["graph-bf16"], torch.device("cuda"))


def test_samples_are_reproducible(modes: ModuleType) -> None:
    state = torch.random.get_rng_state()
    (model, x), (again, same) = modes.build("demo", observed=7), modes.build("demo", observed=7)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(x, same)
    assert x.shape == (1, 1, 7, 25, 3)
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_samples_of_presets_have_the_size_of_their_data(scripts: Scripts) -> None:
    samples = scripts["samples"].SAMPLES
    ntu, mocap = samples["ntu"], samples["mocap"]
    assert (ntu.persons, ntu.observed, ntu.future, ntu.classes) == (2, 290, 10, 60)
    assert (mocap.skeleton, mocap.persons, mocap.observed, mocap.future) == ("h36m32:used", 1, 50, 10)
    with pytest.raises(ValueError, match=r"unknown preset 'huge', expected ntu, mocap"):
        scripts["modes"].build("huge")


# Timings, memory, reports ---------------------------------------------------------------------------------


def test_timings_alternate_their_order_between_rounds(timing: ModuleType) -> None:
    order: list[str] = []
    seconds = {"a": 1.0, "b": 2.0, "c": 3.0}

    def timer(name: str) -> float:
        order.append(name)
        return seconds[name]

    timers = [partial(timer, name) for name in "abc"]
    times = timing.timings_in_turn(timers, seconds=0.0, at_least=3)
    assert times == [[1.0] * 3, [2.0] * 3, [3.0] * 3]
    assert order == [*"aabbcc", *"abc", *"cba", *"abc"]
    assert len(timing.timings_in_turn(timers, seconds=8.0, at_least=1)[0]) == 4  # 24 seconds


def test_percentiles_and_shares_follow_from_times_and_ceilings(timing: ModuleType) -> None:
    times = [each / 1000 for each in range(1, 102)]
    figures = timing.Measured(times, {"fp32": 100.0, "bf16": 400.0}).figures(5.1e9, clips=3, precision="bf16")
    assert figures["runs"] == 101
    assert figures["p50 ms"] == pytest.approx(51)
    assert figures["p95 ms"] == pytest.approx(96)
    assert figures["p99 ms"] == pytest.approx(100)
    assert figures["time x ceiling"] == pytest.approx(5.1 / 3)
    assert figures["share fp32"] == pytest.approx(1.0)
    assert figures["share"] == figures["share bf16"] == pytest.approx(0.25)
    assert (figures["ceiling fp32"], figures["ceiling bf16"]) == (100, 400)
    figures = timing.Measured(times, {"fp32": 100.0}).figures(5.1e9, precision="bf16")
    assert figures["share"] is figures["share bf16"] is figures["ceiling bf16"] is None


def test_ceilings_before_and_after_are_averaged(timing: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ceilings = iter([10.0, 20.0, 30.0, 60.0])  # in fp32 and bf16, before and after
    monkeypatch.setattr(timing, "convolution_ceiling", lambda *arguments: next(ceilings))
    (measured,) = timing.around_in_turn([lambda: None], CPU, seconds=0.0)
    assert measured.ceilings == {"fp32": 20.0, "bf16": 40.0}


def test_a_ceiling_is_flops_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    timing = importlib.import_module("timing")
    monkeypatch.setattr(timing, "timed", lambda run, device: run() or 0.5)
    monkeypatch.setattr(timing, "CEILING_SECONDS", 0.0)
    # 2 · 9 · 128 · 128 FLOPs per position.
    assert timing.convolution_ceiling(CPU) == pytest.approx(2 * 9 * 128 * 128 * 7500 / 1e9 / 0.5)


def held(megabytes: int) -> None:
    torch.ones(megabytes, 2**20 // 4)


def holding(megabytes: int) -> partial[None]:
    return partial(held, megabytes)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports a process's peak memory")
def test_peak_memory_is_the_memory_that_the_run_allocates(timing: ModuleType) -> None:
    prepare = partial(holding, 64)
    pickle.dumps(prepare)
    assert timing.peak_memory(prepare, CPU) == pytest.approx(64 * 1.048576, rel=0.1)


def test_a_report_shows_and_saves_partial_results(
    common: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "figures.json"

    def rows() -> Any:
        yield {"name": "one", "ms": 1.25, "more": [1, 2]}
        assert [row["name"] for row in json.loads(output.read_text())["rows"]] == ["one"]
        yield {"name": "two", "ms": None, "more": []}

    report = common.Report({"threads": 2}, output)
    returned = report.table(rows(), {"name": "<5", "ms": ">+7.1f"})
    assert [row["name"] for row in returned] == ["one", "two"]
    others = [{"name": "a long name"}, {"name": "hidden"}]
    report.table(others, {"name": "<1"}, "others", shown=lambda row: row["name"] != "hidden")
    assert json.loads(output.read_text()) == {
        "environment": {"threads": 2},
        "rows": returned,
        "others": others,
    }
    assert capsys.readouterr().out.splitlines() == [
        "threads: 2",
        "",
        "name        ms",
        "one       +1.2",
        "two          -",
        "",
        "name",
        "a long name",
    ]
