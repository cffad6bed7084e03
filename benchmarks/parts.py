"""Run the parts of a long measurement, each in a separate process with a time limit.

A part is a command that writes its results to a file with :class:`Figures`. If it fails with an error, a
crash or a hang, the report states the failure, and the next part runs. If this process is killed, the report
contains all results up to one second before.

This module imports only the standard library, so that a missing package only affects the parts that need it.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.5
# Time in seconds in which a stopped part may print its traceback.
_LAST_WORDS_SECONDS = 2.0
_LOG_LINES = 40


@dataclass(frozen=True)
class Part:
    """A part of a measurement.

    Args:
        name: Name of the part.
        command: The command; the path of the results file is appended as the last argument.
        seconds: Time limit of the part.
        columns: Columns of the Markdown table, with the format of their values.
        needed: If :obj:`True` and this part does not pass, all later parts are skipped. (default:
            :obj:`False`)
    """

    name: str
    command: Sequence[str]
    seconds: float
    columns: Mapping[str, str] = field(default_factory=dict)
    needed: bool = False


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


# In the process of a part --------------------------------------------------------------------------------


class Figures:
    """The results of a part so far, saved to a file that is replaced atomically at each change.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._document: dict[str, Any] = {"environment": {}, "rows": [], "doing": None, "summary": None}
        self._write()

    def doing(self, what: str) -> None:
        """Record the name of the current measurement; the report contains it if the part is stopped."""
        self._document["doing"] = what
        self._write()

    def describe(self, environment: Mapping[str, Any]) -> None:
        """Add entries to the environment in the report."""
        self._document["environment"].update(environment)
        self._write()

    def conclude(self, summary: str) -> None:
        """Set the summary of this part in the report."""
        self._document["summary"] = summary
        self._write()

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; a row with an ``error`` makes the part fail."""
        self._document["rows"].append(dict(row))
        self._write()

    @contextlib.contextmanager
    def attempt(self, **row: Any) -> Iterator[None]:
        """Run a measurement in this context; if it raises, a row with the given values and the error is
        added.
        """
        self.doing(", ".join(f"{key} {value}" for key, value in row.items()))
        try:
            yield
        except Exception:
            self.add({**row, "error": traceback.format_exc()})

    def _write(self) -> None:
        write_whole(self._path, json.dumps(self._document))


class Recorder:
    """A pytest plugin that records the outcome of each test as soon as it is known."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """Record the name of the running test."""
        self._figures.doing(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add the outcome of a test, which may also be a failure or skip during setup or teardown."""
        if report.when == "call" or not report.passed:
            row = {"test": report.nodeid, "outcome": report.outcome, "seconds": report.duration, "why": None}
            if report.skipped and isinstance(report.longrepr, tuple):
                row["why"] = report.longrepr[2].removeprefix("Skipped: ")
            if report.failed:
                row["error"] = report.longreprtext
            self.counts[report.outcome] += 1
            self._figures.add(row)

    def pytest_collectreport(self, report: Any) -> None:
        """Add a failure for a test file that cannot be imported."""
        if report.failed:
            row = {"test": report.nodeid, "outcome": "not collected", "seconds": None, "why": None}
            self.counts["not collected"] += 1
            self._figures.add({**row, "error": report.longreprtext})


