r"""Graph and temporal convolution blocks, J-GTC and P-GTC (sections 4.1.4 and 4.2.2, Eq. 6 and 8)."""

import torch
from torch import Tensor, nn

from pyg_sybio.accelerate.folded_block import FoldedBlock
from pyg_sybio.accelerate.minimal_filtering import can_be_tiled, tile_kernels
from pyg_sybio.nn.dropout import Dropout
from pyg_sybio.nn.joint_conv import JointConv, fused_transform
from pyg_sybio.nn.part_conv import PartConv
from pyg_sybio.nn.temporal_conv import TemporalConv


class FeatureNorm(nn.BatchNorm2d):
    r"""Batch normalisation over persons, frames and nodes, for features in the last dimension.

    Shapes:
        - **input, output:** :math:`(G, T, M, D)`
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each feature."""
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def folded(self) -> tuple[Tensor, Tensor]:
        r"""The :math:`a` and :math:`b` of :math:`\mathrm{BN}(x) = a \odot x + b` in evaluation, ``[D]``."""
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return scale, self.bias - self.running_mean * scale


class Shortcut(nn.Sequential):
    r"""The residual where width or length change: every :math:`s`-th frame mapped, and a batch norm.

    Args:
        in_channels: Features in, those of the other scale included.
        out_channels: Features out.
        stride: The stride :math:`s`.

    Shapes:
        - **input:** :math:`(G, T, M, D)`
        - **output:** :math:`(G, \lceil T/s \rceil, M, D')`
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__(
            TemporalConv(in_channels, out_channels, kernel_size=1, stride=stride), FeatureNorm(out_channels)
        )
        self.stride = stride

    def fused(self, x: Tensor, other: Tensor, assignment: Tensor) -> Tensor:
        """Apply it to two scales beside each other (:func:`~pyg_sybio.nn.joint_conv.fused_transform`)."""
        return self.norm(fused_transform(x, other, assignment, self.weight, stride=self.stride))

    def folded(self) -> tuple[Tensor, Tensor]:
        """The weight ``[D', D]`` and the bias ``[D']`` of both together in evaluation."""
        scale, shift = self.norm.folded()
        return scale[:, None] * self.weight, shift

    @property
    def weight(self) -> Tensor:
        """The linear map ``[D', D]``."""
        linear = self[0]
        assert isinstance(linear, TemporalConv)
        return linear.conv.weight.flatten(1)

    @property
    def norm(self) -> FeatureNorm:
        """The batch norm behind it."""
        norm = self[1]
        assert isinstance(norm, FeatureNorm)
        return norm


class GraphTemporalBlock(nn.Module):
    r"""A spatial and a temporal convolution in tandem: the J-GTC block (Eq. 6) and the P-GTC block (Eq. 8).

    .. math::
        X' = \rho(\mathrm{BN}(\mathrm{GC}(X_{in}))), \qquad
        X_{out} = \rho\big(\mathrm{Dropout}(\mathrm{BN}(\mathrm{TC}(X'; \tau, s))) + \mathrm{Res}(X_{in})\big)

    With a :class:`~pyg_sybio.nn.joint_conv.JointConv` as :math:`\mathrm{GC}` it is a J-GTC block, with a
    :class:`~pyg_sybio.nn.part_conv.PartConv` a P-GTC block. The residual is the identity, or where width or
    length change, a linear map of every :math:`s`-th frame and a batch norm.

    Args:
        graph_conv: The spatial convolution; its ``in_channels`` and ``out_channels`` are the block's.
        kernel_size: The temporal kernel :math:`\tau`.
        stride: The temporal stride :math:`s`. (default: :obj:`1`)
        dropout: Probability of dropping a feature after the temporal convolution. (default: :obj:`0.0`)
        other_channels: How many of ``in_channels`` come from the other scale. (default: :obj:`0`)

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **graph:** what ``graph_conv`` takes beside ``x`` (the actional graph, or nothing)
        - **other:** where the scales are fused, the other scale's features :math:`(G, T, M_o, D_o)`; then
          :math:`X_{in}` is both beside each other, which is never made, and ``in_channels`` is
          :math:`D + D_o`
        - **output:** :math:`(G, \lceil T/s \rceil, M, D')`

    Note:
        The paper writes the output's width as :math:`s D_{x'}`; its settings (section 6.1.2) give the width
        of each block, which is what is built here. In evaluation the batch norms are folded into the
        convolutions before them (:class:`~pyg_sybio.accelerate.folded_block.FoldedBlock`).
    """

    def __init__(
        self,
        graph_conv: JointConv | PartConv,
        *,
        kernel_size: int,
        stride: int = 1,
        dropout: float = 0.0,
        other_channels: int = 0,
    ) -> None:
        super().__init__()
        in_channels, channels = graph_conv.in_channels, graph_conv.out_channels
        self.stride, self.out_channels = stride, channels
        self.own_channels = in_channels - other_channels
        self.graph_conv = graph_conv
        self.graph_norm = FeatureNorm(channels)
        self.temporal_conv = TemporalConv(channels, channels, kernel_size, stride=stride)
        self.temporal_norm = FeatureNorm(channels)
        self.dropout = Dropout(dropout)
        self.residual: nn.Identity | Shortcut = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.residual = Shortcut(in_channels, channels, stride=stride)

    def forward(self, x: Tensor, *graph: Tensor | None, other: Tensor | None = None) -> Tensor:
        """Apply the block."""
        if not self.training:
            return self.folded(x.size(-1)).apply(x, *graph, other=other)
        hidden = self.graph_norm(self.graph_conv(x, *graph, other)).relu()
        hidden = self.dropout(self.temporal_norm(self.temporal_conv(hidden)))
        return (hidden + self._residual(x, other)).relu()

    def _residual(self, x: Tensor, other: Tensor | None) -> Tensor:
        """The residual of the input, or of both scales' beside each other."""
        if other is None:
            return self.residual(x)
        exchange = self.graph_conv.exchange
        if isinstance(self.residual, nn.Identity):
            return torch.cat([x, exchange(other)], dim=-1)
        return self.residual.fused(x, other, exchange.assignment())

    def folded(self, own_channels: int | None = None, *, tiled: bool = False) -> FoldedBlock:
        """Return the block's evaluation with its batch norms folded in, as they are now.

        Args:
            own_channels: How many of ``in_channels`` come in as ``x``; the rest as ``other``. (default: all
                but ``other_channels``)
            tiled: Prepare the temporal convolution for long clips, where that takes fewer multiplications
                (:mod:`~pyg_sybio.accelerate.minimal_filtering`).
        """
        conv = self.graph_conv
        own_channels = self.own_channels if own_channels is None else own_channels
        scale, shift = self.graph_norm.folded()
        terms = (scale[:, None] * conv.weight).unflatten(1, (-1, conv.in_channels))  # [D', K, D + D_o]
        temporal_scale, temporal_shift = self.temporal_norm.folded()
        shortcut = None
        if not isinstance(self.residual, nn.Identity):
            shortcut, shortcut_shift = self.residual.folded()
            temporal_shift = temporal_shift + shortcut_shift
        temporal = temporal_scale[:, None, None, None] * self.temporal_conv.conv.weight
        return FoldedBlock(
            graphs=conv.fixed_graphs,
            actional_weight=conv.actional_weight,
            assignment=conv.exchange.assignment(),
            own=terms[..., :own_channels].flatten(1),
            others=terms[..., own_channels:].flatten(1),
            bias=shift,
            temporal=temporal,
            tiles=tile_kernels(temporal) if tiled and can_be_tiled(temporal, self.stride) else None,
            temporal_bias=temporal_shift,
            stride=self.stride,
            shortcut=shortcut,
        )
