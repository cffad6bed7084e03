"""Graphs of names with some nodes merged into others."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import networkx as nx

Pair = tuple[str, str]
Node = TypeVar("Node", bound=Hashable)


def graph_of(nodes: Iterable[Node], edges: Iterable[tuple[Node, Node]]) -> nx.Graph:
    """The undirected graph of some nodes and edges."""
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    return graph


def contract(
    nodes: Sequence[str], edges: Iterable[Pair], kept: Sequence[str], center: str, paired: Iterable[str]
) -> dict[str, str]:
    """Assign every node of a connected graph to the kept node that is nearest to it, in hops.

    The cells are those of a Voronoi diagram on the graph. Each cell is connected, so merging every cell into
    its kept node leaves a connected graph. A tie goes to the kept node nearer to the center, then to one
    without a mirror image (so that the middle of the body attaches to its middle), then to the first.

    Args:
        nodes: All nodes, in order.
        edges: Undirected edges.
        kept: The nodes to keep, at least one.
        center: The node from which distances are measured in a tie.
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
    """The edges between different cells, each once, in order of first appearance."""
    seen = {frozenset(pair) for pair in already}
    found = []
    for a, b in edges:
        pair = frozenset((cell[a], cell[b]))
        if len(pair) == 2 and pair not in seen:
            seen.add(pair)
            found.append((cell[a], cell[b]))
    return tuple(found)
