"""Number of frames predicted in 20 ms for each number K of AGIM iterations (speed in Fig. 9 of the paper).

    python benchmarks/iterations.py                       # K = 0 to 4, the mocap preset, one clip per batch
    python benchmarks/iterations.py --modes eager compiled --future 20

The paper's speed is "the generated frame numbers in each 20 ms (frame period) when we predict up to 400 ms",
on Human3.6M. This script reports

    frames in 20 ms = predicted frames · 20 ms / time of one prediction,

where the time is the model's median time per clip, including recognition, because prediction uses the class
probabilities. The 400 ms are 10 frames at 25 frames per second, the usual frame rate of Human3.6M; `--future`
sets another number of frames. The paper does not state a batch size; with `--batch`, the predicted frames of
all clips are counted.

The models for all K are timed alternately. `time x ceiling` is the time per clip times the ceiling in single
precision, in GFLOP. `share` is the FLOPs of the eager model per second, as a fraction of the ceiling in the
mode's precision. Fig. 9 also shows the prediction error, which requires trained models; `sybio reproduce
iterations` measures it.
"""

import argparse
from collections.abc import Iterator, Sequence

from common import COMMON, Row, argument_parser, positive_int, run
from modes import Case, measure

COLUMNS = {
    "preset": "<9",
    "mode": "<13",
    "K": ">1d",
    "p50 ms": ">8.2f",
    "frames in 20 ms": ">8.2f",
    "GFLOP": ">8.3f",
    "time x ceiling": ">7.2f",
    "share": ">6.1%",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__, preset="mocap", modes=["folded"], **COMMON)
    numbers = [0, 1, 2, 3, 4]
    parser.add_argument(
        "--iterations",
        nargs="+",
        type=int,
        choices=range(10),
        default=numbers,
        metavar="K",
        help="default: 0 to 4",
    )
    parser.add_argument("--future", type=positive_int, default=10, help="predicted frames (default: 10)")
    parser.add_argument("--batch", type=positive_int, default=1, help="clips per batch (default: 1)")
    run(parser, argv, rows, COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per mode and number of iterations."""
    shared = {"batch": arguments.batch, "num_future": arguments.future}
    for mode in arguments.modes:
        cases = [
            Case(arguments.preset, mode, {**shared, "actional_iterations": iterations})
            for iterations in arguments.iterations
        ]
        measured = measure(cases, arguments.device, arguments.seconds)
        for iterations, row in zip(arguments.iterations, measured, strict=True):
            frames = frames_in_20_ms(arguments.batch * arguments.future, row["p50 ms"] / 1e3)
            yield {**row, "K": iterations, "future": arguments.future, "frames in 20 ms": frames}


def frames_in_20_ms(frames: int, seconds: float) -> float:
    """Return the number of frames predicted in 20 ms, if ``frames`` take ``seconds``."""
    return frames * 0.020 / seconds


if __name__ == "__main__":
    main()
