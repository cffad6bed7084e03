r"""Graph and temporal convolution blocks, J-GTC and P-GTC (sections 4.1.4 and 4.2.2, Eq. 6 and 8)."""

from torch import Tensor, nn

from pyg_sybio.nn.joint_conv import JointConv
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


class GraphTemporalBlock(nn.Module):
    r"""Graph convolution followed by a temporal convolution: J-GTC block (Eq. 6) or P-GTC block (Eq. 8).

    .. math::
        X' = \rho(\mathrm{BN}(\mathrm{GC}(X_{in}))), \qquad
        X_{out} = \rho\big(\mathrm{Dropout}(\mathrm{BN}(\mathrm{TC}(X'; \tau, s))) + \mathrm{Res}(X_{in})\big)

    If :math:`\mathrm{GC}` is a :class:`~pyg_sybio.nn.joint_conv.JointConv`, this is a J-GTC block; if it is a
    :class:`~pyg_sybio.nn.part_conv.PartConv`, this is a P-GTC block. The residual is the identity if the
    block keeps the number of features and frames; otherwise it is a linear map of every :math:`s`-th frame
    and a batch norm.

    Args:
        graph_conv: The graph convolution; the block has the same ``in_channels`` and ``out_channels``.
        kernel_size: Size :math:`\tau` of the temporal kernel.
        stride: Temporal stride :math:`s`. (default: :obj:`1`)
        dropout: Probability of dropping a feature after the temporal convolution. (default: :obj:`0.0`)

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **graph:** additional inputs of ``graph_conv`` (the actional graph, if any)
        - **output:** :math:`(G, \lceil T/s \rceil, M, D')`

    Note:
        The paper gives the output width as :math:`s D_{x'}`, but its settings (section 6.1.2) list the width
        of each block. This implementation follows the settings.
    """

    def __init__(
        self,
        graph_conv: JointConv | PartConv,
        *,
        kernel_size: int,
        stride: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        in_channels, channels = graph_conv.in_channels, graph_conv.out_channels
        self.graph_conv = graph_conv
        self.graph_norm = FeatureNorm(channels)
        self.temporal_conv = TemporalConv(channels, channels, kernel_size, stride=stride)
        self.temporal_norm = FeatureNorm(channels)
        self.dropout = nn.Dropout(dropout)
        self.residual: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            linear = TemporalConv(in_channels, channels, kernel_size=1, stride=stride)
            self.residual = nn.Sequential(linear, FeatureNorm(channels))

    def forward(self, x: Tensor, *graph: Tensor | None) -> Tensor:
        """Apply the block."""
        hidden = self.graph_norm(self.graph_conv(x, *graph)).relu()
        hidden = self.dropout(self.temporal_norm(self.temporal_conv(hidden)))
        return (hidden + self.residual(x)).relu()
