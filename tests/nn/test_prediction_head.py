"""The prediction head compared with explicit GRU equations, step by step."""

import pytest
import torch
from torch import Tensor

from pyg_sybio.nn.difference import Difference
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.prediction_head import MAX_HIDDEN, PredictionHead
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import (
    assert_every_parameter_gets_a_gradient,
    copy_permuted,
    permuted_skeleton,
    randomize,
)

SKELETON = load_skeleton("jhmdb15")
M, D, C, WIDTH, FEATURES = SKELETON.num_joints, 2, 3, 6, 5


def build(
    skeleton: Skeleton = SKELETON, *, num_classes: int = C, hops: int = 2, actional_weight: float = 0.5
) -> tuple[PredictionHead, InputNorm]:
    head = PredictionHead(
        FEATURES, D, num_classes, skeleton, hidden_channels=WIDTH, hops=hops, actional_weight=actional_weight
    )
    norm = InputNorm(3, skeleton.num_joints, D).eval()
    for module in (head, norm):
        randomize(module.double())
    return head, norm


def inputs(num_graphs: int = 2, num_frames: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    features = torch.randn(num_graphs, M, FEATURES, dtype=torch.float64)
    orders = Difference()(torch.randn(num_graphs, num_frames, M, D, dtype=torch.float64))
    probabilities = torch.randn(num_graphs, C, dtype=torch.float64).softmax(dim=-1)
    actional = torch.randn(num_graphs, M, M, dtype=torch.float64).softmax(dim=-1)
    return features, orders, probabilities, actional


def joint_conv(head: PredictionHead, hidden: Tensor, actional: Tensor) -> Tensor:
    """Eq. 5 of one person's hidden state ``[M, D_h]`` by einsum."""
    out = torch.zeros_like(hidden)
    conv = head.joint_conv
    if conv.structural is not None:
        powers = conv.structural.powers() * conv.structural.edge_weight
        weight = conv.structural.linear.weight.unflatten(1, (-1, WIDTH))
        out = out + torch.einsum("kij,jd,okd->io", powers, hidden, weight)
    if conv.actional is not None:
        out = out + conv.actional_weight * torch.einsum(
            "ij,jd,od->io", actional, hidden, conv.actional.linear.weight
        )
    return out


def gru(cell: torch.nn.GRUCell, x: Tensor, hidden: Tensor) -> Tensor:
    """A GRU step of one node, with reset gate, update gate and candidate state."""
    w_r, w_z, w_n = cell.weight_ih.chunk(3)
    u_r, u_z, u_n = cell.weight_hh.chunk(3)
    b_r, b_z, b_n = cell.bias_ih.chunk(3)
    c_r, c_z, c_n = cell.bias_hh.chunk(3)
    reset = 1 / (1 + torch.exp(-(w_r @ x + b_r + u_r @ hidden + c_r)))
    update = 1 / (1 + torch.exp(-(w_z @ x + b_z + u_z @ hidden + c_z)))
    sharp = torch.exp(2 * (w_n @ x + b_n + reset * (u_n @ hidden + c_n)))
    candidate = (sharp - 1) / (sharp + 1)
    return (1 - update) * candidate + update * hidden


def mlp(layers: torch.nn.Sequential, x: Tensor) -> Tensor:
    first, _, second = layers
    assert isinstance(first, torch.nn.Linear)
    assert isinstance(second, torch.nn.Linear)
    return (x @ first.weight.T + first.bias).clamp(min=0) @ second.weight.T + second.bias


@torch.no_grad()
def step_by_step(
    head: PredictionHead, norm: InputNorm, features: Tensor, poses: Tensor, label: Tensor, actional: Tensor
) -> Tensor:
    """Eq. 10 for one person, whose last three observed poses are ``poses``."""
    floor = 0.1 * norm.var.mean(dim=(1, 2)).sqrt()
    scale = norm.var.sqrt().clamp(min=floor[:, None, None])
    history, hidden = list(poses), mlp(head.mlp, features)
    for _ in range(4):
        mixed = joint_conv(head, hidden, actional).clamp(-MAX_HIDDEN, MAX_HIDDEN)
        before, last, now = history[-3:]
        motion = [now, now - last, now - 2 * last + before]
        hidden = torch.empty_like(mixed)
        for joint in range(M):
            orders = [(motion[k][joint] - norm.mean[k, joint]) / scale[k, joint] for k in range(3)]
            hidden[joint] = gru(head.gru, torch.cat([*orders, label]), mixed[joint])
        history.append(now + scale[1] * mlp(head.displacement, hidden))
    return torch.stack(history[len(poses) :])


def test_a_recurrence_that_grows_stays_within_bounds() -> None:
    head, norm = build()
    features, orders, probabilities, actional = inputs()
    with torch.no_grad():
        for layer in (head.joint_conv.structural, head.joint_conv.actional):
            assert layer is not None
            layer.linear.weight.mul_(100)
        head.gru.bias_ih[WIDTH : 2 * WIDTH] += 50  # the update gate is 1, so the hidden state is kept
    future = head(features, orders, probabilities, actional, norm=norm, num_future=200)
    steps = future.diff(dim=1).abs().amax()
    # An upper bound of the displacement for bounded states, from the norms of the perceptron's weights.
    first, _, second = head.displacement
    inner = MAX_HIDDEN * first.weight.abs().sum(1) + first.bias.abs()
    bound = (norm.scale[1] * (second.weight.abs() @ inner + second.bias.abs())).max()
    assert 0.01 * bound < steps <= bound


@pytest.mark.parametrize("num_classes", [C, 0])
@pytest.mark.parametrize(("hops", "actional_weight"), [(2, 0.5), (1, 0.0), (0, 1.0)])
def test_the_prediction_head_equals_eq_10_step_by_step(
    hops: int, actional_weight: float, num_classes: int
) -> None:
    head, norm = build(num_classes=num_classes, hops=hops, actional_weight=actional_weight)
    features, orders, probabilities, actional = inputs()
    label = probabilities if num_classes else None
    future = head(features, orders, label, actional, norm=norm, num_future=4)
    assert future.shape == (2, 4, M, D)
    for person in range(2):
        label_of_person = probabilities[person, :num_classes]
        expected = step_by_step(
            head, norm, features[person], orders[0, person, -3:], label_of_person, actional[person]
        )
        torch.testing.assert_close(future[person].detach(), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("num_future", [1, 3, 8])
def test_a_shorter_forecast_is_the_start_of_a_longer_one(num_future: int) -> None:
    head, norm = build()
    values = inputs()
    longer = head(*values, norm=norm, num_future=40)
    shorter = head(*values, norm=norm, num_future=num_future)
    torch.testing.assert_close(shorter, longer[:, :num_future], atol=1e-12, rtol=0)


def test_the_class_probabilities_affect_the_prediction() -> None:
    head, norm = build()
    features, orders, probabilities, actional = inputs()
    future = head(features, orders, probabilities, actional, norm=norm, num_future=2)
    other = head(features, orders, probabilities.flip(-1), actional, norm=norm, num_future=2)
    assert not torch.allclose(future, other)


def test_a_single_observed_frame_has_zero_velocity() -> None:
    head, norm = build()
    features, orders, probabilities, actional = inputs(num_frames=1)
    still = Difference()(orders[0].expand(-1, 3, -1, -1))
    expected = head(features, still, probabilities, actional, norm=norm, num_future=3)
    future = head(features, orders, probabilities, actional, norm=norm, num_future=3)
    torch.testing.assert_close(future, expected, atol=1e-12, rtol=0)


def test_outputs_are_equivariant_to_the_order_of_joints() -> None:
    order = torch.randperm(M)
    head, norm = build()
    permuted_head, permuted_norm = build(permuted_skeleton(SKELETON, order.tolist()))
    copy_permuted(head, permuted_head, order.tolist())
    copy_permuted(norm, permuted_norm, order.tolist())
    features, orders, probabilities, actional = inputs()
    future = head(features, orders, probabilities, actional, norm=norm, num_future=3)
    permuted = permuted_head(
        features[:, order],
        orders[:, :, :, order],
        probabilities,
        actional[:, order][:, :, order],
        norm=permuted_norm,
        num_future=3,
    )
    torch.testing.assert_close(permuted, future[:, :, order], atol=1e-9, rtol=0)


@pytest.mark.parametrize("num_future", [1, 5])
def test_gradients_reach_every_parameter(num_future: int) -> None:
    head, norm = build()
    head(*inputs(), norm=norm, num_future=num_future).square().sum().backward()
    assert_every_parameter_gets_a_gradient(head)
