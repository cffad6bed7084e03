"""The GPU measurements, rehearsed on the CPU: a failure only affects its own row."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from benchmark_scripts import BENCHMARKS, CEILINGS, Scripts

TESTS = BENCHMARKS.parent / "tests"


@pytest.fixture
def gpu(scripts: Scripts) -> ModuleType:
    return scripts["gpu_parts"]


@pytest.fixture
def figures(gpu: ModuleType, tmp_path: Path) -> Any:
    return gpu.Figures(tmp_path / "figures.json")


def rows_in(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "figures.json").read_text())["rows"]
    return rows


@pytest.mark.skipif(torch.cuda.is_available(), reason="this torch sees a CUDA device")
def test_without_a_cuda_device_no_file_is_written(
    scripts: Scripts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        scripts["gpu"].main(["--output", str(tmp_path)])
    assert end.value.code == 2
    assert "cannot use a GPU: " in (said := capsys.readouterr().err) and "--rehearse" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this torch sees a CUDA device")
def test_the_first_part_reports_a_missing_device(gpu: ModuleType, figures: Any) -> None:
    with pytest.raises(
        RuntimeError, match=rf"torch {torch.__version__} finds no CUDA device".replace("+", r"\+")
    ):
        gpu.measure_device(figures, gpu.REAL)


def test_every_part_has_a_limit_and_columns(scripts: Scripts, gpu: ModuleType) -> None:
    limits = {name: (seconds, columns) for name, seconds, columns in scripts["gpu"]._PARTS}
    assert list(limits) == list(gpu.PARTS)
    assert all(0 < seconds <= 120 and columns for seconds, columns in limits.values())


def test_the_first_part_describes_the_device_and_its_ceilings(
    gpu: ModuleType, figures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        "device": "a toy",
        "matrix product ceiling in bf16, GFLOP/s": 4000.0,
        "convolution ceiling in bf16, GFLOP/s": 3000.0,
    }
    monkeypatch.setattr(gpu, "environment", lambda device: found)
    gpu.measure_device(figures, gpu.REHEARSAL)
    document = json.loads((tmp_path / "figures.json").read_text())
    assert document["environment"]["device"] == "a toy"
    assert document["environment"]["numpy"] != "not installed" == document["environment"]["triton"]
    assert document["rows"] == [
        {"precision": "bf16", "matrix product TFLOP/s": 4.0, "convolution TFLOP/s": 3.0}
    ]


def test_the_driver_version_is_unknown_without_nvidia_smi(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert gpu.driver_version() == "unknown"


def test_a_failing_mode_only_affects_its_row(
    gpu: ModuleType, figures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = gpu.Case.prepared

    def failing(case: Any, device: torch.device) -> Any:
        if case.mode == "folded":
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        return prepared(case, device)

    monkeypatch.setattr(gpu.Case, "prepared", failing)
    gpu.latency(figures, gpu.REHEARSAL)
    failed, *rows = rows_in(tmp_path)
    assert failed["mode"] == "folded" and "when stream is capturing" in failed["error"]
    assert [row["mode"] for row in rows] == ["eager", "bf16", "folded-bf16"]
    for row in rows:
        ceiling = CEILINGS[torch.bfloat16 if row["mode"].endswith("bf16") else torch.float32]
        rate = row["GFLOP"] / (row["p50 ms"] / 1e3)
        assert row["share of product"] == pytest.approx(rate / ceiling)
        assert row["x eager"] == pytest.approx(rows[0]["p50 ms"] / row["p50 ms"])


def test_a_batch_that_exceeds_the_memory_is_halved(
    gpu: ModuleType, figures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training_step = gpu.training_step

    def limited(preset: str, batch: int, *settings: Any) -> Any:
        if batch > 2:
            raise torch.OutOfMemoryError(f"no memory for {batch} clips")
        return training_step(preset, batch, *settings)

    monkeypatch.setattr(gpu, "training_step", limited)
    gpu.training(figures, replace(gpu.REHEARSAL, batch=4))
    *failed, plain, dense, checkpointed = rows_in(tmp_path)
    assert [(row["way"], row["batch"]) for row in failed] == [(way, 4) for way in gpu.WAYS]
    assert all("no memory for 4 clips" in row["error"] for row in failed)
    for row, way in ((plain, "plain"), (dense, "dense"), (checkpointed, "checkpointed")):
        assert (row["way"], row["batch"], row["peak GB"]) == (way, 2, None)
        assert row["samples/s"] == pytest.approx(2 / (row["p50 ms"] / 1e3))
        # Both rates use the FLOPs of the reference model, not the executed FLOPs.
        assert row["GFLOP"] == plain["GFLOP"]
        assert row["share of product"] == pytest.approx(row["TFLOP/s"] / row["product TFLOP/s"])
        assert row["product TFLOP/s"] == CEILINGS[torch.bfloat16] / 1e3


def test_both_implementations_of_agim_are_measured(gpu: ModuleType, figures: Any, tmp_path: Path) -> None:
    gpu.agim(figures, gpu.REHEARSAL)
    evaluation, training = rows_in(tmp_path)
    assert (evaluation["pass"], training["pass"]) == ("evaluation", "training")
    for row in (evaluation, training):
        assert row["ratio"] == pytest.approx(row["message passing ms"] / row["dense ms"])


def test_only_files_with_tests_marked_cuda_are_run(gpu: ModuleType, tmp_path: Path) -> None:
    files = [path.relative_to(TESTS).as_posix() for path in gpu.marked_files(TESTS)]
    assert {"test_devices.py", "models/test_autocast.py", "accelerate/test_cuda_graph.py"} < set(files)
    assert files[-1].startswith("benchmarks/")  # tests of the benchmarks come last
    assert "test_losses.py" not in files
    assert gpu.marked_files(tmp_path) == []


@pytest.mark.slow
def test_the_parts_run_with_only_the_packages_that_models_need() -> None:
    missing = ("jsonschema", "orjson", "jsonargparse", "lightning", "pytest", "plotly", "starlette")
    code = (
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        f"sys.modules.update(dict.fromkeys({missing!r}))\n"  # importing these packages now fails
        "import gpu_parts; from modes import build\n"
        "build('demo')[0].stream()\n"
        "print('fine')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "fine\n"


@pytest.mark.slow
def test_a_rehearsal_runs_every_part(scripts: Scripts, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--rehearse", "--output", str(tmp_path)]
    run = subprocess.run([*command, "--commit", "abc"], capture_output=True, text=True, check=False)
    document = json.loads((tmp_path / "gpu_rehearsal.json").read_text())
    assert {part["name"]: part["error"] for part in document["parts"]} == dict.fromkeys(
        (
            "device",
            "tests",
            "latency",
            "training",
            "AGIM",
            "compiled latency",
            "slow tests",
            "compiled training",
        )
    )
    assert run.returncode == 0, run.stdout
    assert document["environment"]["commit"] == "abc"
    text = (tmp_path / "gpu_rehearsal.md").read_text()
    assert "every part runs, but the measurements are meaningless" in text
    for part in document["parts"]:
        assert part["rows"] and f"## {part['name']}\n" in text


@pytest.mark.cuda
@pytest.mark.slow
def test_benchmarks_run_on_cuda(scripts: Scripts, tmp_path: Path) -> None:
    def rows_of(name: str, *argv: str) -> list[dict[str, Any]]:
        output = tmp_path / "figures.json"
        options = ["--presets", "demo", "--seconds", "0", "--device", "cuda", "--output", str(output)]
        scripts[name].main([*argv, *options])
        rows: list[dict[str, Any]] = json.loads(output.read_text())["rows"]
        return rows

    latency = rows_of("latency", "--modes", "eager", "bf16", "--variants", "full")
    assert [row["mode"] for row in latency] == ["eager", "bf16"]
    assert all(row["p50 ms"] > 0 for row in latency)
    assert all(row["peak MB"] > 1 for row in rows_of("training", "--batch", "2"))
