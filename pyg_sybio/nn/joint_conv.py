r"""Joint-scale graph convolutions: actional, structural, and both (section 4.1, Eq. 3, 4 and 5)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pyg_sybio.graphs import dense_adjacency, structural_graph
from pyg_sybio.nn.constant import Constant
from pyg_sybio.nn.fusion import Part2Joint
from pyg_sybio.nn.temporal_conv import convolve_in_time
from pyg_sybio.skeleton import Skeleton

# Multiplications from which a 1×1 convolution is faster than a matrix product on a CPU.
_LARGE = 2**24


def graph_product(x: Tensor, adj: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Sum of graph products :math:`\sum_k A_k X W_k^\top + b`, the two products in the cheaper order.

    Args:
        x: Features of the nodes.
        adj: One adjacency for each of the :math:`K` terms; ``adj[k, i, j]`` weighs what :math:`i` receives
            from :math:`j`. The same in all frames. Receivers and senders may be different nodes (joints and
            parts).
        weight: :math:`[W_1, \dots, W_K]` side by side.
        bias: Added to every receiver.

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **adj:** :math:`(G, K, M', M)`, or :math:`(K, M', M)` for all
        - **weight:** :math:`(D', K \cdot D)`
        - **bias:** :math:`(D')`
        - **output:** :math:`(G, T, M', D')`

    Note:
        In both orders all terms are one product with the graphs and one with the weights.
    """
    num_terms, receivers, senders = adj.shape[-3:]
    if gathers_first(receivers, senders, x.size(-1), weight.size(0)):
        return transform(gather(x, adj), weight, bias)
    # [D', K, D] to [K·D', D]: a node sends all of its terms side by side.
    stacked = weight.unflatten(1, (num_terms, -1)).transpose(0, 1).flatten(0, 1)
    collected = collect(transform(x, stacked), adj)
    return collected if bias is None else collected + bias


