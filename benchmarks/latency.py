"""Per-sample latency of every preset and variant in each mode, beside the machine's ceiling.

    python benchmarks/latency.py                                        every preset and variant, on the CPU
    python benchmarks/latency.py --presets ntu --modes plain eager bf16 folded compiled
    python benchmarks/latency.py --presets mocap --variants full "no bones" --batch 1 8 --device cuda

A sample is one clip, as the preset's data has it, and `ms` is the time of the whole batch. The modes of a
model are timed in turn in one process, so their ratios hold on a machine that is not alone; `x plain` is the
plain mode's time over this one's. `needed` is the GFLOP of the equations as the paper writes them,
`executed` that of the products which the mode runs. `time x ceiling` is the time a clip by the ceiling in
single precision, in GFLOP; `share` is the rate of the needed FLOPs over the ceiling in single precision and,
where a mode computes in bfloat16, over that in bfloat16. The modes are those of `common.py`.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import torch
from common import (
    Row,
    add_common_arguments,
    add_modes_argument,
    argument_parser,
    around_in_turn,
    build,
    environment,
    executed_flops,
    in_mode,
    needed_flops,
    parsed,
    report,
    whole_number,
)

from pyg_sybio.models.presets import PRESETS, VARIANTS

COLUMNS = {
    "preset": "<9",
    "variant": "<16",
    "mode": "<13",
    "batch": ">5d",
    "param M": ">8.2f",
    "needed": ">8.2f",
    "executed": ">8.2f",
    "p50 ms": ">8.2f",
    "p95 ms": ">8.2f",
    "p99 ms": ">8.2f",
    "x plain": ">7.2f",
    "time x ceiling": ">7.2f",
    "share fp32": ">6.1%",
    "share bf16": ">6.1%",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="PRESET")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    add_modes_argument(parser, ["plain", "eager", "folded"])
    parser.add_argument("--batch", nargs="+", type=whole_number, default=[1], help="clips (default: 1)")
    parser.add_argument("--persons", type=whole_number, help="in a clip (default: as the data has it)")
    parser.add_argument("--frames", type=whole_number, help="observed (default: as the data has it)")
    add_common_arguments(parser)
    arguments = parsed(parser, argv)
    report(measure_all(arguments), COLUMNS, environment(arguments.device), arguments.output)


def measure_all(arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of all that was asked for."""
    for preset, variant, batch in product(arguments.presets, arguments.variants, arguments.batch):
        shape = {"batch": batch, "persons": arguments.persons, "observed": arguments.frames}
        yield from measure(preset, variant, arguments.modes, arguments.device, arguments.seconds, **shape)


def measure(
    preset: str, variant: str, names: Sequence[str], device: torch.device, seconds: float, **shape: Any
) -> Iterator[Row]:
    """Measure one model in some modes, which are timed in turn."""
    settings = {**shape, **VARIANTS[variant]}
    model, x = build(preset, device, **settings)
    needed = needed_flops(preset, **settings)
    measured = around_in_turn([in_mode(model, mode, x) for mode in names], device, seconds)
    plain = measured[names.index("plain")].p50 if "plain" in names else None
    clips, persons, frames = x.shape[:3]
    for mode, own in zip(names, measured, strict=True):
        yield {
            "preset": preset,
            "variant": variant,
            "mode": mode,
            "batch": clips,
            "persons": persons,
            "frames": frames,
            "joints": x.size(3),
            "param M": sum(parameter.numel() for parameter in model.parameters()) / 1e6,
            "needed": needed / 1e9,
            "executed": executed_flops(model, mode, x) / 1e9,
            "runs": len(own.times),
            "p50 ms": 1e3 * own.p50,
            "p95 ms": 1e3 * own.p95,
            "p99 ms": 1e3 * own.p99,
            "x plain": None if plain is None else plain / own.p50,
            "time x ceiling": own.time_ceiling / clips,
            "share fp32": own.share(needed),
            "share bf16": own.share(needed, bf16=True) if mode.endswith("bf16") else None,
            "ceiling fp32": own.ceiling_fp32,
            "ceiling bf16": own.ceiling_bf16,
        }


if __name__ == "__main__":
    main()
