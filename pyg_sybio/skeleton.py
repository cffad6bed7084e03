r"""The topology of a body as a value: joints, bones, parts, symmetry. No tensors here.

A skeleton is a JSON file (``skeletons/*.json``, described by ``skeletons/schema.json``), and whatever in this
package depends on a topology is derived from the :class:`Skeleton` that is read from it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jsonschema
import networkx as nx

from pyg_sybio.files import write_whole

COORDINATES = {"xyz": 3, "xy": 2, "xy+score": 3, "expmap": 3}
"""Features of a joint under each kind of coordinates."""

Pair = tuple[str, str]

_HERE = Path(__file__).parent
# The wheel carries the files inside the package, a checkout has them beside it.
_FOLDER = _HERE / "skeletons" if (_HERE / "skeletons").is_dir() else _HERE.parent / "skeletons"


@dataclass(frozen=True, eq=False, repr=False)
class Skeleton:
    r"""A body's topology (the skeleton graph of §3 of the paper, and the parts of §4.2), compared by value.

    The order of ``joints``, ``parts`` and ``bones`` is the order of the tensors. The constructor checks what
    the fields say about each other; :meth:`from_dict` also checks their types.

    Args:
        name: Name of the topology.
        joints: Joint names, in the order of the data.
        bones: Pairs of joints that carry a bone.
        center: The joint from which bones are oriented outwards.
        parts: Part name to its joints; every joint belongs to exactly one part.
        part_bones: Pairs of parts that are linked in the part-scale graph.
        mirror: Pairs of joints that change places when left and right are swapped.
        coordinates: One of :data:`COORDINATES`.
        units: Unit of the coordinates, for people.
        bridges: Edges that only connect, for detectors whose landmarks fall apart; they carry no bone.
        subsets: Name to the joints that :meth:`subset` keeps.
        description: What the topology is.
        source: Where the joint list is documented.

    Raises:
        ValueError: If the fields contradict each other, naming the field, the value and what was expected.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[Pair, ...]
    center: str
    parts: Mapping[str, tuple[str, ...]]
    part_bones: tuple[Pair, ...]
    mirror: tuple[Pair, ...]
    coordinates: str
    units: str
    bridges: tuple[Pair, ...] = ()
    subsets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    description: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        _check_topology(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Skeleton) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return (
            f"Skeleton({self.name!r}: {self.num_joints} joints, {self.num_bones} bones, "
            f"{self.num_parts} parts, {self.coordinates})"
        )

    @cached_property
    def _text(self) -> str:
        # The text, not the fields: dictionaries forget to compare their order, and order is meaning here.
        return _to_text(self.to_dict())

    # Sizes and indices ------------------------------------------------------------------------------------

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def num_bones(self) -> int:
        return len(self.bones)

    @property
    def num_parts(self) -> int:
        return len(self.parts)

    @property
    def num_features(self) -> int:
        """Features of a joint, from the coordinates."""
        return COORDINATES[self.coordinates]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {joint: index for index, joint in enumerate(self.joints)}

    def joint_index(self, name: str) -> int:
        """Index of a joint.

        Args:
            name: Name of the joint.

        Raises:
            ValueError: If the skeleton has no such joint.
        """
        if name not in self._index:
            raise ValueError(
                f"skeleton '{self.name}' has no joint '{name}'; its joints: {_names(self.joints)}"
            )
        return self._index[name]

    # Derived structure ------------------------------------------------------------------------------------

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Joint indices of every edge: bones, then bridges, as listed."""
        return tuple((self._index[a], self._index[b]) for a, b in (*self.bones, *self.bridges))

    @cached_property
    def bone_pairs(self) -> tuple[tuple[int, int], ...]:
        """Joint indices ``(inner, outer)`` of each bone.

        Outer is the joint that is more hops from the center, and on a tie the second of the listed pair.
        """
        hops = nx.single_source_shortest_path_length(self.graph(), self._index[self.center])
        listed = self.edges[: self.num_bones]
        return tuple((a, b) if hops[a] <= hops[b] else (b, a) for a, b in listed)

    @cached_property
    def joint_parts(self) -> tuple[int, ...]:
        """Part index of each joint."""
        part_of = {joint: part for part, joints in enumerate(self.parts.values()) for joint in joints}
        return tuple(part_of[joint] for joint in self.joints)

    @cached_property
    def part_edges(self) -> tuple[tuple[int, int], ...]:
        """Part indices of each part bone, as listed."""
        index = {part: position for position, part in enumerate(self.parts)}
        return tuple((index[a], index[b]) for a, b in self.part_bones)

    @cached_property
    def mirror_permutation(self) -> tuple[int, ...]:
        """Index of each joint's mirror image, which is the joint itself where it has none.

        Note:
            In a skeleton from :meth:`dual`, a bone across the body (shoulder to shoulder) is its own image,
            but its vector changes sign in the flip, beyond the sign change of the axis.
        """
        image = dict(self.mirror) | {b: a for a, b in self.mirror}
        return tuple(self._index[image.get(joint, joint)] for joint in self.joints)

    def graph(self) -> nx.Graph:
        """The undirected graph of joint indices, with bones and bridges as its edges."""
        graph: nx.Graph = nx.Graph()
        graph.add_nodes_from(range(self.num_joints))
        graph.add_edges_from(self.edges)
        return graph

    # Skeletons from this one ------------------------------------------------------------------------------

    def subset(self, name: str) -> "Skeleton":
        r"""The skeleton of fewer joints that the file lists under ``subsets``.

        Every dropped joint is merged into the nearest kept one (:func:`contract`), so that what it joined
        stays joined. Joints keep the order that they have here, whatever the order of the list.

        Args:
            name: Name of the subset.

        Raises:
            ValueError: If the skeleton has no such subset.
        """
        if name not in self.subsets:
            known = _names(self.subsets) if self.subsets else "none"
            raise ValueError(f"skeleton '{self.name}' has no subset '{name}'; its subsets: {known}")
        kept = [joint for joint in self.joints if joint in self.subsets[name]]
        cell = contract(self.joints, (*self.bones, *self.bridges), kept, self.center, self._paired_joints)
        bones = _between_cells(self.bones, cell)
        parts = {
            part: tuple(joint for joint in joints if joint in kept) for part, joints in self.parts.items()
        }
        return Skeleton(
            name=f"{self.name}:{name}",
            joints=tuple(kept),
            bones=bones,
            center=cell[self.center],
            parts={part: joints for part, joints in parts.items() if joints},
            part_bones=self._part_bones_without_empty(parts),
            mirror=tuple(pair for pair in self.mirror if set(pair) <= set(kept)),
            coordinates=self.coordinates,
            units=self.units,
            bridges=_between_cells(self.bridges, cell, already=bones),
            description=f"Joints '{name}' of {self.name}",
            source=self.source,
        )

    def dual(self) -> "Skeleton":
        r"""The bone-dual (§5.5): its joints are this skeleton's bones, named ``inner-outer``.

        Two bones are linked when they share a joint (the line graph), or when a bridge joins them; the latter
        links are bridges of the dual. Its center is the first bone at this center.
        A bone belongs to the part of its outer joint, and parts left without a bone are contracted away.

        Raises:
            ValueError: If the skeleton has no bone.
        """
        if not self.bones:
            raise ValueError(f"skeleton '{self.name}' has no bones, so it has no bone-dual")
        pairs = [(self.joints[inner], self.joints[outer]) for inner, outer in self.bone_pairs]
        name_of = {frozenset(pair): "-".join(pair) for pair in pairs}
        order = {name: position for position, name in enumerate(name_of.values())}

        def in_order(links: Iterable[frozenset[str]]) -> tuple[Pair, ...]:
            named = (sorted(link, key=order.__getitem__) for link in links)
            return tuple((a, b) for a, b in sorted(named, key=lambda link: [order[name] for name in link]))

        line_graph = nx.line_graph(nx.Graph(self.bones))
        links = {frozenset(name_of[frozenset(bone)] for bone in link) for link in line_graph.edges}

        # A joint that only bridges touch has no bone: its bridges go on to the nearest joint that has.
        touching: dict[str, list[str]] = {joint: [] for bone in self.bones for joint in bone}
        for pair, name in zip(pairs, order, strict=True):
            for joint in pair:
                touching[joint].append(name)
        cell = contract(
            self.joints, (*self.bones, *self.bridges), list(touching), self.center, self._paired_joints
        )
        bridged = {
            frozenset((one, other))
            for a, b in _between_cells(self.bridges, cell, already=self.bones)
            for one in touching[a]
            for other in touching[b]
            if one != other
        }

        parts: dict[str, tuple[str, ...]] = dict.fromkeys(self.parts, ())
        part_names = tuple(self.parts)
        for (_, outer), name in zip(self.bone_pairs, order, strict=True):
            parts[part_names[self.joint_parts[outer]]] += (name,)

        # Left stays first: the bone with more of the joints that come first in their pairs.
        image = {a: self.joints[b] for a, b in zip(self.joints, self.mirror_permutation, strict=True)}
        firsts = {first for first, _ in self.mirror}
        side = {name: len(firsts.intersection(bone)) for bone, name in name_of.items()}
        mirror: dict[Pair, None] = {}
        for bone, name in name_of.items():
            other = name_of.get(frozenset(image[joint] for joint in bone), name)
            if other != name:
                first, second = sorted((name, other), key=lambda bone: (-side[bone], order[bone]))
                mirror[first, second] = None
        return Skeleton(
            name=f"{self.name}:dual",
            joints=tuple(order),
            bones=in_order(links),
            center=touching[cell[self.center]][0],
            parts={part: bones for part, bones in parts.items() if bones},
            part_bones=self._part_bones_without_empty(parts),
            mirror=tuple(mirror),
            coordinates=self.coordinates,
            units=self.units,
            bridges=in_order(bridged - links),
            description=f"Bones of {self.name}",
            source=self.source,
        )

    @property
    def _paired_joints(self) -> set[str]:
        return {joint for pair in self.mirror for joint in pair}

    def _part_bones_without_empty(self, parts: Mapping[str, Sequence[str]]) -> tuple[Pair, ...]:
        """The part bones once the parts that are empty in ``parts`` are contracted away."""
        names = tuple(self.parts)
        center = names[self.joint_parts[self._index[self.center]]]
        paired = {
            names[part]
            for joint, part in enumerate(self.joint_parts)
            if self.joint_parts[self.mirror_permutation[joint]] != part
        }
        kept = [part for part in names if parts[part]]
        return _between_cells(self.part_bones, contract(names, self.part_bones, kept, center, paired))

    # JSON -------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The skeleton as the JSON document of ``skeletons/schema.json``; optional fields only if filled."""
        document = {
            "name": self.name,
            "description": self.description,
            "source": self.source,
            "joints": list(self.joints),
            "bones": [list(pair) for pair in self.bones],
            "bridges": [list(pair) for pair in self.bridges],
            "center": self.center,
            "parts": {part: list(joints) for part, joints in self.parts.items()},
            "part_bones": [list(pair) for pair in self.part_bones],
            "mirror": [list(pair) for pair in self.mirror],
            "coordinates": self.coordinates,
            "units": self.units,
            "subsets": {name: list(joints) for name, joints in self.subsets.items()},
        }
        return {key: value for key, value in document.items() if value or key not in ("bridges", "subsets")}

    @classmethod
    def from_dict(cls, document: Any, where: str = "skeleton") -> "Skeleton":
        """Build a skeleton from a JSON document and check it in full.

        Args:
            document: What :meth:`to_dict` returns, or ``json`` read from a file.
            where: What error messages call the document, such as the name of its file.

        Raises:
            ValueError: If a field is missing, unknown, of the wrong type, or contradicts another.
        """
        _check_schema(document, where)
        values: dict[str, Any] = {
            key: {name: tuple(joints) for name, joints in value.items()} if isinstance(value, dict) else value
            for key, value in document.items()
        }
        for key in ("bones", "bridges", "part_bones", "mirror"):
            values[key] = tuple((a, b) for a, b in document.get(key, ()))
        values["joints"] = tuple(document["joints"])
        try:
            return cls(**values)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write the skeleton as JSON, so that :func:`load_skeleton` returns an equal one.

        Args:
            path: File to write.
        """
        text = _to_text(self.to_dict())
        write_whole(path, lambda file: file.write(text.encode()))


def load_skeleton(name_or_path: str | Path) -> Skeleton:
    """Read a shipped skeleton or one of your own.

    Args:
        name_or_path: ``"ntu25"``, ``"cmu38:used"`` (a subset), or the path of a ``.json`` file, also with a
            subset (``"mine.json:upper_body"``).

    Raises:
        ValueError: If no skeleton or subset has that name, or the file is not a valid skeleton.
        FileNotFoundError: If the path does not exist.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or ".json" in text:
        stem, colon, subset = text.rpartition(".json:")
        path = Path(f"{stem}.json" if colon else text)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected a skeleton's JSON file")
        skeleton = _read(path)
    else:
        name, colon, subset = text.partition(":")
        if name not in available_skeletons():
            known = ", ".join(available_skeletons())
            raise ValueError(f"no skeleton '{name}'; available: {known}, or the path of a .json file")
        skeleton = _read_shipped(name)
    return skeleton.subset(subset) if colon else skeleton