def fused_graph_product(
    x: Tensor, other: Tensor, assignment: Tensor, adj: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    r"""The graph product of :math:`[X, S X_o]`, two scales beside each other, which is never made.

    .. math::
        \sum_k A_k [X, S X_o] W_k^\top = \sum_k A_k X W_{k,x}^\top + \sum_k (A_k S) X_o W_{k,o}^\top

    Args:
        x: Features of the nodes, ``[G, T, M, D]``.
        other: Features of the other scale's nodes, ``[G, T, M_o, D_o]``.
        assignment: The matrix :math:`S` that brings them to the nodes, ``[M, M_o]``.
        adj: As in :func:`graph_product`.
        weight: The same, ``[D', K·(D + D_o)]``.
        bias: The same.
    """
    terms = weight.unflatten(1, (adj.size(-3), -1))  # [D', K, D + D_o]
    own, others = terms[..., : x.size(-1)].flatten(1), terms[..., x.size(-1) :].flatten(1)
    return graph_product(x, adj, own, bias) + graph_product(other, adj @ assignment, others)


def fused_transform(x: Tensor, other: Tensor, assignment: Tensor, weight: Tensor, *, stride: int) -> Tensor:
    r"""The linear map :math:`[X, S X_o] W^\top` of two scales beside each other, at every :math:`s`-th frame.

    Args:
        x: As in :func:`fused_graph_product`.
        other: As there.
        assignment: As there.
        weight: ``[D', D + D_o]``.
        stride: The stride :math:`s`.
    """
    own, others = weight[:, : x.size(-1), None, None], weight[:, x.size(-1) :]
    kept = other[:, ::stride].contiguous()
    return convolve_in_time(x, own, stride=stride) + graph_product(kept, assignment.unsqueeze(0), others)


def gathers_first(receivers: int, senders: int, in_channels: int, out_channels: int) -> bool:
    """Whether :math:`(A X) W` takes no more multiplications than :math:`A (X W)`."""
    weights, graphs = in_channels * out_channels, receivers * senders
    return receivers * weights + graphs * in_channels <= senders * weights + graphs * out_channels


def gather(x: Tensor, adj: Tensor) -> Tensor:
    """Gather ``[G, T, M, D]`` along all graphs, ``[.., K, M', M]``: ``[G, T, M', K·D]``."""
    (num_frames, senders, channels), num_terms = x.shape[-3:], adj.size(-3)
    rows = receiver_rows(adj)
    if channels * (rows.size(-2) + senders) < rows.size(-2) * senders:
        # Few features: cheaper to lay the frames side by side than to repeat the graph for each of them.
        gathered = rows @ x.transpose(-3, -2).flatten(-2)  # [.., M'·K, M] @ [G, M, T·D]
        gathered = gathered.unflatten(-1, (num_frames, channels)).movedim(-2, -3)
    else:
        gathered = rows.unsqueeze(-3) @ x
    return gathered.unflatten(-2, (-1, num_terms)).flatten(-2)  # [G, T, M'·K, D] to [G, T, M', K·D]


def receiver_rows(adj: Tensor) -> Tensor:
    """Lay the graphs ``[.., K, M', M]`` out as ``[.., M'·K, M]``, a receiver's rows together."""
    return adj.transpose(-3, -2).flatten(-3, -2)


def transform(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Map the features ``[G, T, M, D]`` by ``weight`` ``[D', D]``: ``[G, T, M, D']``."""
    # A compiled graph should not depend on how large the features are.
    small = not torch.compiler.is_compiling() and x.numel() * weight.size(0) < _LARGE
    if small or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    # The permuted view is a channels-last image and no copy; on large features oneDNN's 1×1 convolution
    # outruns the product, on small ones it takes longer to start.
    return F.conv2d(x.permute(0, 3, 1, 2), weight[:, :, None, None], bias).permute(0, 2, 3, 1)


def collect(sent: Tensor, adj: Tensor) -> Tensor:
    """Sum what the nodes sent, ``[G, T, M, K·D']``, along graphs ``[.., K, M', M]``: ``[G, T, M', D']``."""
    # A sender's K columns together, as its K terms lie.
    columns = adj.movedim(-3, -1).flatten(-2)  # [.., M', M·K]
    return columns.unsqueeze(-3) @ sent.unflatten(-1, (adj.size(-3), -1)).flatten(-3, -2)


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


def all_graphs(
    fixed: Tensor | None, actional_weight: float, actional: Tensor | None, dtype: torch.dtype
) -> Tensor:
    r"""The graphs of Eq. 5 together: the fixed ones, and :math:`\lambda_{act} A_{act}` last.

    Args:
        fixed: Graphs that are the same for every motion, ``[Γ, M, M]``.
        actional_weight: :math:`\lambda_{act}`; 0 for no actional term.
        actional: The actional graphs ``[G, M, M]``.
        dtype: The type of the result, that of the weights.

    Returns:
        ``[K, M, M]`` without an actional term, ``[G, K, M, M]`` with it.
    """
    if not actional_weight:
        assert fixed is not None
        return fixed.to(dtype)
    if actional is None:
        raise ValueError("'actional' is None, but this convolution has an actional term (Eq. 3)")
    scaled = (actional_weight * actional.unsqueeze(-3)).to(dtype)  # [G, 1, M, M]
    if fixed is None:
        return scaled
    return torch.cat([fixed.to(dtype).expand(scaled.size(0), -1, -1, -1), scaled], dim=1)


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
        - **parts:** :math:`(G, T, M_p, D_p)` or :obj:`None`; where parts come, ``in_channels`` is
          :math:`D + D_p`
        - **output:** :math:`(G, T, M, D')`, before the activation

    Note:
        All terms are one product, equal to the two operators added (a test). With ``parts`` the input is
        :math:`[X, \mathrm{part2joint}(X_p)]`, and the copies are never made: with the matrix :math:`S` that
        copies, :math:`A_k S X_p W_k^\top` has a row for each part where the copies have one for each joint.
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
        self.exchange = Part2Joint(skeleton)

    def forward(self, x: Tensor, actional: Tensor | None, parts: Tensor | None = None) -> Tensor:
        """Gather along both graphs, from the joints and the copies of their parts."""
        adj, weight = self.kernels(actional)
        if parts is None:
            return graph_product(x, adj, weight)
        return fused_graph_product(x, parts, self.exchange.assignment(), adj, weight)

    @property
    def fixed_graphs(self) -> Tensor | None:
        """The graphs that are the same for every motion, ``[Γ, M, M]``."""
        return None if self.structural is None else self.structural.adjacency

    @property
    def weight(self) -> Tensor:
        """The weights of all terms side by side, the actional one last, ``[D', K·D]``."""
        terms = [term.linear.weight for term in (self.structural, self.actional) if term is not None]
        return torch.cat(terms, dim=1)

    def kernels(self, actional: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return all adjacencies ``[(G,) K, M, M]`` and their weights ``[D', K·D]``."""
        weight = self.weight
        return all_graphs(self.fixed_graphs, self.actional_weight, actional, weight.dtype), weight

    def __repr__(self) -> str:
        hops = self.structural.hops if self.structural is not None else 0
        return (
            f"{type(self).__name__}({self.in_channels} -> {self.out_channels}, "
            f"hops={hops}, actional_weight={self.actional_weight})"
        )
