"""Skeletons: the shipped files, every check, subsets, and the bone-dual."""

import copy
import json
import pickle
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from pyg_sybio.skeleton import COORDINATES, Skeleton, available_skeletons, contract, load_skeleton

SHIPPED = {
    "ntu25": 25,
    "openpose18": 18,
    "openpose25": 25,
    "coco17": 17,
    "mediapipe33": 33,
    "azure32": 32,
    "h36m32": 32,
    "cmu38": 38,
    "smpl24": 24,
    "jhmdb15": 15,
    "hand21": 21,
    "ucla20": 20,
}
SHIPPED_AND_USED = [*SHIPPED, "h36m32:used", "cmu38:used"]


def document(**changes: Any) -> dict[str, Any]:
    """A body of six joints, with one field or another changed."""
    body = {
        "name": "stick",
        "description": "",
        "source": "",
        "joints": ["root", "top", "left_arm", "right_arm", "left_hand", "right_hand"],
        "bones": [
            ["root", "top"],
            ["top", "left_arm"],
            ["top", "right_arm"],
            ["left_arm", "left_hand"],
            ["right_arm", "right_hand"],
        ],
        "center": "root",
        "parts": {
            "trunk": ["root", "top"],
            "left": ["left_arm", "left_hand"],
            "right": ["right_arm", "right_hand"],
        },
        "part_bones": [["trunk", "left"], ["trunk", "right"]],
        "mirror": [["left_arm", "right_arm"], ["left_hand", "right_hand"]],
        "coordinates": "xyz",
        "units": "m",
    }
    return body | changes


def make(
    joints: str,
    bones: str,
    *,
    center: str,
    subset: str = "",
    bridges: str = "",
    mirror: str = "",
    parts: dict[str, str] | None = None,
    part_bones: str = "",
) -> Skeleton:
    """A skeleton of one-letter joints; bones and bridges as ``"ab bc"``."""
    return Skeleton(
        name="letters",
        joints=tuple(joints),
        bones=tuple((a, b) for a, b in bones.split()),
        center=center,
        parts={part: tuple(members) for part, members in (parts or {"all": joints}).items()},
        part_bones=tuple((a, b) for a, b in part_bones.split()),
        mirror=tuple((a, b) for a, b in mirror.split()),
        coordinates="xy",
        units="px",
        bridges=tuple((a, b) for a, b in bridges.split()),
        subsets={"kept": tuple(subset)} if subset else {},
    )


def hops_from(skeleton: Skeleton, start: int) -> dict[int, int]:
    """Breadth-first search by hand."""
    hops, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for a, b in skeleton.edges:
            for one, other in ((a, b), (b, a)):
                if one == here and other not in hops:
                    hops[other] = hops[here] + 1
                    queue.append(other)
    return hops


def as_set(pairs: Any) -> set[frozenset[Any]]:
    return {frozenset(pair) for pair in pairs}


# Shipped files --------------------------------------------------------------------------------------------


def test_available_skeletons_lists_the_shipped_ones() -> None:
    assert set(available_skeletons()) == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_skeleton_is_valid_connected_and_complete(name: str) -> None:
    skeleton = load_skeleton(name)
    assert skeleton.name == name
    assert skeleton.num_joints == SHIPPED[name]
    assert set(hops_from(skeleton, 0)) == set(range(skeleton.num_joints))
    assert skeleton.num_parts == (6 if name == "hand21" else 10)
    assert sorted(joint for part in skeleton.parts.values() for joint in part) == sorted(skeleton.joints)
    assert skeleton.num_features == COORDINATES[skeleton.coordinates]
    assert skeleton.description
    assert skeleton.source
    assert set(skeleton.subsets) == ({"used"} if skeleton.coordinates == "expmap" else set())


