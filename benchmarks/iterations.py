"""Predicted frames in 20 ms against the number K of AGIM's iterations: the speed in the paper's Fig. 9.

    python benchmarks/iterations.py                       K = 0 to 4, the mocap preset, one clip at a time
    python benchmarks/iterations.py --modes eager compiled --future 20

The paper's speed is "the generated frame numbers in each 20 ms (frame period) when we predict up to 400 ms",
on Human3.6M. Here that is

    frames in 20 ms = predicted frames · 20 ms / time of one prediction,

with the median time of everything that a prediction takes, from the observed poses of one clip to the
predicted ones, recognition of the action included, which the prediction uses. 400 ms are 10 frames at the
25 frames a second to which the field resamples Human3.6M; `--future` sets another number. The paper does not
say how many clips were predicted together: here it is one, unless `--batch` says otherwise, and then the
frames of all clips count.

The models of all K are timed in turn. `time x ceiling` is the time a clip by the ceiling in single precision,
in GFLOP; `share` is the share of the ceiling in the mode's precision, on the FLOPs of the equations as the
paper writes them. The error in Fig. 9 needs trained models, and is not measured here.
"""

import argparse
from collections.abc import Iterator, Sequence

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

COLUMNS = {
    "preset": "<9",
    "mode": "<13",
    "K": ">1d",
    "p50 ms": ">8.2f",
    "frames in 20 ms": ">8.2f",
    "needed": ">8.3f",
    "time x ceiling": ">7.2f",
    "share": ">6.1%",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--preset", choices=SAMPLES, default="mocap", metavar="PRESET")
    add_modes_argument(parser, ["folded"])
    parser.add_argument(
        "--iterations",
        nargs="+",
        type=int,
        choices=range(10),
        default=[0, 1, 2, 3, 4],
        metavar="K",
        help="default: 0 to 4",
    )
    parser.add_argument("--future", type=whole_number, default=10, help="predicted frames (default: 10)")
    parser.add_argument("--batch", type=whole_number, default=1, help="clips at a time (default: 1)")
    add_common_arguments(parser)
    arguments = parsed(parser, argv)
    report(measure_all(arguments), COLUMNS, environment(arguments.device), arguments.output)


def measure_all(arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of all that was asked for; a mode's models are timed in turn."""
    for mode in arguments.modes:
        runs, needed = [], []
        for iterations in arguments.iterations:
            settings = {
                "batch": arguments.batch,
                "num_future": arguments.future,
                "actional_iterations": iterations,
            }
            model, x = build(arguments.preset, arguments.device, **settings)
            runs.append(in_mode(model, mode, x))
            needed.append(needed_flops(arguments.preset, **settings))
        measured = around_in_turn(runs, arguments.device, arguments.seconds)
        for iterations, flops, own in zip(arguments.iterations, needed, measured, strict=True):
            yield {
                "preset": arguments.preset,
                "mode": mode,
                "K": iterations,
                "batch": arguments.batch,
                "future": arguments.future,
                "p50 ms": 1e3 * own.p50,
                "frames in 20 ms": frames_in_20_ms(arguments.batch * arguments.future, own.p50),
                "needed": flops / 1e9,
                "time x ceiling": own.time_ceiling / arguments.batch,
                "share": own.share(flops, bf16=mode.endswith("bf16")),
                "ceiling fp32": own.ceiling_fp32,
                "ceiling bf16": own.ceiling_bf16,
            }


def frames_in_20_ms(frames: int, seconds: float) -> float:
    """How many frames are predicted in 20 ms, where so many take so long."""
    return frames * 0.020 / seconds


if __name__ == "__main__":
    main()
