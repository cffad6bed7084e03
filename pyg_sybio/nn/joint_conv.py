r"""Joint-scale graph convolutions: actional, structural, and their sum (section 4.1, Eq. 3, 4 and 5)."""

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio import graphs
from pyg_sybio.nn.constant import Constant
from pyg_sybio.nn.graph_product import gather
from pyg_sybio.skeleton import AnySkeleton


class ActionalConv(nn.Module):
    r"""Actional graph convolution, AGC (Eq. 3).

    .. math::
        \mathrm{AGC}(X^{(t)}) = A_{act} X^{(t)} W_{act}^\top

    Args:
        in_channels: Number of input features.
        out_channels: Number of output features.

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **actional:** :math:`(G, M, M)`, from :class:`~pyg_sybio.nn.actional_graph.ActionalGraphInference`
        - **output:** :math:`(G, T, M, D')`
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, actional: Tensor) -> Tensor:
        """Apply the convolution with the actional graph of each person."""
        return self.linear(gather(x, actional.unsqueeze(-3).to(x.dtype)))


class StructuralConv(nn.Module):
    r"""Structural graph convolution over one to :math:`\Gamma` hops, SGC (Eq. 4).

    .. math::
        \mathrm{SGC}(X^{(t)}) = \sum_{\gamma=1}^{\Gamma} A_{str}^{(\gamma)} X^{(t)} W_{str}^{(\gamma)\top},
        \qquad A_{str}^{(\gamma)} = \tilde{A}^\gamma \odot M^{(\gamma)}, \quad \tilde{A} = D^{-1} A

    with the self-looped skeleton graph :math:`A` and trainable edge weights :math:`M^{(\gamma)}`, which are
    initialised to one. With :math:`\Gamma = 1`, the graph is the normalised skeleton graph.

    Args:
        in_channels: Number of input features.
        out_channels: Number of output features.
        graph: The skeleton graph, :func:`~pyg_sybio.graphs.skeleton_graph` or
            :func:`~pyg_sybio.graphs.bone_graph`, or the skeleton.
        hops: Number of hops :math:`\Gamma \geq 1`. (default: :obj:`4`)

    Shapes:
        - **input:** :math:`(G, T, M, D)`
        - **output:** :math:`(G, T, M, D')`

    Note:
        One product with the graphs and one product with :math:`[W^{(1)}, \dots, W^{(\Gamma)}]` compute all
        hops.
    """

    def __init__(
        self, in_channels: int, out_channels: int, graph: AnySkeleton | Data, *, hops: int = 4
    ) -> None:
        super().__init__()
        if hops < 1:
            raise ValueError(f"'hops' must be at least 1, but it is {hops}")
        self.hops = hops
        structural = graphs.structural_graph(graph, hops, dtype=torch.float64)
        self.powers = Constant(graphs.dense_adjacency(structural, structural.edge_attr))  # Ã^γ, [Γ, M, M]
        self.edge_weight = nn.Parameter(torch.ones_like(self.powers()))  # M^(γ)
        self.linear = nn.Linear(hops * in_channels, out_channels, bias=False)  # [W^(1), ..., W^(Γ)]

    @property
    def adjacency(self) -> Tensor:
        r"""The structural graphs :math:`A_{str}^{(\gamma)}`, ``[Γ, M, M]``."""
        return self.powers() * self.edge_weight

    def forward(self, x: Tensor) -> Tensor:
        """Apply the convolution with the structural graphs."""
        return self.linear(gather(x, self.adjacency))


class JointConv(nn.Module):
    r"""Joint-scale graph convolution, JGC: weighted sum of actional and structural convolution (Eq. 5).

    .. math::
        \mathrm{JGC}(X^{(t)}) = \lambda_{act}\, \mathrm{AGC}(X^{(t)}) + \mathrm{SGC}(X^{(t)})

    Args:
        in_channels: Number of input features.
        out_channels: Number of output features.
        graph: The skeleton graph, :func:`~pyg_sybio.graphs.skeleton_graph` or
            :func:`~pyg_sybio.graphs.bone_graph`, or the skeleton.
        hops: Number of hops :math:`\Gamma` of the structural graph; 0 disables the structural term.
        actional_weight: Weight :math:`\lambda_{act}` of the actional term; 0 disables it.

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **actional:** :math:`(G, M, M)`, required unless ``actional_weight`` is 0
        - **output:** :math:`(G, T, M, D')`, before the activation
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: AnySkeleton | Data,
        *,
        hops: int,
        actional_weight: float,
    ) -> None:
        super().__init__()
        if hops == 0 and actional_weight == 0:
            raise ValueError(
                "a joint-scale convolution needs a graph: 'hops' and 'actional_weight' are both 0"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.actional_weight = actional_weight
        self.structural = StructuralConv(in_channels, out_channels, graph, hops=hops) if hops else None
        self.actional = ActionalConv(in_channels, out_channels) if actional_weight else None

    def forward(self, x: Tensor, actional: Tensor | None = None) -> Tensor:
        """Return the weighted sum of both convolutions."""
        if self.actional is None:
            assert self.structural is not None
            return self.structural(x)
        if actional is None:
            raise ValueError("'actional' is None, but this convolution has an actional term (Eq. 3)")
        out = self.actional_weight * self.actional(x, actional)
        return out if self.structural is None else out + self.structural(x)

    def __repr__(self) -> str:
        hops = self.structural.hops if self.structural is not None else 0
        return (
            f"{type(self).__name__}({self.in_channels} -> {self.out_channels}, "
            f"hops={hops}, actional_weight={self.actional_weight})"
        )
