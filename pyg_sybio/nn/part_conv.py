r"""The part-scale graph convolution, PGC (section 4.2.1, Eq. 7)."""

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio import graphs
from pyg_sybio.nn.constant import Constant
from pyg_sybio.nn.graph_product import gather
from pyg_sybio.skeleton import AnySkeleton


class PartConv(nn.Module):
    r"""Part-scale graph convolution, PGC (Eq. 7).

    .. math::
        \mathrm{PGC}(X_p^{(t)}) = A_{part} X_p^{(t)} W_{part}^\top, \qquad
        A_{part} = (D_p^{-1} A_p) \odot M_p

    with the self-looped part graph :math:`A_p` and trainable edge weights :math:`M_p`, which are initialised
    to one.

    Args:
        in_channels: Number of input features.
        out_channels: Number of output features.
        graph: The part graph, :func:`~pyg_sybio.graphs.part_graph`, or the skeleton.

    Shapes:
        - **input:** :math:`(G, T, M_p, D)`
        - **output:** :math:`(G, T, M_p, D')`
    """

    def __init__(self, in_channels: int, out_channels: int, graph: AnySkeleton | Data) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        if not isinstance(graph, Data):
            graph = graphs.part_graph(graph, dtype=torch.float64)
        self.normalized = Constant(graphs.dense_adjacency(graph).double())  # D_p⁻¹ A_p, [M_p, M_p]
        self.edge_weight = nn.Parameter(torch.ones_like(self.normalized()))  # M_p
        self.linear = nn.Linear(in_channels, out_channels, bias=False)

    @property
    def adjacency(self) -> Tensor:
        """The part-scale graph with its trained edge weights, ``[M_p, M_p]``."""
        return self.normalized() * self.edge_weight

    def forward(self, x: Tensor) -> Tensor:
        """Apply the convolution with the part graph."""
        return self.linear(gather(x, self.adjacency.unsqueeze(0)))

    def __repr__(self) -> str:
        parts = self.edge_weight.size(0)
        return f"{type(self).__name__}({self.in_channels} -> {self.out_channels}, parts={parts})"
