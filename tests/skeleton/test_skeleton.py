"""Derived properties of a skeleton: directed bones, edges, and indices of parts."""

import numpy as np
import pytest
import torch
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


def test_joints_of_arrays_and_tensors_are_selected_by_name() -> None:
    whole = load_skeleton("cmu38")
    used = whole.subset("used")
    poses = np.arange(2 * 38 * 3).reshape(2, 38, 3)
    chosen = whole.select(poses, "used")
    assert chosen.shape == (2, 26, 3)
    for index, joint in enumerate(used.joints):
        assert np.array_equal(chosen[:, index], poses[:, whole.joint_index(joint)])
    assert torch.equal(whole.select(torch.from_numpy(poses), used), torch.from_numpy(chosen))
    assert used.whole is whole and used.dual().whole is None and load_skeleton("cmu38:used").whole == whole
    with pytest.raises(
        ValueError, match=r"'poses' has shape \[2, 26, 3\], expected \[..., 38, D\] for skeleton"
    ):
        whole.select(chosen, "used")
    with pytest.raises(ValueError, match=r"has no subset 'usde' \(did you mean 'used'\?\)"):
        whole.select(poses, "usde")
    with pytest.raises(ValueError, match=r"skeleton 'cmu38' has no joint 'nose'"):
        whole.select(poses, load_skeleton("coco17"))
