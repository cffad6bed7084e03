"""Correction of predicted joints by predicted bones, compared with a least-squares solution."""

import pytest
import torch

from pyg_sybio.models.bone_correction import BoneCorrection
from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.skeleton import available_skeletons, load_skeleton


@pytest.mark.parametrize("name", available_skeletons())
@pytest.mark.parametrize("weight", [0.3, 20.0])
def test_corrected_joints_are_the_least_squares_solution(name: str, weight: float) -> None:
    skeleton = load_skeleton(name)
    joints = torch.randn(2, 4, skeleton.num_joints, 3, dtype=torch.float64)
    bones = torch.randn(2, 4, skeleton.num_bones, 3, dtype=torch.float64)
    corrected = BoneCorrection(skeleton, weight).double()(joints, bones)
    # A joint gives x_i = joint_i, and a bone sqrt(weight) (x_outer - x_inner) = sqrt(weight) bone.
    bone_rows = torch.zeros(skeleton.num_bones, skeleton.num_joints, dtype=torch.float64)
    for row, (inner, outer) in zip(bone_rows, skeleton.bone_pairs, strict=True):
        row[inner], row[outer] = -1, 1
    rows = torch.cat([torch.eye(skeleton.num_joints, dtype=torch.float64), weight**0.5 * bone_rows])
    values = torch.cat([joints, weight**0.5 * bones], dim=-2)
    solution = torch.linalg.lstsq(rows.expand(2, 4, -1, -1), values).solution
    torch.testing.assert_close(corrected, solution, atol=1e-5, rtol=0)


def test_consistent_predictions_do_not_change() -> None:
    skeleton = load_skeleton("ntu25")
    joints = torch.randn(4, 25, 3)
    assert torch.equal(BoneCorrection(skeleton, 0.3)(joints, BoneVectors(skeleton)(joints)), joints)


def test_bones_determine_the_pose_and_joints_the_position_if_the_weight_is_large() -> None:
    skeleton = load_skeleton("ntu25")
    joints, bones = torch.randn(4, 25, 3), torch.randn(4, 24, 3)
    corrected = BoneCorrection(skeleton, 1e6)(joints, bones)
    torch.testing.assert_close(BoneVectors(skeleton)(corrected), bones, atol=1e-3, rtol=0)
    torch.testing.assert_close(corrected.mean(-2), joints.mean(-2), atol=1e-4, rtol=0)


def test_the_repr_is_readable_and_the_state_is_empty() -> None:
    layer = BoneCorrection(load_skeleton("ntu25"), 0.3)
    assert repr(layer).startswith("BoneCorrection(\n  weight=0.3\n")
    assert not layer.state_dict()