def prepare_process() -> None:
    """Make Linux kill this process when its parent ends, and disable core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


# In the process that starts the parts -------------------------------------------------------------------


def run_parts(
    parts: Sequence[Part],
    environment: Mapping[str, Any],
    write: Callable[[Mapping[str, Any]], None],
    *,
    seconds: float,
    variables: Mapping[str, str] | None = None,
) -> bool:
    """Run parts one after the other, each until it ends or reaches its time limit.

    Args:
        parts: The parts, most important first.
        environment: Description of the machine and the software; parts may add entries.
        write: Function that receives the report whenever it changes.
        seconds: Time limit of all parts together; the running part is stopped when it is reached.
        variables: Environment variables for the parts. (default: the variables of this process)

    Returns:
        Whether every part passed.
    """
    deadline = time.monotonic() + seconds
    new = {"status": "waiting", "seconds": 0.0, "rows": [], "summary": None, "error": None}
    results: list[dict[str, Any]] = [{"name": part.name, "limit": part.seconds, **new} for part in parts]
    report = {"environment": dict(environment), "parts": results}
    write(report)
    reason = None
    # By default, SIGTERM would end this process without stopping the running part.
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        for part, result in zip(parts, results, strict=True):
            result["limit"] = min(part.seconds, deadline - time.monotonic())
            if reason is None and result["limit"] <= 0:
                reason = f"the time limit of all parts, {seconds:.0f} s, is reached"
            if reason is not None:
                result.update(status="skipped", error=reason, limit=part.seconds)
                write(report)
                continue
            print(f"{part.name} (at most {result['limit']:.0f} s) ...", flush=True)
            _run(part, result, report, write, variables)
            print(f"    {result['status']} after {result['seconds']:.1f} s", flush=True)
            if part.needed and result["status"] != "passed":
                reason = f"'{part.name}' did not pass"
    finally:
        signal.signal(signal.SIGTERM, before)
    return all(result["status"] == "passed" for result in results)


def _run(
    part: Part,
    result: dict[str, Any],
    report: dict[str, Any],
    write: Callable[[Mapping[str, Any]], None],
    variables: Mapping[str, str] | None,
) -> None:
    """Run a part, and update its result in the report while it runs."""
    result["status"] = "running"
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures, log = Path(folder) / "figures.json", Path(folder) / "log"

        def update() -> dict[str, Any]:
            found: dict[str, Any] = json.loads(figures.read_text()) if figures.exists() else {}
            result.update({key: found[key] for key in ("rows", "summary") if key in found})
            result["seconds"] = round(time.monotonic() - start, 1)
            for key, value in found.get("environment", {}).items():
                report["environment"].setdefault(key, value)
            write(report)
            return found

        with log.open("wb") as output:
            process = subprocess.Popen(
                [*part.command, str(figures)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,  # a new group, so that child processes can be stopped, too
                env={**os.environ, **(variables or {}), "PYTHONFAULTHANDLER": "1"},
            )
            stopped = "interrupted"
            try:
                update()
                while _waits(process, _POLL_SECONDS) and time.monotonic() - start < result["limit"]:
                    update()
                stopped = f"stopped at the time limit of {result['limit']:.0f} s"
            finally:
                ended = process.poll()
                _stop(process)
                doing = update().get("doing")
                result["status"], result["error"] = _outcome(result["rows"], ended, stopped, doing)
                if ended != 0:
                    result["log"] = _tail(log)
                write(report)


def _outcome(
    rows: Sequence[Mapping[str, Any]], code: int | None, stopped: str, doing: str | None
) -> tuple[str, str | None]:
    """Return the status and error of a part, given its exit code (None if the part was stopped)."""
    during = f" (last: {doing})" if doing else ""
    if code is None:
        return "stopped", stopped + during
    if code != 0:
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return "failed", f"ended with {how}{during}"
    failures = sum("error" in row for row in rows)
    if failures:
        return "failed", f"{failures} of {len(rows)} rows have an error"
    return ("passed", None) if rows else ("failed", "it measured nothing")


def _waits(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait at most `seconds` for a process, and return whether it still runs."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all processes that it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGABRT)  # faulthandler prints the traceback
        _waits(process, _LAST_WORDS_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])


# Report --------------------------------------------------------------------------------------------------


def as_markdown(report: Mapping[str, Any], parts: Sequence[Part], introduction: str) -> str:
    """Format a report: the environment, the status of each part, and its rows and errors."""
    lines = [introduction.rstrip(), "", "| | |", "|---|---|"]
    lines += [f"| {key} | {_escaped(value)} |" for key, value in report["environment"].items()]
    lines += ["", "| part | status | seconds | limit | |", "|---|---|--:|--:|---|"]
    for result in report["parts"]:
        cells = (result["name"], result["status"], f"{result['seconds']:.1f}", f"{result['limit']:.0f}")
        remarks = "; ".join(filter(None, (result["summary"], result["error"])))
        lines.append(f"| {' | '.join(cells)} | {_escaped(remarks)} |")
    for part, result in zip(parts, report["parts"], strict=True):
        if result["rows"] or result.get("log"):
            lines += ["", f"## {part.name}", *_table(result["rows"], part.columns)]
            lines += _errors(result)
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> list[str]:
    if not rows:
        return []
    sides = ["--:" if ">" in spec else "---" for spec in columns.values()]
    lines = ["", f"| {' | '.join(columns)} |", f"|{'|'.join(sides)}|"]
    for row in rows:
        cells = [_cell(row.get(key), spec) for key, spec in columns.items()]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _cell(value: object, spec: str) -> str:
    return "-" if value is None else _escaped(format(value, spec).strip())


def _errors(result: Mapping[str, Any]) -> list[str]:
    lines = []
    for row in result["rows"]:
        if "error" in row:
            named = ", ".join(str(value) for key, value in row.items() if key != "error")
            lines += ["", f"{named}:", "", *_block(row["error"])]
    if result.get("log"):
        lines += ["", "The end of its log:", "", *_block(result["log"])]
    return lines


def _block(text: str) -> list[str]:
    return ["````text", *text.strip().splitlines()[-_LOG_LINES:], "````"]


def _escaped(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
