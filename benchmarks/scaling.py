"""Growth of the time with the number of frames, joints, persons and clips, up to eight times a base size.

    python benchmarks/scaling.py --presets mocap --growth frames batch persons
    python benchmarks/scaling.py --presets demo --modes eager --growth joints --joints 16

One size (frames, joints, persons or clips) is multiplied by one, two, four and eight, while the other sizes
keep their base value. The four models are timed alternately, so that drift of the machine's speed affects all
of them equally. `exponent` is the slope of the least-squares line through the logarithms of sizes and times:
1 is linear, 2 quadratic. `to linear` is t(8x) / (8 t(x)) - 1, the deviation of the largest size from
proportional growth. Both values are smaller if some of the time does not depend on the size. For example, the
time of the prediction head and of AGIM does not depend on the number of frames.

Skeletons are generated chains of joints, with three joints per part. All graphs are dense, so the time grows
faster than the number of joints. `time x ceiling` is the time per clip at eight times the size, times the
ceiling in single precision, in GFLOP; `share` is the FLOPs of the eager model per second at eight times the
size, as a fraction of the ceiling.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product

import numpy as np
import torch
from common import COMMON, Report, Row, argument_parser, environment, parsed, positive_int
from modes import Case, measure

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
    parser = argument_parser(__doc__, presets=["mocap"], modes=["folded"], **COMMON)
    parser.add_argument("--growth", nargs="+", choices=GROWTH, default=list(GROWTH), metavar="SIZE")
    parser.add_argument("--frames", type=positive_int, default=64, help="base of the frames (default: 64)")
    parser.add_argument(
        "--joints", type=positive_int, default=12, help="base number of joints of the chain (default: 12)"
    )
    parser.add_argument("--persons", type=positive_int, default=1, help="base of the persons (default: 1)")
    parser.add_argument("--batch", type=positive_int, default=8, help="base of the clips (default: 8)")
    arguments = parsed(parser, argv)
    if arguments.joints < 2:
        parser.error("argument --joints: a chain has at least 2 joints")
    Report(environment(arguments.device), arguments.output).table(rows(arguments), COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per preset, mode and size."""
    base = {name: getattr(arguments, name) for name in GROWTH}
    for preset, mode, growth in product(arguments.presets, arguments.modes, arguments.growth):
        yield grown(preset, mode, growth, base, arguments.device, arguments.seconds)


def grown(
    preset: str, mode: str, growth: str, base: Mapping[str, int], device: torch.device, seconds: float
) -> Row:
    """Time one model at all sizes alternately."""
    cases = []
    for factor in FACTORS:
        sizes = {**base, growth: factor * base[growth]}
        shape = {"batch": sizes["batch"], "persons": sizes["persons"], "observed": sizes["frames"]}
        skeleton = chain(sizes["joints"]) if growth == "joints" else None
        cases.append(Case(preset, mode, {**shape, "skeleton": skeleton}))
    measured = list(measure(cases, device, seconds))
    times = [row["p50 ms"] for row in measured]
    return {
        **measured[-1],
        "growth": growth,
        "base": base[growth],
        **{f"ms {factor}x": each for factor, each in zip(FACTORS, times, strict=True)},
        "exponent": exponent(FACTORS, times),
        "to linear": times[-1] / (FACTORS[-1] * times[0]) - 1,
    }


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Return the slope of the least-squares line through the logarithms of sizes and times."""
    slope, _ = np.polyfit(np.log(sizes), np.log(times), deg=1)
    return float(slope)


def chain(num_joints: int) -> Skeleton:
    """Return a skeleton whose joints form a chain, with three joints per part."""
    joints = tuple(f"joint{i}" for i in range(num_joints))
    parts = {f"part{i // 3}": joints[i : i + 3] for i in range(0, num_joints, 3)}
    return Skeleton(
        name=f"chain{num_joints}",
        joints=joints,
        bones=tuple(pairwise(joints)),
        center=joints[num_joints // 2],
        parts=parts,
        part_bones=tuple(pairwise(parts)),
        mirror=(),
        coordinates="xyz",
        units="m",
    )


if __name__ == "__main__":
    main()
