r"""The actional graph inference module, AGIM (section 4.1.1, Eq. 1 and 2)."""

import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.amp.autocast_mode import is_autocast_available
from torch.nn import functional as F
from torch_geometric.data import Data
from torch_geometric.nn import MessagePassing

from pyg_sybio import graphs
from pyg_sybio.skeleton import AnySkeleton

_EMBEDDING_STD = 0.5  # initial standard deviation of node embeddings; trajectories have 1


class ActionalMLP(nn.Module):
    r"""The two-layer perceptron of AGIM: linear, ReLU, dropout, linear, ReLU, batch norm (section 6.1.2).

    Args:
        in_channels: Number of input features.
        hidden_channels: Number of hidden and output features.
        dropout: Probability of dropping a hidden feature.
        shift: Whether the batch norm has a bias (shift). (default: :obj:`True`)

    Shapes:
        - **input:** :math:`(*, D)`
        - **output:** :math:`(*, D_{hidden})`
    """

    def __init__(self, in_channels: int, hidden_channels: int, *, dropout: float, shift: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(in_channels, hidden_channels)
        self.second = nn.Linear(hidden_channels, hidden_channels)
        self.norm = nn.BatchNorm1d(hidden_channels)
        if not shift:
            self.norm.register_parameter("bias", None)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply both layers."""
        hidden = self.dropout(self.first(x).relu())
        out = self.second(hidden).relu()
        return self.norm(out.flatten(0, -2)).view_as(out)


class ActionalGraphInference(MessagePassing):
    r"""Actional graph inference module, AGIM: infer from the motion which joints interact (Eq. 1 and 2).

    Starting from an embedding of each joint's trajectory :math:`p_i^{\langle 0 \rangle} = f_v^{\langle 0
    \rangle}(x_i + e_i)`, where :math:`e_i` is learned for each joint, features are passed between joints and
    edges of the complete directed graph :math:`K` times,

    .. math::
        q_{i,j}^{\langle k \rangle} &= f_e^{\langle k \rangle}\big(
            [p_i^{\langle k-1 \rangle}, p_j^{\langle k-1 \rangle}]\big) \\
        p_i^{\langle k \rangle} &= f_v^{\langle k \rangle}\Big(
            \frac{1}{M-1} \sum_{j \neq i} q_{i,j}^{\langle k \rangle}\Big)

    The graph consists of the affinities between two embeddings, normalised over the senders :math:`j`,

    .. math::
        (A_{act})_{i,j} = \frac{\exp(s \, f_i^\top g_j)}{\sum_k \exp(s \, f_i^\top g_k)}, \qquad
        f_i = f_{emb}(p_i^{\langle K \rangle}),\; g_i = g_{emb}(p_i^{\langle K \rangle}).

    ``adj[i, j]`` is the weight of the edge from joint :math:`j` to joint :math:`i`. Each row sums to one; in
    general, the graph is not symmetric.

    This class computes Eq. 1 by message passing along the edges.
    :class:`~pyg_sybio.accelerate.dense_actional.DenseActionalGraph` computes the same for all pairs at once.

    Args:
        in_channels: Number of features :math:`D` per joint and frame.
        graph: Graph that gives the number of nodes: :func:`~pyg_sybio.graphs.skeleton_graph` or
            :func:`~pyg_sybio.graphs.bone_graph`, or the skeleton. Its edges are not used.
        hidden_channels: Width of all perceptrons. (default: :obj:`128`)
        iterations: Number of propagations :math:`K`; with 0, each joint is embedded independently of other
            joints. (default: :obj:`1`)
        num_frames: Number of frames that trajectories are resampled to. (default: :obj:`50`)
        dropout: Dropout probability in the perceptrons. (default: :obj:`0.0`)
        scale: Scale :math:`s` of the affinities. (default: one over the square root of ``hidden_channels``)

    Shapes:
        - **input:** :math:`(G, T, M, D)`, :math:`G` persons, any :math:`T \geq 1`, standardised with one mean
          and one scale per feature for all joints
          (:meth:`InputNorm.whole_body <pyg_sybio.nn.input_norm.InputNorm.whole_body>`)
        - **output:** :math:`(G, M, M)`

    Raises:
        ValueError: If the graph has fewer than two nodes, or the scale is not a positive number.

    Note:
        The paper assumes a fixed clip length. Here trajectories are resampled (linearly in time, with aligned
        ends), so that clips may have any length. The paper does not give :math:`K`; Fig. 9 shows 0 to 4. Each
        propagation averages over the senders, which makes the features of the joints similar. With :math:`K =
        2`, the rows of trained graphs hardly differed.

        The paper has no :math:`e_i`. All joints share all weights, so without :math:`e_i`, any two joints
        with the same standardised trajectory would have the same row.

        All perceptrons have the same layers (section 6.1.2), including :math:`f_{emb}` and :math:`g_{emb}`.
        Their batch norms prevent the outputs, and therefore the gradients of the affinities, from vanishing.
        The norm of :math:`g_{emb}` has no bias, because a bias would add the same value to a whole row, which
        cancels in the softmax. The paper has :math:`s = 1`. Because the sum of :math:`d` products of
        normalised features has a standard deviation of about :math:`\sqrt{d}`, the default is :math:`s = 1 /
        \sqrt{d}`; the softmax of an untrained model is then neither uniform nor concentrated on a single
        joint.
    """

    def __init__(
        self,
        in_channels: int,
        graph: AnySkeleton | Data,
        *,
        hidden_channels: int = 128,
        iterations: int = 1,
        num_frames: int = 50,
        dropout: float = 0.0,
        scale: float | None = None,
    ) -> None:
        super().__init__(aggr="sum", node_dim=0)
        complete = graphs.complete_graph(graph)
        num_nodes = complete.num_nodes
        if num_nodes < 2:
            raise ValueError(f"an actional graph needs at least 2 nodes, but the graph has {num_nodes}")
        if scale is not None and not 0 < scale < math.inf:
            raise ValueError(f"'scale' must be positive and finite, but it is {scale}")
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.iterations = iterations
        self.num_frames = num_frames
        self.num_joints = num_nodes
        self.scale = hidden_channels**-0.5 if scale is None else scale
        width = hidden_channels
        self.node_embedding = nn.Parameter(_EMBEDDING_STD * torch.randn(num_nodes, num_frames * in_channels))
        self.joint_embedding = ActionalMLP(num_frames * in_channels, width, dropout=dropout)  # f_v^<0>
        self.edge_mlps = nn.ModuleList(
            ActionalMLP(2 * width, width, dropout=dropout) for _ in range(iterations)
        )
        self.joint_mlps = nn.ModuleList(ActionalMLP(width, width, dropout=dropout) for _ in range(iterations))
        self.f_embedding: nn.Module = ActionalMLP(width, width, dropout=dropout)  # f_emb
        self.g_embedding: nn.Module = ActionalMLP(width, width, dropout=dropout, shift=False)  # g_emb
        self.register_buffer("edge_index", complete.edge_index, persistent=False)
        # Edges are sorted by receiver; this is the index of the first edge of each receiver.
        ends = torch.bincount(complete.edge_index[1], minlength=num_nodes).cumsum(dim=0)
        self.register_buffer("receiver_ptr", F.pad(ends, (1, 0)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Infer the actional graphs ``[G, M, M]`` of the motions ``x``."""
        # The node dimension comes first, so that all motions of the batch share the edges of one graph.
        p = self.joint_embedding(self.inputs(x).transpose(0, 1))  # [M, G, D_v]
        for edge_mlp, joint_mlp in zip(self.edge_mlps, self.joint_mlps, strict=True):
            p = joint_mlp(self.propagate(self.edge_index, p=p, edge_mlp=edge_mlp))  # Eq. 1b
        f, g = self.f_embedding(p), self.g_embedding(p)
        return row_softmax(f.transpose(0, 1), g.transpose(0, 1), self.scale)  # Eq. 2

    def message(self, p_i: Tensor, p_j: Tensor, edge_mlp: ActionalMLP) -> Tensor:
        """Return the features of the edges from senders ``j`` to receivers ``i`` (Eq. 1a)."""
        return edge_mlp(torch.cat([p_i, p_j], dim=-1))

    def aggregate(self, inputs: Tensor, dim_size: int) -> Tensor:
        """Average over the senders, which are segments of the sorted edges."""
        total = self.aggr_module(inputs, ptr=self.receiver_ptr, dim_size=dim_size, dim=self.node_dim)
        return total / (self.num_joints - 1)

    def inputs(self, x: Tensor) -> Tensor:
        """Return the trajectories with the embeddings of the nodes added, ``[G, M, frames·D]``."""
        trajectories = self.trajectories(x)
        return trajectories if self.node_embedding is None else trajectories + self.node_embedding

    def trajectories(self, x: Tensor) -> Tensor:
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


def row_softmax(f: Tensor, g: Tensor, scale: float) -> Tensor:
    r"""The affinities :math:`s \, f_i^\top g_j`, normalised over the senders :math:`j` (Eq. 2).

    Args:
        f: Embeddings of the receivers, ``[G, M, D]``.
        g: Embeddings of the senders, ``[G, M, D]``.
        scale: Scale :math:`s` of the affinities.

    Returns:
        ``[G, M, M]``, in at least float32, because half precision is too coarse for the differences between
        affinities.
    """
    precise, device = torch.promote_types(f.dtype, torch.float32), f.device.type
    with torch.autocast(device, enabled=False) if is_autocast_available(device) else nullcontext():
        return torch.softmax(scale * (f.to(precise) @ g.to(precise).mT), dim=-1)