@pytest.mark.parametrize("name", SHIPPED_AND_USED)
def test_mirror_is_an_involution_that_keeps_bones_and_parts(name: str) -> None:
    skeleton = load_skeleton(name)
    image = skeleton.mirror_permutation
    assert [image[image[joint]] for joint in range(skeleton.num_joints)] == list(range(skeleton.num_joints))
    assert as_set((image[a], image[b]) for a, b in skeleton.edges) == as_set(skeleton.edges)
    for joint, other in zip(skeleton.joints, (skeleton.joints[i] for i in image), strict=True):
        swapped = joint.replace("left", "LEFT").replace("right", "left").replace("LEFT", "right")
        assert other == swapped
    part_image = {skeleton.joint_parts[j]: skeleton.joint_parts[image[j]] for j in range(skeleton.num_joints)}
    assert as_set((part_image[a], part_image[b]) for a, b in skeleton.part_edges) == as_set(
        skeleton.part_edges
    )


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("h36m32", [(6, 17), (21, 32), (36, 47), (51, 62), (75, 86)]),
        ("cmu38", [(9, 20), (27, 38), (42, 59), (66, 80), (84, 86), (93, 107), (111, 113)]),
    ],
)
def test_used_subset_is_the_joints_of_the_benchmark_columns(
    name: str, columns: list[tuple[int, int]]
) -> None:
    skeleton = load_skeleton(name)
    values = [value for first, last in columns for value in range(first, last + 1)]
    rows = np.arange(3, 3 + 3 * skeleton.num_joints).reshape(-1, 3)
    used = [skeleton.joints[joint] for joint in np.flatnonzero(np.isin(rows, values).all(axis=1))]
    assert 3 * len(used) == len(values)
    subset = load_skeleton(f"{name}:used")
    assert list(subset.joints) == used
    assert len(used) == {"h36m32": 20, "cmu38": 26}[name]
    assert set(hops_from(subset, 0)) == set(range(subset.num_joints))
    assert subset.num_bones == subset.num_joints - 1  # a tree stays a tree
    assert subset.num_parts == 10


@pytest.mark.real_data
def test_cmu_joints_move_as_their_names_say(data_root: Path) -> None:
    """Against the recordings: which joints move at all, and which are hinges, identifies the hierarchy."""
    files = sorted((data_root / "cmu_mocap" / "train").glob("walking/*.txt"))
    values = np.concatenate([np.loadtxt(file, delimiter=",") for file in files])
    freedom = (values[:, 3:].reshape(len(values), -1, 3).std(axis=0) > 1e-4).sum(axis=1)
    skeleton = load_skeleton("cmu38")
    assert len(freedom) == skeleton.num_joints
    moving = {joint for joint, axes in zip(skeleton.joints, freedom, strict=True) if axes}
    assert moving - {"pelvis"} <= set(skeleton.subsets["used"])
    assert not [joint for joint in moving if joint.endswith("_tip")]
    for side in ("left", "right"):
        assert freedom[skeleton.joint_index(f"{side}_hip")] == 3
        assert freedom[skeleton.joint_index(f"{side}_shoulder")] == 3
        assert freedom[skeleton.joint_index(f"{side}_wrist")] == 1
        # A knee turns about one axis, which is tilted in the plane of two of the values.
        knee = values[:, 3 + 3 * skeleton.joint_index(f"{side}_knee") :][:, :3]
        spread = np.linalg.svd(knee - knee.mean(axis=0), compute_uv=False)
        assert spread[1] < 1e-3 * spread[0]


