"""Checks of skeletons that JSON Schema cannot express: references, partitions and connected graphs."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import networkx as nx

from pyg_sybio.arguments import did_you_mean, most_similar
from pyg_sybio.skeleton.contraction import Pair, graph_of

Resolved = Generator[str, None, list[str | None]]
"""Yields errors; returns names, in which a misspelt name is corrected, and an unknown name is None."""


def inconsistencies(fields: Mapping[str, Any]) -> Iterator[str]:
    """Describe each inconsistency between the fields of a skeleton.

    A misspelt name is reported once: later checks use the most similar name instead.

    Args:
        fields: The fields by name; None for a field whose value is invalid, which is not checked.
    """
    joints, parts = fields.get("joints"), fields.get("parts")
    edges = {name: fields.get(name, ()) for name in ("bones", "bridges")}
    if joints is not None:
        yield from _repeated("joints", joints, "every joint name once")
        if (center := fields.get("center")) is not None and center not in joints:
            hint = did_you_mean(center, joints)
            yield f"'center' is '{center}'{hint}, expected one of the joints {listed(joints)}"
        yield from _edges(edges, joints, "joint", "bones or bridges")
        if parts is not None:
            yield from _partition(parts, joints)
    if parts is not None:
        yield from _edges({"part_bones": fields.get("part_bones")}, tuple(parts), "part", "part bones")
    if joints is not None:
        mirror = fields.get("mirror")
        yield from _edges({"mirror": mirror}, joints, "joint")
        paired = [joint for pair in mirror or () for joint in pair]
        yield from _repeated("mirror", paired, "a joint in one pair at most")
        for name, members in (fields.get("subsets") or {}).items():
            yield from _resolved(f"subsets.{name}", members, joints, "joint")
            yield from _repeated(f"subsets.{name}", members, "every joint once")


def _resolved(where: str, names: Iterable[str], known: Sequence[str], kind: str) -> Resolved:
    """Check that every name is one of the existing ones."""
    found: list[str | None] = []
    for name in names:
        if name in known:
            found.append(name)
        else:
            hint = did_you_mean(name, known)
            yield f"'{where}' has '{name}'{hint}, expected one of the {kind}s {listed(known)}"
            found.append(most_similar(name, known))
    return found


def _repeated(where: str, names: Iterable[str], expected: str) -> Iterator[str]:
    """Check that no name appears twice."""
    for name, count in Counter(names).items():
        if count > 1:
            yield f"'{where}' has '{name}' {count} times, expected {expected}"


def _edges(
    edges_of: Mapping[str, Sequence[Sequence[str]] | None], nodes: Sequence[str], kind: str, missing: str = ""
) -> Iterator[str]:
    """Check that every pair joins two different existing nodes, that no pair appears twice in any field, and,
    with `missing`, that the edges connect all nodes."""
    found: dict[Pair, str] = {}
    is_complete = None not in edges_of.values()
    for field_name, edges in edges_of.items():
        for index, edge in enumerate(edges or ()):
            where = f"{field_name}[{index}]"
            a, b = yield from _resolved(where, edge, nodes, kind)
            if a is None or b is None:
                is_complete = False
                continue
            pair = (min(a, b), max(a, b))
            if a == b:
                yield f"'{where}' joins '{a}' to itself, expected two different {kind}s"
            elif pair in found:
                yield f"'{where}' repeats {a} - {b} of '{found[pair]}', expected every pair once"
            found.setdefault(pair, where)
    if not missing or not is_complete:
        return
    graph = graph_of(nodes, found)
    pieces = [sorted(piece, key=nodes.index) for piece in nx.connected_components(graph)]
    if len(pieces) != 1:
        where, shown = next(iter(edges_of)), "; ".join(listed(piece) for piece in pieces)
        components = f"a graph of {len(pieces)} components ({shown})"
        yield f"'{where}' gives {components}, expected one: add the missing {missing}"


def _partition(parts: Mapping[str, Sequence[str]], joints: Sequence[str]) -> Iterator[str]:
    """Check that every joint belongs to exactly one part."""
    members = []
    for part, names in parts.items():
        resolved = yield from _resolved(f"parts.{part}", names, joints, "joint")
        members += [(joint, part) for joint in resolved]
    is_complete = all(joint is not None for joint, _ in members)
    for joint in dict.fromkeys(joints):
        owners = [f"in '{part}'" for each, part in members if each == joint]
        if len(owners) > 1 or (not owners and is_complete):
            found = " and ".join(owners) or "in no part"
            yield f"'parts' has joint '{joint}' {found}, expected every joint in exactly one part"


def listed(names: Iterable[str]) -> str:
    """Format names for an error message, up to forty names."""
    names = list(names)
    return ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
