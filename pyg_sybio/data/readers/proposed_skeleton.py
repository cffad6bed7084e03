r"""Proposal of a skeleton for a rig: the joints of the body, its centre, mirror pairs and parts.

The rules apply to any tree, such as a hand, a quadruped or a person; names are only used to find left, right
and the trunk, and to name the parts. The result is a proposal, which users may edit.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise

import networkx as nx
import torch
from torch import Tensor

from pyg_sybio.rotations import check_parents
from pyg_sybio.skeleton import Skeleton

# A side branch becomes a limb if its length is at least this fraction of the distance from the centre to the
# joint where it branches off (a head becomes a limb, a finger does not) ...
_MIN_LIMB_OF_DISTANCE = 0.5
# ... and at least this fraction of the longest limb (a stump on the trunk is not a limb).
_MIN_LIMB_OF_LONGEST = 0.1
# The limbs of a body with a trunk are halved (upper arm and forearm) if their length is at least this
# fraction of the longest limb, as in arms and legs. Limbs whose names say head or tail are never halved.
_MIN_HALVED_OF_LONGEST = 0.5
# Any chain of at least this number of joints is halved.
_MIN_HALVED_JOINTS = 6

_ROOT_WORDS = {"root", "armature", "reference", "world", "master", "origin", "trajectory", "motion", "scene"}
_HIPS = re.compile("hip|pelvis", re.IGNORECASE)
_TRUNK = re.compile(
    "spine|chest|thorax|hip|pelvis|torso|trunk|abdomen|waist|back|body|腰|半身", re.IGNORECASE
)
# Kind of limb -> words in the names of its joints, and the names of its halves.
_KINDS = {
    "arm": (
        "arm|elbow|wrist|hand|humer|radius|shoulder|clavicle|collar|腕|肩|ひじ|肘|手",
        "upper_arm",
        "forearm",
    ),
    "leg": ("leg|hip|knee|ankle|foot|feet|toe|thigh|femur|tibia|calf|shin|足|脚|ひざ|膝", "thigh", "crus"),
    "head": ("head|neck|頭|首$", "neck", "head"),
    "tail": ("tail", "tail", "tail_tip"),
}
# "Left" in a name: the word anywhere, the letter at the beginning of a word, the letter at the end of a word,
# its abbreviation, and the word in Japanese.
_LEFT = [
    *map(re.compile, ("(?i:left)", "(?<![A-Za-z])[Ll]", "(?<=[a-z0-9])L(?![A-Za-z])")),
    *map(re.compile, ("(?<![A-Za-z])(?:lf|Lf|LF)(?![a-z])", "左|ひだり|ヒダリ")),
]
_RIGHT_OF = {
    **{"left": "right", "Left": "Right", "LEFT": "RIGHT", "l": "r", "L": "R"},
    **{"lf": "rt", "Lf": "Rt", "LF": "RT", "左": "右", "ひだり": "みぎ", "ヒダリ": "ミギ"},
}
# Joints that twist the skin of a limb or move the face; they belong to the joint at which they branch off.
_MINOR = re.compile(
    "roll|twist|eye|brow|lid(?![a-z])|jaw|lip(?![a-z])|mouth|cheek|tongue|teeth|nose|face|捩|目|眉|顎",
    re.IGNORECASE,
)

# If the extent of a rest pose in y is below this fraction of its extent in z, y does not point up.
_FLAT = 0.2


def skeleton_of_rig(
    names: Sequence[str],
    parents: Sequence[int],
    rest_positions: Tensor | Sequence[Sequence[float]],
    *,
    name: str | None = None,
    units: str,
) -> Skeleton:
    r"""A valid skeleton of the joints of a rig, in their order, with a bone from each joint to its parent.

    - *Body.* The first joints of the hierarchy are left out if they only move the body as a whole. Such a
      joint has a single child, and a later joint branches. In addition, the child is the hips (by name) or in
      the same position, or the joint is at the origin and called `root`, `reference`, `armature` or similar.
    - *Mirror pairs.* Two joints whose names differ by left and right (`LeftArm`, `Shoulder_L`, `lfemur`,
      `hand.l`, `Bip01 L Foot`, `lf_leg`, `左腕`), if their parents are the same joint or a mirror pair.
      Joints without a side that lie between a pair and its common ancestor also form pairs.
    - *Centre.* The trunk joint with the fewest bones to its farthest joint. Trunk joints have a name such as
      spine, chest or hips and no mirror image; without any, all joints are candidates.
    - *Parts.* Side branches that are much shorter than the path from the centre to them (fingers at the end
      of an arm), and roll and face bones (by name), belong to the joint at which they branch off. The joints
      at which the remaining tree branches, and the joints between them, form the trunk, and each chain from
      it to a tip is a limb. If the trunk branches at two or more joints, as a body does at hips and chest,
      long limbs are halved at the joint nearest to their middle (the elbow, the knee). A limb is long if it
      has at least three joints and at least half the length of the longest limb; a head or tail (by name) is
      not halved. If the trunk branches at fewer joints, only chains of six or more joints are halved.
    - *Up.* The axis y, as usual in motion capture, or z if the rest pose is flat in y.

    Args:
        names: Names of the joints.
        parents: Index of each joint's parent, -1 for the one root; parents come before their children.
        rest_positions: Positions of the joints at rest; only bone lengths, extents and coinciding positions
            matter. If all positions are the same, all bones count as equally long.
        name: Name of the skeleton. (default: `rig` and the number of its joints, so that all files with the
            same rig have equal skeletons)
        units: Unit of the coordinates.

    Shapes:
        - **rest_positions:** `[J, 3]`

    Raises:
        ValueError: If the arguments differ in length, or names are empty or repeated.
    """
    rest = torch.as_tensor(rest_positions, dtype=torch.float64)
    _check_rig(names, parents, rest)
    first = _first_of_body(names, parents, rest)
    joints = tuple(names[first:])
    tree = _Tree(joints, [parent - first for parent in parents[first + 1 :]], rest[first:])
    parts = _parts(tree)
    part_of = {joint: index for index, part in enumerate(parts) for joint in part.joints}
    titles = _titles(tree, parts)
    left_out = f", without {', '.join(names[:first])} (not part of the body)" if first else ""
    return Skeleton(
        name=name or f"rig{len(joints)}",
        joints=joints,
        bones=tuple((joints[parent], joints[child]) for child, parent in tree.bones),
        center=joints[tree.center],
        parts={
            title: tuple(joints[joint] for joint in sorted(part.joints))
            for title, part in zip(titles, parts, strict=True)
        },
        part_bones=tuple(
            (titles[part_of[parent]], titles[part_of[child]])
            for child, parent in tree.bones
            if part_of[child] != part_of[parent]
        ),
        mirror=tuple((joints[left], joints[right]) for left, right in tree.pairs),
        coordinates="xyz",
        units=units,
        up=_up(rest),
        description=f"A rig of {len(joints)} joints{left_out}; centre, mirror pairs and parts are proposed.",
    )


def _up(rest: Tensor) -> str:
    """The axis that points up in a rest pose: y, as usual in motion capture, unless the pose is flat in y."""
    _, height, depth = (rest.amax(0) - rest.amin(0)).tolist()
    return "z" if height < _FLAT * depth else "y"


def _check_rig(names: Sequence[str], parents: Sequence[int], rest: Tensor) -> None:
    if not names or len(parents) != len(names) or rest.shape != (len(names), 3):
        raise ValueError(
            f"a rig has {len(names)} 'names', {len(parents)} 'parents' and 'rest_positions' of shape "
            f"{list(rest.shape)}, expected the same number of each, and at least one"
        )
    check_parents(parents)
    if not all(names):
        raise ValueError(f"'names' has an empty name at {list(names).index('')}, expected names")
    if not rest.isfinite().all():
        joint = int((~rest.isfinite()).any(1).nonzero()[0])
        raise ValueError(f"'rest_positions' of '{names[joint]}' are not finite numbers")


def _first_of_body(names: Sequence[str], parents: Sequence[int], rest: Tensor) -> int:
    """Index of the first joint of the body; the joints before it only move the body as a whole."""
    num_children = Counter(parents)
    flat = bool((rest == rest[0]).all())  # all positions are equal
    joint = 0
    while num_children[joint] == 1 and any(num_children[other] > 1 for other in range(joint, len(names))):
        child = joint + 1  # parents come first, so the only child of the first joint is the next one
        same_place = not flat and torch.equal(rest[joint], rest[child])
        carrier = not rest[joint].any() and not _ROOT_WORDS.isdisjoint(_words(names[joint]))
        if not (same_place or carrier or _HIPS.search(names[child])):
            break
        joint = child
    return joint


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


# Left and right -------------------------------------------------------------------------------------------


def _mirror_pairs(names: Sequence[str], parents: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs (left, right) by name whose parents are the same joint or also a pair."""
    index = {name: joint for joint, name in enumerate(names)}
    pairs: dict[int, int] = {}
    for joint, name in enumerate(names):
        for right in filter(None, map(index.get, _right_names(name))):
            if joint not in pairs and right != joint and not {joint, right} & set(pairs.values()):
                pairs[joint] = right
    for left, right in list(pairs.items()):
        helpers, known = [], {*pairs, *pairs.values()}
        one, other = parents[left], parents[right]
        while one != other and not {one, other} & {-1, *known}:
            helpers.append((one, other))
            one, other = parents[one], parents[other]
        if one == other or pairs.get(one) == other:
            pairs.update(helpers)
    while wrong := [
        left
        for left, right in pairs.items()
        if parents[left] != parents[right] and pairs.get(parents[left], -2) != parents[right]
    ]:
        for left in wrong:
            del pairs[left]
    return sorted(pairs.items())


