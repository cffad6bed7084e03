r"""A J-GTC or P-GTC block in evaluation: batch norms folded, the rest in place (Eq. 6 and 8)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_sybio.nn.joint_conv import all_graphs, fused_transform, graph_product
from pyg_sybio.nn.temporal_conv import convolve_in_time

# Bytes that the caches of a CPU core or two keep at hand.
_CACHED = 8 * 2**20


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


class FoldedBlock(NamedTuple):
    r"""What a :class:`~pyg_sybio.nn.blocks.GraphTemporalBlock` computes in evaluation, in fewer steps.

    A batch norm with fixed statistics is :math:`a \odot x + b`, and after a linear map it is a linear map,

    .. math::
        \mathrm{BN}(\textstyle\sum_k A_k X W_k^\top) = \sum_k A_k X (\mathrm{diag}(a) W_k)^\top + b,

    so that a block is a graph product, a convolution and a residual, with a bias each or together.

    Args:
        graphs: The graphs that are the same for every motion, :math:`(\Gamma, M, M)`.
        actional_weight: :math:`\lambda_{act}`.
        assignment: The matrix that brings the other scale to the block's nodes, :math:`(M, M_o)`.
        own: Weights of the block's own features, :math:`(D', K \cdot D)`.
        others: Weights of the other scale's, :math:`(D', K \cdot D_o)`.
        bias: :math:`(D')`.
        temporal: Temporal kernel, :math:`(D', D', \tau, 1)`.
        temporal_bias: That of the residual included, :math:`(D')`.
        stride: The temporal stride.
        shortcut: Weights of the residual, :math:`(D', D + D_o)`; :obj:`None` for the identity.
    """

    graphs: Tensor | None
    actional_weight: float
    assignment: Tensor
    own: Tensor
    others: Tensor
    bias: Tensor
    temporal: Tensor
    temporal_bias: Tensor
    stride: int
    shortcut: Tensor | None

    def apply(self, x: Tensor, actional: Tensor | None = None, *, other: Tensor | None = None) -> Tensor:
        """Apply the block; shapes as the block's."""
        pieces = how_many_pieces(x, x.size(1) * x.size(2) * self.own.size(1) * x.element_size())
        hidden = in_pieces(self._graph_product, pieces, x, actional, other)
        out = convolve_in_time(hidden.relu_(), self.temporal, self.temporal_bias, stride=self.stride)
        return out.add_(self._residual(x, other)).relu_()

    def _graph_product(self, x: Tensor, actional: Tensor | None, other: Tensor | None) -> Tensor:
        adj = all_graphs(self.graphs, self.actional_weight, actional, self.own.dtype)
        hidden = graph_product(x, adj, self.own, self.bias)
        if other is None:
            return hidden
        return hidden.add_(graph_product(other, adj @ self.assignment, self.others))

    def _residual(self, x: Tensor, other: Tensor | None) -> Tensor:
        if self.shortcut is None:
            return x if other is None else torch.cat([x, self.assignment @ other], dim=-1)
        if other is None:
            return convolve_in_time(x, self.shortcut[:, :, None, None], stride=self.stride)
        return fused_transform(x, other, self.assignment, self.shortcut, stride=self.stride)
