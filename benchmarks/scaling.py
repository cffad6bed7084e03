"""How the time grows with frames, joints, persons, and clips, from a base size to eight times of it.

    python benchmarks/scaling.py --presets mocap --growth frames batch persons
    python benchmarks/scaling.py --presets demo --modes eager --growth joints --joints 16

One of the sizes is taken once, twice, four and eight times, while the others stay at their base. The four
models are timed in turn, so that what drifts on a machine touches all of them alike. `exponent` is the slope
of the least-squares line through the logarithms of sizes and times: 1 is linear, 2 quadratic. `to linear` is
t(8x) / (8 t(x)) - 1, how far the largest lies from growing in proportion to the smallest. What does not
depend on a size (the prediction head and the actional graph do not on the frames) brings both below linear.

Joints are those of made-up chains, with a part for every three: each graph is dense, so that more joints
cost more than in proportion. `time x ceiling` is the time at eight times the size by the ceiling in single
precision, in GFLOP; `share` is the share of the ceiling in the mode's precision there, on the FLOPs of the
equations as the paper writes them.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from common import (
    SAMPLES,
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
    report,
    whole_number,
)

from pyg_sybio.skeleton import Skeleton

FACTORS = (1, 2, 4, 8)
GROWTH = ("frames", "joints", "persons", "batch")

COLUMNS = {
    "preset": "<9",
    "mode": "<13",
    "growth": "<8",
    "base": ">5d",
    **{f"ms {factor}x": ">9.2f" for factor in FACTORS},
    "exponent": ">8.3f",
    "to linear": ">+8.1%",
    "time x ceiling": ">8.2f",
    "share": ">6.1%",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--presets", nargs="+", choices=SAMPLES, default=["mocap"], metavar="PRESET")
    add_modes_argument(parser, ["folded"])
    parser.add_argument("--growth", nargs="+", choices=GROWTH, default=list(GROWTH), metavar="SIZE")
    parser.add_argument("--frames", type=whole_number, default=64, help="observed, base (default: 64)")
    parser.add_argument("--joints", type=whole_number, default=12, help="of a chain, base (default: 12)")
    parser.add_argument("--persons", type=whole_number, default=1, help="in a clip, base (default: 1)")
    parser.add_argument("--batch", type=whole_number, default=8, help="clips, base (default: 8)")
    add_common_arguments(parser)
    arguments = parsed(parser, argv)
    if arguments.joints < 2:
        parser.error("argument --joints: a chain has 2 joints or more")
    report(measure_all(arguments), COLUMNS, environment(arguments.device), arguments.output)


def measure_all(arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of all that was asked for."""
    base = {name: getattr(arguments, name) for name in GROWTH}
    for preset, mode, growth in product(arguments.presets, arguments.modes, arguments.growth):
        yield measure(preset, mode, growth, base, arguments.device, arguments.seconds)


def measure(
    preset: str, mode: str, growth: str, base: Mapping[str, int], device: torch.device, seconds: float
) -> Row:
    """Measure one model at all sizes, which are timed in turn."""
    runs, needed = [], 0
    for factor in FACTORS:
        sizes = {**base, growth: factor * base[growth]}
        shape: dict[str, Any] = {
            "batch": sizes["batch"],
            "persons": sizes["persons"],
            "observed": sizes["frames"],
            # Only where joints grow is a body made up.
            "skeleton": chain(sizes["joints"]) if growth == "joints" else None,
        }
        model, x = build(preset, device, **shape)
        runs.append(in_mode(model, mode, x))
        needed = needed_flops(preset, **shape)
    measured = around_in_turn(runs, device, seconds)
    times, largest = [own.p50 for own in measured], measured[-1]
    return {
        "preset": preset,
        "mode": mode,
        "growth": growth,
        "base": base[growth],
        **{f"ms {factor}x": 1e3 * each for factor, each in zip(FACTORS, times, strict=True)},
        "exponent": exponent(FACTORS, times),
        "to linear": times[-1] / (FACTORS[-1] * times[0]) - 1,
        "time x ceiling": largest.time_ceiling,
        "share": largest.share(needed, bf16=mode.endswith("bf16")),
        "ceiling fp32": largest.ceiling_fp32,
        "ceiling bf16": largest.ceiling_bf16,
    }


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The power of the size that fits the times best: the slope of the line through their logarithms."""
    slope, _ = np.polyfit(np.log(sizes), np.log(times), deg=1)
    return float(slope)


def chain(num_joints: int) -> Skeleton:
    """A body of so many joints in a row, with a part for every three."""
    joints = tuple(f"joint{i}" for i in range(num_joints))
    members = [joints[i : i + 3] for i in range(0, num_joints, 3)]
    parts = {f"part{i}": each for i, each in enumerate(members)}
    names = list(parts)
    return Skeleton(
        name=f"chain{num_joints}",
        joints=joints,
        bones=tuple(pairwise(joints)),
        center=joints[num_joints // 2],
        parts=parts,
        part_bones=tuple(pairwise(names)),
        mirror=(),
        coordinates="xyz",
        units="m",
    )


if __name__ == "__main__":
    main()