def test_h36m_and_cmu_tell_the_same_body() -> None:
    for name in ("h36m32", "cmu38"):
        used = load_skeleton(f"{name}:used")
        for side in ("left", "right"):
            chain = [used.joint_index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle", "foot")]
            assert set(pairwise(chain)) <= set(used.bone_pairs)
            assert frozenset(("lower_spine", f"{side}_hip")) in as_set(used.bones)


# JSON -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED_AND_USED)
def test_round_trip_keeps_value_and_order(name: str, tmp_path: Path) -> None:
    skeleton = load_skeleton(name)
    skeleton.save(tmp_path / "copy.json")
    again = load_skeleton(tmp_path / "copy.json")
    assert again == skeleton
    assert hash(again) == hash(skeleton)
    assert (again.joints, again.bones, list(again.parts)) == (
        skeleton.joints,
        skeleton.bones,
        list(skeleton.parts),
    )
    assert pickle.loads(pickle.dumps(skeleton)) == skeleton
    assert copy.deepcopy(skeleton) == skeleton


def test_order_is_part_of_the_value() -> None:
    body = document()
    turned = document(parts=dict(reversed(body["parts"].items())))
    assert Skeleton.from_dict(body) != Skeleton.from_dict(turned)
    assert Skeleton.from_dict(body) != body


def test_schema_is_itself_valid_and_published_with_the_files() -> None:
    path = Path(__file__).parents[1] / "skeletons" / "schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in SHIPPED:
        jsonschema.validate(load_skeleton(name).to_dict(), schema)


def test_repr_tells_the_sizes() -> None:
    assert repr(load_skeleton("ntu25")) == "Skeleton('ntu25': 25 joints, 24 bones, 10 parts, xyz)"


def test_load_by_path_and_subset(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(document(subsets={"arms": ["left_arm", "right_arm"]})))
    assert load_skeleton(str(file)) == load_skeleton(file)
    assert load_skeleton(f"{file}:arms").joints == ("left_arm", "right_arm")


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in document().items() if name != key}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            document(joints="root"),
            r"f\.json: 'joints': 'root' is not of type 'array'; expected a list of joint",
        ),
        (document(joints=["root", 3]), r"f\.json: 'joints\[1\]': 3 is not of type 'string'; expected a name"),
        (document(bones=[["root", "top", "x"]]), r"'bones\[0\]': .* is too long; expected a pair of names"),
        (document(coordinates="polar"), r"'coordinates': 'polar' is not one of .*; expected one of xyz"),
        (document(parts=["root"]), r"'parts': \['root'\] is not of type 'object'; expected an object"),
        (
            document(parts={"trunk": []}),
            r"'parts\.trunk': \[\] should be non-empty; expected a list of joint names",
        ),
        (
            document(units=None),
            r"'units': None is not of type 'string'; expected the unit of the coordinates",
        ),
        (document(links=[]), r"f\.json: .*\('links' was unexpected\); expected a skeleton"),
        (without("center"), r"f\.json: 'center' is a required property; expected a skeleton"),
        (["root"], r"f\.json: \['root'\] is not of type 'object'; expected a skeleton"),
        (
            document(joints=["root"] * 2),
            r"f\.json: 'joints' has 'root' 2 times, expected every joint name once",
        ),
        (document(center="hip"), r"f\.json: 'center' is 'hip', expected one of the joints root, top"),
        (document(bones=[["root", "hip"]]), r"'bones\[0\]' has 'hip', expected one of the joints root, top"),
        (
            document(bones=[["top", "top"]]),
            r"'bones\[0\]' joins 'top' to itself, expected two different joints",
        ),
        (
            document(bones=[["root", "top"], ["top", "root"]]),
            r"'bones\[1\]' repeats top - root of 'bones\[0\]', expected every pair once",
        ),
        (document(bridges=[["top", "root"]]), r"'bridges\[0\]' repeats top - root of 'bones\[0\]'"),
        (document(bridges=[["top", "hip"]]), r"'bridges\[0\]' has 'hip', expected one of the joints"),
        (
            document(bones=[["root", "top"], ["left_arm", "left_hand"], ["right_arm", "right_hand"]]),
            r"'bones' leaves the graph in 3 pieces \(root, top; left_arm, left_hand; right_arm, right_hand\)",
        ),
        (
            document(parts={"trunk": ["root", "top", "hip"]}),
            r"'parts\.trunk' has 'hip', expected one of the joints",
        ),
        (
            document(parts={"trunk": ["root", "top"], "left": ["top"]}),
            r"'parts' has joint 'top' in 'trunk' and in 'left', expected every joint in exactly one part",
        ),
        (document(parts={"trunk": ["root", "root"]}), r"'parts' has joint 'root' twice in 'trunk'"),
        (
            document(parts={"trunk": ["root", "top"]}),
            r"'parts' has joint 'left_arm' in no part, expected every",
        ),
        (
            document(part_bones=[["trunk", "hip"]]),
            r"'part_bones\[0\]' has 'hip', expected one of the parts trunk",
        ),
        (document(part_bones=[["left", "left"]]), r"'part_bones\[0\]' joins 'left' to itself"),
        (
            document(part_bones=[["trunk", "left"]]),
            r"'part_bones' leaves the graph in 2 pieces .*trunk, left; right",
        ),
        (document(mirror=[["left_arm", "hip"]]), r"'mirror\[0\]' has 'hip', expected one of the joints"),
        (document(mirror=[["top", "top"]]), r"'mirror\[0\]' joins 'top' to itself"),
        (
            document(mirror=[["left_arm", "right_arm"], ["left_arm", "right_hand"]]),
            r"'mirror' has 'left_arm' 2 times, expected a joint in one pair at most",
        ),
        (document(subsets={"arms": ["hip"]}), r"'subsets\.arms' has 'hip', expected one of the joints"),
        (
            document(subsets={"arms": ["top", "top"]}),
            r"'subsets\.arms' has 'top' 2 times, expected every joint once",
        ),
    ],
)
def test_wrong_document_is_named_precisely(broken: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    file.write_text(json.dumps(broken))
    with pytest.raises(ValueError, match=message) as caught:
        load_skeleton(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_constructor_checks_too() -> None:
    with pytest.raises(ValueError, match=r"^'center' is 'z', expected one of the joints a, b"):
        make("ab", "ab", center="z")
    with pytest.raises(
        ValueError, match=r"'coordinates' is 'polar', expected one of xyz, xy, xy\+score, expmap"
    ):
        Skeleton("x", ("a",), (), "a", {"all": ("a",)}, (), (), "polar", "m")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n "joints": [}', r"f\.json, line 2, column 13: Expecting value, expected a skeleton's JSON"),
        (b"", r"f\.json, line 1, column 1: Expecting value, expected a skeleton's JSON"),
        (b'{"name": "\xff"}', r"f\.json, byte 10: not UTF-8 text"),
        (b"[" * 10**5, r"f\.json: nested too deeply, expected a skeleton's JSON file"),
        (b'{"name": "x", "name": "y"}', r"f\.json: the key 'name' twice in one object, expected it once"),
    ],
)
def test_file_that_is_not_json(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_skeleton(tmp_path / "f.json")


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    skeleton = load_skeleton("coco17")
    text = json.dumps(skeleton.to_dict())
    (tmp_path / "f.json").write_text(text, encoding="utf-8-sig")
    assert load_skeleton(tmp_path / "f.json") == skeleton


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"no skeleton 'ntu26'; available: azure32, .*ucla20, or the path of a"
    ):
        load_skeleton("ntu26")
    with pytest.raises(ValueError, match=r"skeleton 'cmu38' has no subset 'all'; its subsets: used"):
        load_skeleton("cmu38:all")
    with pytest.raises(ValueError, match=r"skeleton 'cmu38' has no subset ''; its subsets: used"):
        load_skeleton("cmu38:")
    with pytest.raises(ValueError, match=r"skeleton 'ntu25' has no subset 'used'; its subsets: none"):
        load_skeleton("ntu25:used")
    with pytest.raises(
        ValueError, match=r"skeleton 'coco17' has no joint 'spine'; its joints: nose, left_eye"
    ):
        load_skeleton("coco17").joint_index("spine")
    with pytest.raises(
        FileNotFoundError, match=r"absent\.json: no such file; expected a skeleton's JSON file"
    ):
        load_skeleton(tmp_path / "absent.json")
    with pytest.raises(FileNotFoundError, match=r"no such file"):
        load_skeleton(tmp_path)


