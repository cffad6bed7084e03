"""Throughput and peak memory of evaluation by batch size.

    python benchmarks/throughput.py --presets mocap realtime --modes eager folded --batch 1 4 16 64

`clips/s` is the batch size over the median time. On CUDA, `peak MB` is the peak memory that torch has
allocated, including weights. On the CPU, it is the growth of the resident memory of a fresh process during a
run after a warm-up run, so it does not include weights. `time x ceiling` is the time per clip times the
ceiling in single precision, in GFLOP. `share` is the FLOPs of the eager mode per second, as a fraction of the
ceiling in single precision; modes in bfloat16 have a second share, of the ceiling in bfloat16.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

from common import COMMON, Row, argument_parser, run
from modes import Case, measure
from timing import peak_memory

from pyg_sybio.models.presets import PRESETS

COLUMNS = {
    "preset": "<9",
    "mode": "<13",
    "batch": ">5d",
    "p50 ms": ">9.2f",
    "clips/s": ">9.1f",
    "peak MB": ">8.0f",
    "time x ceiling": ">7.2f",
    "share fp32": ">6.1%",
    "share bf16": ">6.1%",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    batch = [1, 2, 4, 8, 16, 32]
    parser = argument_parser(__doc__, presets=list(PRESETS), modes=["folded"], batch=batch, **COMMON)
    run(parser, argv, rows, COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per preset, batch size and mode; the modes are timed alternately."""
    device = arguments.device
    for preset, batch in product(arguments.presets, arguments.batch):
        cases = [Case(preset, mode, {"batch": batch}) for mode in arguments.modes]
        for case, row in zip(cases, measure(cases, device, arguments.seconds), strict=True):
            memory = peak_memory(partial(case.prepared, device), device)
            yield {**row, "clips/s": 1e3 * batch / row["p50 ms"], "peak MB": memory}


if __name__ == "__main__":
    main()
