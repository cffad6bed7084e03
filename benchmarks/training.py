"""Training samples a second and the peak memory, by batch, precision, and way of running.

    python benchmarks/training.py --presets mocap --batch 32 --precisions fp32 bf16 --ways plain compiled
    python benchmarks/training.py --presets ntu --batch 64 --precisions bf16 --device cuda

A step is all of it: forward pass, the multi-objective loss, backward pass, and a fused step of AdamW, on a
batch that lies on the device. `bf16` is autocast to bfloat16, of the forward pass and the loss. The ways are
plain (as `sybio fit` trains by default), compiled (torch.compile of the model), checkpointed (the blocks'
inner features are computed again in the backward pass) and compiled-checkpointed. All are timed in turn.

`samples/s` counts clips. `time x ceiling` is the time a clip by the ceiling in single precision, in GFLOP.
The shares are of three times the forward pass's FLOPs, as the paper's equations have them, over the ceiling
of the precision that a row computes in: the temporal convolution's, and the matrix product's. `peak MB` on
CUDA is what torch had allocated at most, weights and the optimiser's state included; on the CPU it is how
far the resident memory of a fresh process rises during a step, after one to warm up, those not included.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import torch
from common import (
    Row,
    add_common_arguments,
    argument_parser,
    around_in_turn,
    build,
    compiled,
    environment,
    native_precisions,
    peak_memory,
    product_ceiling,
    report,
    single,
    whole_number,
)
from equations import training_flops

from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.presets import PRESETS

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
WAYS = ("plain", "compiled", "checkpointed", "compiled-checkpointed")

COLUMNS = {
    "preset": "<9",
    "precision": "<9",
    "way": "<21",
    "batch": ">5d",
    "p50 ms": ">9.1f",
    "samples/s": ">9.1f",
    "peak MB": ">8.0f",
    "time x ceiling": ">7.2f",
    "share": ">6.1%",
    "share of product": ">6.1%",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="PRESET")
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        metavar="PRECISION",
        help="fp32 or bf16 (default: those that the device computes in natively)",
    )
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["plain"], metavar="WAY")
    parser.add_argument(
        "--batch", nargs="+", type=whole_number, default=[8, 32], help="clips (default: %(default)s)"
    )
    add_common_arguments(parser)
    arguments = parser.parse_args(argv)
    report(measure_all(arguments), COLUMNS, environment(arguments.device), arguments.output)


def measure_all(arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of all that was asked for."""
    for preset, batch in product(arguments.presets, arguments.batch):
        precisions = arguments.precisions or native_precisions(arguments.device)
        settings = list(product(precisions, arguments.ways))
        yield from measure(preset, batch, settings, arguments.device, arguments.seconds)


def measure(
    preset: str, batch: int, settings: Sequence[tuple[str, str]], device: torch.device, seconds: float
) -> Iterator[Row]:
    """Measure one model on one batch in some precisions and ways, which are timed in turn."""
    model, x = build(preset, batch=batch)
    flops = training_flops(model, persons=x.size(1), frames=x.size(2), clips=batch)
    before = {name: product_ceiling(device, dtype) for name, dtype in native_precisions(device).items()}
    steps = [training_step(preset, batch, precision, way, device) for precision, way in settings]
    measured = around_in_turn(steps, device, seconds)
    del steps
    after = {name: product_ceiling(device, dtype) for name, dtype in native_precisions(device).items()}
    for (precision, way), own in zip(settings, measured, strict=True):
        products = statistics.fmean((before[precision], after[precision])) if precision in before else None
        prepare = partial(training_step, preset, batch, precision, way, device)
        yield {
            "preset": preset,
            "precision": precision,
            "way": way,
            "batch": batch,
            "GFLOP": flops / 1e9,
            "p50 ms": 1e3 * own.p50,
            "samples/s": batch / own.p50,
            "peak MB": peak_memory(prepare, device),
            "time x ceiling": own.time_ceiling / batch,
            "share": own.share(flops, bf16=precision == "bf16"),
            "share of product": None if products is None else flops / 1e9 / own.p50 / products,
            "ceiling fp32": own.ceiling_fp32,
            "ceiling bf16": own.ceiling_bf16,
            "product ceiling": products,
        }


def training_step(
    preset: str, batch: int, precision: str, way: str, device: torch.device
) -> Callable[[], object]:
    """A step of training of a model of its own, on random motions.

    Args:
        preset: Size of the model.
        batch: The number of clips.
        precision: One of :data:`PRECISIONS`.
        way: One of :data:`WAYS`.
        device: Where it trains.

    Returns:
        What takes a step and returns the loss.
    """
    model, x = build(preset, device, batch=batch)
    model.checkpoint_activations = way.endswith("checkpointed")
    x = single(x)
    loss = SymbioticLoss(model.skeleton).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        y = torch.randint(model.num_classes, (batch,)).to(device)
        future = torch.randn(*x.shape[:-3], model.num_future, *x.shape[-2:]).to(device)
    model.train()
    forward = compiled(model) if way.startswith("compiled") else model

    def step() -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            terms = loss(forward(x), y=y, future=future)
        terms.total.backward()
        optimizer.step()
        # At the end, so that between steps no gradient lies in memory.
        optimizer.zero_grad()
        return terms.total.detach()

    return step


if __name__ == "__main__":
    main()