# Derived structure ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED_AND_USED)
def test_bones_point_away_from_the_center(name: str) -> None:
    skeleton = load_skeleton(name)
    hops = hops_from(skeleton, skeleton.joint_index(skeleton.center))
    for (inner, outer), (first, second) in zip(skeleton.bone_pairs, skeleton.bones, strict=True):
        assert {skeleton.joints[inner], skeleton.joints[outer]} == {first, second}
        assert hops[outer] - hops[inner] in (0, 1)
        if hops[outer] == hops[inner]:
            assert skeleton.joints[outer] == second


def test_tied_bone_keeps_its_listed_direction() -> None:
    ring = make("abc", "ab ac cb", center="a")
    assert ring.bone_pairs == ((0, 1), (0, 2), (2, 1))


def test_edges_are_bones_then_bridges() -> None:
    skeleton = make("abcd", "ba cd", center="a", bridges="bc")
    assert skeleton.edges == ((1, 0), (2, 3), (1, 2))
    assert skeleton.bone_pairs == ((0, 1), (2, 3))


def test_parts_and_part_edges_by_index() -> None:
    skeleton = Skeleton.from_dict(document())
    assert skeleton.joint_parts == (0, 0, 1, 2, 1, 2)
    assert skeleton.part_edges == ((0, 1), (0, 2))
    assert skeleton.mirror_permutation == (0, 1, 3, 2, 5, 4)


