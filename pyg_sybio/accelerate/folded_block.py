r"""J-GTC and P-GTC blocks with folded batch norms (Eq. 6 and 8), for evaluation."""

from typing import Any

import torch
from torch import Tensor, nn

from pyg_sybio.accelerate.chunks import apply_in_chunks, num_chunks
from pyg_sybio.accelerate.graph_product import all_graphs, convolve_in_time, graph_product
from pyg_sybio.accelerate.minimal_filtering import can_be_tiled, convolve_in_tiles, tile_kernels
from pyg_sybio.nn.blocks import FeatureNorm
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.nn.part_conv import PartConv

# Minimum size (motions × frames × nodes) for which minimal filtering speeds up a temporal convolution.
_MANY = 3 * 2**10


class FoldedBlock(nn.Module):
    r"""A :class:`~pyg_sybio.nn.blocks.GraphTemporalBlock` for evaluation, with folded batch norms.

    A batch norm with fixed statistics is :math:`a \odot x + b`, so it can be folded into a preceding linear
    map,

    .. math::
        \mathrm{BN}(\textstyle\sum_k A_k X W_k^\top) = \sum_k A_k X (\mathrm{diag}(a) W_k)^\top + b.

    A block then consists of a graph product and a convolution with one bias each, and a residual. If the
    scales are fused, the concatenation :math:`[X, S X_o]` is not materialised:

    .. math::
        \sum_k A_k [X, S X_o] W_k^\top = \sum_k A_k X W_{k,x}^\top + \sum_k (A_k S) X_o W_{k,o}^\top

    Args:
        block: The block (:class:`~pyg_sybio.nn.blocks.GraphTemporalBlock`); later changes of its weights do
            not affect this copy.
        assignment: Matrix :math:`S` that maps features of the other scale to the nodes of the block; None for
            a block without fusion. (default: none)

    Shapes:
        - **x:** :math:`(G, T, M, D)`; in a fused block, a pair of these features and the features of the
          other scale :math:`(G, T, M_o, D_o)`
        - **actional:** :math:`(G, M, M)` or :obj:`None`
        - **output:** :math:`(G, \lceil T/s \rceil, M, D')`
    """

    graphs: Tensor | None
    assignment: Tensor | None
    own: Tensor  # weights of the features of this scale, [D', K·D]
    others: Tensor  # weights of the features of the other scale, [D', K·D_o]
    bias: Tensor  # [D']
    temporal: Tensor  # [D', D', τ, 1]
    tiles: Tensor | None  # temporal weights for convolve_in_tiles, if tiling is faster
    temporal_bias: Tensor  # including the bias of the residual, [D']
    shortcut: Tensor | None  # weights of the residual, [D', D + D_o]; None for the identity

    def __init__(self, block: Any, assignment: Tensor | None = None) -> None:
        super().__init__()
        conv = block.graph_conv
        self.stride, self.out_channels = block.temporal_conv.stride, conv.out_channels
        self.actional_weight = conv.actional_weight if isinstance(conv, JointConv) else 0.0
        # In a fused block, each scale contributes half of the input features.
        own_channels = conv.in_channels if assignment is None else conv.in_channels // 2
        graphs, weight = graphs_and_weights(conv)
        scale, shift = _scale_and_shift(block.graph_norm)
        terms = (scale[:, None] * weight).unflatten(1, (-1, conv.in_channels))  # [D', K, D + D_o]
        temporal_scale, temporal_shift = _scale_and_shift(block.temporal_norm)
        temporal = temporal_scale[:, None, None, None] * block.temporal_conv.conv.weight
        shortcut = None
        if not isinstance(block.residual, nn.Identity):
            linear, norm = block.residual
            shortcut_scale, shortcut_shift = _scale_and_shift(norm)
            shortcut = shortcut_scale[:, None] * linear.conv.weight.flatten(1)
            temporal_shift = temporal_shift + shortcut_shift
        for name, value in (
            ("graphs", graphs),
            ("assignment", assignment),
            ("own", terms[..., :own_channels].flatten(1)),
            ("others", terms[..., own_channels:].flatten(1)),
            ("bias", shift),
            ("temporal", temporal),
            ("tiles", tile_kernels(temporal) if can_be_tiled(temporal, self.stride) else None),
            ("temporal_bias", temporal_shift),
            ("shortcut", shortcut),
        ):
            self.register_buffer(name, None if value is None else value.detach().clone())

    def forward(self, x: Tensor | tuple[Tensor, Tensor], actional: Tensor | None = None) -> Tensor:
        """Apply the block."""
        x, other = x if isinstance(x, tuple) else (x, None)
        chunks = num_chunks(x, x.size(1) * x.size(2) * self.own.size(1) * x.element_size())
        hidden = apply_in_chunks(self._graph_product, chunks, x, actional, other).relu_()
        here = hidden.device.type == "cpu" and not torch.compiler.is_compiling()
        exact = self.temporal.dtype != torch.bfloat16  # the block may have been cast after its construction
        if self.tiles is not None and here and exact and hidden[..., 0].numel() >= _MANY:
            out = convolve_in_tiles(hidden, self.tiles, self.temporal_bias)
        else:
            out = convolve_in_time(hidden, self.temporal, self.temporal_bias, stride=self.stride)
        return out.add_(self._residual(x, other)).relu_()

    def _graph_product(self, x: Tensor, actional: Tensor | None, other: Tensor | None) -> Tensor:
        adj = all_graphs(self.graphs, self.actional_weight, actional, self.own.dtype)
        hidden = graph_product(x, adj, self.own, self.bias)
        if other is None:
            return hidden
        assert self.assignment is not None
        return hidden.add_(graph_product(other, adj @ self.assignment, self.others))

    def _residual(self, x: Tensor, other: Tensor | None) -> Tensor:
        if self.shortcut is None:
            if other is None:
                return x
            assert self.assignment is not None
            return torch.cat([x, self.assignment @ other], dim=-1)
        own = convolve_in_time(x, self.shortcut[:, : x.size(-1), None, None], stride=self.stride)
        if other is None:
            return own
        kept = other[:, :: self.stride].contiguous()
        assert self.assignment is not None
        return own + graph_product(kept, self.assignment.unsqueeze(0), self.shortcut[:, x.size(-1) :])

    def extra_repr(self) -> str:
        """Return the extra representation of the module."""
        return f"{self.own.size(1)} + {self.others.size(1)} -> {self.out_channels}, stride={self.stride}"


def graphs_and_weights(conv: JointConv | PartConv) -> tuple[Tensor | None, Tensor]:
    """Return the graphs shared by all motions, and the weights of all terms, with the actional term last."""
    if isinstance(conv, PartConv):
        return conv.adjacency.unsqueeze(0), conv.linear.weight
    terms = [term.linear.weight for term in (conv.structural, conv.actional) if term is not None]
    return None if conv.structural is None else conv.structural.adjacency, torch.cat(terms, dim=1)


def _scale_and_shift(norm: FeatureNorm) -> tuple[Tensor, Tensor]:
    r"""Return :math:`a` and :math:`b` of :math:`\mathrm{BN}(x) = a \odot x + b` in evaluation, ``[D]``."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale
