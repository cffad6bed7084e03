"""Build the model and a sample of each preset, and evaluate them in every mode (:data:`common.MODES`)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from common import Row, check_modes
from samples import SAMPLES
from timing import Run, around_in_turn
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pyg_sybio import SybioGNN, load_skeleton
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.testing import randomize


def build(
    preset: str,
    device: torch.device | str = "cpu",
    *,
    batch: int = 1,
    persons: int | None = None,
    observed: int | None = None,
    skeleton: str | Skeleton | None = None,
    **overrides: Any,
) -> tuple[SybioGNN, Tensor]:
    """Return a model in evaluation mode and its input motions, which are the same in every run.

    The random weights and statistics preserve the scale of a signal, as trained weights do.

    Args:
        preset: The preset, which sets the size of the model and of the sample.
        device: Device of the model and the motions.
        batch: Number of clips.
        persons: Number of persons per clip. (default: as in the sample of the preset)
        observed: Number of observed frames. (default: as in the sample of the preset)
        skeleton: A skeleton or its name. (default: as in the sample of the preset)
        **overrides: Arguments of the model's constructor that replace arguments of the preset.

    Returns:
        The model, and motions ``[N, P, T, M, D]``.

    Raises:
        ValueError: If the preset, the skeleton or an argument is unknown.
    """
    if preset not in SAMPLES:
        raise ValueError(f"unknown preset '{preset}', expected {', '.join(PRESETS)}")
    sample = SAMPLES[preset]
    body = skeleton if isinstance(skeleton, Skeleton) else load_skeleton(skeleton or sample.skeleton)
    arguments = {"num_classes": sample.classes, "num_future": sample.future, **overrides}
    shape = (batch, persons or sample.persons, observed or sample.observed, body.num_joints)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SybioGNN.from_preset(preset, skeleton=body, **arguments)
        randomize(model)
        x = torch.randn(*shape, model.in_channels)
    return model.eval().to(device), x.to(device)


def single(x: Tensor) -> Tensor:
    """Drop the person dimension of ``[N, P, T, M, D]`` if there is one person."""
    return x.squeeze(1) if x.dim() == 5 else x


@dataclass(frozen=True)
class Evaluation:
    """A forward pass of a module without gradients; with ``bf16``, under autocast to bfloat16."""

    module: Callable[[Tensor], SybioOutput]
    x: Tensor
    bf16: bool = False
    without_gradients: Callable[[], AbstractContextManager[Any]] = torch.inference_mode

    def __call__(self) -> SybioOutput:
        """Run the module."""
        device = self.x.device.type
        with self.without_gradients(), torch.autocast(device, torch.bfloat16, enabled=self.bf16):
            return self.module(self.x)

    def countable(self) -> "Evaluation":
        """Return a copy that uses ``torch.no_grad``, so that its FLOPs can be counted.

        In inference mode, torch's FLOP counter decomposes operators below autocast, and fails.
        """
        return replace(self, without_gradients=torch.no_grad)


def in_mode(model: SybioGNN, mode: str, x: Tensor) -> Evaluation:
    """Return the evaluation of ``x`` in a mode, after compiling or capturing it and running it once.

    Raises:
        ValueError: If the device does not support the mode.
    """
    check_modes([mode], x.device)
    x = single(x)
    kind, _, precision = mode.partition("-")
    called: Any = model
    if kind not in ("eager", "bf16"):
        called = model.folded(torch.bfloat16 if precision else torch.float32)
    if kind == "compiled":
        called = compiled(called)
    elif kind == "graph":
        from pyg_sybio.accelerate.cuda_graph import Graphed

        called = Graphed(called, x)
    run = Evaluation(called, x, bf16=mode == "bf16")
    run()
    return run


def compiled(model: nn.Module) -> Any:
    """Compile a model for static shapes; a script may compile any number of models.

    All models share code objects, so torch counts each new model as a recompilation. After torch's limit of
    recompilations, a model would silently run in eager mode.
    """
    torch._dynamo.config.recompile_limit = 1000
    torch._dynamo.config.accumulated_recompile_limit = 1000
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    return torch.compile(model, dynamic=False)


def precision_of(mode: str) -> str:
    """Return the precision in which a mode computes."""
    return "bf16" if mode.endswith("bf16") else "fp32"


def flops(run: Run) -> int:
    """Count the FLOPs of the matrix products and convolutions of one run (two per multiply-add), with
    torch.
    """
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@dataclass(frozen=True)
class Case:
    """A model, its input and a mode, given by the mode and the arguments of :func:`build`."""

    preset: str
    mode: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self, device: torch.device | str = "cpu") -> tuple[SybioGNN, Tensor]:
        """Return the model and its input."""
        return build(self.preset, device, **self.settings)

    def prepared(self, device: torch.device) -> Evaluation:
        """Build a model and return its evaluation in the mode."""
        model, x = self.build(device)
        return in_mode(model, self.mode, x)


def executed_flops(model: SybioGNN, mode: str, x: Tensor) -> int:
    """Count the FLOPs that a mode executes.

    The FLOPs of compiled code and CUDA graphs cannot be counted. They execute the same products as the folded
    model, so its FLOPs are returned. FLOPs do not depend on the precision.
    """
    return flops(in_mode(model, "eager" if mode in ("eager", "bf16") else "folded", x).countable())


def measure(cases: Sequence[Case], device: torch.device, seconds: float) -> Iterator[Row]:
    """Time several cases alternately, and yield a row for each; ``GFLOP`` counts the FLOPs of the eager
    model.
    """
    measured = around_in_turn([case.prepared(device) for case in cases], device, seconds)
    for case, own in zip(cases, measured, strict=True):
        model, x = case.build()
        clips, persons, frames, joints = x.shape[:4]
        one_clip = Case(case.preset, "eager", {**case.settings, "batch": 1})
        needed = clips * flops(one_clip.prepared(device).countable())
        yield {
            "preset": case.preset,
            "mode": case.mode,
            "batch": clips,
            "persons": persons,
            "frames": frames,
            "joints": joints,
            "param M": sum(parameter.numel() for parameter in model.parameters()) / 1e6,
            "GFLOP": needed / 1e9,
            **own.figures(needed, clips=clips, precision=precision_of(case.mode)),
        }
