"""The actional graph inference module (AGIM): all pairs at once against message passing edge by edge.

    python benchmarks/actional.py                                     25 joints, 64 persons, K = 2
    python benchmarks/actional.py --skeletons jhmdb15 mediapipe33 --batch 1 64 256 --iterations 1 4

Both are the same module with the same weights, and give the same graphs, which is checked first; they are
timed in turn. `ratio` is the time of message passing over that of the dense module. `training` is a forward
and a backward pass, `evaluation` a forward pass without gradients. Of the dense module, `time x ceiling` is
the time a person by the ceiling in single precision, in GFLOP, and `share` the share of that ceiling, on the
FLOPs of the equations as the paper writes them.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import torch
from common import (
    Row,
    add_common_arguments,
    argument_parser,
    around_in_turn,
    environment,
    report,
    whole_number,
)
from equations import actional_graph
from torch import Tensor

from pyg_sybio import load_skeleton
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.testing import randomize

COLUMNS = {
    "skeleton": "<12",
    "joints": ">6d",
    "batch": ">5d",
    "K": ">1d",
    "pass": "<10",
    "dense ms": ">9.3f",
    "edgewise ms": ">11.3f",
    "ratio": ">6.2f",
    "time x ceiling": ">8.4f",
    "share": ">6.1%",
}
PASSES = ("evaluation", "training")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--skeletons", nargs="+", default=["ntu25"], metavar="NAME", help="default: ntu25")
    parser.add_argument("--batch", nargs="+", type=whole_number, default=[64], help="persons (default: 64)")
    parser.add_argument(
        "--iterations", nargs="+", type=int, choices=range(10), default=[2], metavar="K", help="default: 2"
    )
    parser.add_argument("--width", type=whole_number, default=128, help="of all perceptrons (default: 128)")
    parser.add_argument("--passes", nargs="+", choices=PASSES, default=list(PASSES), metavar="PASS")
    add_common_arguments(parser)
    arguments = parser.parse_args(argv)
    report(measure_all(arguments), COLUMNS, environment(arguments.device), arguments.output)


def measure_all(arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of all that was asked for."""
    for name, batch, iterations in product(arguments.skeletons, arguments.batch, arguments.iterations):
        yield from measure(
            name,
            batch,
            iterations,
            arguments.width,
            arguments.passes,
            arguments.device,
            arguments.seconds,
        )


def measure(
    name: str,
    batch: int,
    iterations: int,
    width: int,
    passes: Sequence[str],
    device: torch.device,
    seconds: float,
) -> Iterator[Row]:
    """Measure one module both ways."""
    skeleton = load_skeleton(name)
    torch.manual_seed(0)
    module = ActionalGraphInference(
        skeleton.num_features, skeleton, hidden_channels=width, iterations=iterations
    )
    randomize(module)
    module.to(device)
    x = torch.randn(batch, module.num_frames, skeleton.num_joints, skeleton.num_features, device=device)
    flops = batch * actional_graph(
        skeleton.num_joints, skeleton.num_features, width, iterations, module.num_frames
    )
    with torch.inference_mode():
        module.eval()
        torch.testing.assert_close(module(x), module.infer_edgewise(x), rtol=1e-3, atol=1e-4)
    for each in passes:
        training = each == "training"
        module.train(training)
        run = backward_pass if training else forward_pass
        dense, edgewise = around_in_turn(
            [run(module, module.forward, x), run(module, module.infer_edgewise, x)], device, seconds
        )
        # Each product of the forward pass has two in the backward pass.
        flops_of_pass = 3 * flops if training else flops
        yield {
            "skeleton": name,
            "joints": skeleton.num_joints,
            "batch": batch,
            "K": iterations,
            "pass": each,
            "GFLOP": flops_of_pass / 1e9,
            "dense ms": 1e3 * dense.p50,
            "edgewise ms": 1e3 * edgewise.p50,
            "ratio": edgewise.p50 / dense.p50,
            "time x ceiling": dense.time_ceiling / batch,
            "share": dense.share(flops_of_pass),
            "ceiling fp32": dense.ceiling_fp32,
        }


Infer = Callable[[Tensor], Tensor]


def forward_pass(module: ActionalGraphInference, infer: Infer, x: Tensor) -> Callable[[], Tensor]:
    """A forward pass without gradients."""

    def run() -> Tensor:
        with torch.inference_mode():
            return infer(x)

    return run


def backward_pass(module: ActionalGraphInference, infer: Infer, x: Tensor) -> Callable[[], None]:
    """A forward and a backward pass, which leave no gradients."""
    with torch.no_grad():
        target = torch.randn_like(infer(x))

    def run() -> None:
        (infer(x) * target).sum().backward()
        module.zero_grad()

    return run


if __name__ == "__main__":
    main()
