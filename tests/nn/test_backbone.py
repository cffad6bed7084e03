"""The multiscale GCN compared with its blocks applied by hand, and shared compared with separate branches."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pyg_sybio.nn.backbone import Backbone, MultiscaleGCN
from pyg_sybio.nn.blocks import GraphTemporalBlock
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import (
    assert_equivariant,
    assert_every_parameter_gets_a_gradient,
    randomize,
)

SKELETON = load_skeleton("jhmdb15")
M, D = SKELETON.num_joints, 2
SCALES: dict[str, dict[str, Any]] = {
    "joints and parts": {},
    "joints": {"parts": False},
    "only structural": {"parts": False, "actional_weight": 0.0},
    "only actional": {"parts": False, "hops": 0},
    "only parts": {"hops": 0, "actional_weight": 0.0},
}


def build(skeleton: Skeleton = SKELETON, **overrides: Any) -> MultiscaleGCN:
    settings: dict[str, Any] = {
        "channels": (4, 6, 8, 8),
        "strides": (1, 2, 1, 2),
        "fusions": (1, 3),
        "kernel_size": 3,
        "hops": 2,
        "actional_weight": 0.5,
        "parts": True,
        "dropout": 0.0,
    }
    return MultiscaleGCN(D, skeleton, **{**settings, **overrides})


def motion(num_graphs: int = 2, num_frames: int = 9) -> Tensor:
    return torch.randn(num_graphs, num_frames, M, D, dtype=torch.float64)


def graphs(num_graphs: int = 2) -> Tensor:
    return torch.randn(num_graphs, M, M, dtype=torch.float64).softmax(dim=-1)


def pool(x: Tensor) -> Tensor:
    """The mean of each part's joints."""
    parts = [[SKELETON.joint_index(joint) for joint in joints] for joints in SKELETON.parts.values()]
    return torch.stack([x[..., joints, :].mean(dim=-2) for joints in parts], dim=-2)


def copies(x: Tensor) -> Tensor:
    """Copy the features of each part to its joints."""
    return torch.stack([x[..., part, :] for part in SKELETON.joint_parts], dim=-2)


@pytest.mark.parametrize("fusions", [(), (1,), (2,), (1, 2, 3)])
def test_two_scales_exchange_features_before_the_fused_blocks(fusions: tuple[int, ...]) -> None:
    network = build(fusions=fusions)
    randomize(network.double()).eval()
    assert (len(network.joint_blocks), len(network.part_blocks)) == (4, 3)
    x, actional = motion(), graphs()
    joints = network.joint_blocks[0](x, actional)
    parts = pool(joints)
    for block in range(1, 4):
        to_joints, to_parts = joints, parts
        if block in fusions:
            to_joints = torch.cat([joints, copies(parts)], dim=-1)
            if block > 1:
                to_parts = torch.cat([parts, pool(joints)], dim=-1)
        joints = network.joint_blocks[block](to_joints, actional)
        parts = network.part_blocks[block - 1](to_parts)
    expected = (joints + copies(parts)).mean(dim=1)
    torch.testing.assert_close(network(x, actional), expected, atol=1e-9, rtol=0)


def test_without_parts_there_are_only_joint_blocks() -> None:
    network = build(parts=False)
    randomize(network.double()).eval()
    x, actional = motion(), graphs()
    expected = x
    for block in network.joint_blocks:
        expected = block(expected, actional)
    torch.testing.assert_close(network(x, actional), expected.mean(dim=1), atol=1e-9, rtol=0)


def test_without_joint_graphs_there_are_only_part_blocks() -> None:
    network = build(hops=0, actional_weight=0.0)
    randomize(network.double()).eval()
    x = motion()
    expected = pool(x)
    for block in network.part_blocks:
        expected = block(expected)
    torch.testing.assert_close(network(x), copies(expected).mean(dim=1), atol=1e-9, rtol=0)


