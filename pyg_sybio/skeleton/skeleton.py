"""The class :class:`Skeleton`."""

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx

from pyg_sybio.arguments import did_you_mean
from pyg_sybio.files import check_schema, write_text
from pyg_sybio.skeleton.checks import inconsistencies, listed
from pyg_sybio.skeleton.contraction import Pair, between_cells, contract, graph_of
from pyg_sybio.skeleton.document import SCHEMA, to_text

COORDINATES = {"xyz": 3, "xy": 2, "xy+score": 3, "expmap": 3}
"""Number of features per joint for each kind of coordinates."""

AXES = ("x", "y", "z", "-x", "-y", "-z")
"""The axes that may point up."""

# The fields in the order of the JSON document.
_KEYS = (
    *("name", "description", "source", "joints", "bones", "bridges", "center"),
    *("parts", "part_bones", "mirror", "coordinates", "units", "up", "subsets"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Skeleton:
    r"""The topology of a body: the skeleton graph of §3 of the paper and the parts of §4.2.

    The order of ``joints``, ``parts`` and ``bones`` is the order in tensors. Skeletons are compared by value,
    except for ``description``, ``source`` and ``up``. The constructor checks that the fields are consistent;
    :meth:`from_dict` also checks their types.

    Args:
        name: Name of the topology.
        joints: Joint names, in the order of the data.
        bones: Pairs of joints that carry a bone.
        center: The joint from which bones are oriented outwards.
        parts: Part name to its joints; every joint belongs to exactly one part.
        part_bones: Pairs of parts that are connected in the part-scale graph.
        mirror: Pairs (left, right) of joints that are swapped in the mirror image.
        coordinates: One of :data:`COORDINATES`.
        units: Unit of the coordinates, for display.
        bridges: Edges without a bone, which connect separate groups of landmarks.
        subsets: Subset name to the joints that :meth:`subset` keeps.
        up: The axis that points up, one of :data:`AXES`, for pictures and players; empty if unknown. In an
            image, y points down.
        description: Description of the topology.
        source: Source that documents the joints, such as a URL.
        whole: The skeleton of which this one is a subset, not stored in JSON. Files without joint names may
            contain its joints.

    Raises:
        ValueError: If the fields are inconsistent.
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
    up: str = ""
    description: str = ""
    source: str = ""
    whole: "Skeleton | None" = None

    def __post_init__(self) -> None:
        if self.coordinates not in COORDINATES:
            raise ValueError(f"'coordinates' is '{self.coordinates}', expected one of {listed(COORDINATES)}")
        if self.up not in ("", *AXES):
            raise ValueError(f"'up' is '{self.up}', expected one of {listed(AXES)}")
        for error in inconsistencies(vars(self)):
            raise ValueError(error)  # 'sybio skeleton validate' lists all

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Skeleton) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return (
            f"Skeleton({reprlib.repr(self.name)}: {self.num_joints} joints, {self.num_bones} bones, "
            f"{self.num_parts} parts, {self.coordinates})"
        )

    @cached_property
    def _text(self) -> str:
        # Skeletons are compared by their text, because the order of dictionaries matters here.
        document = self.to_dict()
        return to_text({key: document[key] for key in document if key not in ("description", "source", "up")})

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
        """Number of features per joint, given by the coordinates."""
        return COORDINATES[self.coordinates]

    @property
    def num_spatial(self) -> int:
        """Number of features that are coordinates in space: 3, 2, or 0 for rotations."""
        return {"xyz": 3, "xy": 2, "xy+score": 2, "expmap": 0}[self.coordinates]

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
                f"skeleton '{self.name}' has no joint '{name}'{did_you_mean(name, self.joints)}; "
                f"its joints: {listed(self.joints)}"
            )
        return self._index[name]

    # Derived structure ------------------------------------------------------------------------------------

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Joint indices of all edges: bones, then bridges, in their order."""
        return tuple((self._index[a], self._index[b]) for a, b in (*self.bones, *self.bridges))

    @cached_property
    def bone_pairs(self) -> tuple[tuple[int, int], ...]:
        """Joint indices ``(inner, outer)`` of each bone.

        The outer joint has more hops to the center than the inner joint. In a tie, it is the second joint of
        the pair.
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
        """Part indices of all part bones, in their order."""
        index = {part: position for position, part in enumerate(self.parts)}
        return tuple((index[a], index[b]) for a, b in self.part_bones)

    @cached_property
    def mirror_permutation(self) -> tuple[int, ...]:
        """Index of each joint's mirror image; a joint without a mirror pair is its own image.

        Note:
            In a skeleton from :meth:`dual`, a bone across the body (such as shoulder to shoulder) is its own
            image. Mirroring then reverses its vector, in addition to the sign change of the mirror axis.
        """
        image = dict(self.mirror) | {b: a for a, b in self.mirror}
        return tuple(self._index[image.get(joint, joint)] for joint in self.joints)

    def graph(self) -> nx.Graph:
        """Return the undirected graph of joint indices, whose edges are bones and bridges."""
        return graph_of(range(self.num_joints), self.edges)

    # Derived skeletons ------------------------------------------------------------------------------------

    def subset(self, name: str) -> "Skeleton":
        r"""Return the skeleton of a subset of the joints, as defined in ``subsets``.

        Every dropped joint is merged into the nearest kept joint (:func:`contract`), so that its neighbours
        stay connected. Joints keep the order of this skeleton, regardless of their order in ``subsets``.

        Args:
            name: Name of the subset.

        Raises:
            ValueError: If the skeleton has no such subset.
        """
        if name not in self.subsets:
            known = listed(self.subsets) if self.subsets else "none"
            hint = did_you_mean(name, self.subsets)
            raise ValueError(f"skeleton '{self.name}' has no subset '{name}'{hint}; its subsets: {known}")
        kept = [joint for joint in self.joints if joint in self.subsets[name]]
        cell = self._contracted(kept)
        bones = between_cells(self.bones, cell)
        parts = {
            part: tuple(joint for joint in joints if joint in kept) for part, joints in self.parts.items()
        }
        return replace(
            self,
            name=f"{self.name}:{name}",
            description=f"Joints '{name}' of {self.name}",
            whole=self,
            joints=tuple(kept),
            bones=bones,
            bridges=between_cells(self.bridges, cell, already=bones),
            center=cell[self.center],
            parts={part: joints for part, joints in parts.items() if joints},
            part_bones=self._part_bones_without_empty(parts),
            mirror=tuple(pair for pair in self.mirror if set(pair) <= set(kept)),
            subsets={},
        )

    def select(self, poses: Any, joints: "str | Skeleton") -> Any:
        r"""Select joints of poses by their names.

        Args:
            poses: An array or tensor of poses of this skeleton.
            joints: The name of a subset, or a skeleton with some of the joints.

        Shapes:
            - **poses:** `[..., M, D]`
            - **output:** `[..., M', D]`, in the order of the other skeleton

        Raises:
            ValueError: If there is no such subset or joint, or the poses have another number of joints.
        """
        if poses.ndim < 2 or poses.shape[-2] != self.num_joints:
            expected = f"[..., {self.num_joints}, D] for skeleton '{self.name}'"
            raise ValueError(f"'poses' has shape {list(poses.shape)}, expected {expected}")
        chosen = self.subset(joints) if isinstance(joints, str) else joints
        return poses[..., [self.joint_index(joint) for joint in chosen.joints], :]

    def dual(self) -> "Skeleton":
        r"""Return the bone dual (§5.5), whose joints are the bones of this skeleton, named ``inner-outer``.

        Two bones are connected by a bone of the dual if they share a joint (the line graph), and by a bridge
        of the dual if a bridge joins them. The center of the dual is the first bone at the center of this
        skeleton. A bone belongs to the part of its outer joint; parts without bones are contracted.

        Raises:
            ValueError: If the skeleton has no bones.
        """
        if not self.bones:
            raise ValueError(f"skeleton '{self.name}' has no bones, so it has no bone dual")
        pairs = [(self.joints[inner], self.joints[outer]) for inner, outer in self.bone_pairs]
        name_of = {frozenset(pair): "-".join(pair) for pair in pairs}
        order = {name: position for position, name in enumerate(name_of.values())}

        def in_order(links: Iterable[frozenset[str]]) -> tuple[Pair, ...]:
            named = (sorted(link, key=order.__getitem__) for link in links)
            return tuple((a, b) for a, b in sorted(named, key=lambda link: [order[name] for name in link]))

        line_graph = nx.line_graph(nx.Graph(self.bones))
        links = {frozenset(name_of[frozenset(bone)] for bone in link) for link in line_graph.edges}

        # The bridges of a joint without bones move to the nearest joint with a bone.
        touching: dict[str, list[str]] = {joint: [] for bone in self.bones for joint in bone}
        for pair, name in zip(pairs, order, strict=True):
            for joint in pair:
                touching[joint].append(name)
        cell = self._contracted(list(touching))
        bridged = {
            frozenset((one, other))
            for a, b in between_cells(self.bridges, cell, already=self.bones)
            for one in touching[a]
            for other in touching[b]
            if one != other
        }

        parts: dict[str, tuple[str, ...]] = dict.fromkeys(self.parts, ())
        part_names = tuple(self.parts)
        for (_, outer), name in zip(self.bone_pairs, order, strict=True):
            parts[part_names[self.joint_parts[outer]]] += (name,)

        # Put the left bone first: more of its joints are left joints, which come first in the mirror pairs.
        image = {a: self.joints[b] for a, b in zip(self.joints, self.mirror_permutation, strict=True)}
        firsts = {first for first, _ in self.mirror}
        side = {name: len(firsts.intersection(bone)) for bone, name in name_of.items()}
        mirror: dict[Pair, None] = {}
        for bone, name in name_of.items():
            other = name_of.get(frozenset(image[joint] for joint in bone), name)
            if other != name:
                first, second = sorted((name, other), key=lambda bone: (-side[bone], order[bone]))
                mirror[first, second] = None
        return replace(
            self,
            name=f"{self.name}:dual",
            description=f"Bones of {self.name}",
            whole=None,
            joints=tuple(order),
            bones=in_order(links),
            bridges=in_order(bridged - links),
            center=touching[cell[self.center]][0],
            parts={part: bones for part, bones in parts.items() if bones},
            part_bones=self._part_bones_without_empty(parts),
            mirror=tuple(mirror),
            subsets={},
        )

    @property
    def _paired_joints(self) -> list[str]:
        return [joint for pair in self.mirror for joint in pair]

    def _contracted(self, kept: Sequence[str]) -> dict[str, str]:
        """Return the kept joint of each joint (:func:`contract`)."""
        edges = (*self.bones, *self.bridges)
        return contract(self.joints, edges, kept, self.center, self._paired_joints)

    def _part_bones_without_empty(self, parts: Mapping[str, Sequence[str]]) -> tuple[Pair, ...]:
        """Return the part bones after contracting the parts that are empty in ``parts``."""
        names = tuple(self.parts)
        center = names[self.joint_parts[self._index[self.center]]]
        paired = {
            names[part]
            for joint, part in enumerate(self.joint_parts)
            if self.joint_parts[self.mirror_permutation[joint]] != part
        }
        kept = [part for part in names if parts[part]]
        return between_cells(self.part_bones, contract(names, self.part_bones, kept, center, paired))

    # JSON -------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document (``skeletons/schema.json``), without empty optional fields."""
        document = {key: _plain(getattr(self, key)) for key in _KEYS}
        optional = ("bridges", "subsets", "up")
        return {key: value for key, value in document.items() if value or key not in optional}

    @classmethod
    def from_dict(cls, document: Any, where: str = "skeleton") -> "Skeleton":
        """Build a skeleton from a JSON document, with full validation.

        Args:
            document: The result of :meth:`to_dict`, or the content of a JSON file.
            where: Name of the document for error messages, such as its path.

        Raises:
            ValueError: If a field is missing, unknown, of the wrong type, or inconsistent with other fields.
        """
        check_schema(document, SCHEMA, where)
        return cls.from_valid_dict(document, where)

    @classmethod
    def from_valid_dict(cls, document: Mapping[str, Any], where: str = "skeleton") -> "Skeleton":
        """Build a skeleton from a document that follows the schema, such as a shipped one.

        Args:
            document: The document.
            where: Name of the document for error messages, such as its path.

        Raises:
            ValueError: If a field is inconsistent with other fields.
        """
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
        """Write the skeleton as JSON, so that :func:`load_skeleton` returns an equal skeleton.

        Args:
            path: File to write.
        """
        write_text(path, to_text(self.to_dict()))


def _plain(value: Any) -> Any:
    """Convert a field to JSON types."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
