"""Contraction of graphs: merging nodes into other nodes."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import networkx as nx

Pair = tuple[str, str]
Node = TypeVar("Node", bound=Hashable)


def graph_of(nodes: Iterable[Node], edges: Iterable[tuple[Node, Node]]) -> nx.Graph:
    """Return the undirected graph with the given nodes and edges."""
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    return graph


def contract(
    nodes: Sequence[str], edges: Iterable[Pair], kept: Sequence[str], center: str, paired: Iterable[str]
) -> dict[str, str]:
    """Assign every node of a connected graph to the nearest kept node, in hops.

    The cells form a Voronoi diagram on the graph. Each cell is connected, so merging every cell into its kept
    node gives a connected graph. Ties are resolved in favour of the kept node closest to the center, then of
    a node without a mirror image (so that central nodes attach to central nodes), then of the first node.

    Args:
        nodes: All nodes, in order.
        edges: Undirected edges.
        kept: The nodes to keep, at least one.
        center: The node from which distances are measured to resolve ties.
        paired: Nodes that have a mirror image.

    Returns:
        The kept node of each node.
    """
    hops = dict(nx.all_pairs_shortest_path_length(graph_of(nodes, edges)))
    position = {node: index for index, node in enumerate(nodes)}
    paired = set(paired)
    return {
        node: min(kept, key=lambda k: (hops[node][k], hops[center][k], k in paired, position[k]))
        for node in nodes
    }


def between_cells(
    edges: Iterable[Pair], cell: Mapping[str, str], already: Iterable[Pair] = ()
) -> tuple[Pair, ...]:
    """Return the distinct edges between different cells, in order of first appearance."""
    seen = {frozenset(pair) for pair in already}
    found = []
    for a, b in edges:
        pair = frozenset((cell[a], cell[b]))
        if len(pair) == 2 and pair not in seen:
            seen.add(pair)
            found.append((cell[a], cell[b]))
    return tuple(found)
