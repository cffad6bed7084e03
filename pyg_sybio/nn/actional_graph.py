r"""The actional graph inference module, AGIM (section 4.1.1, Eq. 1 and 2)."""

from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.amp.autocast_mode import is_autocast_available
from torch.nn import functional as F
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import softmax

from pyg_sybio.accelerate.chunks import how_many_pieces, in_pieces
from pyg_sybio.graphs import complete_graph
from pyg_sybio.nn.dropout import Dropout
from pyg_sybio.nn.joint_conv import transform
from pyg_sybio.skeleton import Skeleton


class PropagationMLP(nn.Module):
    r"""The two-layer perceptron of AGIM's propagation: linear, ReLU, dropout, linear, ReLU, batch norm.

    The first linear layer is reachable on its own, because on the concatenation of two joints it is a sum
    of two terms, one a joint.

    Args:
        in_channels: Features in.
        hidden_channels: Features between the layers and out.
        dropout: Probability of dropping a hidden feature.

    Shapes:
        - **input:** :math:`(*, D)`
        - **output:** :math:`(*, D_{hidden})`
    """

    def __init__(self, in_channels: int, hidden_channels: int, *, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(in_channels, hidden_channels)
        self.second = nn.Linear(hidden_channels, hidden_channels)
        self.norm = nn.BatchNorm1d(hidden_channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply both layers."""
        return self.after_first(self.first(x))

    def after_first(self, hidden: Tensor) -> Tensor:
        """Apply what follows the first linear layer."""
        return self._normalize(self.second(self.dropout(hidden.relu())).relu())

    def mean_of_pairs(self, receiver: Tensor, sender: Tensor) -> Tensor:
        r"""The mean over the senders :math:`j \neq i` of what follows the first layer's two terms.

        Args:
            receiver: The first layer's term of the receiving joint, ``[G, M, D]``.
            sender: That of the sending joint, the bias included.

        Returns:
            ``[G, M, D]``.
        """
        if self.training:
            hidden = receiver[:, :, None] + sender[:, None]  # [G, M, M, D]
            return self.after_first(_without_diagonal(hidden)).mean(dim=2)
        # The batch norm, a linear map now, may follow the mean.
        each = 4 * receiver[0].numel() * receiver.size(1) * receiver.element_size()
        pieces = how_many_pieces(receiver, each)
        return self._normalize(in_pieces(self._mean_before_norm, pieces, receiver, sender))

    def _mean_before_norm(self, receiver: Tensor, sender: Tensor) -> Tensor:
        hidden = receiver[:, :, None] + sender[:, None]  # [G, M, M, D]
        pairs = transform(hidden.relu_(), self.second.weight, self.second.bias).relu_()
        # Without statistics to gather, the diagonal may come along and be taken out of the sum.
        total = pairs.sum(dim=2, dtype=torch.promote_types(pairs.dtype, torch.float32))
        return (total - pairs.diagonal(dim1=1, dim2=2).mT) / (pairs.size(2) - 1)

    def _normalize(self, x: Tensor) -> Tensor:
        return self.norm(x.flatten(0, -2)).view_as(x)


def _without_diagonal(pairs: Tensor) -> Tensor:
    """Drop each node's pair with itself: ``[G, M, M, D]`` to ``[G, M, M - 1, D]``, the order kept."""
    num_nodes = pairs.size(1)
    # Without the first entry, the flattened matrix has a diagonal one at the end of every M + 1.
    rows = pairs.flatten(1, 2)[:, 1:].unflatten(1, (num_nodes - 1, num_nodes + 1))
    return rows[:, :, :-1].reshape(-1, num_nodes, num_nodes - 1, pairs.size(-1))


class ActionalGraphInference(MessagePassing):
    r"""Actional graph inference module, AGIM: who moves with whom, from the motion alone (Eq. 1 and 2).

    Starting from an embedding of each joint's trajectory :math:`p_i^{\langle 0 \rangle} = f_v^{\langle 0
    \rangle}(x_i)`, features pass between joints and edges of the complete directed graph :math:`K` times,

    .. math::
        q_{i,j}^{\langle k \rangle} &= f_e^{\langle k \rangle}\big(
            [p_i^{\langle k-1 \rangle}, p_j^{\langle k-1 \rangle}]\big) \\
        p_i^{\langle k \rangle} &= f_v^{\langle k \rangle}\Big(
            \frac{1}{M-1} \sum_{j \neq i} q_{i,j}^{\langle k \rangle}\Big)

    and the affinities of two embeddings, normalised over the senders :math:`j`, are the graph,

    .. math::
        (A_{act})_{i,j} = \frac{\exp(f_i^\top g_j)}{\sum_k \exp(f_i^\top g_k)}, \qquad
        f_i = f_{emb}(p_i^{\langle K \rangle}),\; g_i = g_{emb}(p_i^{\langle K \rangle}).

    ``adj[i, j]`` weighs what joint :math:`i` receives from joint :math:`j`; a row sums to one, and the graph
    is not symmetric.

    :meth:`forward` works on all pairs at once. :meth:`infer_edgewise` is the same module as message passing,
    edge by edge: slower, and what the equations say. Both share every weight.

    Args:
        in_channels: Features :math:`D` a joint and frame.
        skeleton: Gives the number of joints (no bone of it is used).
        hidden_channels: Width of all perceptrons. (default: :obj:`128`)
        iterations: The number of propagations :math:`K`; 0 embeds each joint alone. (default: :obj:`2`)
        num_frames: Trajectories are resampled to this many frames. (default: :obj:`50`)
        dropout: Dropout in the propagation perceptrons. (default: :obj:`0.0`)

    Shapes:
        - **input:** :math:`(G, T, M, D)`, :math:`G` persons, any :math:`T \geq 1`
        - **output:** :math:`(G, M, M)`

    Raises:
        ValueError: If the skeleton has a single joint, which no other joint can act on.

    Note:
        The paper fixes the clip length; resampling the trajectory (linear in time, ends aligned) frees it.
        The paper does not give :math:`K`; Fig. 9 shows 0 to 4. The last layer of :math:`g_{emb}` has no
        bias: it would add the same number to a whole row, which the softmax does not see.
    """

    def __init__(
        self,
        in_channels: int,
        skeleton: Skeleton,
        *,
        hidden_channels: int = 128,
        iterations: int = 2,
        num_frames: int = 50,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(aggr="mean")
        if skeleton.num_joints < 2:
            raise ValueError(
                f"an actional graph needs 2 joints or more, but skeleton '{skeleton.name}' has 1"
            )
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.iterations = iterations
        self.num_frames = num_frames
        width = hidden_channels
        self.joint_embedding = PropagationMLP(num_frames * in_channels, width, dropout=dropout)  # f_v^<0>
        self.edge_mlps = nn.ModuleList(
            PropagationMLP(2 * width, width, dropout=dropout) for _ in range(iterations)
        )
        self.joint_mlps = nn.ModuleList(
            PropagationMLP(width, width, dropout=dropout) for _ in range(iterations)
        )
        self.f_embedding = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.g_embedding = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width, bias=False)
        )

        graph = complete_graph(skeleton)
        self.num_joints = skeleton.num_joints
        self.register_buffer("edge_index", graph.edge_index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Infer the actional graphs ``[G, M, M]`` of the motions ``x``, all pairs at once."""
        p = self.joint_embedding(self._trajectories(x))  # [G, M, D_v]
        for edge_mlp, joint_mlp in self._propagations():
            # W [p_i, p_j] + b = W_i p_i + (W_j p_j + b): two terms, one a node each, and a sum for each edge.
            weight_i, weight_j = edge_mlp.first.weight.chunk(2, dim=1)
            receiver, sender = F.linear(p, weight_i), F.linear(p, weight_j, edge_mlp.first.bias)
            p = joint_mlp(edge_mlp.mean_of_pairs(receiver, sender))
        f, g = self.f_embedding(p), self.g_embedding(p)
        # The softmax sees differences of affinities, which half precision would round to a few numbers.
        precise, device = torch.promote_types(f.dtype, torch.float32), x.device.type
        with torch.autocast(device, enabled=False) if is_autocast_available(device) else nullcontext():
            return torch.softmax(f.to(precise) @ g.to(precise).mT, dim=-1)  # [G, M, M]

    def infer_edgewise(self, x: Tensor) -> Tensor:
        """Infer the same graphs by message passing, edge by edge."""
        num_graphs, num_joints = x.size(0), self.num_joints
        # G disjoint copies of the complete graph.
        offset = num_joints * torch.arange(num_graphs, device=x.device)
        edge_index = (self.edge_index[:, None] + offset[:, None]).flatten(1)
        p = self.joint_embedding(self._trajectories(x)).flatten(0, 1)  # [G·M, D_v]
        for edge_mlp, joint_mlp in self._propagations():
            p = joint_mlp(self.propagate(edge_index, p=p, edge_mlp=edge_mlp))

        # Eq. 2 counts the joint itself among the senders.
        loops = torch.arange(p.size(0), device=x.device).expand(2, -1)
        sender, receiver = torch.cat([edge_index, loops], dim=1)
        affinity = (self.f_embedding(p)[receiver] * self.g_embedding(p)[sender]).sum(dim=-1)
        weight = softmax(affinity, index=receiver, num_nodes=p.size(0))
        adj = weight.new_zeros(p.size(0), num_joints)
        adj[receiver, sender % num_joints] = weight
        return adj.view(num_graphs, num_joints, num_joints)

    def message(self, p_i: Tensor, p_j: Tensor, edge_mlp: PropagationMLP) -> Tensor:
        """Eq. 1a: the feature of the edge from sender ``j`` to receiver ``i``."""
        return edge_mlp(torch.cat([p_i, p_j], dim=-1))

    def _propagations(self) -> Iterator[tuple[PropagationMLP, PropagationMLP]]:
        """The perceptrons of each iteration, of the edges and of the joints."""
        yield from zip(self.edge_mlps, self.joint_mlps, strict=True)

    def _trajectories(self, x: Tensor) -> Tensor:
        """Flatten each joint's motion over the resampled frames: ``[G, T, M, D]`` to ``[G, M, frames·D]``."""
        series = x.flatten(2).mT  # [G, M·D, T]
        if x.size(1) != self.num_frames:
            series = F.interpolate(series, size=self.num_frames, mode="linear", align_corners=True)
        return series.reshape(x.size(0), x.size(2), -1)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels} -> {self.num_joints}x{self.num_joints}, "
            f"hidden={self.hidden_channels}, iterations={self.iterations}, frames={self.num_frames})"
        )
