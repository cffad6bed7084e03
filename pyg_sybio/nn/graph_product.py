r"""Gathering features along graphs, the product that all graph convolutions share."""

from torch import Tensor


def gather(x: Tensor, adj: Tensor) -> Tensor:
    r"""Gather features along :math:`K` graphs, :math:`[A_1 X, \dots, A_K X]`, in one product.

    Args:
        x: Features of the nodes.
        adj: The graphs; ``adj[k, i, j]`` weighs what :math:`i` receives from :math:`j`. The same in all
            frames.

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **adj:** :math:`(K, M', M)`, or :math:`(G, K, M', M)` with a graph of its own for each motion
        - **output:** :math:`(G, T, M', K \cdot D)`
    """
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
    """Lay graphs ``[.., K, M', M]`` out as ``[.., M'·K, M]``, the rows of one receiver together."""
    return adj.transpose(-3, -2).flatten(-3, -2)
