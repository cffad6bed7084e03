r"""Activation checkpointing: a module's inner features are computed again in the backward pass, not kept."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recompute(module: nn.Module, *args: Tensor | None, **kwargs: Any) -> Any:
    r"""Apply a module and keep its inputs alone: the backward pass applies it a second time.

    Outputs, gradients and running statistics are those of ``module(*args, **kwargs)``, dropout included. The
    memory of a chain of such modules is that of their inputs and of one module's inner features, for the
    time of one more forward pass.

    Args:
        module: The module. Of state that changes while it runs it may have batch norms' running statistics.
        *args: What it takes.
        **kwargs: What it takes by name.

    Note:
        The second time, batch norms leave their running statistics alone, which have taken the batch in
        already.
    """

    if torch.compiler.is_compiling():  # A compiled graph writes to buffers once, wherever it computes again.
        return checkpoint(module, *args, use_reentrant=False, **kwargs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _untouched_statistics(module)

    return checkpoint(module, *args, use_reentrant=False, context_fn=contexts, **kwargs)


@contextmanager
def _untouched_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norms normalise with the batch's statistics and leave the running ones as they are."""
    norms = [each for each in module.modules() if isinstance(each, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # A step of length zero, not counted. Without the running statistics in it, autograd would keep other
        # tensors than the first time.
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, num_batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, num_batches