def _right_names(name: str) -> list[str]:
    """The possible names of the right joint for the name of a left one."""
    found = []
    for pattern in _LEFT:
        matches = list(pattern.finditer(name))
        for match in matches:
            right = _RIGHT_OF.get(match[0], "right")
            found.append(name[: match.start()] + right + name[match.end() :])
        if len(matches) > 1:  # "L_Arm_L"
            found.append(pattern.sub(lambda match: _RIGHT_OF.get(match[0], "right"), name))
    return found


# The tree -------------------------------------------------------------------------------------------------


class _Tree:
    """The body as a tree: its joints, neighbours, lengths of bones, mirror pairs, and its centre."""

    def __init__(self, names: Sequence[str], parents_of_rest: Sequence[int], rest: Tensor) -> None:
        self.names = names
        parents = [-1, *parents_of_rest]
        self.bones = [(child, parent) for child, parent in enumerate(parents) if parent >= 0]
        self.pairs = _mirror_pairs(names, parents)
        self.image = dict(self.pairs) | {right: left for left, right in self.pairs}
        length = [0.0] + [float((rest[child] - rest[parent]).norm()) for child, parent in self.bones]
        if not any(length):
            length = [1.0] * len(names)
        # Left and right get the same lengths, so that they are divided symmetrically.
        even = [(length[j] + length[self.image.get(j, j)]) / 2 for j in range(len(names))]
        self.graph: nx.Graph = nx.Graph()
        self.graph.add_nodes_from(range(len(names)))
        self.graph.add_weighted_edges_from([(*bone, even[bone[0]]) for bone in self.bones], weight="length")
        self.neighbours = [
            {j: edge["length"] for j, edge in near.items()} for near in self.graph.adj.values()
        ]
        self.center = self._find_center()

    def rank(self, joint: int) -> int:
        """A sort key that is the same for the left and the right joint."""
        return min(joint, self.image.get(joint, joint))

    def _find_center(self) -> int:
        joints = range(len(self.names))
        # In a tree, the farthest joint is one of the two ends of a longest path.
        hops = partial(nx.single_source_shortest_path_length, self.graph)
        from_root = hops(0)
        from_end = hops(max(joints, key=from_root.__getitem__))
        from_other = hops(max(joints, key=from_end.__getitem__))
        single = [joint for joint in joints if joint not in self.image]
        trunk = [joint for joint in single if _TRUNK.search(self.names[joint])]
        farthest = [max(from_end[j], from_other[j]) for j in joints]
        return min(trunk or joints, key=lambda j: (farthest[j], j in self.image, from_root[j], j))


