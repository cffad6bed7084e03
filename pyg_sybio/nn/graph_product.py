r"""The matrix product with graphs that all graph convolutions use."""

from torch import Tensor


def gather(x: Tensor, adj: Tensor) -> Tensor:
    r"""Gather features along :math:`K` graphs, :math:`[A_1 X, \dots, A_K X]`, in one matrix product.

    Args:
        x: Features of the nodes.
        adj: Adjacency matrices, shared by all frames; ``adj[k, i, j]`` is the weight of the edge from node
            :math:`j` to node :math:`i`.

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **adj:** :math:`(K, M', M)`, or :math:`(G, K, M', M)` with separate graphs for each motion
        - **output:** :math:`(G, T, M', K \cdot D)`
    """
    (num_frames, senders, channels), num_terms = x.shape[-3:], adj.size(-3)
    rows = receiver_rows(adj)
    if channels * (rows.size(-2) + senders) < rows.size(-2) * senders:
        # With few features, concatenating the frames is cheaper than repeating the graph for each frame.
        gathered = rows @ x.transpose(-3, -2).flatten(-2)  # [.., M'·K, M] @ [G, M, T·D]
        gathered = gathered.unflatten(-1, (num_frames, channels)).movedim(-2, -3)
    else:
        gathered = rows.unsqueeze(-3) @ x
    return gathered.unflatten(-2, (-1, num_terms)).flatten(-2)  # [G, T, M'·K, D] to [G, T, M', K·D]


def receiver_rows(adj: Tensor) -> Tensor:
    """Reshape graphs ``[.., K, M', M]`` to ``[.., M'·K, M]``, so that the ``K`` rows of each receiver are
    adjacent.
    """
    return adj.transpose(-3, -2).flatten(-3, -2)
