"""Latency of every preset and variant in each mode, compared with the ceiling of the machine.

    python benchmarks/latency.py                                        # every preset and variant, on the CPU
    python benchmarks/latency.py --presets ntu --modes eager bf16 folded compiled
    python benchmarks/latency.py --presets mocap --variants full "no bones" --batch 1 8 --device cuda

A sample is one clip of the size of the preset's data; times are for the whole batch. The modes of a model are
timed alternately in one process, so that their ratios are reliable on a shared machine. `x eager` is the
speed-up over eager. `GFLOP` counts the matrix products and convolutions in eager mode (two FLOPs per
multiply-add), and `executed` counts them in the timed mode. `time x ceiling` is the time per clip times the
ceiling in single precision, in GFLOP. `share` is the FLOPs of the eager mode per second, as a fraction of the
ceiling in single precision; modes in bfloat16 have a second share, of the ceiling in bfloat16.

Modes: eager is the model itself under torch.inference_mode, and bf16 is eager under autocast. folded is
model.folded(), and folded-bf16 is model.folded(torch.bfloat16). compiled and graph are torch.compile and a
CUDA graph of folded; compiled-bf16 and graph-bf16 are the same for folded-bf16.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import product

from common import COMMON, Row, argument_parser, run
from modes import Case, executed_flops, measure

from pyg_sybio.models.presets import PRESETS, VARIANTS

COLUMNS = {
    "preset": "<9",
    "variant": "<16",
    "mode": "<13",
    "batch": ">5d",
    "param M": ">8.2f",
    "GFLOP": ">8.2f",
    "executed": ">8.2f",
    "p50 ms": ">8.2f",
    "p95 ms": ">8.2f",
    "p99 ms": ">8.2f",
    "x eager": ">7.2f",
    "time x ceiling": ">7.2f",
    "share fp32": ">6.1%",
    "share bf16": ">6.1%",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    defaults = {
        "presets": list(PRESETS),
        "variants": list(VARIANTS),
        "modes": ["eager", "folded"],
        "batch": [1],
    }
    parser = argument_parser(__doc__, **defaults, persons=None, frames=None, **COMMON)
    run(parser, argv, rows, COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per model and mode."""
    for preset, variant, batch in product(arguments.presets, arguments.variants, arguments.batch):
        shape = {"batch": batch, "persons": arguments.persons, "observed": arguments.frames}
        cases = [Case(preset, mode, {**shape, **VARIANTS[variant]}) for mode in arguments.modes]
        measured = list(measure(cases, arguments.device, arguments.seconds))
        eager = next((row["p50 ms"] for row in measured if row["mode"] == "eager"), None)
        for case, row in zip(cases, measured, strict=True):
            model, x = case.build(arguments.device)
            yield {
                **row,
                "variant": variant,
                "executed": executed_flops(model, case.mode, x) / 1e9,
                "x eager": None if eager is None else eager / row["p50 ms"],
            }


if __name__ == "__main__":
    main()
