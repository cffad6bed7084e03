r"""Joint-scale graph convolutions: actional, structural, and both (section 4.1, Eq. 3, 4 and 5)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pyg_sybio.graphs import dense_adjacency, structural_graph
from pyg_sybio.nn.constant import Constant
from pyg_sybio.skeleton import Skeleton


def graph_product(x: Tensor, adj: Tensor, weight: Tensor) -> Tensor:
    r"""Sum of graph products :math:`\sum_k A_k X W_k^\top`, by two products: with graphs, with weights.

    Args:
        x: Features of the nodes.
        adj: One adjacency for each of the :math:`K` terms; ``adj[k, i, j]`` weighs what :math:`i` receives
            from :math:`j`. The same in all frames.
        weight: :math:`[W_1, \dots, W_K]` side by side.

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **adj:** :math:`(G, K, M, M)`, or :math:`(K, M, M)` for all
        - **weight:** :math:`(D', K \cdot D)`
        - **output:** :math:`(G, T, M, D')`

    Note:
        The product with the weights is a 1×1 convolution. In evaluation on two CPU cores `ntu` takes 0.87 and
        `mocap` 0.81 (eight clips) to 0.92 (one clip) of the time that it took with a matrix product; training
        takes as long as before.
    """
    (num_frames, num_joints, channels), num_terms = x.shape[-3:], adj.size(-3)
    # K rows for each receiving joint, so that its K sums lie side by side.
    rows = adj.transpose(-3, -2).flatten(-3, -2)  # [.., M·K, M]
    if channels * (num_terms + 1) < num_joints * num_terms:
        # Few features: cheaper to lay the frames side by side than to repeat the graph for each of them.
        gathered = rows @ x.transpose(-3, -2).flatten(-2)  # [.., M·K, M] @ [G, M, T·D]
        gathered = gathered.unflatten(-1, (num_frames, channels)).movedim(-2, -3)  # [G, T, M·K, D]
    else:
        gathered = rows.unsqueeze(-3) @ x  # [G, T, M·K, D]
    # As a 1×1 convolution of the permuted view, which is no copy: oneDNN's outruns the matrix product.
    image = gathered.reshape(*x.shape[:-1], -1).permute(0, 3, 1, 2)  # [G, K·D, T, M]
    return F.conv2d(image, weight[:, :, None, None]).permute(0, 2, 3, 1)


class ActionalConv(nn.Module):
    r"""Actional graph convolution, AGC (Eq. 3).

    .. math::
        \mathrm{AGC}(X^{(t)}) = A_{act} X^{(t)} W_{act}^\top

    Args:
        in_channels: Features in.
        out_channels: Features out.

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **actional:** :math:`(G, M, M)`, from :class:`~pyg_sybio.nn.actional_graph.ActionalGraphInference`
        - **output:** :math:`(G, T, M, D')`
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, actional: Tensor) -> Tensor:
        """Gather along the actional graph of each person."""
        return graph_product(x, actional.unsqueeze(-3), self.linear.weight)


class StructuralConv(nn.Module):
    r"""Structural graph convolution over one to :math:`\Gamma` hops, SGC (Eq. 4).

    .. math::
        \mathrm{SGC}(X^{(t)}) = \sum_{\gamma=1}^{\Gamma} A_{str}^{(\gamma)} X^{(t)} W_{str}^{(\gamma)\top},
        \qquad A_{str}^{(\gamma)} = \tilde{A}^\gamma \odot M^{(\gamma)}, \quad \tilde{A} = D^{-1} A

    with the self-looped skeleton graph :math:`A` and trainable edge weights :math:`M^{(\gamma)}`, ones at the
    start. :math:`\Gamma = 1` is the skeleton itself.

    Args:
        in_channels: Features in.
        out_channels: Features out.
        skeleton: The skeleton whose graph it is.
        hops: The number of hops :math:`\Gamma \geq 1`. (default: :obj:`4`)

    Shapes:
        - **input:** :math:`(G, T, M, D)`
        - **output:** :math:`(G, T, M, D')`
    """

    def __init__(self, in_channels: int, out_channels: int, skeleton: Skeleton, *, hops: int = 4) -> None:
        super().__init__()
        if hops < 1:
            raise ValueError(f"'hops' must be at least 1, but it is {hops}")
        self.hops = hops
        graph = structural_graph(skeleton, hops, dtype=torch.float64)
        self.powers = Constant(dense_adjacency(graph, graph.edge_attr))  # Ã^γ, [Γ, M, M]
        self.edge_weight = nn.Parameter(torch.ones_like(self.powers()))  # M^(γ)
        self.linear = nn.Linear(hops * in_channels, out_channels, bias=False)  # [W^(1), ..., W^(Γ)]

    @property
    def adjacency(self) -> Tensor:
        r"""The structural graphs :math:`A_{str}^{(\gamma)}`, ``[Γ, M, M]``."""
        return self.powers() * self.edge_weight

    def forward(self, x: Tensor) -> Tensor:
        """Gather along the structural graphs."""
        return graph_product(x, self.adjacency, self.linear.weight)


class JointConv(nn.Module):
    r"""Joint-scale graph convolution, JGC: actional and structural together (Eq. 5).

    .. math::
        \mathrm{JGC}(X^{(t)}) = \lambda_{act}\, \mathrm{AGC}(X^{(t)}) + \mathrm{SGC}(X^{(t)})

    Args:
        in_channels: Features in.
        out_channels: Features out.
        skeleton: The skeleton whose graph it is.
        hops: The number of hops :math:`\Gamma` of the structural graph; 0 leaves the structural term out.
        actional_weight: :math:`\lambda_{act}`; 0 leaves the actional term out.

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **actional:** :math:`(G, M, M)`, needed where ``actional_weight`` is not 0
        - **output:** :math:`(G, T, M, D')`, before the activation

    Note:
        All terms are one product, equal to the two operators added (a test).
    """

    def __init__(
        self, in_channels: int, out_channels: int, skeleton: Skeleton, *, hops: int, actional_weight: float
    ) -> None:
        super().__init__()
        if hops == 0 and actional_weight == 0:
            raise ValueError(
                "a joint-scale convolution needs a graph: 'hops' and 'actional_weight' are both 0"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.actional_weight = actional_weight
        self.structural = StructuralConv(in_channels, out_channels, skeleton, hops=hops) if hops else None
        self.actional = ActionalConv(in_channels, out_channels) if actional_weight else None

    def forward(self, x: Tensor, actional: Tensor | None) -> Tensor:
        """Gather along both graphs."""
        return graph_product(x, *self.kernels(actional))

    def kernels(self, actional: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return all adjacencies ``[(G,) K, M, M]`` and their weights ``[D', K·D]``."""
        if self.actional is None:
            assert self.structural is not None
            return self.structural.adjacency, self.structural.linear.weight
        if actional is None:
            raise ValueError("'actional' is None, but this convolution has an actional term (Eq. 3)")
        scaled = self.actional_weight * actional.unsqueeze(-3)  # [G, 1, M, M]
        if self.structural is None:
            return scaled, self.actional.linear.weight
        shared = self.structural.adjacency.to(scaled.dtype).expand(scaled.size(0), -1, -1, -1)
        weight = torch.cat([self.structural.linear.weight, self.actional.linear.weight], dim=1)
        return torch.cat([shared, scaled], dim=1), weight

    def __repr__(self) -> str:
        hops = self.structural.hops if self.structural is not None else 0
        return (
            f"{type(self).__name__}({self.in_channels} -> {self.out_channels}, "
            f"hops={hops}, actional_weight={self.actional_weight})"
        )
