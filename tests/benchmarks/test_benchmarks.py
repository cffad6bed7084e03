"""The benchmarks: each runs as a script would, and what they compute from times is right."""

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
from exported_models import onnx_file
from marks import slow
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from pyg_sybio.export import Exported
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.skeleton import load_skeleton

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CPU = torch.device("cpu")
CEILINGS = {torch.float32: 100.0, torch.bfloat16: 200.0}  # GFLOP/s


class Scripts:
    """The modules of ``benchmarks/``, on a machine whose ceilings are known at once."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        patch.syspath_prepend(str(BENCHMARKS))
        self._patch = patch
        self.common = self["common"]
        patch.setattr(self.common, "has_native_bf16", lambda device: True)

    def __getitem__(self, name: str) -> ModuleType:
        module = importlib.import_module(name)
        for ceiling in ("convolution_ceiling", "product_ceiling"):
            if hasattr(module, ceiling):
                self._patch.setattr(module, ceiling, lambda device, dtype=torch.float32: CEILINGS[dtype])
        return module


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Scripts:
    return Scripts(monkeypatch)


@pytest.fixture
def common(scripts: Scripts) -> ModuleType:
    return scripts.common


def rows_of(script: ModuleType, folder: Path, *argv: str) -> list[dict[str, Any]]:
    """Run a script briefly, and return the rows of what it wrote."""
    output = folder / "figures.json"
    script.main([*argv, "--seconds", "0", "--output", str(output)])
    document = json.loads(output.read_text())
    assert document["environment"]["torch"] == torch.__version__
    assert document["environment"]["convolution ceiling in bf16, GFLOP/s"] == CEILINGS[torch.bfloat16]
    assert {"device", "threads", "python", "date"} <= document["environment"].keys()
    rows: list[dict[str, Any]] = document["rows"]
    for row in rows:
        assert all(value > 0 for key, value in row.items() if key.split()[-1] in ("ms", "share", "ceiling"))
    return rows


# Scripts --------------------------------------------------------------------------------------------------


def test_latency(scripts: Scripts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--presets", "demo", "--variants", "full", "no bones", "--modes", "plain", "bf16", "--batch", "2"]
    rows = rows_of(scripts["latency"], tmp_path, *argv, "--frames", "10", "--persons", "2")
    assert [(row["variant"], row["mode"]) for row in rows] == [
        ("full", "plain"),
        ("full", "bf16"),
        ("no bones", "plain"),
        ("no bones", "bf16"),
    ]
    assert capsys.readouterr().out.count("no bones") == 2
    for plain, bf16 in (rows[:2], rows[2:]):
        assert plain["x plain"] == 1
        assert bf16["x plain"] == pytest.approx(plain["p50 ms"] / bf16["p50 ms"])
        assert plain["share bf16"] is None
        assert bf16["share bf16"] == pytest.approx(bf16["share fp32"] / 2)
        assert plain["needed"] == bf16["needed"]
    assert rows[0]["needed"] > rows[2]["needed"]
    for row in rows:
        shape = (row["batch"], row["persons"], row["frames"], row["joints"])
        assert shape == (2, 2, 10, 25)
        # GFLOP: the time in seconds by the ceiling in GFLOP/s, of each of two clips.
        assert row["time x ceiling"] == pytest.approx(row["p50 ms"] / 1e3 * 100 / 2)
        assert row["share fp32"] == pytest.approx(row["needed"] / (row["p50 ms"] / 1e3) / 100)
        assert row["p50 ms"] <= row["p95 ms"] <= row["p99 ms"]


@pytest.mark.slow
def test_throughput(scripts: Scripts, tmp_path: Path) -> None:
    argv = ["--presets", "demo", "--modes", "eager", "--batch", "1", "16"]
    one, many = rows_of(scripts["throughput"], tmp_path, *argv)
    assert (one["batch"], many["batch"]) == (1, 16)
    assert many["clips/s"] == pytest.approx(16 / (many["p50 ms"] / 1e3))
    if sys.platform == "linux":
        assert many["peak MB"] > one["peak MB"] > 0
    else:
        assert many["peak MB"] is None


def test_training(scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A step here; processes of their own are for the test of throughput.
    monkeypatch.setattr(scripts["training"], "peak_memory", lambda prepare, device: float(prepare()()))
    argv = ["--presets", "demo", "--batch", "2", "--precisions", "fp32", "bf16"]
    fp32, bf16 = rows_of(scripts["training"], tmp_path, *argv)
    assert (fp32["precision"], bf16["precision"]) == ("fp32", "bf16")
    assert fp32["samples/s"] == pytest.approx(2 / (fp32["p50 ms"] / 1e3))
    assert fp32["GFLOP"] == bf16["GFLOP"]
    assert bf16["share"] == pytest.approx(bf16["GFLOP"] / (bf16["p50 ms"] / 1e3) / 200)
    assert bf16["time x ceiling"] == pytest.approx(bf16["p50 ms"] / 1e3 * 100 / 2)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_step_trains(scripts: Scripts, precision: str) -> None:
    step = scripts["training"].training_step("demo", 4, precision, "plain", CPU)
    losses = [float(step()) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_a_checkpointed_step_computes_more_and_gets_the_same(scripts: Scripts) -> None:
    training, losses, flops = scripts["training"], [], []
    for way in ("plain", "checkpointed"):
        step = training.training_step("demo", 2, "fp32", way, CPU)
        losses.append([float(step()), float(step())])
        flops.append(scripts.common.flops(step))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert flops[0] < flops[1]


def test_actional(scripts: Scripts, tmp_path: Path) -> None:
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
        assert row["ratio"] == pytest.approx(row["edgewise ms"] / row["dense ms"])
    assert rows[1]["GFLOP"] == pytest.approx(3 * rows[0]["GFLOP"])


def test_iterations(scripts: Scripts, tmp_path: Path) -> None:
    argv = ["--preset", "demo", "--modes", "eager", "--iterations", "0", "3", "--future", "4", "--batch", "2"]
    none, three = rows_of(scripts["iterations"], tmp_path, *argv)
    assert (none["K"], three["K"]) == (0, 3)
    assert three["needed"] > none["needed"]
    assert three["frames in 20 ms"] == pytest.approx(2 * 4 * 20 / three["p50 ms"])


def test_frames_in_20_ms(scripts: Scripts) -> None:
    # Ten frames in a tenth of a second are two in a fifth of that.
    assert scripts["iterations"].frames_in_20_ms(10, 0.1) == pytest.approx(2)


def test_exported(scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A small model in place of the preset's, whose export takes long.
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
        # GFLOP: the time in seconds by the ceiling in GFLOP/s, a clip.
        assert onnx["time x ceiling"] == pytest.approx(onnx["p50 ms"] / 1e3 * 100 / onnx["batch"])


def test_scaling(scripts: Scripts, tmp_path: Path) -> None:
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
def test_the_exponent_of_a_power_law(scripts: Scripts, power: float) -> None:
    sizes = (1, 2, 4, 8)
    assert scripts["scaling"].exponent(sizes, [0.3 * size**power for size in sizes]) == pytest.approx(power)


def test_the_exponent_is_of_all_sizes(scripts: Scripts) -> None:
    # Log-times 0, 0, 0, 3 against 0, 1, 2, 3: the least-squares slope is 4.5 / 5.
    assert scripts["scaling"].exponent((1, 2, 4, 8), (1, 1, 1, 8)) == pytest.approx(0.9)


@pytest.mark.parametrize("num_joints", [2, 7])
def test_a_chain_is_a_body(scripts: Scripts, num_joints: int) -> None:
    chain = scripts["scaling"].chain(num_joints)
    assert (chain.num_joints, chain.num_bones) == (num_joints, num_joints - 1)
    assert chain.num_parts == -(-num_joints // 3)
    assert chain.dual().num_joints == num_joints - 1


@pytest.mark.parametrize("name", ["latency", "throughput", "iterations", "scaling"])
def test_an_unknown_mode_is_wrong_usage(
    scripts: Scripts, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for mode in ("fast", "graph"):
        with pytest.raises(SystemExit) as end:
            scripts[name].main(["--modes", "eager", mode])
        assert end.value.code == 2
        assert f"argument --modes: there is no mode '{mode}' on cpu; there are plain, eager, bf16" in (
            capsys.readouterr().err
        )


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cpus", "'cpus' is no device, expected cpu or cuda"),
        ("meta", "'meta' is not measured here, expected cpu or cuda"),
        pytest.param(
            "cuda",
            "'cuda': this torch sees no CUDA device",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this torch sees a CUDA device"),
        ),
    ],
)
def test_devices(scripts: Scripts, device: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        scripts["latency"].main(["--device", device])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "many"])
def test_whole_numbers(common: ModuleType, count: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no whole number from 1"):
        common.whole_number(count)


# FLOPs of the equations -----------------------------------------------------------------------------------


def test_flops_of_a_tiny_block(scripts: Scripts) -> None:
    nodes, frames, terms, in_channels, channels, kernel_size, stride = 3, 5, 2, 2, 7, 3, 2
    # A frame and graph: 3 nodes gather 2 features of 3 nodes, then 3 nodes map 2 features to 7; two a
    # multiply-add. Of the 3 frames that stay, each node maps 3 frames of 7 features, and a residual of 2.
    by_hand = 5 * 2 * 2 * (3 * 3 * 2 + 3 * 2 * 7) + 3 * 3 * 2 * (3 * 7 * 7) + 3 * 3 * 2 * (2 * 7)
    x, graphs = torch.randn(1, frames, nodes, in_channels), torch.randn(terms, nodes, nodes)
    with FlopCounterMode(display=False) as counter:
        spatial = sum(
            torch.einsum("ij,tjd->tid", graph, x[0]) @ torch.randn(in_channels, channels) for graph in graphs
        )
        assert isinstance(spatial, torch.Tensor)
        weight = torch.randn(channels, channels, kernel_size, 1)
        F.conv2d(spatial.permute(2, 0, 1)[None], weight, stride=(stride, 1), padding=(kernel_size // 2, 0))
        x[:, ::stride] @ torch.randn(in_channels, channels)
    assert counter.get_total_flops() == by_hand
    block = scripts["equations"].block
    assert block(nodes, frames, terms, in_channels, channels, kernel_size, stride) == by_hand
    same_width = block(nodes, 3, terms, channels, channels, kernel_size, 1)
    assert same_width == 3 * terms * 2 * (9 * 7 + 3 * 7 * 7) + 3 * 3 * 2 * (3 * 7 * 7)


@pytest.mark.parametrize("iterations", [0, 2])
def test_flops_of_the_actional_graph_are_those_of_message_passing(scripts: Scripts, iterations: int) -> None:
    skeleton, width, frames = load_skeleton("jhmdb15"), 6, 4
    module = ActionalGraphInference(
        2, skeleton, hidden_channels=width, iterations=iterations, num_frames=frames
    )
    counted = scripts.common.flops(lambda: module.infer_edgewise(torch.randn(1, frames, 15, 2)))
    affinities = 2 * 15 * 15 * width  # a sum of elementwise products there, which is not counted
    expected = scripts["equations"].actional_graph(15, 2, width, iterations, frames)
    assert counted + affinities == expected


def test_needed_flops(common: ModuleType) -> None:
    one = common.needed_flops("demo")
    assert common.needed_flops("demo", batch=3) == 3 * one
    assert one < common.needed_flops("demo", persons=2) < 2 * one  # one classifier a clip
    assert common.needed_flops("demo", bones=False) < 0.6 * one
    assert common.needed_flops("ntu", prediction=False) < common.needed_flops("ntu")


@pytest.mark.parametrize("overrides", [{}, {"bone_weight": 0.3}])
def test_no_mode_executes_what_is_not_needed(common: ModuleType, overrides: dict[str, float]) -> None:
    model, x = common.build("demo", batch=2, **overrides)
    needed = common.needed_flops("demo", batch=2, **overrides)
    for mode in ("plain", "eager", "bf16"):
        executed = common.executed_flops(model, mode, x)
        assert 0.3 * needed < executed <= needed


def test_training_needs_three_forward_passes_of_two_predictions(scripts: Scripts) -> None:
    flops = scripts["equations"]
    for overrides in ({"bones": False}, {"joints": False}, {"recognition": False}, {}):
        model, _ = scripts.common.build("demo", **overrides)
        forward = flops.model_flops(model, persons=1, frames=25)
        training = flops.training_flops(model, persons=1, frames=25)
        if model.bone_network is None or model.joint_network is None:
            assert training == 3 * forward
        else:
            assert training > 3 * forward


@pytest.mark.parametrize("recognition", [True, False])
def test_bones_that_correct_cost_what_they_cost_in_training(scripts: Scripts, recognition: bool) -> None:
    flops, correction = scripts["equations"], 10 * 2 * 25 * 24 * 3  # frames; joints, bones, axes
    models = [
        scripts.common.build("demo", bone_weight=weight, recognition=recognition)[0] for weight in (0.0, 0.3)
    ]
    training = [flops.training_flops(model, persons=2, frames=25, clips=3) for model in models]
    assert training[0] == training[1]
    corrected = flops.model_flops(models[1], persons=2, frames=25, clips=3)
    assert 3 * corrected == training[1] + 3 * 3 * 2 * correction


# Modes and samples ----------------------------------------------------------------------------------------


def test_plain_and_eager_give_the_same_numbers(common: ModuleType) -> None:
    model, x = common.build("demo", batch=2, persons=2)
    plain, eager = (common.in_mode(model, mode, x)() for mode in ("plain", "eager"))
    torch.testing.assert_close(plain.logits, eager.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(plain.future, eager.future, rtol=1e-4, atol=1e-4)
    assert not any(module.training for module in model.modules())


def test_plain_takes_no_shortcut_and_keeps_the_numbers_of_evaluation(common: ModuleType) -> None:
    model, _ = common.build("demo")
    plain = common.plain(model)
    kept = {type(module).__name__ for module in plain.modules() if not module.training}
    assert kept >= {"SybioGNN", "InputNorm", "Dropout"}
    assert {"GraphTemporalBlock", "JointConv", "PartConv", "MultiscaleGCN"}.isdisjoint(kept)
    assert not any(m.training for m in plain.modules() if isinstance(m, (nn.modules.batchnorm._BatchNorm)))


def test_bf16_is_close(common: ModuleType) -> None:
    model, x = common.build("demo")
    eager, half = (common.in_mode(model, mode, x)() for mode in ("eager", "bf16"))
    assert not torch.equal(eager.logits, half.logits)
    torch.testing.assert_close(eager.logits, half.logits.float(), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("mode", "tolerance"),
    [("folded", 1e-4), ("folded-bf16", 0.1), ("compiled", 1e-4), slow("compiled-bf16", 0.1)],
)
def test_folded_and_compiled_are_close(
    common: ModuleType, monkeypatch: pytest.MonkeyPatch, mode: str, tolerance: float
) -> None:
    # The compiler's front alone: code for the machine takes minutes.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    model, x = common.build("demo", batch=2, observed=12, num_future=2)
    eager, other = (common.in_mode(model, each, x)() for each in ("eager", mode))
    torch.testing.assert_close(eager.logits, other.logits.float(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(eager.future, other.future.float(), rtol=tolerance, atol=tolerance)
    assert common.executed_flops(model, mode, x) <= common.needed_flops(
        "demo", batch=2, observed=12, num_future=2
    )


def test_modes(common: ModuleType) -> None:
    model, x = common.build("demo")
    with pytest.raises(
        ValueError, match=r"there is no mode 'fast' on cpu; there are plain, eager, bf16, fol"
    ):
        common.in_mode(model, "fast", x)
    with pytest.raises(ValueError, match=r"there is no mode 'graph' on cpu; there are plain"):
        common.in_mode(model, "graph", x)
    common.check_mode("graph-bf16", torch.device("cuda"))


def test_samples_are_the_same_every_time(common: ModuleType) -> None:
    state = torch.random.get_rng_state()
    (model, x), (again, same) = common.build("demo", observed=7), common.build("demo", observed=7)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(x, same)
    assert x.shape == (1, 1, 7, 25, 3)
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_sample_of_each_preset(common: ModuleType) -> None:
    ntu, mocap = common.SAMPLES["ntu"], common.SAMPLES["mocap"]
    assert (ntu.persons, ntu.observed, ntu.future, ntu.classes) == (2, 290, 10, 60)
    assert (mocap.skeleton, mocap.persons, mocap.observed, mocap.future) == ("h36m32:used", 1, 50, 10)
    with pytest.raises(ValueError, match=r"there is no preset 'huge'; there are ntu, mocap"):
        common.build("huge")


# Timings, memory, reports ---------------------------------------------------------------------------------


def test_timings_go_in_rounds(common: ModuleType) -> None:
    order: list[str] = []
    runs = [partial(order.append, name) for name in "abc"]
    times = common.timings_in_turn(runs, CPU, seconds=0.0, at_least=4)
    assert [len(own) for own in times] == [4, 4, 4]
    assert order == [*"aabbcc", *"abc" * 4]
    assert len(common.timings(runs[0], CPU, seconds=0.0, at_least=7)) == 7


def test_what_is_measured(common: ModuleType) -> None:
    measured = common.Measured(
        [each / 1000 for each in range(1, 102)], ceiling_fp32=100.0, ceiling_bf16=400.0
    )
    assert measured.p50 == pytest.approx(0.051)
    assert measured.p95 == pytest.approx(0.096)
    assert measured.p99 == pytest.approx(0.100)
    assert measured.time_ceiling == pytest.approx(5.1)
    assert measured.share(5.1e9) == pytest.approx(1.0)
    assert measured.share(5.1e9, bf16=True) == pytest.approx(0.25)


def test_ceilings_of_both_sides_count(common: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ceilings = iter([10.0, 20.0, 30.0, 60.0])  # in fp32 and bf16, before and after
    monkeypatch.setattr(common, "convolution_ceiling", lambda *arguments: next(ceilings))
    measured = common.around(lambda: None, CPU, seconds=0.0)
    assert (measured.ceiling_fp32, measured.ceiling_bf16) == (20.0, 40.0)


def test_without_native_bf16_its_ceiling_is_not_measured(
    scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ceilings = iter([10.0, 30.0])
    monkeypatch.setattr(scripts.common, "has_native_bf16", lambda device: False)
    training = scripts["training"]
    with monkeypatch.context() as patch:
        patch.setattr(scripts.common, "convolution_ceiling", lambda *arguments: next(ceilings))
        measured = scripts.common.around(lambda: None, CPU, seconds=0.0)
    assert (measured.ceiling_fp32, measured.ceiling_bf16) == (20.0, None)
    assert measured.share(1e9, bf16=True) is None
    figures = tmp_path / "figures.json"
    monkeypatch.setattr(training, "peak_memory", lambda prepare, device: float(prepare()()))
    training.main(["--presets", "demo", "--batch", "2", "--seconds", "0", "--output", str(figures)])
    document = json.loads(figures.read_text())
    assert [row["precision"] for row in document["rows"]] == ["fp32"]
    assert not any("bf16" in key for key in document["environment"])
    training.main(
        [
            "--presets",
            "demo",
            "--batch",
            "2",
            "--seconds",
            "0",
            "--precisions",
            "bf16",
            "--output",
            str(figures),
        ]
    )
    (row,) = json.loads(figures.read_text())["rows"]
    assert (row["precision"], row["share"], row["share of product"]) == ("bf16", None, None)


def test_a_ceiling_is_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    common = importlib.import_module("common")
    monkeypatch.setattr(common, "timings", lambda run, device, seconds: [run() or 0.5])
    monkeypatch.setattr(common, "CEILING_SECONDS", 0.0)
    # 2 · 9 · 128 · 128 FLOPs a position.
    assert common.convolution_ceiling(CPU) == pytest.approx(2 * 9 * 128 * 128 * 7500 / 1e9 / 0.5)


def held(megabytes: int) -> None:
    torch.ones(megabytes, 2**20 // 4)


def holding(megabytes: int) -> partial[None]:
    return partial(held, megabytes)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak memory")
def test_peak_memory_of_a_fresh_process(common: ModuleType) -> None:
    prepare = partial(holding, 64)
    pickle.dumps(prepare)
    assert common.peak_memory(prepare, CPU) == pytest.approx(64 * 1.048576, rel=0.1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this torch sees no CUDA device")
def test_on_cuda(scripts: Scripts, tmp_path: Path) -> None:
    argv = ["--presets", "demo", "--modes", "plain", "eager", "bf16", "--device", "cuda"]
    rows = rows_of(scripts["latency"], tmp_path, *argv, "--variants", "full")
    assert len(rows) == 3
    rows = rows_of(scripts["training"], tmp_path, "--presets", "demo", "--batch", "2", "--device", "cuda")
    assert all(row["peak MB"] > 1 for row in rows)


def test_a_report_shows_and_keeps_what_came_so_far(
    common: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "figures.json"

    def rows() -> Any:
        yield {"name": "one", "ms": 1.25, "more": [1, 2]}
        assert [row["name"] for row in json.loads(output.read_text())["rows"]] == ["one"]
        yield {"name": "two", "ms": None, "more": []}

    returned = common.report(rows(), {"name": "<5", "ms": ">+7.1f"}, {"threads": 2}, output)
    assert [row["name"] for row in returned] == ["one", "two"]
    assert json.loads(output.read_text()) == {"environment": {"threads": 2}, "rows": returned}
    assert capsys.readouterr().out.splitlines() == [
        "threads: 2",
        "",
        "name        ms",
        "one       +1.2",
        "two          -",
    ]
