r"""A J-GTC or P-GTC block in evaluation: batch norms folded, the rest in place (Eq. 6 and 8)."""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from pyg_sybio.accelerate.chunks import how_many_pieces, in_pieces
from pyg_sybio.accelerate.minimal_filtering import convolve_in_tiles
from pyg_sybio.nn.joint_conv import all_graphs, fused_transform, graph_product
from pyg_sybio.nn.temporal_conv import convolve_in_time

if TYPE_CHECKING:
    from pyg_sybio.nn.blocks import GraphTemporalBlock


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
        tiles: The same for :func:`~pyg_sybio.accelerate.minimal_filtering.convolve_in_tiles`, where that is
        faster.
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
    tiles: Tensor | None
    temporal_bias: Tensor
    stride: int
    shortcut: Tensor | None

    def apply(self, x: Tensor, actional: Tensor | None = None, *, other: Tensor | None = None) -> Tensor:
        """Apply the block; shapes as the block's."""
        pieces = how_many_pieces(x, x.size(1) * x.size(2) * self.own.size(1) * x.element_size())
        hidden = in_pieces(self._graph_product, pieces, x, actional, other)
        hidden = hidden.relu_()
        if self.tiles is None:
            out = convolve_in_time(hidden, self.temporal, self.temporal_bias, stride=self.stride)
        else:
            out = convolve_in_tiles(hidden, self.tiles, self.temporal_bias)
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


class PreparedBlock(nn.Module):
    """A block that has been folded once and for all, in place of a
    :class:`~pyg_sybio.nn.blocks.GraphTemporalBlock` in models for evaluation alone.

    Args:
        block: The block.
        dtype: The type of its weights.
    """

    def __init__(self, block: "GraphTemporalBlock", dtype: torch.dtype) -> None:
        super().__init__()
        self.stride, self.out_channels = block.stride, block.out_channels
        self._fixed: dict[str, float | None] = {}
        for name, value in block.folded(tiled=dtype.itemsize > 2)._asdict().items():
            if isinstance(value, Tensor):
                self.register_buffer(name, value.detach().to(dtype))
            else:
                self._fixed[name] = value

    def folded(self, *, tiled: bool = False) -> FoldedBlock:
        """Return the folded block, for long clips if ``tiled``."""
        block = FoldedBlock(**self._fixed, **dict(self.named_buffers()))  # type: ignore[arg-type]
        return block if tiled else block._replace(tiles=None)