# Subsets --------------------------------------------------------------------------------------------------


def test_subset_joins_the_neighbours_of_a_dropped_joint() -> None:
    path = make("abcde", "ab bc cd de", center="a", subset="ace").subset("kept")
    assert path.name == "letters:kept"
    assert path.joints == ("a", "c", "e")
    assert path.bones == (("a", "c"), ("c", "e"))
    assert path.subsets == {}


def test_subset_keeps_the_joint_order_of_the_skeleton() -> None:
    skeleton = make("abcd", "ab bc cd", center="a", subset="dab")
    assert skeleton.subset("kept").joints == ("a", "b", "d")


def test_subset_of_a_star_without_its_hub_joins_through_one_joint() -> None:
    # All neighbours of the dropped center o are one hop away: the one without a mirror image takes its place.
    star = make("olrtx", "ol or ot tx", center="o", mirror="lr", subset="lrtx").subset("kept")
    assert star.center == "t"
    assert as_set(star.bones) == as_set(["lt", "rt", "tx"])
    assert star.mirror == (("l", "r"),)


def test_ties_go_to_the_joint_nearer_the_center_then_to_the_first() -> None:
    # x is one hop from b (nearer the center) and from d.
    assert contract("abxd", [("a", "b"), ("b", "x"), ("x", "d")], "abd", "a", ())["x"] == "b"
    assert contract("dxba", [("a", "b"), ("b", "x"), ("x", "d")], "dba", "a", ())["x"] == "b"
    # p and q are alike: the order decides, unless only one of them has a mirror image.
    assert contract("opq", [("o", "p"), ("o", "q")], "pq", "o", ())["o"] == "p"
    assert contract("opq", [("o", "p"), ("o", "q")], "pq", "o", "p")["o"] == "q"


def test_subset_of_a_ring_stays_a_ring_or_becomes_a_path() -> None:
    ring = make("abcdef", "ab bc cd de ef fa", center="a", subset="ace").subset("kept")
    # b, d and f fall to a, c and a: every pair of a, c, e is joined once, and no self-loop is left.
    assert as_set(ring.bones) == as_set(["ac", "ce", "ea"])
    assert len(ring.bones) == 3
    pair = make("abcdef", "ab bc cd de ef fa", center="a", subset="ad").subset("kept")
    assert as_set(pair.bones) == as_set(["ad"])


def test_a_bridge_between_joined_cells_disappears() -> None:
    skeleton = make("abcd", "ab cd", center="a", bridges="bc ad", subset="ad").subset("kept")
    assert (skeleton.bones, as_set(skeleton.bridges)) == ((), as_set(["ad"]))
    skeleton = make("abcd", "ab bc cd", center="a", bridges="ad", subset="ad").subset("kept")
    assert (as_set(skeleton.bones), skeleton.bridges) == (as_set(["ad"]), ())


def test_subset_restricts_parts_and_joins_through_the_empty_ones() -> None:
    skeleton = make(
        "abcd",
        "ab bc cd",
        center="a",
        subset="abd",
        parts={"X": "ab", "Y": "c", "Z": "d"},
        part_bones="XY YZ",
    ).subset("kept")
    assert skeleton.parts == {"X": ("a", "b"), "Z": ("d",)}
    assert as_set(skeleton.part_bones) == as_set(["XZ"])


@pytest.mark.parametrize("name", SHIPPED)
def test_any_random_subset_is_a_valid_skeleton(name: str) -> None:
    body = load_skeleton(name).to_dict()
    generator = np.random.default_rng(0)
    for size in range(1, len(body["joints"]), 3):
        body["subsets"] = {"some": [str(j) for j in generator.choice(body["joints"], size, replace=False)]}
        subset = Skeleton.from_dict(body).subset("some")  # the constructor checks connection and partition
        assert set(subset.joints) == set(body["subsets"]["some"])


