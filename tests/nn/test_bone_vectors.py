"""Bone vectors: outer joint minus inner joint."""

import networkx as nx
import pytest
import torch

from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.skeleton import available_skeletons, load_skeleton
from pyg_sybio.testing import permuted_skeleton


@pytest.mark.parametrize("name", available_skeletons())
def test_a_bone_points_away_from_the_center(name: str) -> None:
    skeleton = load_skeleton(name)
    x = torch.randn(2, 4, skeleton.num_joints, 3)
    bones = BoneVectors(skeleton)(x)
    assert bones.shape == (2, 4, skeleton.num_bones, 3)
    hops = nx.single_source_shortest_path_length(
        nx.Graph([*skeleton.bones, *skeleton.bridges]), skeleton.center
    )
    for bone, (first, second) in enumerate(skeleton.bones):
        inner, outer = (first, second) if hops[first] <= hops[second] else (second, first)
        expected = x[..., skeleton.joint_index(outer), :] - x[..., skeleton.joint_index(inner), :]
        assert torch.equal(bones[..., bone, :], expected)


def test_bones_do_not_depend_on_the_position_of_the_body() -> None:
    skeleton = load_skeleton("ntu25")
    x = torch.randn(4, 25, 3, dtype=torch.float64)
    bones = BoneVectors(skeleton)
    torch.testing.assert_close(bones(x + torch.randn(3, dtype=torch.float64)), bones(x))


def test_the_order_of_the_joints_does_not_change_the_bones() -> None:
    skeleton = load_skeleton("ntu25")
    order = torch.randperm(25)
    permuted = BoneVectors(permuted_skeleton(skeleton, order.tolist()))
    x = torch.randn(4, 25, 3)
    assert torch.equal(permuted(x[:, order]), BoneVectors(skeleton)(x))


def test_the_repr_has_the_number_of_bones_and_the_state_is_empty() -> None:
    layer = BoneVectors(load_skeleton("ntu25"))
    assert repr(layer) == "BoneVectors(num_bones=24)"
    assert not layer.state_dict()
