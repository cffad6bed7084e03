"""Evaluation motion by motion, where a CPU's caches hold some motions and not all of them."""

from collections.abc import Callable

import torch
from torch import Tensor

# Bytes that the caches of a CPU core or two keep at hand.
_CACHED = 12 * 2**20


def how_many_pieces(x: Tensor, bytes_each: int) -> int:
    """In how many pieces motions ``[G, ...]`` run best, of which each needs so many bytes.

    On a CPU what fits into its caches runs faster than all at once; elsewhere, and compiled, it is one piece.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return 1
    return min(x.size(0), max(1, -(-x.size(0) * bytes_each // _CACHED)))


def in_pieces(function: Callable[..., Tensor], pieces: int, *inputs: Tensor | None) -> Tensor:
    """Apply a function of motions to so many pieces of its inputs ``[G, ...]``, one after another."""
    if pieces == 1:
        return function(*inputs)
    chunks = [[None] * pieces if each is None else each.chunk(pieces) for each in inputs]
    return torch.cat([function(*piece) for piece in zip(*chunks, strict=False)])