# Parts ----------------------------------------------------------------------------------------------------


@dataclass
class _Part:
    """A connected set of joints: the trunk, a limb, or half of one."""

    chain: list[int]
    limb: list[int]  # the chain of the whole limb, empty for the trunk
    half: int = -1
    joints: tuple[int, ...] = ()


def _parts(tree: _Tree) -> list[_Part]:
    """Trunk, then limbs and halves of limbs, in the order of their first joints."""
    owner = _owners(tree)
    kept = {joint for joint, own in owner.items() if own == joint}
    near = {joint: [other for other in tree.neighbours[joint] if other in kept] for joint in kept}
    branching = {joint for joint in kept if len(near[joint]) > 2}
    # The trunk: the joints at which the tree branches, and the joints between two such joints.
    chains = nx.connected_components(tree.graph.subgraph(kept - branching))
    trunk = branching.union(*(chain for chain in chains if all(len(near[joint]) > 1 for joint in chain)))
    if not trunk and len({tree.rank(joint) for joint in near[tree.center]}) < len(near[tree.center]):
        trunk = {tree.center}  # the body has only a left and a right limb
    if trunk:
        starts = [(joint, start) for joint in trunk for start in near[joint] if start not in trunk]
        limbs = [_limb(tree, near, joint, start) for joint, start in starts]  # with lengths from the trunk
    else:
        tip = min((joint for joint in kept if len(near[joint]) < 2), default=tree.center)
        limbs = [_limb(tree, near, -1, tip)]
    longest = max((length for _, length in limbs), default=0.0)
    parts = [_Part(sorted(trunk), [])] if trunk else []
    for limb, length in sorted(limbs, key=lambda item: min(item[0])):
        long = len(limb) > 2 and length >= _MIN_HALVED_OF_LONGEST * longest
        of_body = len(branching) > 1 and _kind(tree, limb) not in ("head", "tail")
        if (long and of_body) or len(limb) >= _MIN_HALVED_JOINTS:
            cut = _middle(tree, limb)
            parts += [_Part(limb[:cut], limb, 0), _Part(limb[cut:], limb, 1)]
        else:
            parts.append(_Part(limb, limb))
    for part in parts:
        part.joints = tuple(joint for joint, own in owner.items() if own in part.chain)
    return parts


