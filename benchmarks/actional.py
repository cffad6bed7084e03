"""Time of the actional graph inference module (AGIM) by message passing and by dense products.

    python benchmarks/actional.py                                     # 25 joints, 64 persons, K = 2
    python benchmarks/actional.py --skeletons jhmdb15 mediapipe33 --batch 1 64 256 --iterations 1 4

Both implementations have the same weights. The script first checks that they infer the same graphs, and then
times them alternately. `ratio` is the time of message passing divided by the time of the dense version.
`training` is a forward and a backward pass, `evaluation` a forward pass without gradients. `time x ceiling`
is the time of the dense version per person times the ceiling in single precision, in GFLOP; `share` is the
FLOPs of message passing, divided by the time of the dense version, as a fraction of the ceiling.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import torch
from common import COMMON, Row, argument_parser, positive_int, run
from modes import flops
from timing import around_in_turn
from torch import Tensor, nn

from pyg_sybio import load_skeleton
from pyg_sybio.accelerate.dense_actional import DenseActionalGraph
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.testing import randomize

COLUMNS = {
    "skeleton": "<12",
    "joints": ">6d",
    "batch": ">5d",
    "K": ">1d",
    "pass": "<10",
    "dense ms": ">9.3f",
    "message passing ms": ">11.3f",
    "ratio": ">6.2f",
    "time x ceiling": ">8.4f",
    "share": ">6.1%",
}
PASSES = ("evaluation", "training")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__, **COMMON)
    parser.add_argument("--skeletons", nargs="+", default=["ntu25"], metavar="NAME", help="(default: ntu25)")
    parser.add_argument("--batch", nargs="+", type=positive_int, default=[64], help="persons (default: 64)")
    parser.add_argument(
        "--iterations", nargs="+", type=int, choices=range(10), default=[2], metavar="K", help="(default: 2)"
    )
    parser.add_argument("--width", type=positive_int, default=128, help="width of all MLPs (default: 128)")
    parser.add_argument("--passes", nargs="+", choices=PASSES, default=list(PASSES), metavar="PASS")
    run(parser, argv, rows, COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per skeleton, batch, number of iterations and pass."""
    device, width = arguments.device, arguments.width
    for name, batch, iterations in product(arguments.skeletons, arguments.batch, arguments.iterations):
        skeleton = load_skeleton(name)
        torch.manual_seed(0)
        module = ActionalGraphInference(
            skeleton.num_features, skeleton, hidden_channels=width, iterations=iterations
        )
        randomize(module).to(device)
        both = module.eval(), DenseActionalGraph(module)
        x = torch.randn(batch, module.num_frames, skeleton.num_joints, skeleton.num_features, device=device)
        with torch.inference_mode():
            forward = flops(partial(module, x))
            torch.testing.assert_close(both[1](x), module(x), rtol=1e-3, atol=1e-4)
        for each in arguments.passes:
            one_pass = backward_pass if each == "training" else forward_pass
            runs = [one_pass(infer.train(each == "training"), x) for infer in both]
            passing, dense = around_in_turn(runs, device, arguments.seconds)
            # The backward pass computes two matrix products for each product of the forward pass.
            needed = 3 * forward if each == "training" else forward
            yield {
                "skeleton": name,
                "joints": skeleton.num_joints,
                "batch": batch,
                "K": iterations,
                "pass": each,
                "GFLOP": needed / 1e9,
                "dense ms": 1e3 * dense.p50,
                "message passing ms": 1e3 * passing.p50,
                "ratio": passing.p50 / dense.p50,
                **dense.figures(needed, clips=batch),
            }


def forward_pass(infer: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """Return a function that runs a forward pass without gradients."""
    return partial(torch.inference_mode()(infer.forward), x)


def backward_pass(infer: nn.Module, x: Tensor) -> Callable[[], None]:
    """Return a function that runs a forward and a backward pass and then clears the gradients."""
    with torch.no_grad():
        target = torch.randn_like(infer(x))

    def run() -> None:
        (infer(x) * target).sum().backward()
        infer.zero_grad()

    return run


if __name__ == "__main__":
    main()
