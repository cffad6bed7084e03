"""Derived properties of a skeleton: directed bones, edges, and indices of parts."""

import pytest
from small_skeletons import SHIPPED_AND_USED, document, hops_from, make

from pyg_sybio.skeleton import Skeleton, load_skeleton


@pytest.mark.parametrize("name", SHIPPED_AND_USED)
def test_bones_point_away_from_the_center(name: str) -> None:
    skeleton = load_skeleton(name)
    hops = hops_from(skeleton, skeleton.joint_index(skeleton.center))
    for (inner, outer), (first, second) in zip(skeleton.bone_pairs, skeleton.bones, strict=True):
        assert {skeleton.joints[inner], skeleton.joints[outer]} == {first, second}
        assert hops[outer] - hops[inner] in (0, 1)
        if hops[outer] == hops[inner]:
            assert skeleton.joints[outer] == second


def test_a_bone_with_a_tie_keeps_its_listed_direction() -> None:
    ring = make("abc", "ab ac cb", center="a")
    assert ring.bone_pairs == ((0, 1), (0, 2), (2, 1))


def test_edges_are_bones_then_bridges() -> None:
    skeleton = make("abcd", "ba cd", center="a", bridges="bc")
    assert skeleton.edges == ((1, 0), (2, 3), (1, 2))
    assert skeleton.bone_pairs == ((0, 1), (2, 3))


def test_parts_and_part_edges_are_given_by_index() -> None:
    skeleton = Skeleton.from_dict(document())
    assert skeleton.joint_parts == (0, 0, 1, 2, 1, 2)
    assert skeleton.part_edges == ((0, 1), (0, 2))
    assert skeleton.mirror_permutation == (0, 1, 3, 2, 5, 4)
