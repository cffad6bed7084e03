"""Training throughput and peak memory by batch size, precision and training method.

    python benchmarks/training.py --presets mocap --batch 32 --precisions fp32 bf16 --ways plain compiled
    python benchmarks/training.py --presets ntu --batch 64 --precisions bf16 --device cuda

A step consists of forward pass, multi-objective loss, backward pass, and a fused AdamW step, on a batch that
is already on the device. `bf16` runs forward pass and loss under autocast to bfloat16; it is skipped by
default on devices that emulate bfloat16. The training methods (`--ways`) are plain (the default of `sybio
fit`), dense (AGIM by dense products instead of message passing), compiled (torch.compile of the model),
checkpointed (activations inside of blocks are recomputed in the backward pass) and compiled-checkpointed.
They are timed alternately.

`samples/s` counts clips. `time x ceiling` is the time per clip times the ceiling in single precision, in
GFLOP. A step counts as three times the FLOPs of the eager forward pass. The two shares are the FLOPs of a
step per second, as fractions of the ceilings of a convolution and of a matrix product in the same precision.
On CUDA, `peak MB` is the peak memory that torch has allocated, including weights and optimiser state. On the
CPU, it is the growth of the resident memory of a fresh process during a step after a warm-up step, without
weights and optimiser state.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import torch
from common import COMMON, Row, argument_parser, run
from modes import build, compiled, flops, single
from timing import PRECISIONS, around_in_turn, native_precisions, peak_memory, product_ceiling

from pyg_sybio.accelerate.dense_actional import use_dense_actional
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.presets import PRESETS

WAYS = ("plain", "dense", "compiled", "checkpointed", "compiled-checkpointed")

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
    defaults = {"presets": list(PRESETS), "precisions": list(PRECISIONS), "batch": [8, 32]}
    parser = argument_parser(__doc__, **defaults, **COMMON)
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=["plain"], metavar="WAY", help=", ".join(WAYS)
    )
    run(parser, argv, rows, COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per preset, batch size, precision and training method."""
    device = arguments.device
    for preset, batch in product(arguments.presets, arguments.batch):
        settings = list(product(arguments.precisions, arguments.ways))
        prepared = [partial(training_step, preset, batch, *setting, device) for setting in settings]
        needed = batch * flops(training_step(preset, 1, "fp32", "plain", device))
        before = {name: product_ceiling(device, dtype) for name, dtype in native_precisions(device).items()}
        measured = around_in_turn([prepare() for prepare in prepared], device, arguments.seconds)
        after = {name: product_ceiling(device, dtype) for name, dtype in native_precisions(device).items()}
        products = {name: statistics.fmean((before[name], after[name])) for name in before}
        for (precision, way), prepare, own in zip(settings, prepared, measured, strict=True):
            ceiling = products.get(precision)
            yield {
                "preset": preset,
                "precision": precision,
                "way": way,
                "batch": batch,
                "GFLOP": needed / 1e9,
                "samples/s": batch / own.p50,
                "peak MB": peak_memory(prepare, device),
                "share of product": None if ceiling is None else needed / 1e9 / own.p50 / ceiling,
                "product ceiling": ceiling,
                **own.figures(needed, clips=batch, precision=precision),
            }


def training_step(
    preset: str, batch: int, precision: str, way: str, device: torch.device
) -> Callable[[], torch.Tensor]:
    """Return a training step of a new model on random motions.

    Args:
        preset: Preset of the model.
        batch: Number of clips.
        precision: One of :data:`~timing.PRECISIONS`.
        way: Training method, one of :data:`WAYS`.
        device: Device of the training.

    Returns:
        A function that runs a step and returns the loss.
    """
    model, x = build(preset, device, batch=batch)
    model.checkpoint_activations = way.endswith("checkpointed")
    if way == "dense":
        use_dense_actional(model)
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
        # Gradients are freed at the end of the step, so that none stays in memory between steps.
        optimizer.zero_grad()
        return terms.total.detach()

    return step


if __name__ == "__main__":
    main()
