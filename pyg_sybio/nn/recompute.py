r"""Activation checkpointing: recompute activations in the backward pass instead of storing them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recompute(module: nn.Module, *args: Tensor | None, **kwargs: Any) -> Any:
    r"""Apply a module and store only its inputs; the backward pass applies the module a second time.

    Outputs, gradients and statistics are the same as for ``module(*args, **kwargs)``, including dropout.
    A chain of such modules stores the inputs of all modules and the activations of one module at a time, at
    the cost of one additional forward pass.

    Args:
        module: The module. The running statistics of batch norms are the only state that it may change.
        *args: Positional arguments of the module.
        **kwargs: Keyword arguments of the module.

    Note:
        In the second pass, batch norms do not update their running statistics, because these already include
        the batch.
    """

    if torch.compiler.is_compiling():  # a compiled graph updates buffers only once, even if it recomputes
        return checkpoint(module, *args, use_reentrant=False, **kwargs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _untouched_statistics(module)

    return checkpoint(module, *args, use_reentrant=False, context_fn=contexts, **kwargs)


@contextmanager
def _untouched_statistics(module: nn.Module) -> Iterator[None]:
    """Make batch norms use batch statistics without changing their running statistics."""
    norms = [each for each in module.modules() if isinstance(each, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # Set the momentum to zero instead of disabling the running statistics, so that autograd saves the
        # same tensors as in the first pass.
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, num_batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, num_batches
