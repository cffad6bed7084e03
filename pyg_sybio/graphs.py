r"""The graphs of the paper as PyG :class:`~torch_geometric.data.Data`, derived from a skeleton.

All layers get their graphs from this module. :func:`skeleton_graph` is the graph of the joint network, and
:func:`bone_graph` is the graph of the dual bone network. :func:`structural_graph` and :func:`complete_graph`
are derived from one of these two graphs. :func:`part_graph` is the graph of the part scale. A skeleton can be
given as a :class:`~pyg_sybio.skeleton.Skeleton`, by the name of a shipped skeleton, or by the path of a JSON
file.

In all adjacency matrices, ``adj[i, j]`` is the weight of the edge from node ``j`` (source) to node ``i``
(target), which is the column ``(j, i)`` of ``edge_index``. Edges are sorted by target, then by source.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sybio.skeleton import AnySkeleton, load_skeleton


class NetworkGraphs(NamedTuple):
    """The node graph and the part graph of a network.

    Args:
        nodes: :func:`skeleton_graph`, or :func:`bone_graph` for the dual network.
        parts: :func:`part_graph` of the skeleton, or of its dual.
    """

    nodes: Data
    parts: Data


def joint_graphs(skeleton: AnySkeleton) -> NetworkGraphs:
    """Return the graphs of the joint network."""
    return NetworkGraphs(skeleton_graph(skeleton), part_graph(skeleton, dtype=torch.float64))


def dual_graphs(skeleton: AnySkeleton) -> NetworkGraphs:
    """Return the graphs of the dual bone network (§5.5), given the skeleton of the joints."""
    skeleton = load_skeleton(skeleton)
    return NetworkGraphs(bone_graph(skeleton), part_graph(skeleton.dual(), dtype=torch.float64))


def skeleton_graph(skeleton: AnySkeleton) -> Data:
    r"""The self-looped skeleton graph (§3), normalised as in Eq. 4.

    .. math::
        \tilde A = D^{-1} A

    Args:
        skeleton: The topology; bones and bridges are edges.

    Returns:
        ``edge_index`` ``[2, E]`` in both directions with self-loops, ``edge_weight`` ``[E]``, ``num_nodes``.
    """
    skeleton = load_skeleton(skeleton)
    adj = _normalized(_self_looped(skeleton.num_joints, skeleton.edges))
    return _sparse(adj, adj != 0)


def bone_graph(skeleton: AnySkeleton) -> Data:
    r"""The skeleton graph of the bone dual (§5.5), whose nodes are bones.

    The features of a bone are ``x[outer] - x[inner]``, where ``x`` ``[M, ...]`` are the joint features.

    Args:
        skeleton: The topology of the joints, not its dual.

    Returns:
        :func:`skeleton_graph` of ``skeleton.dual()``, with additional attributes ``inner`` and ``outer``
        ``[B]``, the joint indices of each bone.
    """
    skeleton = load_skeleton(skeleton)
    graph = skeleton_graph(skeleton.dual())
    graph.inner, graph.outer = torch.tensor(skeleton.bone_pairs, dtype=torch.long).T.contiguous()
    return graph


def structural_graph(graph: AnySkeleton | Data, hops: int, *, dtype: torch.dtype | None = None) -> Data:
    r"""The multi-hop structural graph (Eq. 4): the powers of :math:`\tilde A = D^{-1} A`.

    Args:
        graph: :func:`skeleton_graph` or :func:`bone_graph`, or the skeleton itself.
        hops: Number of powers :math:`\Gamma`, at least 1.
        dtype: Type of the weights. (default: torch's default type)

    Returns:
        ``edge_index`` ``[2, E]`` of the pairs with a distance of at most ``hops``, including self-loops;
        ``edge_attr`` ``[E, hops]`` with the values of :math:`\tilde A^\gamma, \gamma = 1..\Gamma`; ``hop``
        ``[E]`` with the length of the shortest path; and ``num_nodes``.

    Raises:
        ValueError: If ``hops`` is less than 1.

    Note:
        As in Eq. 4, each power has separate weights. Because of the self-loops, :math:`\tilde
        A^\gamma` also includes pairs with a distance of less than :math:`\gamma`.
    """
    if hops < 1:
        raise ValueError(f"'hops' is {hops}, expected at least 1")
    if not isinstance(graph, Data):
        graph = skeleton_graph(graph)
    # The matrix is computed from the edges, because the edge weights may be rounded.
    linked = dense_adjacency(graph, torch.ones(graph.num_edges, dtype=torch.float64))
    adj = _normalized(linked)
    powers = torch.stack([torch.linalg.matrix_power(adj, gamma) for gamma in range(1, hops + 1)], dim=-1)
    # Because of the self-loops, entry (i, j) of the power gamma is zero exactly if gamma < distance(i, j).
    distance = 1 + (powers == 0).sum(dim=-1).fill_diagonal_(-1)
    near = distance <= hops
    structural = _sparse(adj, near)
    del structural.edge_weight
    structural.edge_attr = powers[near].to(dtype or torch.get_default_dtype())  # [E, hops]
    structural.hop = distance[near]
    return structural


def part_graph(skeleton: AnySkeleton, *, dtype: torch.dtype | None = None) -> Data:
    r"""The self-looped part-scale graph (§4.2.1), normalised as in Eq. 7: :math:`D_p^{-1} A_p`.

    Args:
        skeleton: The topology.
        dtype: Type of the weights. (default: torch's default type)

    Returns:
        ``edge_index`` ``[2, E]``, ``edge_weight`` ``[E]``, ``num_nodes`` M_p, and ``joint_part`` ``[M]`` with
        the part of each joint.
    """
    skeleton = load_skeleton(skeleton)
    adj = _normalized(_self_looped(skeleton.num_parts, skeleton.part_edges))
    graph = _sparse(adj, adj != 0, dtype)
    graph.joint_part = torch.tensor(skeleton.joint_parts)
    return graph


def complete_graph(graph: AnySkeleton | Data) -> Data:
    """The complete directed graph without self-loops, used to infer actional links (§4.1.1).

    Args:
        graph: Graph that gives the number of nodes: :func:`skeleton_graph` or :func:`bone_graph`, or the
            skeleton itself.

    Returns:
        ``edge_index`` ``[2, M * (M - 1)]``, ``num_nodes`` M.
    """
    num_nodes = graph.num_nodes if isinstance(graph, Data) else load_skeleton(graph).num_joints
    complete = _sparse(torch.ones(num_nodes, num_nodes), ~torch.eye(num_nodes).bool())
    del complete.edge_weight
    return complete


def dense_adjacency(graph: Data, weight: Tensor | None = None) -> Tensor:
    """The adjacency matrix of a graph; ``adj[i, j]`` is the weight of the edge from ``j`` to ``i``.

    Args:
        graph: One of the graphs of this module.
        weight: Weights ``[E]`` or ``[E, K]``. (default: the graph's ``edge_weight``, otherwise its
            ``edge_attr``, otherwise ones)

    Returns:
        The matrix ``[M, M]``, or ``[K, M, M]`` for weights ``[E, K]``; it is differentiable with respect to
        ``weight``.

    Raises:
        ValueError: If ``weight`` does not have one row per edge.
    """
    source, target = graph.edge_index
    if weight is None:
        weight = graph.get("edge_weight", graph.get("edge_attr", torch.ones(graph.num_edges)))
    if weight.dim() not in (1, 2) or len(weight) != graph.num_edges:
        raise ValueError(
            f"'weight' has shape {tuple(weight.shape)}, expected [E] or [E, K] with E = {graph.num_edges}"
        )
    adj = weight.new_zeros(graph.num_nodes, graph.num_nodes, *weight.shape[1:])
    adj = adj.index_put((target, source), weight)
    return adj if weight.dim() == 1 else adj.permute(2, 0, 1)


def _self_looped(num_nodes: int, edges: tuple[tuple[int, int], ...]) -> Tensor:
    """Return ``A``, with ones at the edges in both directions and on the diagonal."""
    adj = torch.eye(num_nodes, dtype=torch.float64)
    for i, j in edges:
        adj[i, j] = adj[j, i] = 1
    return adj


def _normalized(adj: Tensor) -> Tensor:
    """Return ``D^-1 A``, in double precision because powers are computed from it."""
    return adj / adj.sum(dim=1, keepdim=True)


def _sparse(adj: Tensor, where: Tensor, dtype: torch.dtype | None = None) -> Data:
    """Return the graph of the edges where ``where[i, j]`` is true, with weights ``adj[i, j]``."""
    target, source = where.nonzero(as_tuple=True)
    return Data(
        edge_index=torch.stack([source, target]),
        edge_weight=adj[where].to(dtype or torch.get_default_dtype()),
        num_nodes=len(adj),
    )
