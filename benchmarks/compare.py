"""Compare the speed of two checkouts of the package in evaluation, training steps and streams.

    python benchmarks/compare.py OLD NEW
    python benchmarks/compare.py OLD NEW --presets mocap --batch 1 8 --modes eager folded --threads 1 --cpus 0
    python benchmarks/compare.py OLD NEW --modes --others training stream --rounds 31 --output compare.json

OLD and NEW are folders that contain a version of the package `pyg_sybio`. Each version runs in a separate
process (`compare_cases.py` of this checkout). In every round, the two processes time a case one after the
other, for about `--seconds` each; every second round has the reverse order. The time of a round is the median
of its runs. `old ms` and `new ms` are medians over the rounds. `ratio` is the median of NEW / OLD over the
rounds, with quartiles; it is below 1 if NEW is faster. `best/best` is the ratio of the fastest rounds. With
`--processes N`, N pairs of processes take turns, so that differences between processes average out.

The modes are explained in `latency.py`. Other cases: `training` is a training step with `--training-batch`
clips, and `agim` is a forward pass with the same batch. Both run with the default AGIM of the version, with
the dense AGIM, and with message passing. `stream` is an update of a stream. `evaluate` is the evaluation of
synthetic motions with the `demo` preset. If a version cannot run a case, the reason is printed. `--threads`
and `--cpus` set the threads and processors.
"""

import argparse
import math
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from common import Report, Row, argument_parser, commit_of, parsed, positive_int, processor_name
from samples import SAMPLES
from timing import ratio_figures, timings_in_turn
from workers import Worker, WorkerError

VERSIONS = ("old", "new")
OTHERS = ("training", "agim", "stream", "evaluate")
# Clips per batch (1 for all other presets), and clips per training step (8 for all other presets).
BATCH, TRAINING_BATCH = {"mocap": [1, 8]}, {"ntu": 1}

COLUMNS = {
    "case": "<34",
    "preset": "<9",
    "batch": ">5d",
    "old ms": ">9.2f",
    "new ms": ">9.2f",
    "ratio": ">7.3f",
    "quartile 1": ">10.3f",
    "quartile 3": ">10.3f",
    "best/best": ">9.3f",
    "note": "<1s",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    modes = ["eager", "folded", "folded-bf16", "compiled"]
    parser = argument_parser(
        __doc__, presets=["ntu", "mocap", "realtime"], batch=None, seconds=0.3, output=None
    )
    add = parser.add_argument
    add("old", type=Path, metavar="OLD", help="checkout to compare with")
    add("new", type=Path, metavar="NEW", help="checkout to compare")
    add(
        "--modes",
        nargs="*",
        choices=modes,
        default=modes,
        metavar="MODE",
        help=f"(default: {' '.join(modes)})",
    )
    add("--others", nargs="*", choices=OTHERS, default=list(OTHERS), metavar="CASE", help=", ".join(OTHERS))
    add(
        "--training-batch",
        type=positive_int,
        metavar="N",
        help="clips per training step (default: 8; ntu: 1)",
    )
    add("--rounds", type=positive_int, default=11, help="rounds per case (default: 11)")
    add("--processes", type=positive_int, default=1, help="processes per version (default: 1)")
    add("--threads", type=positive_int, help="threads of each process (default: torch's)")
    add("--cpus", type=int, nargs="+", metavar="N", help="processors to use (default: all)")
    arguments = parsed(parser, argv)
    for folder in (arguments.old, arguments.new):
        if not (folder / "pyg_sybio" / "__init__.py").is_file():
            parser.error(f"{folder} contains no package pyg_sybio")
    if arguments.cpus:
        os.sched_setaffinity(0, arguments.cpus)  # the worker processes inherit the affinity
    where: dict[str, Any] = {"device": processor_name(), "processors": sorted(os.sched_getaffinity(0))}
    for name in VERSIONS:
        where[name] = commit_of(getattr(arguments, name) / "pyg_sybio" / "__init__.py")
    where["threads"] = arguments.threads or "torch's default"
    Report(where, arguments.output).table(rows(arguments), COLUMNS)


def cases(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the cases to time, as arguments of `compare_cases.py`."""
    for preset in arguments.presets:
        for batch in arguments.batch or BATCH.get(preset, [1]):
            for mode in arguments.modes:
                yield {"kind": mode, "preset": preset, "batch": batch, "actional": ""}
    for preset in arguments.presets:
        batch = arguments.training_batch or TRAINING_BATCH.get(preset, 8)
        for kind, name in (("training", "training"), ("eager", "agim")):
            for form in ("", "dense", "message passing") if name in arguments.others else ():
                yield {"kind": kind, "preset": preset, "batch": batch, "actional": form}
        # Filling the window of the largest preset would take minutes.
        if "stream" in arguments.others and SAMPLES[preset].persons == 1:
            yield {"kind": "stream", "preset": preset, "batch": 1, "actional": ""}
    if "evaluate" in arguments.others:
        yield {"kind": "evaluate", "preset": "demo", "batch": 1, "actional": ""}


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per case."""
    with ExitStack() as stack:
        pairs = [
            [stack.enter_context(started(getattr(arguments, name), arguments.threads)) for name in VERSIONS]
            for _ in range(arguments.processes)
        ]
        for case in cases(arguments):
            name = case["kind"] + (f", {case['actional']} AGIM" if case["actional"] else "")
            label = {"case": name, "preset": case["preset"], "batch": case["batch"]}
            try:
                timers = [
                    prepared(worker, version, case, arguments)
                    for pair in pairs
                    for version, worker in zip(VERSIONS, pair, strict=True)
                ]
                times = timings_in_turn(timers, seconds=0, at_least=arguments.rounds)
            except WorkerError as error:
                yield {**dict.fromkeys(COLUMNS), **label, "note": f"left out, {error}"}
            else:
                yield {**label, **figures(list(chain(*times[::2])), list(chain(*times[1::2]))), "note": ""}


def started(folder: Path, threads: int | None) -> Worker:
    """Start a process that uses the package in a folder."""
    pinned = {} if threads is None else {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    environment = {"PYTHONPATH": str(folder.resolve()), **pinned}
    return Worker(Path(__file__).parent / "compare_cases.py", environment)


def prepared(
    worker: Worker, version: str, case: dict[str, Any], arguments: argparse.Namespace
) -> Callable[[], float]:
    """Prepare a case, and return a function that times it for about ``--seconds``.

    Raises:
        WorkerError: If the version cannot run the case.
    """
    try:
        used = worker.ask(prepare={**case, "threads": arguments.threads})["package"]
        folder = getattr(arguments, version).resolve()
        if Path(used) != folder:
            raise WorkerError(f"{used} was imported instead of {folder}")
        return partial(worker.seconds, max(1, math.ceil(arguments.seconds / worker.seconds())))
    except WorkerError as error:
        raise WorkerError(f"{version}: {error}") from error


def figures(old: Sequence[float], new: Sequence[float]) -> dict[str, Any]:
    """Return the median times of both versions, and the median and quartiles of the ratios of all rounds."""
    return {
        "old ms": 1e3 * statistics.median(old),
        "new ms": 1e3 * statistics.median(new),
        **ratio_figures(new, old),
        "best/best": min(new) / min(old),
        "rounds": len(old),
        "old": list(old),
        "new": list(new),
    }


if __name__ == "__main__":
    main()
