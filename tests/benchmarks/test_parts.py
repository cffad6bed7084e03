"""Parts of a measurement: if one part fails, the report says so and the others still run."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from benchmark_scripts import BENCHMARKS, Scripts

COLUMNS = {"name": "<s", "ms": ">.2f"}
# First lines of the script of a part.
START = f"""
import os, signal, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, {str(BENCHMARKS)!r})
import parts
figures = parts.Figures(Path(sys.argv[1]))
"""
GOOD = "figures.describe({'commit': 'xyz', 'device': 'a toy'})\nfigures.add({'name': 'good', 'ms': 1.25})"


@pytest.fixture
def parts(scripts: Scripts) -> ModuleType:
    return scripts["parts"]


def part(parts: ModuleType, name: str, code: str, seconds: float = 60.0, **settings: Any) -> Any:
    return parts.Part(name, [sys.executable, "-c", START + code], seconds, COLUMNS, **settings)


def run(parts: ModuleType, *chosen: Any, seconds: float = 600.0) -> tuple[bool, list[dict[str, Any]], str]:
    """Run parts; return whether all passed, the results, and the report in Markdown."""
    reports: list[Mapping[str, Any]] = []
    passed = parts.run_parts(
        chosen,
        {"commit": "abc"},
        lambda report: reports.append(json.loads(json.dumps(report))),
        seconds=seconds,
    )
    assert reports[0]["environment"] == {"commit": "abc"}
    assert {result["status"] for result in reports[0]["parts"]} == {"waiting"}
    last = reports[-1]
    return passed, last["parts"], parts.as_markdown(last, chosen, "# Report")


def test_a_passing_part_is_reported_with_its_table(parts: ModuleType) -> None:
    more = "\nfigures.add({'name': 'a|b', 'ms': None})\nfigures.conclude('fine')"
    passed, (result,), text = run(parts, part(parts, "toy", GOOD + more))
    assert passed and result["status"] == "passed" and result["error"] is None and "log" not in result
    assert result["rows"] == [{"name": "good", "ms": 1.25}, {"name": "a|b", "ms": None}]
    assert 0 < result["seconds"] < 60 == result["limit"]
    assert "| commit | abc |\n| device | a toy |" in text
    assert f"| toy | passed | {result['seconds']:.1f} | 60 | fine |" in text
    assert "## toy\n\n| name | ms |\n|---|--:|\n| good | 1.25 |\n| a\\|b | - |\n" in text


def test_a_failure_is_reported_and_the_other_parts_run(parts: ModuleType) -> None:
    attempts = (
        "for ms in (1.0, 0.0):\n"
        "    with figures.attempt(name=f'one by {ms}'):\n"
        "        figures.add({'name': 'one', 'ms': 1 / ms})"
    )
    passed, results, text = run(
        parts,
        part(parts, "raises", GOOD + "\nfigures.doing('toy 7')\nraise KeyError('a missing package')"),
        part(parts, "dies", GOOD + "\nos.kill(os.getpid(), signal.SIGSEGV)"),
        part(parts, "no file", "os._exit(3)"),
        part(parts, "nothing", ""),
        part(parts, "attempts", attempts),
        part(parts, "good", GOOD),
    )
    assert not passed
    assert [(result["status"], result["error"]) for result in results] == [
        ("failed", "ended with exit code 1 (last: toy 7)"),
        ("failed", "ended with signal SIGSEGV"),
        ("failed", "ended with exit code 3"),
        ("failed", "it measured nothing"),
        ("failed", "1 of 2 rows have an error"),
        ("passed", None),
    ]
    for result in (*results[:2], results[-1]):
        assert result["rows"] == [{"name": "good", "ms": 1.25}]
    assert "KeyError: 'a missing package'" in results[0]["log"] and "KeyError: 'a missing package'" in text
    assert "Segmentation fault" in results[1]["log"]
    one, failed = results[4]["rows"]
    assert one["ms"] == 1 and failed["name"] == "one by 0.0"
    assert "ZeroDivisionError" in failed["error"] and "one by 0.0:\n\n````text\nTraceback" in text


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


SLEEPS = "\nfigures.doing('sleep')\ndef hangs():\n    time.sleep(600)\nhangs()"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_a_hanging_part_is_stopped_with_its_child_processes(parts: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    child = f"\nPath({str(file)!r}).write_text(str(subprocess.Popen(['sleep', '600']).pid))"
    passed, (hung, good), text = run(
        parts, part(parts, "hangs", GOOD + child + SLEEPS, seconds=3.0), part(parts, "good", GOOD)
    )
    assert not passed and good["status"] == "passed"
    assert hung["status"] == "stopped" and hung["error"] == "stopped at the time limit of 3 s (last: sleep)"
    assert hung["rows"] == [{"name": "good", "ms": 1.25}]
    assert 3 <= hung["seconds"] < 30
    assert "in hangs" in hung["log"] and "in hangs" in text  # the function that was interrupted
    assert not is_running(int(file.read_text()))


def test_parts_after_the_common_time_limit_are_skipped(parts: ModuleType) -> None:
    passed, (hung, *rest), _ = run(
        parts,
        part(parts, "hangs", GOOD + SLEEPS),
        part(parts, "one", GOOD),
        part(parts, "two", GOOD),
        seconds=2.0,
    )
    assert not passed and hung["status"] == "stopped" and hung["limit"] <= 2
    for result in rest:
        assert (result["status"], result["error"]) == (
            "skipped",
            "the time limit of all parts, 2 s, is reached",
        )


def test_parts_are_skipped_if_a_required_part_fails(parts: ModuleType) -> None:
    bad = part(parts, "device", "raise RuntimeError('torch finds no CUDA device')", needed=True)
    passed, (device, other), text = run(parts, bad, part(parts, "other", GOOD))
    assert not passed and device["status"] == "failed" and "torch finds no CUDA device" in text
    assert (other["status"], other["error"]) == ("skipped", "'device' did not pass")


SCRIPT = f"""
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs of a shell
from pathlib import Path
sys.path.insert(0, {str(BENCHMARKS)!r})
import parts
chosen = [parts.Part(name, [sys.executable, "-c", code], 600.0) for name, code in json.loads(sys.argv[1])]
report = Path(sys.argv[2])
parts.run_parts(chosen, {{}}, lambda found: parts.write_whole(report, json.dumps(found)), seconds=600.0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_results_are_kept_if_the_process_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    report = tmp_path / "report.json"
    pid = "\nparts.prepare_process()\nfigures.add({'name': 'pid', 'ms': os.getpid()})"
    codes = [("good", START + GOOD), ("hangs", START + pid + SLEEPS), ("never", START + GOOD)]
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, json.dumps(codes), str(report)])
    try:
        wait_until(lambda: report.exists() and len(json.loads(report.read_text())["parts"][1]["rows"]) > 0)
        process.send_signal(number)
        process.wait(60)
    finally:
        process.kill()
    good, hung, never = json.loads(report.read_text())["parts"]
    assert good["status"] == "passed" and good["rows"] == [{"name": "good", "ms": 1.25}]
    assert never["status"] == "waiting"
    if number == signal.SIGKILL:
        assert hung["status"] == "running"
    else:
        assert (hung["status"], hung["error"]) == ("stopped", "interrupted (last: sleep)")
    wait_until(lambda: not is_running(int(hung["rows"][0]["ms"])))
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


