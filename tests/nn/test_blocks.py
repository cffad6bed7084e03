"""J-GTC and P-GTC blocks compared with their equations."""

import pytest
import torch
from torch import Tensor, nn

from pyg_sybio.nn.blocks import FeatureNorm, GraphTemporalBlock
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.nn.part_conv import PartConv
from pyg_sybio.nn.temporal_conv import TemporalConv
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import assert_equivariant, assert_every_parameter_gets_a_gradient, randomize

SKELETON = load_skeleton("jhmdb15")
M, M_P = SKELETON.num_joints, SKELETON.num_parts


def normalize(x: Tensor, norm: nn.BatchNorm2d, training: bool) -> Tensor:
    """Batch normalisation of the last dimension, computed from its formula."""
    mean, var = norm.running_mean, norm.running_var
    if training:
        rows = x.flatten(0, -2)
        mean = rows.mean(dim=0)
        var = (rows - mean).square().mean(dim=0)
    assert mean is not None
    assert var is not None
    return (x - mean) / (var + norm.eps).sqrt() * norm.weight + norm.bias


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("channels", "stride"), [(4, 1), (4, 2), (6, 1), (6, 2)])
@pytest.mark.parametrize("scale", ["joint", "part"])
def test_a_block_equals_its_equation(scale: str, channels: int, stride: int, training: bool) -> None:
    if scale == "joint":
        conv: JointConv | PartConv = JointConv(4, channels, SKELETON, hops=2, actional_weight=0.5)
        graphs = [torch.randn(2, M, M, dtype=torch.float64).softmax(dim=-1)]
    else:
        conv, graphs = PartConv(4, channels, SKELETON), []
    block = GraphTemporalBlock(conv, kernel_size=3, stride=stride)
    randomize(block.double()).train(training)
    x = torch.randn(2, 7, M if scale == "joint" else M_P, 4, dtype=torch.float64)

    hidden = normalize(conv(x, *graphs), block.graph_norm, training).clamp(min=0)
    hidden = normalize(block.temporal_conv(hidden), block.temporal_norm, training)
    if (channels, stride) == (4, 1):
        residual = x
    else:
        assert isinstance(block.residual, nn.Sequential)
        linear, norm = block.residual
        assert isinstance(linear, TemporalConv)
        assert isinstance(norm, nn.BatchNorm2d)
        residual = normalize(x[:, ::stride] @ linear.conv.weight.squeeze().T, norm, training)
    expected = (hidden + residual).clamp(min=0)
    torch.testing.assert_close(block(x, *graphs), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize(("channels", "stride", "same"), [(4, 1, True), (4, 2, False), (6, 1, False)])
def test_the_residual_is_the_identity_if_width_and_length_are_kept(
    channels: int, stride: int, same: bool
) -> None:
    block = GraphTemporalBlock(PartConv(4, channels, SKELETON), kernel_size=3, stride=stride)
    assert isinstance(block.residual, nn.Identity) is same


def test_dropout_does_not_affect_the_residual() -> None:
    block = GraphTemporalBlock(PartConv(4, 4, SKELETON), kernel_size=3, dropout=1.0).train()
    x = torch.randn(2, 5, M_P, 4)
    assert torch.equal(block(x), x.relu())
    assert not torch.equal(block.eval()(x), x.relu())


def test_dropout_comes_after_the_norm() -> None:
    block = GraphTemporalBlock(PartConv(4, 4, SKELETON), kernel_size=3, dropout=0.5).train()
    with torch.no_grad():
        block.temporal_norm.bias.fill_(1.0)
    # With a zero input, the output is the bias of the last norm; dropout sets it to zero or doubles it.
    assert block(torch.zeros(2, 5, M_P, 4)).unique().tolist() == [0.0, 2.0]


def test_feature_norm_is_batch_norm_of_the_last_dimension() -> None:
    norm, reference = FeatureNorm(4).double(), nn.BatchNorm1d(4).double()
    x = torch.randn(2, 5, M, 4, dtype=torch.float64)
    torch.testing.assert_close(norm(x).flatten(0, 2), reference(x.flatten(0, 2)), atol=1e-12, rtol=0)
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_var, reference.running_var)


def test_outputs_are_equivariant_to_the_order_of_joints() -> None:
    def make(skeleton: Skeleton) -> nn.Module:
        conv = JointConv(3, 6, skeleton, hops=2, actional_weight=0.5)
        return GraphTemporalBlock(conv, kernel_size=3, stride=2)

    x = torch.randn(2, 5, M, 3, dtype=torch.float64)
    assert_equivariant(make, SKELETON, x, torch.randn(2, M, M, dtype=torch.float64).softmax(dim=-1))


def test_gradients_reach_every_parameter() -> None:
    block = GraphTemporalBlock(
        JointConv(3, 6, SKELETON, hops=2, actional_weight=0.5), kernel_size=3, stride=2
    )
    out = block(torch.randn(2, 5, M, 3), torch.randn(2, M, M).softmax(dim=-1))
    out.square().sum().backward()
    assert_every_parameter_gets_a_gradient(block)


def test_an_even_kernel_size_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'kernel_size' must be odd.* but it is 4"):
        GraphTemporalBlock(PartConv(3, 6, SKELETON), kernel_size=4)


@pytest.mark.parametrize("name", ["graph_norm", "temporal_norm", "residual"])
def test_batch_norms_in_evaluation_use_the_running_statistics(name: str) -> None:
    block = GraphTemporalBlock(PartConv(4, 6, SKELETON), kernel_size=3)
    randomize(block).eval()
    x = torch.randn(2, 5, M_P, 4)
    before = block(x)
    norm = block.get_submodule(name if name != "residual" else "residual.1")
    with torch.no_grad():
        norm.running_var.mul_(0.5)  # type: ignore[operator, union-attr]
    assert not torch.allclose(block(x), before)
