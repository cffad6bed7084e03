r"""Graph convolutions as products of matrices, in the cheaper order."""

import torch
from torch import Tensor
from torch.nn import functional as F

from pyg_sybio.nn.graph_product import gather

# Multiplications above which a 1×1 convolution is faster than a matrix product on a CPU.
_LARGE = 2**24


def graph_product(x: Tensor, adj: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Sum of graph products :math:`\sum_k A_k X W_k^\top + b`, the two products in the cheaper order.

    Args:
        x: Features of the nodes.
        adj: One adjacency for each of the :math:`K` terms; ``adj[k, i, j]`` weighs what :math:`i` receives
            from :math:`j`. The same in all frames. Receivers and senders may be different nodes (joints and
            parts).
        weight: :math:`[W_1, \dots, W_K]`, concatenated.
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
    # [D', K, D] to [K·D', D]: a node sends all of its terms in one row.
    stacked = weight.unflatten(1, (num_terms, -1)).transpose(0, 1).flatten(0, 1)
    collected = collect(transform(x, stacked), adj)
    return collected if bias is None else collected + bias


def gathers_first(receivers: int, senders: int, in_channels: int, out_channels: int) -> bool:
    """Whether :math:`(A X) W` takes no more multiplications than :math:`A (X W)`."""
    weights, edges = in_channels * out_channels, receivers * senders
    return receivers * weights + edges * in_channels <= senders * weights + edges * out_channels


def transform(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Map the features ``[G, T, M, D]`` by ``weight`` ``[D', D]``: ``[G, T, M, D']``."""
    # A compiled graph should not depend on how large the features are.
    small = not torch.compiler.is_compiling() and x.numel() * weight.size(0) < _LARGE
    if small or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    # The permuted view is a channels-last image and no copy; on large features oneDNN's 1×1 convolution is
    # faster than the product, on small ones it takes longer to start.
    return F.conv2d(x.permute(0, 3, 1, 2), weight[:, :, None, None], bias).permute(0, 2, 3, 1)


def collect(sent: Tensor, adj: Tensor) -> Tensor:
    """Sum the terms that nodes sent, ``[G, T, M, K·D']``, along ``[.., K, M', M]``: ``[G, T, M', D']``."""
    # The K columns of a sender together, in the order of its K terms.
    columns = adj.movedim(-3, -1).flatten(-2)  # [.., M', M·K]
    return columns.unsqueeze(-3) @ sent.unflatten(-1, (adj.size(-3), -1)).flatten(-3, -2)


def all_graphs(
    fixed: Tensor | None, actional_weight: float, actional: Tensor | None, dtype: torch.dtype
) -> Tensor:
    r"""The graphs of Eq. 5 in one tensor: the fixed ones, then :math:`\lambda_{act} A_{act}`.

    Args:
        fixed: Graphs that are the same for every motion, ``[Γ, M, M]``.
        actional_weight: :math:`\lambda_{act}`; 0 for no actional term.
        actional: The actional graphs ``[G, M, M]``.
        dtype: The type of the result, the one of the weights.

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
    # [G, T, M, D] seen as [G, D, T, M] is an image in channels-last memory: neither view is a copy.
    padding = (weight.size(2) // 2, 0)
    return F.conv2d(x.permute(0, 3, 1, 2), weight, bias, (stride, 1), padding).permute(0, 2, 3, 1)
