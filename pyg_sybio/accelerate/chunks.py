"""Evaluation in chunks of motions that fit a CPU's caches."""

from collections.abc import Callable

import torch
from torch import Tensor

# Cache size in bytes of one or two CPU cores.
_CACHED = 12 * 2**20


def num_chunks(x: Tensor, bytes_each: int) -> int:
    """Number of chunks of motions ``[G, ...]`` for which one chunk fits the CPU cache.

    Args:
        x: The motions.
        bytes_each: Size in bytes of the features of one motion.

    Returns:
        The number of chunks; always 1 on devices other than the CPU and in compiled graphs.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return 1
    return min(x.size(0), max(1, -(-x.size(0) * bytes_each // _CACHED)))


def apply_in_chunks(function: Callable[..., Tensor], chunks: int, *inputs: Tensor | None) -> Tensor:
    """Apply a function to chunks of its inputs ``[G, ...]`` and concatenate the results."""
    if chunks == 1:
        return function(*inputs)
    pieces = [[None] * chunks if each is None else each.chunk(chunks) for each in inputs]
    return torch.cat([function(*piece) for piece in zip(*pieces, strict=False)])
