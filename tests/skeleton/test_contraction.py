"""Subsets of joints and the bone dual."""

from collections.abc import Callable

import numpy as np
import pytest
from small_skeletons import SHIPPED, SHIPPED_AND_USED, as_set, make

from pyg_sybio.skeleton import Skeleton, contract, load_skeleton


def test_a_subset_joins_the_neighbours_of_a_dropped_joint() -> None:
    path = make("abcde", "ab bc cd de", center="a", subset="ace").subset("kept")
    assert path.name == "letters:kept"
    assert path.joints == ("a", "c", "e")
    assert path.bones == (("a", "c"), ("c", "e"))
    assert path.subsets == {}


def test_a_subset_keeps_the_joint_order_of_the_skeleton() -> None:
    skeleton = make("abcd", "ab bc cd", center="a", subset="dab")
    assert skeleton.subset("kept").joints == ("a", "b", "d")


def test_a_subset_of_a_star_without_its_hub_is_joined_through_one_joint() -> None:
    # All neighbours of the dropped center o are one hop away: the one without a mirror image takes its place.
    star = make("olrtx", "ol or ot tx", center="o", mirror="lr", subset="lrtx").subset("kept")
    assert star.center == "t"
    assert as_set(star.bones) == as_set(["lt", "rt", "tx"])
    assert star.mirror == (("l", "r"),)


def test_ties_go_to_the_joint_nearer_the_center_then_to_the_first() -> None:
    # x is one hop from b (nearer the center) and from d.
    assert contract("abxd", [("a", "b"), ("b", "x"), ("x", "d")], "abd", "a", ())["x"] == "b"
    assert contract("dxba", [("a", "b"), ("b", "x"), ("x", "d")], "dba", "a", ())["x"] == "b"
    # p and q are equivalent: the order decides, unless only one of them has a mirror image.
    assert contract("opq", [("o", "p"), ("o", "q")], "pq", "o", ())["o"] == "p"
    assert contract("opq", [("o", "p"), ("o", "q")], "pq", "o", "p")["o"] == "q"


def test_a_subset_of_a_ring_is_a_ring_or_a_path() -> None:
    ring = make("abcdef", "ab bc cd de ef fa", center="a", subset="ace").subset("kept")
    # b, d and f are merged into a, c and a: every pair of a, c, e is joined once, without self-loops.
    assert as_set(ring.bones) == as_set(["ac", "ce", "ea"])
    assert len(ring.bones) == 3
    pair = make("abcdef", "ab bc cd de ef fa", center="a", subset="ad").subset("kept")
    assert as_set(pair.bones) == as_set(["ad"])


def test_a_bridge_between_merged_joints_disappears() -> None:
    skeleton = make("abcd", "ab cd", center="a", bridges="bc ad", subset="ad").subset("kept")
    assert (skeleton.bones, as_set(skeleton.bridges)) == ((), as_set(["ad"]))
    skeleton = make("abcd", "ab bc cd", center="a", bridges="ad", subset="ad").subset("kept")
    assert (as_set(skeleton.bones), skeleton.bridges) == (as_set(["ad"]), ())


def test_a_subset_connects_parts_through_parts_without_kept_joints() -> None:
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
        # The constructor checks that the graph is connected and that the parts are a partition.
        subset = Skeleton.from_dict(body).subset("some")
        assert set(subset.joints) == set(body["subsets"]["some"])


@pytest.mark.parametrize("name", SHIPPED_AND_USED)
def test_the_dual_is_a_valid_skeleton_of_bones(name: str) -> None:
    skeleton = load_skeleton(name)
    dual = skeleton.dual()
    assert Skeleton.from_dict(dual.to_dict()) == dual
    assert dual.num_joints == skeleton.num_bones
    assert (dual.coordinates, dual.units) == (skeleton.coordinates, skeleton.units)
    names = [f"{skeleton.joints[inner]}-{skeleton.joints[outer]}" for inner, outer in skeleton.bone_pairs]
    assert list(dual.joints) == names

    # Line graph by hand: with the incidence matrix B, bones i and j are linked exactly if (B^T B)_ij is not
    # zero.
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


def test_the_dual_contracts_a_part_without_bones() -> None:
    # The center is never an outer joint, so a part with only the center has no bone.
    skeleton = make(
        "clrx", "cl cr rx", center="c", parts={"C": "c", "L": "l", "R": "rx"}, part_bones="CL CR"
    ).dual()
    assert list(skeleton.parts) == ["L", "R"]
    assert as_set(skeleton.part_bones) == as_set(["LR"])


def test_bridges_through_a_joint_without_bones_still_link_its_neighbours() -> None:
    dual = make("abxcd", "ab cd", center="a", bridges="bx xc").dual()
    assert dual.bones == ()
    assert as_set(dual.bridges) == as_set([("a-b", "c-d")])


def test_a_skeleton_without_bones_has_no_dual() -> None:
    with pytest.raises(ValueError, match=r"skeleton 'letters' has no bones, so it has no bone dual"):
        make("ab", "", center="a", bridges="ab").dual()


@pytest.fixture
def reversed_bones() -> Callable[[str], Skeleton]:
    def build(name: str) -> Skeleton:
        body = load_skeleton(name).to_dict()
        body["bones"] = [pair[::-1] for pair in body["bones"]]
        return Skeleton.from_dict(body)

    return build


@pytest.mark.parametrize("name", ["ntu25", "coco17", "smpl24"])
def test_the_direction_of_a_bone_in_the_file_does_not_matter(
    name: str, reversed_bones: Callable[[str], Skeleton]
) -> None:
    assert reversed_bones(name).bone_pairs == load_skeleton(name).bone_pairs
    assert reversed_bones(name).dual().joints == load_skeleton(name).dual().joints
