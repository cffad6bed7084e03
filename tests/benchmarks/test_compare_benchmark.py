"""Workers report results and errors; two checkouts are timed alternately, each in its version."""

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from benchmark_scripts import BENCHMARKS, Scripts

# A package with only the timed functions: every call sleeps, and there is no stream.
PACKAGE = """
import time
import torch

class SybioGNN(torch.nn.Linear):
    in_channels = num_classes = num_future = 3

    @classmethod
    def from_preset(cls, preset, *, skeleton, num_classes, num_future):
        return cls(3, 3)

    def folded(self, dtype=torch.float32):
        return self.to(dtype) if dtype == torch.float32 else None

    def forward(self, x):
        time.sleep(SECONDS)
        return super().forward(x)

class load_skeleton:
    num_joints = 2

    def __init__(self, name):
        pass
"""
MODULES = {
    "losses.py": "SymbioticLoss = None\n",
    "testing.py": "randomize = lambda model: model\n",
    "nn/__init__.py": "",
    "nn/actional_graph.py": "class ActionalGraphInference:\n    pass\n",
}


@pytest.fixture
def compare(scripts: Scripts) -> ModuleType:
    return scripts["compare"]


@pytest.fixture
def workers(scripts: Scripts) -> ModuleType:
    return scripts["workers"]


def _checkout(folder: Path, seconds: float) -> Path:
    package = folder / "pyg_sybio"
    for name, text in {"__init__.py": PACKAGE.replace("SECONDS", str(seconds)), **MODULES}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    return folder


def test_two_checkouts_are_timed_alternately(
    compare: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = _checkout(tmp_path / "old", 0.004), _checkout(tmp_path / "new", 0.001)
    output = tmp_path / "figures.json"
    argv = [str(old), str(new), "--presets", "mocap", "--modes", "eager", "folded-bf16", "--others", "stream"]
    argv += [
        "--batch",
        "2",
        "--rounds",
        "3",
        "--seconds",
        "0.01",
        "--threads",
        "1",
        "--processes",
        "2",
        "--output",
        str(output),
    ]
    compare.main(argv)
    eager, bf16, stream = json.loads(output.read_text())["rows"]
    assert (eager["case"], eager["preset"], eager["batch"], eager["rounds"]) == ("eager", "mocap", 2, 6)
    assert eager["old ms"] > 4 > 2 > eager["new ms"] > 1
    ratios = sorted(mine / other for mine, other in zip(eager["new"], eager["old"], strict=True))
    assert ratios[0] <= eager["quartile 1"] <= eager["ratio"] <= eager["quartile 3"] <= ratios[-1]
    assert eager["ratio"] == pytest.approx((ratios[2] + ratios[3]) / 2)
    assert eager["best/best"] == min(eager["new"]) / min(eager["old"])
    assert bf16["note"].startswith("left out, old: TypeError: 'NoneType'")
    assert stream["note"] == "left out, old: AttributeError: 'SybioGNN' object has no attribute 'stream'"
    assert capsys.readouterr().out.count("left out") == 2


def test_all_cases_are_timed_in_order(
    compare: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[object, ...]] = []

    def nothing(worker: object, version: str, case: dict[str, object], arguments: object) -> Any:
        if version == "old":
            seen.append(tuple(case[key] for key in ("kind", "preset", "batch", "actional")))
        return lambda: 1.0

    monkeypatch.setattr(compare, "prepared", nothing)
    folder = str(_checkout(tmp_path, 0.0))
    compare.main([folder, folder, "--presets", "ntu", "mocap", "--modes", "eager"])
    forms = ("", "dense", "message passing")
    assert seen == [
        ("eager", "ntu", 1, ""),
        ("eager", "mocap", 1, ""),
        ("eager", "mocap", 8, ""),
        *(("training", "ntu", 1, form) for form in forms),
        *(("eager", "ntu", 1, form) for form in forms),
        *(("training", "mocap", 8, form) for form in forms),
        *(("eager", "mocap", 8, form) for form in forms),
        ("stream", "mocap", 1, ""),
        ("evaluate", "demo", 1, ""),
    ]


def test_a_folder_without_the_package_is_a_usage_error(
    compare: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        compare.main([str(tmp_path), str(tmp_path)])
    assert end.value.code == 2
    assert f"{tmp_path} contains no package pyg_sybio" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["eager", "folded", "folded-bf16", "training", "stream", "evaluate"])
@pytest.mark.parametrize("actional", ["", "dense", "message passing"])
def test_the_current_version_runs_every_case(scripts: Scripts, kind: str, actional: str) -> None:
    case = {"kind": kind, "preset": "demo", "batch": 2, "actional": actional, "threads": None}
    run, facts = scripts["compare_cases"].prepare(case)
    run()
    assert facts == {"package": str(BENCHMARKS.parent)}


SCRIPT = """
import sys
from workers import serve

def prepare(what):
    print("noise")
    if what == "exit":
        sys.exit("usage")
    if what == "die":
        print("fatal", file=sys.stderr)
        sys.stderr.flush()
        import os
        os._exit(3)
    return (lambda: print(what)), {"given": what}

serve(prepare)
"""


def test_a_worker_reports_results_and_errors_and_exits(workers: ModuleType, tmp_path: Path) -> None:
    shutil.copy(BENCHMARKS / "workers.py", tmp_path)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with workers.Worker(script) as worker:
        with pytest.raises(workers.WorkerError, match="AssertionError: nothing is prepared"):
            worker.seconds()
        assert worker.ask(prepare=[1, "two"]) == {"given": [1, "two"]}
        assert 0 < worker.seconds(3) < 1
        with pytest.raises(workers.WorkerError, match="SystemExit: usage"):
            worker.ask(prepare="exit")
        with pytest.raises(workers.WorkerError, match="the process ended with exit code 3: fatal"):
            worker.ask(prepare="die")
        with pytest.raises(workers.WorkerError, match="the process ended"):
            worker.seconds()
    assert worker._process.poll() is not None
