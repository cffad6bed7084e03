"""The cases of `compare.py`, which runs this file in a separate process per version of the package.

This file handles names that differ between versions, and otherwise uses only functions that both versions
have.
"""

import gc
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from samples import SAMPLES
from torch import Tensor, nn
from workers import serve

import pyg_sybio
from pyg_sybio import SybioGNN, load_skeleton
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.testing import randomize

# Versions in which AGIM is dense by default have a separate method for message passing.
_DENSE_BY_DEFAULT = hasattr(ActionalGraphInference, "infer_edgewise")


def prepare(case: Mapping[str, Any]) -> tuple[Callable[[], object], Any]:
    """Prepare a case, and run it once.

    Args:
        case: ``kind``, one of :data:`KINDS`; ``preset``, ``batch``, ``actional`` (``"dense"``, ``"message
            passing"``, or ``""`` for the default of the version), and ``threads``.

    Returns:
        The function to time, and the path of the imported package.
    """
    if case["threads"]:
        torch.set_num_threads(case["threads"])
    gc.collect()
    torch.compiler.reset()  # many models would reach torch's limit of recompilations
    sample = SAMPLES[case["preset"]]
    skeleton = load_skeleton(sample.skeleton)
    torch.manual_seed(0)
    model = SybioGNN.from_preset(
        case["preset"], skeleton=skeleton, num_classes=sample.classes, num_future=sample.future
    )
    randomize(model)
    persons = (sample.persons,) if sample.persons > 1 else ()
    x = torch.randn(case["batch"], *persons, sample.observed, skeleton.num_joints, model.in_channels)
    run = KINDS[case["kind"]](with_actional(model.eval(), case["actional"]), x)
    run()
    return run, {"package": str(Path(pyg_sybio.__file__).parents[1])}


def evaluation(called: Callable[[Tensor], object], x: Tensor) -> Callable[[], object]:
    """Return a function that runs a forward pass without gradients."""

    def run() -> object:
        with torch.inference_mode():
            return called(x)

    return run


def training(model: SybioGNN, x: Tensor) -> Callable[[], object]:
    """Return a function that runs a training step: forward pass, loss, backward pass and AdamW."""
    model.train()
    loss, optimizer = SymbioticLoss(model.skeleton), torch.optim.AdamW(model.parameters(), fused=True)
    y = torch.arange(len(x)) % model.num_classes
    future = torch.randn(*x.shape[:-3], model.num_future, *x.shape[-2:])

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), y=y, future=future).total.backward()
        optimizer.step()

    return step


def stream(model: SybioGNN, x: Tensor) -> Callable[[], object]:
    """Return a function that updates a stream whose window is full."""
    live = model.stream(num_observed=x.shape[-3])
    pose = x.flatten(0, -3)[0].double().numpy()
    for _ in range(x.shape[-3]):
        live.update(pose)
    return lambda: live.update(pose)


def data_set(model: SybioGNN, x: Tensor) -> Callable[[], object]:
    """Return a function that evaluates built-in synthetic motions with all metrics."""
    motions = _first_of(
        ("pyg_sybio.data.synthetic.synthetic", "pyg_sybio.data.synthetic"), "SyntheticMotions"
    )
    evaluate = _first_of(("pyg_sybio.trained.evaluation", "pyg_sybio.training.evaluation"), "evaluate")
    data = motions(
        skeleton=model.skeleton, num_clips=60, num_observed=x.size(-3), num_future=model.num_future
    )
    return lambda: evaluate(model, data)


KINDS: Mapping[str, Callable[[Any, Tensor], Callable[[], object]]] = {
    "eager": evaluation,
    "folded": lambda model, x: evaluation(model.folded(), x),
    "folded-bf16": lambda model, x: evaluation(model.folded(torch.bfloat16), x),
    "compiled": lambda model, x: evaluation(torch.compile(model.folded(), fullgraph=True), x),
    "training": training,
    "stream": stream,
    "evaluate": data_set,
}


class MessagePassing(nn.Module):
    """AGIM by message passing, for versions in which AGIM is dense by default."""

    def __init__(self, module: ActionalGraphInference) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Infer the actional graphs."""
        return self.module.infer_edgewise(x)


def with_actional(model: SybioGNN, form: str) -> SybioGNN:
    """Return the model with the requested implementation of AGIM."""
    if form == "dense" and not _DENSE_BY_DEFAULT:
        return _first_of(("pyg_sybio.accelerate.dense_actional",), "use_dense_actional")(model)
    if form == "message passing" and _DENSE_BY_DEFAULT:
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, ActionalGraphInference):
                    setattr(module, name, MessagePassing(child))
    return model


def _first_of(modules: tuple[str, ...], name: str) -> Any:
    """Return the object called `name` from the first module that has it."""
    for module in modules:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        if hasattr(found, name):
            return getattr(found, name)
    raise ImportError(f"no {name} in {', '.join(modules)}")


if __name__ == "__main__":
    serve(prepare)
