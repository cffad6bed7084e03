"""Mirroring of positions by name, and of rotations by forward kinematics."""

import pytest
import torch
from random_motions import NAMES, random_motion

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import Mirror, RandomMirror
from pyg_sybio.rotations import expmap_to_matrix, forward_kinematics
from pyg_sybio.skeleton import Skeleton, load_skeleton


@pytest.mark.parametrize("name", ["ntu25", "jhmdb15", "openpose18"])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_mirrored_positions_swap_sides_and_change_sign(name: str, axis: str) -> None:
    motion = random_motion(name)
    mirror = Mirror(axis=axis)(motion)  # type: ignore[arg-type]
    number = "xyz".index(axis)
    assert motion.skeleton.mirror
    for joint in motion.skeleton.joints:
        image = (
            joint.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
        )  # mirror pairs have such names in the shipped skeletons
        i, j = motion.skeleton.joint_index(joint), motion.skeleton.joint_index(image)
        expected = motion.poses[:, :, i].clone()
        expected[..., number] *= -1
        assert torch.equal(mirror.poses[:, :, j], expected)
        assert torch.equal(mirror.present[:, :, j], motion.present[:, :, i])
        assert torch.equal(mirror.confidence[:, :, j], motion.confidence[:, :, i])


@pytest.mark.parametrize("name", NAMES.values())
def test_mirroring_twice_is_the_identity(name: str) -> None:
    motion = random_motion(name)
    once = Mirror()(motion)
    assert not once.equal(motion) and Mirror()(once).equal(motion)


def test_mirroring_does_not_change_distances() -> None:
    motion = random_motion(missing=0.0, dtype=torch.float64)
    mirror = Mirror(axis="z")(motion)
    swap = list(motion.skeleton.mirror_permutation)
    before = torch.cdist(motion.poses, motion.poses)
    torch.testing.assert_close(
        torch.cdist(mirror.poses, mirror.poses), before[:, :, swap][..., swap], rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("name", ["h36m32", "cmu38"])
def test_mirrored_rotations_pose_the_mirrored_body(axis: str, name: str) -> None:
    """Mirroring random rotations of a symmetric body mirrors the positions of its joints."""
    skeleton = load_skeleton(name)
    motion = random_motion(skeleton, num_persons=1, num_frames=6, missing=0.0, dtype=torch.float64)
    number = "xyz".index(axis)
    signs = torch.ones(3, dtype=torch.float64)
    signs[number] = -1
    swap = list(skeleton.mirror_permutation)
    offsets = torch.randn(skeleton.num_joints, 3, dtype=torch.float64)
    offsets = (offsets + offsets[swap] * signs) / 2
    assert torch.equal(offsets[swap], offsets * signs)

    def positions(posed: Motion) -> torch.Tensor:
        order, parents = tree(skeleton)
        rotations = expmap_to_matrix(posed.poses[0][:, order])
        found, _ = forward_kinematics(rotations, offsets[order], parents, posed.translation[0])
        return found[:, [order.index(joint) for joint in range(skeleton.num_joints)]]

    expected = positions(motion)[:, swap] * signs
    torch.testing.assert_close(positions(Mirror(axis=axis)(motion)), expected, rtol=0, atol=1e-9)  # type: ignore[arg-type]


def tree(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """The joints from the center outwards, and the index of each joint's parent in this order."""
    graph = skeleton.graph()
    order, parents = [skeleton.joint_index(skeleton.center)], [-1]
    for place, joint in enumerate(order):
        for neighbour in sorted(graph[joint]):
            if neighbour not in order:
                order.append(neighbour)
                parents.append(place)
    return order, parents


def test_random_mirror_reflects_with_the_given_probability() -> None:
    motion = random_motion()
    reflected = 0
    for _ in range(400):
        result, flag = RandomMirror(p=0.25).apply(motion)
        reflected += bool(flag)
        assert result.equal(Mirror()(motion) if flag else motion)
    assert 60 < reflected < 140
    assert RandomMirror(p=0)(motion).equal(motion)
    assert RandomMirror(p=1)(motion).equal(Mirror()(motion))


def test_wrong_axes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'axis' is 'w', expected one of 'x', 'y', 'z'"):
        Mirror(axis="w")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'axis' is 'z', but skeleton 'openpose18' has coord"):
        Mirror(axis="z")(random_motion("openpose18"))
    with pytest.raises(ValueError, match="'p' is -1"):
        RandomMirror(p=-1)