TOY = """
import pytest

def test_passes():
    pass

@pytest.mark.parametrize("n", [1])
def test_fails(n):
    assert n == 2

def test_skipped():
    pytest.skip("no such device")

@pytest.fixture
def broken():
    raise KeyError("no such fixture")

def test_without_its_fixture(broken):
    pass
"""


def test_outcomes_of_tests_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "test_toy.py").write_text(TOY)
    (tmp_path / "test_torn.py").write_text("import no_such_package")
    options = ["--continue-on-collection-errors", "-p", "no:cacheprovider", "."]
    code = (
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "import parts, pathlib, pytest\n"
        "recorder = parts.Recorder(parts.Figures(pathlib.Path('figures.json')))\n"
        f"pytest.main({options!r}, plugins=[recorder])\n"
        "print('counts', dict(recorder.counts))"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "counts {'not collected': 1, 'passed': 1, 'failed': 2, 'skipped': 1}" in run.stdout
    rows = {
        row["test"].partition("::")[2]: row
        for row in json.loads((tmp_path / "figures.json").read_text())["rows"]
    }
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "": "not collected",
        "test_passes": "passed",
        "test_fails[1]": "failed",
        "test_skipped": "skipped",
        "test_without_its_fixture": "failed",
    }
    assert rows["test_skipped"]["why"] == "no such device"
    assert "assert 1 == 2" in rows["test_fails[1]"]["error"]
    assert "no such fixture" in rows["test_without_its_fixture"]["error"]
    assert "No module named 'no_such_package'" in rows[""]["error"]


def test_parts_need_only_the_standard_library() -> None:
    code = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); import gpu; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
