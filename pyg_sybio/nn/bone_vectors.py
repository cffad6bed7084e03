r"""Bone vectors between joints (section 5.5)."""

from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio import graphs
from pyg_sybio.skeleton import AnySkeleton


class BoneVectors(nn.Module):
    r"""Bone vectors: the outer joint minus the inner joint (section 5.5),

    .. math::
        b_{i,j} = x_j - x_i

    with :math:`v_i` the joint nearer to the skeleton's centre and :math:`v_j` the joint farther from it.

    Args:
        graph: The bone graph, :func:`~pyg_sybio.graphs.bone_graph`, or the skeleton of the joints.

    Shapes:
        - **input:** :math:`(*, M, D)`
        - **output:** :math:`(*, B, D)`

    Note:
        All features are subtracted, including detector scores (``xy+score``) and components of exponential
        maps, because the paper defines the same bone attribute for all of its datasets.
    """

    inner: Tensor
    outer: Tensor

    def __init__(self, graph: AnySkeleton | Data) -> None:
        super().__init__()
        if not isinstance(graph, Data):
            graph = graphs.bone_graph(graph)
        self.register_buffer("inner", graph.inner, persistent=False)
        self.register_buffer("outer", graph.outer, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the bones of the joints ``x``."""
        return x.index_select(-2, self.outer) - x.index_select(-2, self.inner)

    def extra_repr(self) -> str:
        """Return the extra representation of the module."""
        return f"num_bones={self.inner.numel()}"
