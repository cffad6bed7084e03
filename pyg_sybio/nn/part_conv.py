r"""The part-scale graph convolution, PGC (section 4.2.1, Eq. 7)."""

import torch
from torch import Tensor, nn

from pyg_sybio.graphs import dense_adjacency, part_graph
from pyg_sybio.nn.constant import Constant
from pyg_sybio.nn.fusion import Joint2Part
from pyg_sybio.nn.joint_conv import fused_graph_product, graph_product
from pyg_sybio.skeleton import Skeleton


class PartConv(nn.Module):
    r"""Part-scale graph convolution, PGC (Eq. 7).

    .. math::
        \mathrm{PGC}(X_p^{(t)}) = A_{part} X_p^{(t)} W_{part}^\top, \qquad
        A_{part} = (D_p^{-1} A_p) \odot M_p

    with the self-looped part graph :math:`A_p` and trainable edge weights :math:`M_p`, ones at the start.

    Args:
        in_channels: Features in.
        out_channels: Features out.
        skeleton: The skeleton whose parts and part bones make the graph.

    Shapes:
        - **x:** :math:`(G, T, M_p, D)`
        - **joints:** :math:`(G, T, M, D_j)` or :obj:`None`; where joints come, their means
          :math:`\mathrm{joint2part}(X)` stand beside the parts' features, and ``in_channels`` is
          :math:`D + D_j`
        - **output:** :math:`(G, T, M_p, D')`
    """

    actional_weight = 0.0  # actional links are between joints

    def __init__(self, in_channels: int, out_channels: int, skeleton: Skeleton) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        graph = part_graph(skeleton, dtype=torch.float64)
        self.normalized = Constant(dense_adjacency(graph, graph.edge_weight))  # D_p⁻¹ A_p, [M_p, M_p]
        self.edge_weight = nn.Parameter(torch.ones_like(self.normalized()))  # M_p
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.exchange = Joint2Part(skeleton)

    @property
    def adjacency(self) -> Tensor:
        """The part-scale graph with its trained edge weights, ``[M_p, M_p]``."""
        return self.normalized() * self.edge_weight

    @property
    def fixed_graphs(self) -> Tensor:
        """The same as the one term of a graph product, ``[1, M_p, M_p]``."""
        return self.adjacency.unsqueeze(0)

    @property
    def weight(self) -> Tensor:
        """The weights ``[D', D]``."""
        return self.linear.weight

    def forward(self, x: Tensor, joints: Tensor | None = None) -> Tensor:
        """Gather along the part graph, from the parts and the means of their joints."""
        if joints is None:
            return graph_product(x, self.fixed_graphs, self.weight)
        return fused_graph_product(x, joints, self.exchange.assignment(), self.fixed_graphs, self.weight)

    def __repr__(self) -> str:
        parts = self.edge_weight.size(0)
        return f"{type(self).__name__}({self.in_channels} -> {self.out_channels}, parts={parts})"