@pytest.mark.parametrize("num_frames", [1, 2, 7, 8, 60])
def test_strides_reduce_the_number_of_frames(num_frames: int) -> None:
    lengths: list[int] = []
    network = build().double()
    for block in (*network.joint_blocks, *network.part_blocks):
        block.register_forward_hook(lambda module, args, out: lengths.append(out.size(1)))
    assert network(motion(num_frames=num_frames), graphs()).shape == (2, M, 8)
    half = -(-num_frames // 2)
    quarter = -(-half // 2)
    # After the first joint block, joint and part blocks alternate.
    assert lengths == [num_frames, half, half, half, half, quarter, quarter]


def test_fused_blocks_have_twice_the_output_width_of_the_previous_block() -> None:
    network = build()

    def widths(blocks: nn.ModuleList) -> list[tuple[int, int]]:
        return [
            (block.graph_conv.in_channels, block.graph_conv.out_channels)
            for block in blocks
            if isinstance(block, GraphTemporalBlock)
        ]

    assert widths(network.joint_blocks) == [(D, 4), (8, 6), (6, 8), (16, 8)]
    assert widths(network.part_blocks) == [(4, 6), (6, 8), (16, 8)]
    assert network.out_channels == 8


@pytest.mark.parametrize("scales", SCALES)
def test_gradients_reach_every_parameter(scales: str) -> None:
    network = build(**SCALES[scales]).double()
    network(motion(), graphs()).square().sum().backward()
    assert_every_parameter_gets_a_gradient(network)


@pytest.mark.parametrize("scales", SCALES)
def test_every_module_is_used(scales: str) -> None:
    network = build(**SCALES[scales]).double()
    used: set[nn.Module] = set()
    for module in network.modules():
        module.register_forward_hook(lambda module, args, out: used.add(module))
    network(motion(), graphs())
    for name, module in network.named_modules():
        assert module in used or isinstance(module, nn.ModuleList), name


@pytest.mark.parametrize("scales", SCALES)
def test_outputs_are_equivariant_to_the_order_of_joints(scales: str) -> None:
    assert_equivariant(lambda each: build(each, **SCALES[scales]), SKELETON, motion(), graphs())


def test_with_one_hop_every_block_uses_the_normalised_skeleton() -> None:
    network = build(hops=1, actional_weight=0.0).double()
    neighbours = [{joint} for joint in range(M)]
    for a, b in SKELETON.edges:
        neighbours[a].add(b)
        neighbours[b].add(a)
    for block in network.joint_blocks:
        assert isinstance(block, GraphTemporalBlock)
        assert isinstance(block.graph_conv, JointConv)
        assert block.graph_conv.structural is not None
        adj = block.graph_conv.structural.adjacency
        for i in range(M):
            for j in range(M):
                share = 1 / len(neighbours[i]) if j in neighbours[i] else 0.0
                assert adj[0, i, j].item() == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("actional_weight", [0.5, 0.0])
def test_shared_branches_equal_three_branches_with_the_same_weights(actional_weight: float) -> None:
    branch = build(actional_weight=actional_weight)
    randomize(branch.double())
    others = [build(actional_weight=actional_weight).double() for _ in range(3)]
    for other in others:
        other.load_state_dict(branch.state_dict())
    shared, separate = Backbone([branch], 3).eval(), Backbone(others, 3).eval()
    x = torch.randn(3, 2, 9, M, D, dtype=torch.float64)
    actional = graphs() if actional_weight else None
    assert shared.out_channels == separate.out_channels == 24
    out = shared(x, actional)
    torch.testing.assert_close(out, separate(x, actional), atol=1e-9, rtol=0)
    for order in range(3):
        expected = branch(x[order], actional)
        torch.testing.assert_close(out[..., 8 * order : 8 * (order + 1)], expected, atol=1e-9, rtol=0)


def test_separate_branches_keep_the_order_of_the_differences() -> None:
    branches: Sequence[MultiscaleGCN] = [build().double() for _ in range(3)]
    x, actional = torch.randn(3, 2, 9, M, D, dtype=torch.float64), graphs()
    backbone = Backbone(branches, 3).eval()
    expected = [branch(each, actional) for branch, each in zip(branches, x, strict=True)]
    torch.testing.assert_close(backbone(x, actional), torch.cat(expected, dim=-1), atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"hops": 0, "actional_weight": 0.0, "parts": False}, "expected at least one graph: set 'hops'"),
        ({"strides": (1, 2)}, "'strides' has 2 entries, but 'channels' has 4"),
        ({"fusions": (0,)}, r"'fusions' is \(0,\), expected block indices from 1 to 3"),
        ({"fusions": (1, 4)}, r"'fusions' is \(1, 4\), expected block indices from 1 to 3"),
        ({"channels": (), "strides": (), "fusions": ()}, "'channels' is empty"),
        ({"actional_weight": -1.0}, "'actional_weight' must not be negative, but it is -1.0"),
        ({"kernel_size": 4}, "'kernel_size' must be odd"),
        ({"hops": -1}, "'hops' must be at least 1, but it is -1"),
    ],
)
def test_invalid_arguments_are_refused(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**overrides)


def test_a_wrong_number_of_branches_is_an_error() -> None:
    with pytest.raises(ValueError, match="'branches' must hold 1 or 3 networks, but it holds 2"):
        Backbone([build(), build()], 3)
