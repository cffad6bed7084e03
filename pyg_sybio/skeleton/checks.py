"""Checks of skeletons that JSON Schema cannot express: references, partitions and connected graphs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import networkx as nx

from pyg_sybio.skeleton.contraction import Pair, graph_of


def check_known(where: str, names: Iterable[str], known: Sequence[str], kind: str) -> None:
    """Check that every name is one of the existing ones."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise ValueError(f"'{where}' has '{name}'{hint}, expected one of the {kind}s {listed(known)}")


def check_distinct(where: str, names: Iterable[str], expected: str) -> None:
    """Check that no name appears twice."""
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"'{where}' has '{name}' {count} times, expected {expected}")


def check_edges(edges_of: Mapping[str, Sequence[Pair]], nodes: Sequence[str], kind: str) -> None:
    """Check that every pair joins two different existing nodes, and that no pair appears twice in any
    field."""
    found: dict[frozenset[str], str] = {}
    for field_name, edges in edges_of.items():
        for index, (a, b) in enumerate(edges):
            where = f"{field_name}[{index}]"
            check_known(where, (a, b), nodes, kind)
            if a == b:
                raise ValueError(f"'{where}' joins '{a}' to itself, expected two different {kind}s")
            pair = frozenset((a, b))
            if pair in found:
                raise ValueError(f"'{where}' repeats {a} - {b} of '{found[pair]}', expected every pair once")
            found[pair] = where


def check_connected(where: str, nodes: Sequence[str], edges: Iterable[Pair], remedy: str) -> None:
    """Check that the graph is connected."""
    graph = graph_of(nodes, edges)
    pieces = [sorted(piece, key=nodes.index) for piece in nx.connected_components(graph)]
    if len(pieces) != 1:
        shown = "; ".join(listed(piece) for piece in pieces)
        raise ValueError(
            f"'{where}' gives a graph of {len(pieces)} components ({shown}), expected one: {remedy}"
        )


def check_partition(parts: Mapping[str, Sequence[str]], joints: Sequence[str]) -> None:
    """Check that every joint belongs to exactly one part."""
    for part, members in parts.items():
        check_known(f"parts.{part}", members, joints, "joint")
    for joint in joints:
        owners = [f"in '{part}'" for part, members in parts.items() for each in members if each == joint]
        if len(owners) != 1:
            found = " and ".join(owners) or "in no part"
            raise ValueError(f"'parts' has joint '{joint}' {found}, expected every joint in exactly one part")


def listed(names: Iterable[str]) -> str:
    """Format names for an error message, up to forty names."""
    names = list(names)
    return ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