# The bone-dual --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED_AND_USED)
def test_dual_is_a_valid_skeleton_of_bones(name: str) -> None:
    skeleton = load_skeleton(name)
    dual = skeleton.dual()
    assert Skeleton.from_dict(dual.to_dict()) == dual
    assert dual.num_joints == skeleton.num_bones
    assert (dual.coordinates, dual.units) == (skeleton.coordinates, skeleton.units)
    names = [f"{skeleton.joints[inner]}-{skeleton.joints[outer]}" for inner, outer in skeleton.bone_pairs]
    assert list(dual.joints) == names

    # Line graph by hand: bones i and j are linked exactly if B^T B, of the incidence matrix B, is not zero.
    incidence = np.zeros((skeleton.num_joints, skeleton.num_bones), dtype=int)
    for bone, ends in enumerate(skeleton.bone_pairs):
        incidence[list(ends), bone] = 1
    shared = incidence.T @ incidence
    rows, columns = np.nonzero(np.triu(shared, k=1))
    index = {bone: position for position, bone in enumerate(dual.joints)}
    assert [(index[a], index[b]) for a, b in dual.bones] == list(zip(rows, columns, strict=True))

    bridge = np.zeros((skeleton.num_joints, skeleton.num_joints), dtype=int)
    for a, b in skeleton.edges[skeleton.num_bones :]:
        bridge[a, b] = bridge[b, a] = 1
    through = np.triu((incidence.T @ bridge @ incidence) * (shared == 0), k=1)
    assert as_set((index[a], index[b]) for a, b in dual.bridges) == as_set(
        zip(*np.nonzero(through), strict=True)
    )

    part_names = list(skeleton.parts)
    for bone, (_, outer) in enumerate(skeleton.bone_pairs):
        assert dual.joints[bone] in dual.parts[part_names[skeleton.joint_parts[outer]]]
    first = next(i for i, bone in enumerate(skeleton.bones) if skeleton.center in bone)
    assert dual.center == dual.joints[first]

    image = skeleton.mirror_permutation
    for bone, other in enumerate(dual.mirror_permutation):
        assert {image[joint] for joint in skeleton.bone_pairs[bone]} == set(skeleton.bone_pairs[other])
    for first, second in dual.mirror:
        assert "left" in first
        assert "right" in second


def test_dual_contracts_a_part_without_bones() -> None:
    # The center is never an outer joint, so a part that holds it alone has no bone.
    skeleton = make(
        "clrx", "cl cr rx", center="c", parts={"C": "c", "L": "l", "R": "rx"}, part_bones="CL CR"
    ).dual()
    assert list(skeleton.parts) == ["L", "R"]
    assert as_set(skeleton.part_bones) == as_set(["LR"])


def test_bridges_through_a_joint_without_bones_still_link_its_neighbours() -> None:
    dual = make("abxcd", "ab cd", center="a", bridges="bx xc").dual()
    assert dual.bones == ()
    assert as_set(dual.bridges) == as_set([("a-b", "c-d")])


def test_skeleton_without_bones_has_no_dual() -> None:
    with pytest.raises(ValueError, match=r"skeleton 'letters' has no bones, so it has no bone-dual"):
        make("ab", "", center="a", bridges="ab").dual()


@pytest.fixture
def reversed_bones() -> Callable[[str], Skeleton]:
    def build(name: str) -> Skeleton:
        body = load_skeleton(name).to_dict()
        body["bones"] = [pair[::-1] for pair in body["bones"]]
        return Skeleton.from_dict(body)

    return build


@pytest.mark.parametrize("name", ["ntu25", "coco17", "smpl24"])
def test_direction_of_a_bone_in_the_file_does_not_matter(
    name: str, reversed_bones: Callable[[str], Skeleton]
) -> None:
    assert reversed_bones(name).bone_pairs == load_skeleton(name).bone_pairs
    assert reversed_bones(name).dual().joints == load_skeleton(name).dual().joints
