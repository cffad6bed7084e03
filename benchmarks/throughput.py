"""Throughput in evaluation by batch, and the peak memory that it takes.

    python benchmarks/throughput.py --presets mocap realtime --modes eager folded --batch 1 4 16 64

`clips/s` is of whole batches in the median time. `peak MB` on CUDA is what torch had allocated at most,
weights included; on the CPU it is how far the resident memory of a fresh process rises during a run, after
one to warm up, weights therefore not included. `time x ceiling` is the time a clip by the ceiling in single
precision, in GFLOP; the shares of the ceilings are of the FLOPs of the equations as the paper writes them.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import torch
from common import (
    Row,
    add_common_arguments,
    add_modes_argument,
    argument_parser,
    around_in_turn,
    build,
    environment,
    in_mode,
    needed_flops,
    parsed,
    peak_memory,
    report,
    whole_number,
)

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
    parser = argument_parser(__doc__)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="PRESET")
    add_modes_argument(parser, ["folded"])
    parser.add_argument(
        "--batch",
        nargs="+",
        type=whole_number,
        default=[1, 2, 4, 8, 16, 32],
        help="clips (default: %(default)s)",
    )
    add_common_arguments(parser)
    arguments = parsed(parser, argv)
    report(measure_all(arguments), COLUMNS, environment(arguments.device), arguments.output)


def measure_all(arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of all that was asked for."""
    for preset, batch in product(arguments.presets, arguments.batch):
        yield from measure(preset, arguments.modes, batch, arguments.device, arguments.seconds)


def measure(
    preset: str, names: Sequence[str], batch: int, device: torch.device, seconds: float
) -> Iterator[Row]:
    """Measure one model on one batch in some modes, which are timed in turn."""
    model, x = build(preset, device, batch=batch)
    needed = needed_flops(preset, batch=batch)
    measured = around_in_turn([in_mode(model, mode, x) for mode in names], device, seconds)
    del model, x
    for mode, own in zip(names, measured, strict=True):
        yield {
            "preset": preset,
            "mode": mode,
            "batch": batch,
            "p50 ms": 1e3 * own.p50,
            "clips/s": batch / own.p50,
            "peak MB": peak_memory(partial(prepared, preset, mode, batch, device), device),
            "time x ceiling": own.time_ceiling / batch,
            "share fp32": own.share(needed),
            "share bf16": own.share(needed, bf16=True) if mode.endswith("bf16") else None,
            "ceiling fp32": own.ceiling_fp32,
            "ceiling bf16": own.ceiling_bf16,
        }


def prepared(preset: str, mode: str, batch: int, device: torch.device) -> Callable[[], object]:
    """A model of its own, ready to run."""
    model, x = build(preset, device, batch=batch)
    return in_mode(model, mode, x)


if __name__ == "__main__":
    main()