def available_skeletons() -> tuple[str, ...]:
    """Names of the skeletons that the package ships, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json") if path.stem != "schema"))


def contract(
    nodes: Sequence[str], edges: Iterable[Pair], kept: Sequence[str], center: str, paired: Iterable[str]
) -> dict[str, str]:
    """Assign every node of a connected graph to the kept node nearest to it, in hops.

    The cells are those of a Voronoi diagram on the graph, so each of them is connected, and merging every
    cell into its kept node leaves a connected graph. A tie goes to the kept node nearer the center, then to
    one without a mirror image (so that the middle of the body attaches to its middle), then to the first.

    Args:
        nodes: All nodes, in order.
        edges: Undirected edges.
        kept: The nodes that stay, at least one.
        center: The node from which ties are judged.
        paired: Nodes that have a mirror image.

    Returns:
        The kept node of each node.
    """
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    hops = dict(nx.all_pairs_shortest_path_length(graph))
    position = {node: index for index, node in enumerate(nodes)}
    paired = set(paired)
    return {
        node: min(kept, key=lambda k: (hops[node][k], hops[center][k], k in paired, position[k]))
        for node in nodes
    }


def _between_cells(
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


# Checks ---------------------------------------------------------------------------------------------------


def _check_topology(skeleton: Skeleton) -> None:
    """What a JSON Schema cannot say: names that refer to each other, partitions, connected graphs."""
    joints, parts = skeleton.joints, tuple(skeleton.parts)
    _check_distinct("joints", joints, "every joint name once")
    if skeleton.coordinates not in COORDINATES:
        raise ValueError(f"'coordinates' is '{skeleton.coordinates}', expected one of {_names(COORDINATES)}")
    if skeleton.center not in joints:
        raise ValueError(f"'center' is '{skeleton.center}', expected one of the joints {_names(joints)}")

    _check_edges({"bones": skeleton.bones, "bridges": skeleton.bridges}, joints, "joint")
    _check_connected(
        "bones", joints, (*skeleton.bones, *skeleton.bridges), "add the missing bones or bridges"
    )

    owners: dict[str, str] = {}
    for part, members in skeleton.parts.items():
        _check_known(f"parts.{part}", members, joints, "joint")
        for joint in members:
            if joint in owners:
                twice = (
                    f"in '{owners[joint]}' and in '{part}'" if owners[joint] != part else f"twice in '{part}'"
                )
                raise ValueError(
                    f"'parts' has joint '{joint}' {twice}, expected every joint in exactly one part"
                )
            owners[joint] = part
    if missing := [joint for joint in joints if joint not in owners]:
        raise ValueError(
            f"'parts' has joint '{missing[0]}' in no part, expected every joint in exactly one part"
        )
    _check_edges({"part_bones": skeleton.part_bones}, parts, "part")
    _check_connected("part_bones", parts, skeleton.part_bones, "add the missing part bones")

    _check_edges({"mirror": skeleton.mirror}, joints, "joint")
    _check_distinct(
        "mirror", [joint for pair in skeleton.mirror for joint in pair], "a joint in one pair at most"
    )
    for name, members in skeleton.subsets.items():
        _check_known(f"subsets.{name}", members, joints, "joint")
        _check_distinct(f"subsets.{name}", members, "every joint once")


def _check_known(where: str, names: Iterable[str], known: Sequence[str], kind: str) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"'{where}' has '{name}', expected one of the {kind}s {_names(known)}")


def _check_distinct(where: str, names: Iterable[str], expected: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"'{where}' has '{name}' {count} times, expected {expected}")


def _check_edges(edges_of: Mapping[str, Sequence[Pair]], nodes: Sequence[str], kind: str) -> None:
    listed: dict[frozenset[str], str] = {}
    for field_name, edges in edges_of.items():
        for index, (a, b) in enumerate(edges):
            where = f"{field_name}[{index}]"
            _check_known(where, (a, b), nodes, kind)
            if a == b:
                raise ValueError(f"'{where}' joins '{a}' to itself, expected two different {kind}s")
            pair = frozenset((a, b))
            if pair in listed:
                raise ValueError(f"'{where}' repeats {a} - {b} of '{listed[pair]}', expected every pair once")
            listed[pair] = where


def _check_connected(where: str, nodes: Sequence[str], edges: Iterable[Pair], remedy: str) -> None:
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    pieces = [sorted(piece, key=nodes.index) for piece in nx.connected_components(graph)]
    if len(pieces) != 1:
        shown = "; ".join(_names(piece) for piece in pieces)
        raise ValueError(
            f"'{where}' leaves the graph in {len(pieces)} pieces ({shown}), expected one: {remedy}"
        )


def _check_schema(document: Any, where: str) -> None:
    errors = jsonschema.Draft202012Validator(_schema()).iter_errors(document)
    error = jsonschema.exceptions.best_match(errors)
    if error is None:
        return
    path = error.json_path.removeprefix("$").removeprefix(".")
    at = f"'{path}': " if path else ""
    message = error.message if len(error.message) <= 200 else error.message[:197] + "..."
    raise ValueError(f"{where}: {at}{message}; expected {error.schema['description']}")


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((_FOLDER / "schema.json").read_text(encoding="utf-8"))
    return schema


# Files ----------------------------------------------------------------------------------------------------


@cache
def _read_shipped(name: str) -> Skeleton:
    return _read(_FOLDER / f"{name}.json")


def _read(path: Path) -> Skeleton:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # json keeps the last of two equal keys: a part written twice would lose its joints unseen.
        _check_distinct(str(path), (key for key, _ in pairs), "every key once")
        return dict(pairs)

    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{path}: not JSON ({error.msg} at {at}), expected a skeleton's JSON file") from None
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply, expected a skeleton's JSON file") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8 text ({error.reason}), expected a skeleton's JSON file"
        ) from None
    return Skeleton.from_dict(document, where=str(path))


def _to_text(document: Mapping[str, Any]) -> str:
    """JSON with one joint, one pair or one part a line, so that a diff shows what changed."""
    entries = []
    for key, value in document.items():
        if isinstance(value, dict):
            rows = [f"    {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items()]
            text = "{\n" + ",\n".join(rows) + "\n  }" if rows else "{}"
        elif isinstance(value, list):
            rows = [f"    {json.dumps(item)}" for item in value]
            text = "[\n" + ",\n".join(rows) + "\n  ]" if rows else "[]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        entries.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(listed[:40])
    return shown + (", ..." if len(listed) > 40 else "")