def _owners(tree: _Tree) -> dict[int, int]:
    """The joint that each joint belongs to: itself, or the joint at which its short side branch starts."""
    # The neighbour of each joint towards the centre (-1 for the centre), in breadth-first order.
    inner = {tree.center: -1, **dict(nx.bfs_predecessors(tree.graph, tree.center))}
    reach = dict.fromkeys(inner, 0.0)
    depth = nx.single_source_dijkstra_path_length(tree.graph, tree.center, weight="length")
    for joint, before in reversed(inner.items()):
        if before >= 0:
            reach[before] = max(reach[before], reach[joint] + tree.neighbours[joint][before])

    minor: dict[int, bool] = {}  # roll and face bones without other joints below them
    for joint, before in reversed(inner.items()):
        carried = [minor[other] for other in tree.neighbours[joint] if other != before]
        minor[joint] = all(carried) and bool(_MINOR.search(tree.names[joint]))

    owner = {tree.center: tree.center}
    longest = reach[tree.center]
    for joint, before in inner.items():
        outer = [other for other in tree.neighbours[joint] if other != before]
        outer.sort(
            key=lambda other: (minor[other], -reach[other] - tree.neighbours[joint][other], tree.rank(other))
        )
        for place, other in enumerate(outer):
            length = reach[other] + tree.neighbours[joint][other]
            continues = place == 0 and joint != tree.center  # the longest branch
            is_long = length >= max(_MIN_LIMB_OF_DISTANCE * depth[joint], _MIN_LIMB_OF_LONGEST * longest)
            stays = owner[joint] == joint and not minor[other] and (continues or is_long)
            owner[other] = other if stays else owner[joint]
    return owner


def _limb(tree: _Tree, near: dict[int, list[int]], before: int, joint: int) -> tuple[list[int], float]:
    """The chain from `joint` outwards, away from `before` (-1: none), and its length from `before`."""
    chain, length = [], 0.0
    while True:
        chain.append(joint)
        length += tree.neighbours[joint].get(before, 0.0)
        onward = [other for other in near[joint] if other != before]
        if not onward:
            return chain, length
        before, [joint] = joint, onward


def _middle(tree: _Tree, chain: list[int]) -> int:
    """Number of joints of the first half, which ends with the joint nearest to the middle of the chain."""
    distances = list(accumulate((tree.neighbours[a][b] for a, b in pairwise(chain)), initial=0.0))
    nearest = min(range(len(chain) - 1), key=lambda place: abs(distances[place] - distances[-1] / 2))
    return nearest + 1


# Names of parts -------------------------------------------------------------------------------------------


def _titles(tree: _Tree, parts: Sequence[_Part]) -> list[str]:
    """A name for each part: the paper's name if the joint names indicate it, else one of the joint names."""
    titles = [_title(tree, part) for part in parts]
    counts = Counter(titles)
    found: list[str] = []
    for part, title in zip(parts, titles, strict=True):
        if counts[title] > 1:  # the four legs of a quadruped
            title = _plain(tree.names[part.chain[0]])
        while title in found:
            title += "_2"
        found.append(title)
    return found


def _title(tree: _Tree, part: _Part) -> str:
    plain = _plain(tree.names[part.chain[0]])
    if not part.limb:
        return "torso" if any(_TRUNK.search(tree.names[joint]) for joint in part.chain) else plain
    kind = _kind(tree, part.limb)
    if not kind:
        return plain
    lefts = {left for left, _ in tree.pairs}
    start = part.limb[0]
    side = "" if start not in tree.image else "left_" if start in lefts else "right_"
    return side + (kind if part.half < 0 else _KINDS[kind][1 + part.half])


def _kind(tree: _Tree, limb: Sequence[int]) -> str:
    """Arm, leg, head or tail by the majority of the joint names; empty if no name indicates one."""
    names = [tree.names[joint] for joint in limb]
    words = {kind: re.compile(words, re.IGNORECASE) for kind, (words, *_) in _KINDS.items()}
    votes = {kind: len([*filter(pattern.search, names)]) for kind, pattern in words.items()}
    kind = max(votes, key=votes.__getitem__)
    return kind if votes[kind] else ""


def _plain(name: str) -> str:
    """A joint's name without a program's prefix (`mixamorig:Hips`)."""
    return re.split("[:|]", name)[-1] or name
