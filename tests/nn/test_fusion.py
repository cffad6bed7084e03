"""Pooling joints to parts, and copying parts to joints."""

import pytest
import torch

from pyg_sybio.nn.fusion import Joint2Part, Part2Joint
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import assert_equivariant

NAMES = ["ntu25", "jhmdb15", "cmu38:used"]


@pytest.mark.parametrize("name", NAMES)
def test_joint2part_averages_the_joints_of_each_part(name: str) -> None:
    skeleton = load_skeleton(name)
    x = torch.randn(2, 4, skeleton.num_joints, 3, dtype=torch.float64)
    out = Joint2Part(skeleton).double()(x)
    assert out.shape == (2, 4, skeleton.num_parts, 3)
    for part, joints in enumerate(skeleton.parts.values()):
        mean = sum(x[:, :, skeleton.joints.index(joint)] for joint in joints) / len(joints)
        torch.testing.assert_close(out[:, :, part], mean, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_part2joint_copies_part_features_to_joints(name: str) -> None:
    skeleton = load_skeleton(name)
    x = torch.randn(2, 4, skeleton.num_parts, 3)
    out = Part2Joint(skeleton)(x)
    assert out.shape == (2, 4, skeleton.num_joints, 3)
    for part, joints in enumerate(skeleton.parts.values()):
        for joint in joints:
            assert torch.equal(out[:, :, skeleton.joints.index(joint)], x[:, :, part])


@pytest.mark.parametrize("name", NAMES)
def test_pooling_copied_part_features_restores_them(name: str) -> None:
    skeleton = load_skeleton(name)
    x = torch.randn(2, 4, skeleton.num_parts, 3, dtype=torch.float64)
    there_and_back = Joint2Part(skeleton).double()(Part2Joint(skeleton)(x))
    torch.testing.assert_close(there_and_back, x, atol=1e-12, rtol=0)


def test_outputs_are_equivariant_to_the_order_of_joints() -> None:
    skeleton = load_skeleton("jhmdb15")
    x = torch.randn(2, 4, skeleton.num_joints, 3, dtype=torch.float64)
    assert_equivariant(
        lambda each: torch.nn.Sequential(Joint2Part(each), Part2Joint(each)), skeleton, x, tolerance=1e-12
    )
