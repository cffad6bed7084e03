r"""A graph that is the same for all motions and replaces the actional graphs."""

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio import graphs
from pyg_sybio.skeleton import AnySkeleton


class SharedGraph(nn.Module):
    r"""One graph for all motions, as a baseline for actional graphs.

    .. math::
        A_{i,j} = \frac{\exp(a_{i,j})}{\sum_k \exp(a_{i,k})}

    where :math:`a` is initialised to zero and learned, or stays zero, so that each joint receives the mean of
    all joints.

    Args:
        graph: Graph that gives the number of nodes; its edges are not used.
        learned: Whether :math:`a` is a parameter.

    Shapes:
        - **input:** :math:`(G, T, M, D)`, :math:`G` persons
        - **output:** :math:`(G, M, M)`

    Raises:
        ValueError: If the graph has fewer than two nodes.

    Note:
        The paper has no such baseline. AS-GCN and 2s-AGCN compare their graphs with learned graphs that all
        clips share.
    """

    def __init__(self, graph: AnySkeleton | Data, *, learned: bool) -> None:
        super().__init__()
        num_nodes = graphs.complete_graph(graph).num_nodes
        if num_nodes < 2:
            raise ValueError(f"a shared graph needs at least 2 nodes, but the graph has {num_nodes}")
        logits = torch.zeros(num_nodes, num_nodes)
        self.logits: Tensor
        if learned:
            self.logits = nn.Parameter(logits)
        else:
            self.register_buffer("logits", logits, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return a copy of the graph for each of the motions ``x``."""
        precise = torch.promote_types(self.logits.dtype, torch.float32)
        return torch.softmax(self.logits, dim=-1, dtype=precise).expand(x.size(0), -1, -1)
