"""The shipped skeletons: complete, connected, symmetric, and with names that match the motion."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from small_skeletons import SHIPPED, SHIPPED_AND_USED, as_set, hops_from

from pyg_sybio.skeleton import COORDINATES, available_skeletons, load_skeleton


def test_available_skeletons_lists_the_shipped_ones() -> None:
    assert set(available_skeletons()) == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_skeletons_are_valid_connected_and_complete(name: str) -> None:
    skeleton = load_skeleton(name)
    assert skeleton.name == name
    assert skeleton.num_joints == SHIPPED[name]
    assert set(hops_from(skeleton, 0)) == set(range(skeleton.num_joints))
    assert skeleton.num_parts == {"hand21": 6, "coco133": 13}.get(name, 10)
    assert sorted(joint for part in skeleton.parts.values() for joint in part) == sorted(skeleton.joints)
    assert skeleton.num_features == COORDINATES[skeleton.coordinates]
    assert skeleton.description
    assert skeleton.source
    subsets = {"used"} if skeleton.coordinates == "expmap" else set()
    assert set(skeleton.subsets) == ({"body", "body_and_feet"} if name == "coco133" else subsets)


def test_the_body_of_coco133_is_coco17() -> None:
    body, coco17 = load_skeleton("coco133:body"), load_skeleton("coco17")
    for field in ("joints", "bones", "parts", "part_bones", "mirror", "center", "coordinates", "units"):
        assert getattr(body, field) == getattr(coco17, field), field


def test_h36m17_has_the_joints_that_lifting_methods_select_from_h36m32() -> None:
    removed = {4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31}  # the joints that VideoPose3D removes
    of_32 = load_skeleton("h36m32").joints
    assert load_skeleton("h36m17").joints == tuple(of_32[k] for k in range(32) if k not in removed)


@pytest.mark.parametrize("name", SHIPPED_AND_USED)
def test_mirroring_is_an_involution_that_keeps_bones_and_parts(name: str) -> None:
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
def test_the_used_subset_has_the_joints_of_the_benchmark_columns(
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
def test_cmu_joints_move_as_expected_from_their_names(data_root: Path) -> None:
    """The moving joints and the hinges in the recordings identify the hierarchy."""
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
        # A knee turns about one axis, which lies in the plane of two of the three coordinates.
        knee = values[:, 3 + 3 * skeleton.joint_index(f"{side}_knee") :][:, :3]
        spread = np.linalg.svd(knee - knee.mean(axis=0), compute_uv=False)
        assert spread[1] < 1e-3 * spread[0]


def test_h36m_and_cmu_describe_the_same_body() -> None:
    for name in ("h36m32", "cmu38"):
        used = load_skeleton(f"{name}:used")
        for side in ("left", "right"):
            chain = [used.joint_index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle", "foot")]
            assert set(pairwise(chain)) <= set(used.bone_pairs)
            assert frozenset(("lower_spine", f"{side}_hip")) in as_set(used.bones)
