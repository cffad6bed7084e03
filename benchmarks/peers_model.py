"""Construction and measurement of a public implementation in a separate process (`peers.py`).

Only torch and `workers.py` are imported here, and this folder is removed from the path, so that the modules
of a checkout may have any name.
"""

import copy
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from workers import Run, WorkerError, one_line, serve


def prepare(request: Mapping[str, Any]) -> tuple[Run, Mapping[str, Any]]:
    """Import and construct a peer, count its FLOPs, and run it once.

    Args:
        request: ``peer`` (:class:`peers_file.Peer`'s description), ``device``, ``bf16`` and ``train``.

    Returns:
        The function to time, and the facts ``parameters``, ``flops``, and ``uncounted`` (why ``flops`` is
        None).

    Raises:
        WorkerError: If a step fails; the message names the step and the reason.
    """
    peer, device = request["peer"], torch.device(request["device"])
    bf16, train = request["bf16"], request["train"]
    for folder in peer["folders"]:
        if not Path(folder).is_dir():
            raise WorkerError(f"import: no folder {folder}")
    sys.path[:0] = peer["folders"]
    torch.manual_seed(0)
    with _step("import"):
        made = getattr(importlib.import_module(peer["module"]), peer["class"])
    with _step("constructor"):
        copies = range(peer["copies"])
        models = [constructed(made, peer["arguments"]).to(device).train(train) for _ in copies]
    tensors = [(each["name"], tensor(each, device)) for each in peer["inputs"]]
    args = [value for name, value in tensors if name is None]
    named = {**peer["call"], **{name: value for name, value in tensors if name is not None}}

    def forward() -> list[object]:
        return [model(*args, **named) for model in models]

    run = in_training(models, forward, device, bf16) if train else in_evaluation(forward, device, bf16)
    with _step("forward and backward" if train else "forward"):
        run()
    # FLOPs are counted in float32, which executes the same products as bfloat16.
    counted = in_training(models, forward, device, False) if train else torch.no_grad()(forward)
    flops, reason = count_flops(counted)
    parameters = sum(each.numel() for model in models for each in model.parameters())
    return run, {"parameters": parameters, "flops": flops, "uncounted": reason}


@contextmanager
def _step(what: str) -> Any:
    try:
        yield
    except WorkerError:
        raise
    except (Exception, SystemExit) as error:  # a script may call sys.exit when it is imported
        raise WorkerError(f"{what}: {one_line(error)}") from error


def constructed(made: Callable[..., object], arguments: Mapping[str, Any] | Sequence[Any]) -> nn.Module:
    """Construct a model with a copy of the arguments, because a constructor may modify its arguments."""
    arguments = copy.deepcopy(arguments)
    model = made(**arguments) if isinstance(arguments, Mapping) else made(*arguments)
    if not isinstance(model, nn.Module):
        raise WorkerError(f"constructor: expected a torch module, got a {type(model).__name__}")
    return model


def tensor(description: Mapping[str, Any], device: torch.device) -> Tensor:
    """Return a random tensor with the shape and kind of an input."""
    shape = description["shape"]
    if description["kind"] == "float":
        return torch.randn(shape, device=device)
    numbers = torch.randint(description["below"], shape, device=device)
    return numbers.bool() if description["kind"] == "bool" else numbers


def in_evaluation(forward: Callable[[], object], device: torch.device, bf16: bool) -> Run:
    """Return a function that runs the forward pass."""

    def run() -> None:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            forward()
        _wait(device)

    return run


def in_training(
    models: Sequence[nn.Module], forward: Callable[[], object], device: torch.device, bf16: bool
) -> Run:
    """Return a function that runs the forward pass, a loss, and the backward pass."""

    def run() -> None:
        for model in models:
            model.zero_grad(set_to_none=True)
        with torch.enable_grad():
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                output = forward()
            loss(output).backward()
        _wait(device)

    return run


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def loss(output: object) -> Tensor:
    """Return the sum of all outputs with a gradient; the cross entropy replaces class scores ``[N, C]``.

    Raises:
        ValueError: If no output has a gradient.
    """
    tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor) and leaf.requires_grad]
    if not tensors:
        raise ValueError("no output has a gradient")
    return torch.stack(
        [
            F.cross_entropy(each.float(), torch.zeros(len(each), dtype=torch.long, device=each.device))
            if each.dim() == 2
            else each.float().sum()
            for each in tensors
        ]
    ).sum()


def count_flops(run: Run) -> tuple[int | None, str]:
    """Count the FLOPs of the matrix products of a run; return None and the reason if torch cannot count them.

    The run must not be in inference mode. torch's counter tracks modules by hooks on their inputs. In
    inference mode, these hooks fail if a module receives a parameter as input, as in CTR-GCN.
    """
    try:
        with FlopCounterMode(display=False) as counter:
            run()
    except Exception as error:
        return None, one_line(error)
    return counter.get_total_flops(), ""


if __name__ == "__main__":
    here = os.path.realpath(Path(__file__).parent)
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != here]
    del sys.modules["workers"]
    serve(prepare)
