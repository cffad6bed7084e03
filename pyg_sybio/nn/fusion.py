r"""Bidirectional fusion between the joint scale and the part scale (section 5.1.2, Fig. 5).

The features of each scale are concatenated with the features of the other scale,

.. math::
    X \leftarrow [X, \mathrm{part2joint}(X_p)], \qquad X_p \leftarrow [X_p, \mathrm{joint2part}(X)].
"""

from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio import graphs
from pyg_sybio.nn.constant import Constant
from pyg_sybio.skeleton import AnySkeleton


class Joint2Part(nn.Module):
    r"""Joint2part pooling: the mean of the joints of each part (section 5.1.2).

    .. math::
        X_{p,i} = \frac{1}{|P_i|} \sum_{j \in P_i} X_j

    Args:
        graph: The part graph, :func:`~pyg_sybio.graphs.part_graph`, or the skeleton.

    Shapes:
        - **input:** :math:`(*, M, D)`
        - **output:** :math:`(*, M_p, D)`
    """

    def __init__(self, graph: AnySkeleton | Data) -> None:
        super().__init__()
        member = _membership(graph).t()
        self.assignment = Constant(member / member.sum(dim=1, keepdim=True))  # [M_p, M], rows sum to one

    def forward(self, x: Tensor) -> Tensor:
        """Pool joints to parts."""
        return self.assignment().to(x.dtype) @ x


class Part2Joint(nn.Module):
    r"""Part2joint matching: each joint gets a copy of its part's features (section 5.1.2).

    Args:
        graph: The part graph, :func:`~pyg_sybio.graphs.part_graph`, or the skeleton.

    Shapes:
        - **input:** :math:`(*, M_p, D)`
        - **output:** :math:`(*, M, D)`
    """

    joint_part: Tensor

    def __init__(self, graph: AnySkeleton | Data) -> None:
        super().__init__()
        self.register_buffer("joint_part", _membership(graph).argmax(dim=1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Copy parts to joints."""
        return x.index_select(-2, self.joint_part)


def _membership(graph: AnySkeleton | Data) -> Tensor:
    """Return the one-hot encoded part of each joint, ``[M, M_p]``, in float64."""
    if not isinstance(graph, Data):
        graph = graphs.part_graph(graph)
    return nn.functional.one_hot(graph.joint_part, graph.num_nodes).double()
