"""Positions from rotations: an independent computation, bone lengths, and the direction of the knees."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pyg_sybio.data.readers.expmap import read_expmap
from pyg_sybio.kinematics import bone_offsets, expmap_positions
from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton

NAMES = ("cmu38", "h36m32")


def by_scipy(expmaps: np.ndarray, skeleton: Skeleton, offsets: np.ndarray) -> np.ndarray:
    """Compute one pose joint by joint with row vectors, the convention of the files."""
    parent = {outer: inner for inner, outer in skeleton.bone_pairs}
    places: dict[int, np.ndarray] = {skeleton.joint_index(skeleton.center): np.zeros(3)}
    turns = {joint: Rotation.from_rotvec(v).as_matrix() for joint, v in enumerate(expmaps)}

    def whole_turn(joint: int) -> np.ndarray:
        return turns[joint] @ whole_turn(parent[joint]) if joint in parent else turns[joint]

    def place(joint: int) -> np.ndarray:
        if joint not in places:
            places[joint] = place(parent[joint]) + offsets[joint] @ whole_turn(parent[joint])
        return places[joint]

    return np.stack([place(joint) for joint in range(skeleton.num_joints)])


@pytest.mark.parametrize("name", NAMES)
def test_positions_equal_row_vectors_times_rotations(name: str) -> None:
    skeleton, offsets = load_skeleton(name), bone_offsets(load_skeleton(name))
    assert offsets is not None
    expmaps = torch.randn(2, 3, skeleton.num_joints, 3, dtype=torch.float64)
    found = expmap_positions(expmaps, skeleton, offsets)
    for clip, frame in np.ndindex(2, 3):
        expected = by_scipy(expmaps[clip, frame].numpy(), skeleton, offsets.numpy())
        np.testing.assert_allclose(found[clip, frame], expected, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_bone_lengths_are_constant_and_the_rest_pose_is_the_sum_of_offsets(name: str) -> None:
    skeleton, offsets = load_skeleton(name), bone_offsets(load_skeleton(name))
    assert offsets is not None
    poses = expmap_positions(torch.randn(5, skeleton.num_joints, 3, dtype=torch.float64), skeleton, offsets)
    inner, outer = torch.tensor(skeleton.bone_pairs).T
    lengths = (poses[:, outer] - poses[:, inner]).norm(dim=-1)
    torch.testing.assert_close(lengths, offsets[outer].norm(dim=-1).expand_as(lengths))
    rest = expmap_positions(torch.zeros(skeleton.num_joints, 3, dtype=torch.float64), skeleton, offsets)
    torch.testing.assert_close(rest[outer] - rest[inner], offsets[outer])
    # Left and right bones have about the same length, and the person stands upright along y.
    left, right = (
        torch.tensor([skeleton.joint_index(joint) for joint in side])
        for side in zip(*skeleton.mirror, strict=True)
    )
    torch.testing.assert_close(offsets[left].norm(dim=-1), offsets[right].norm(dim=-1), rtol=0.3, atol=60)
    head, ankle = (rest[skeleton.joint_index(name), 1] for name in ("head_top", "left_ankle"))
    assert 1400 < head - ankle < 1900


def test_positions_do_not_depend_on_the_order_of_joints() -> None:
    skeleton, offsets = load_skeleton("cmu38"), bone_offsets(load_skeleton("cmu38"))
    assert offsets is not None
    expmaps = torch.randn(38, 3, dtype=torch.float64)
    order = torch.randperm(38)
    mixed = replace(skeleton, joints=tuple(skeleton.joints[joint] for joint in order))
    found = expmap_positions(expmaps[order], mixed, offsets[order])
    torch.testing.assert_close(found, expmap_positions(expmaps, skeleton, offsets)[order])


def test_bone_offsets_exist_only_for_matching_skeletons() -> None:
    for name in set(available_skeletons()) - set(NAMES):
        assert bone_offsets(load_skeleton(name)) is None
    assert bone_offsets(load_skeleton("cmu38:used")) is None
    assert bone_offsets(replace(load_skeleton("cmu38"), units="degrees")) is None  # with other units
    ring = replace(
        load_skeleton("cmu38"), bones=(*load_skeleton("cmu38").bones, ("left_wrist", "right_wrist"))
    )
    with pytest.raises(ValueError, match="the bones of skeleton 'cmu38' are not a tree"):
        expmap_positions(torch.zeros(38, 3), ring, torch.zeros(38, 3))


@pytest.mark.real_data
@pytest.mark.parametrize("action", ["walking", "soccer", "jumping"])
def test_knees_bend_forwards_under_an_upright_body(action: str, data_root: Path) -> None:
    skeleton = load_skeleton("cmu38")
    motion = read_expmap(data_root / "cmu_mocap" / "test" / action / f"{action}_1.txt", skeleton=skeleton)
    offsets, rotations = bone_offsets(skeleton), motion.poses[0].clone()
    assert offsets is not None
    rotations[:, 0] = 0
    places = expmap_positions(rotations, skeleton, offsets)
    at = {name: places[:, skeleton.joint_index(name)] for name in skeleton.joints}
    assert (at["head"][:, 1] > at["pelvis"][:, 1]).all()
    for side in ("left", "right"):
        hip, knee, ankle, foot = (at[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot"))
        assert (knee[:, 1] > ankle[:, 1]).double().mean() > 0.9
        forwards = ((knee - (hip + ankle) / 2) * (foot - ankle)).sum(-1)
        assert (forwards > 0).double().mean() > 0.9
