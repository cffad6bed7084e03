"""Run all tests and measurements that need a GPU, in at most eight minutes.

    make gpu # on CUDA; writes benchmarks/gpu.json and gpu.md python benchmarks/gpu.py --rehearse # on the CPU
    with tiny models; writes gpu_rehearsal.* python benchmarks/gpu.py --parts device latency --output results

Each part runs in a separate process with a time limit; if it fails, the next part still runs. The JSON and
the Markdown report are rewritten after each result, so they contain all results so far if the run is stopped.
The parts are:

- device: versions of the software, and the ceilings, which are the rates of a matrix product and a
  convolution
- tests: the tests marked ``cuda``, such as forward pass, training step, autocast, graph replay, streams,
  Muon, test-time augmentation, and a forward pass without device synchronisation
- latency: evaluation of one clip in eager mode, folded and as a CUDA graph, in float32 and bfloat16
- training: training steps in bfloat16, with AGIM by message passing, dense AGIM, and recomputed activations
- AGIM: only AGIM, by message passing and dense
- compiled latency, slow tests, compiled training: measurements and tests that use ``torch.compile``, if time
  remains

`share of product` is the FLOPs of the eager model per second, as a fraction of the rate of a matrix product
in the same precision, measured in the same process. `peak GB` is the peak memory that torch allocates for
weights, optimiser and activations. The script installs nothing: its Python environment needs torch,
torch-geometric, networkx, safetensors and tqdm, and pytest for the tests. A part whose packages are missing
fails with an error.

A rehearsal runs every part on the CPU to check that it works. Its measurements are meaningless.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parts import Part, as_markdown, run_parts, write_whole

_HERE = Path(__file__).resolve().parent

_LATENCY = {
    "preset": "<8s",
    "mode": "<8s",
    "GFLOP": ">.4g",
    "p50 ms": ">.3f",
    "p95 ms": ">.3f",
    "p99 ms": ">.3f",
    "x eager": ">.2f",
    "share of product": ">.2%",
}
_TRAINING = {
    "preset": "<8s",
    "way": "<8s",
    "batch": ">d",
    "p50 ms": ">.1f",
    "samples/s": ">.1f",
    "peak GB": ">.2f",
    "GFLOP": ">.4g",
    "TFLOP/s": ">.4g",
    "product TFLOP/s": ">.4g",
    "share of product": ">.2%",
}
_AGIM = {
    "preset": "<s",
    "joints": ">d",
    "batch": ">d",
    "K": ">d",
    "pass": "<s",
    "message passing ms": ">.3f",
    "dense ms": ">.3f",
    "ratio": ">.2f",
}
_DEVICE = {"precision": "<s", "matrix product TFLOP/s": ">.4g", "convolution TFLOP/s": ">.4g"}
_TESTS = {"test": "<s", "outcome": "<s", "seconds": ">.2f", "why": "<s"}

# Name, time limit in seconds, columns; the most important parts come first.
_PARTS: Sequence[tuple[str, float, Mapping[str, str]]] = (
    ("device", 40, _DEVICE),
    ("tests", 90, _TESTS),
    ("latency", 60, _LATENCY),
    ("training", 90, _TRAINING),
    ("AGIM", 40, _AGIM),
    ("compiled latency", 90, {**_LATENCY, "to compile, s": ">.1f"}),
    ("slow tests", 120, _TESTS),
    ("compiled training", 90, {**_TRAINING, "first step, s": ">.1f"}),
)
_NAMES = [name for name, _, _ in _PARTS]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the parts, and write both reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--rehearse",
        action="store_true",
        help="run on the CPU with tiny sizes and time limits that are twenty times longer",
    )
    add("--parts", nargs="+", choices=_NAMES, default=_NAMES, metavar="PART", help=", ".join(_NAMES))
    add("--output", type=Path, default=_HERE, metavar="FOLDER", help="(default: the folder of this script)")
    add("--minutes", type=float, default=7.5, help="time limit of all parts together (default: 7.5)")
    add("--commit", help="name of the measured commit in the report (default: from git)")
    arguments = parser.parse_args(argv)
    rehearse = arguments.rehearse
    if not rehearse and (reason := _unusable()):
        parser.error(f"{sys.executable} cannot use a GPU: {reason} (use --rehearse to run on the CPU)")
    slower = 20 if rehearse else 1
    parts = [
        Part(
            name,
            [sys.executable, str(_HERE / "gpu_parts.py"), name, *(["--rehearse"] if rehearse else [])],
            seconds=slower * seconds,
            columns=columns,
            needed=name == "device",
        )
        for name, seconds, columns in _PARTS
        if name in arguments.parts
    ]
    stem = arguments.output / ("gpu_rehearsal" if rehearse else "gpu")
    introduction = _introduction(rehearsal=rehearse)

    def write(report: Mapping[str, Any]) -> None:
        write_whole(stem.with_suffix(".json"), json.dumps(report, indent=1) + "\n")
        write_whole(stem.with_suffix(".md"), as_markdown(report, parts, introduction))

    environment = {
        "commit": arguments.commit or _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python benchmarks/gpu.py", *(sys.argv[1:] if argv is None else argv)]),
    }
    seconds = slower * 60 * arguments.minutes
    passed = run_parts(parts, environment, write, seconds=seconds, variables={"PYTHONPATH": _python_path()})
    print(f"written: {stem}.json, {stem}.md")
    sys.exit(0 if passed else 1)


def _introduction(*, rehearsal: bool) -> str:
    title = "# Rehearsal of the GPU measurements" if rehearsal else "# GPU measurements"
    meaning = (
        "`share of product` is the FLOPs of the eager model per second, as a fraction of the rate of a\n"
        "matrix product in the same precision, measured in the same process."
    )
    if rehearsal:
        meaning = (
            "Rehearsal on a CPU with tiny models: every part runs, but the measurements are meaningless."
        )
    return f"{title}\n\nWritten by `benchmarks/gpu.py`, which explains the parts.\n{meaning}"


def _unusable() -> str:
    """Return the reason why this Python cannot use a CUDA device, or an empty string."""
    code = "import torch; torch.zeros(1, device='cuda')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return run.stderr.strip().rpartition("\n")[2] if run.returncode else ""


def _commit() -> str:
    """Return the commit of the checkout, or "unknown" outside of one."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(command, cwd=_HERE, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _python_path() -> str:
    """Return a PYTHONPATH that makes the parts import the package of this checkout."""
    return os.pathsep.join(filter(None, (str(_HERE.parent), os.environ.get("PYTHONPATH"))))


if __name__ == "__main__":
    main()
