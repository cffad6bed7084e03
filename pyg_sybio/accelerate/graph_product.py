r"""Graph convolutions as matrix products in the cheaper order."""

import torch
from torch import Tensor
from torch.nn import functional as F

from pyg_sybio.nn.graph_product import gather

# Minimum number of multiplications for which a 1×1 convolution beats a matrix product on a CPU.
_LARGE = 2**24


def graph_product(x: Tensor, adj: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Compute :math:`\sum_k A_k X W_k^\top + b`, with both products in the cheaper order.

    Args:
        x: Features of the nodes.
        adj: Adjacency matrix of each of the :math:`K` terms, shared by all frames; ``adj[k, i, j]`` is the
            weight of what node :math:`i` receives from node :math:`j`. Receivers and senders may be different
            nodes (joints and parts).
        weight: The concatenated weights :math:`[W_1, \dots, W_K]`.
        bias: The bias :math:`b`.

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **adj:** :math:`(G, K, M', M)`, or :math:`(K, M', M)` for the same graphs in all motions
        - **weight:** :math:`(D', K \cdot D)`
        - **bias:** :math:`(D')`
        - **output:** :math:`(G, T, M', D')`

    Note:
        In both orders, one product with the graphs and one product with the weights compute all terms.
    """
    num_terms, receivers, senders = adj.shape[-3:]
    if gathers_first(receivers, senders, x.size(-1), weight.size(0)):
        return transform(gather(x, adj), weight, bias)
    # Reshape [D', K, D] to [K·D', D], so that one product computes all terms of a node.
    stacked = weight.unflatten(1, (num_terms, -1)).transpose(0, 1).flatten(0, 1)
    collected = collect(transform(x, stacked), adj)
    return collected if bias is None else collected + bias


def gathers_first(receivers: int, senders: int, in_channels: int, out_channels: int) -> bool:
    """Return whether :math:`(A X) W` takes at most as many multiplications as :math:`A (X W)`."""
    weights, edges = in_channels * out_channels, receivers * senders
    return receivers * weights + edges * in_channels <= senders * weights + edges * out_channels


def transform(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply the linear map ``weight`` ``[D', D]`` to features ``[G, T, M, D]``."""
    # A compiled graph would be specialised to one size if this choice depended on the size.
    small = not torch.compiler.is_compiling() and x.numel() * weight.size(0) < _LARGE
    if small or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    # The permuted view is a channels-last image and is not copied. For large features, oneDNN's 1×1
    # convolution is faster than the matrix product; for small features, its overhead is larger.
    return F.conv2d(x.permute(0, 3, 1, 2), weight[:, :, None, None], bias).permute(0, 2, 3, 1)


def collect(sent: Tensor, adj: Tensor) -> Tensor:
    """Sum the transformed features of the senders, ``[G, T, M, K·D']``, along the graphs ``[.., K, M',
    M]``.
    """
    # Reorder the graphs so that each sender has K adjacent columns, one per term.
    columns = adj.movedim(-3, -1).flatten(-2)  # [.., M', M·K]
    return columns.unsqueeze(-3) @ sent.unflatten(-1, (adj.size(-3), -1)).flatten(-3, -2)


def all_graphs(
    fixed: Tensor | None, actional_weight: float, actional: Tensor | None, dtype: torch.dtype
) -> Tensor:
    r"""Concatenate the graphs of Eq. 5: the fixed graphs, followed by :math:`\lambda_{act} A_{act}`.

    Args:
        fixed: Graphs shared by all motions, ``[Γ, M, M]``.
        actional_weight: Weight :math:`\lambda_{act}`; 0 for no actional term.
        actional: The actional graphs ``[G, M, M]``.
        dtype: Type of the result.

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


def convolve_in_time(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1) -> Tensor:
    """Convolve ``[G, T, M, D]`` along time with ``weight`` ``[D', D, τ, 1]``: ``[G, ⌈T/s⌉, M, D']``."""
    if weight.size(2) == 1:
        return F.linear(x[:, ::stride], weight.flatten(1), bias)  # a linear map of every s-th frame
    # Viewed as [G, D, T, M], the features are channels-last images, so neither permutation copies them.
    padding = (weight.size(2) // 2, 0)
    return F.conv2d(x.permute(0, 3, 1, 2), weight, bias, (stride, 1), padding).permute(0, 2, 3, 1)
