"""Joint-scale convolutions against loops, einsum and networkx, and the direction of an edge."""

import networkx as nx
import numpy as np
import pytest
import torch

from pyg_sybio.nn.fusion import Part2Joint
from pyg_sybio.nn.joint_conv import (
    ActionalConv,
    JointConv,
    StructuralConv,
    fused_transform,
    gathers_first,
    graph_product,
)
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import assert_equivariant, assert_every_parameter_gets_a_gradient, randomize

SKELETON = load_skeleton("jhmdb15")
M = SKELETON.num_joints


def motion(channels: int = 3, num_graphs: int = 2) -> torch.Tensor:
    return torch.randn(num_graphs, 4, M, channels, dtype=torch.float64)


def random_graphs(num_graphs: int = 2) -> torch.Tensor:
    return torch.randn(num_graphs, M, M, dtype=torch.float64).softmax(dim=-1)


def normalised(skeleton: Skeleton) -> np.ndarray:
    """D^-1 A of the self-looped skeleton, from networkx."""
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(skeleton.joints)
    graph.add_edges_from([*skeleton.bones, *skeleton.bridges])
    graph.add_edges_from((joint, joint) for joint in skeleton.joints)
    adjacency = nx.to_numpy_array(graph, nodelist=skeleton.joints)
    return adjacency / adjacency.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("terms", [1, 3])
@pytest.mark.parametrize("own_graphs", [False, True])
def test_graph_product_equals_einsum(terms: int, own_graphs: bool) -> None:
    x = motion()
    adj = torch.randn(2, terms, M, M, dtype=torch.float64)
    weight = torch.randn(5, terms, 3, dtype=torch.float64)
    if own_graphs:
        expected = torch.einsum("gkij,gtjd,okd->gtio", adj, x, weight)
        out = graph_product(x, adj, weight.flatten(1))
    else:
        expected = torch.einsum("kij,gtjd,okd->gtio", adj[0], x, weight)
        out = graph_product(x, adj[0], weight.flatten(1))
    torch.testing.assert_close(out, expected, atol=1e-12, rtol=0)


def test_actional_conv_equals_eq_3_joint_by_joint() -> None:
    layer, x, actional = ActionalConv(3, 5).double(), motion(), random_graphs()
    out = layer(x, actional)
    for graph, frame, receiver in np.ndindex(2, 4, M):
        gathered = sum(actional[graph, receiver, sender] * x[graph, frame, sender] for sender in range(M))
        expected = layer.linear.weight @ gathered
        torch.testing.assert_close(out[graph, frame, receiver], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["jhmdb15", "mediapipe33"])
@pytest.mark.parametrize("hops", [1, 2, 4])
def test_structural_conv_equals_eq_4_built_from_float32_or_float64(name: str, hops: int) -> None:
    skeleton = load_skeleton(name)
    layer = StructuralConv(3, 5, skeleton, hops=hops)  # built in float32
    randomize(layer.double())
    x = torch.randn(2, 4, skeleton.num_joints, 3, dtype=torch.float64)
    adjacency, weights = normalised(skeleton), layer.linear.weight.detach().split(3, dim=1)
    expected = np.zeros((2, 4, skeleton.num_joints, 5))
    power = np.eye(skeleton.num_joints)
    for edge_weight, weight in zip(layer.edge_weight.detach().numpy(), weights, strict=True):
        power = power @ adjacency
        for graph, frame in np.ndindex(2, 4):
            expected[graph, frame] += (power * edge_weight) @ x[graph, frame].numpy() @ weight.numpy().T
    np.testing.assert_allclose(layer(x).detach(), expected, atol=1e-12)


def test_edge_weights_start_at_one() -> None:
    layer = StructuralConv(3, 5, SKELETON, hops=2).double()
    adjacency = normalised(SKELETON)
    np.testing.assert_allclose(layer.adjacency.detach(), [adjacency, adjacency @ adjacency], atol=1e-15)


def test_one_hop_is_the_normalised_skeleton_itself() -> None:
    conv = JointConv(3, 5, SKELETON, hops=1, actional_weight=0.0).double()
    adj, _ = conv.kernels(None)
    np.testing.assert_allclose(adj[0].detach(), normalised(SKELETON), atol=1e-15)


@pytest.mark.parametrize("conv", ["actional", "joint"])
def test_entry_i_j_weighs_what_i_receives_from_j(conv: str) -> None:
    receiver, sender = 2, 7
    actional = torch.zeros(1, M, M)
    actional[0, receiver, sender] = 3.0
    layer: ActionalConv | JointConv = ActionalConv(2, 2)
    if conv == "joint":
        layer = JointConv(2, 2, SKELETON, hops=0, actional_weight=1.0)
    with torch.no_grad():
        next(layer.parameters()).copy_(torch.eye(2))
    x = torch.randn(1, 1, M, 2)
    expected = torch.zeros_like(x)
    expected[0, 0, receiver] = 3 * x[0, 0, sender]
    torch.testing.assert_close(layer(x, actional), expected)


@pytest.mark.parametrize("actional_weight", [0.5, 1.0, 2.0])
def test_joint_conv_is_the_weighted_sum_of_both(actional_weight: float) -> None:
    layer = JointConv(3, 5, SKELETON, hops=3, actional_weight=actional_weight)
    randomize(layer.double())
    assert layer.actional is not None
    assert layer.structural is not None
    x, actional = motion(), random_graphs()
    expected = actional_weight * layer.actional(x, actional) + layer.structural(x)
    torch.testing.assert_close(layer(x, actional), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("hops", "actional_weight"), [(3, 0.0), (0, 0.5)])
def test_a_term_that_is_left_out_has_no_parameters(hops: int, actional_weight: float) -> None:
    layer = randomize(JointConv(3, 5, SKELETON, hops=hops, actional_weight=actional_weight).double())
    assert isinstance(layer, JointConv)
    x, actional = motion(), random_graphs()
    if layer.structural is None:
        assert layer.actional is not None
        torch.testing.assert_close(layer(x, actional), 0.5 * layer.actional(x, actional))
    else:
        assert layer.actional is None
        torch.testing.assert_close(layer(x, None), layer.structural(x))
    layer(x, actional).square().sum().backward()
    assert_every_parameter_gets_a_gradient(layer)


def test_each_person_has_a_graph_of_its_own() -> None:
    layer = JointConv(3, 5, SKELETON, hops=2, actional_weight=0.5).double()
    x, actional = motion(num_graphs=3), random_graphs(3)
    for person in range(3):
        alone = layer(x[person, None], actional[person, None])
        torch.testing.assert_close(layer(x, actional)[person, None], alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("hops", "actional_weight"), [(3, 0.5), (3, 0.0), (0, 1.0)])
def test_joint_conv_is_equivariant(hops: int, actional_weight: float) -> None:
    assert_equivariant(
        lambda skeleton: JointConv(3, 5, skeleton, hops=hops, actional_weight=actional_weight),
        SKELETON,
        motion(),
        random_graphs(),
    )


def test_gradients_reach_every_parameter_and_both_inputs() -> None:
    layer = JointConv(3, 5, SKELETON, hops=3, actional_weight=0.5).double()
    x, actional = motion().requires_grad_(), random_graphs().requires_grad_()
    layer(x, actional).square().sum().backward()
    assert_every_parameter_gets_a_gradient(layer)
    assert x.grad is not None
    assert actional.grad is not None
    assert x.grad.any()
    assert actional.grad.any()


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"needs a graph: 'hops' and 'actional_weight' are both 0"):
        JointConv(3, 5, SKELETON, hops=0, actional_weight=0.0)
    with pytest.raises(ValueError, match=r"'hops' must be at least 1, but it is 0"):
        StructuralConv(3, 5, SKELETON, hops=0)
    with pytest.raises(ValueError, match=r"'actional' is None, but this convolution has an actional term"):
        JointConv(3, 5, SKELETON, hops=1, actional_weight=0.5)(torch.randn(1, 1, M, 3), None)


def test_repr() -> None:
    both = JointConv(3, 64, SKELETON, hops=4, actional_weight=0.5)
    assert repr(both) == "JointConv(3 -> 64, hops=4, actional_weight=0.5)"
    actional = JointConv(3, 64, SKELETON, hops=0, actional_weight=0.5)
    assert repr(actional) == "JointConv(3 -> 64, hops=0, actional_weight=0.5)"


@pytest.mark.parametrize("channels", [1, 64])
@pytest.mark.parametrize("shared", [True, False])
def test_graph_product_is_the_sum_over_terms_however_wide_the_features_are(
    channels: int, shared: bool
) -> None:
    # One feature is gathered with the frames side by side, 64 frame by frame.
    x = torch.randn(2, 5, 7, channels, dtype=torch.float64)
    adj = torch.randn(*(() if shared else (2,)), 3, 7, 7, dtype=torch.float64)
    weight = torch.randn(4, 3 * channels, dtype=torch.float64)
    each = adj.expand(2, 3, 7, 7)
    expected = torch.einsum("gkij,gtjd,okd->gtio", each, x, weight.view(4, 3, channels))
    torch.testing.assert_close(graph_product(x, adj, weight), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("receivers", "senders", "channels"), [(9, 3, 4), (3, 9, 4), (7, 7, 8), (7, 7, 2)])
def test_both_orders_of_a_graph_product_give_the_same(
    receivers: int, senders: int, channels: int, bias: bool
) -> None:
    x = torch.randn(2, 5, senders, channels, dtype=torch.float64)
    adj = torch.randn(2, 3, receivers, senders, dtype=torch.float64)
    weight = torch.randn(4, 3, channels, dtype=torch.float64)
    shift = torch.randn(4, dtype=torch.float64) if bias else None
    expected = torch.einsum("gkij,gtjd,okd->gtio", adj, x, weight) + (0 if shift is None else shift)
    out = graph_product(x, adj, weight.flatten(1), shift)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sizes", [(9, 3, 4, 4), (3, 9, 4, 4), (7, 7, 8, 2), (7, 7, 2, 8), (10, 25, 64, 128)])
def test_the_cheaper_order_is_taken(sizes: tuple[int, int, int, int]) -> None:
    receivers, senders, channels_in, channels_out = sizes
    gathered_first = receivers * senders * channels_in + receivers * channels_in * channels_out
    transformed_first = senders * channels_in * channels_out + receivers * senders * channels_out
    assert gathers_first(*sizes) == (gathered_first <= transformed_first)


@pytest.mark.parametrize(("hops", "actional_weight"), [(3, 0.5), (3, 0.0), (0, 0.5)])
@pytest.mark.parametrize("part_channels", [2, 8])
def test_parts_beside_the_joints_are_their_copies_concatenated(
    hops: int, actional_weight: float, part_channels: int
) -> None:
    layer = JointConv(3 + part_channels, 5, SKELETON, hops=hops, actional_weight=actional_weight)
    randomize(layer.double())
    x, actional = motion(), random_graphs()
    parts = torch.randn(2, 4, SKELETON.num_parts, part_channels, dtype=torch.float64)
    copies = Part2Joint(SKELETON)(parts)
    expected = layer(torch.cat([x, copies], dim=-1), actional)
    torch.testing.assert_close(layer(x, actional, parts), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_linear_map_of_copies_is_the_copy_of_a_linear_map(stride: int) -> None:
    exchange = Part2Joint(SKELETON).double()
    x, parts = motion(), torch.randn(2, 4, SKELETON.num_parts, 2, dtype=torch.float64)
    weight = torch.randn(5, 3 + 2, dtype=torch.float64)
    expected = torch.cat([x, exchange(parts)], dim=-1)[:, ::stride] @ weight.T
    out = fused_transform(x, parts, exchange.assignment(), weight, stride=stride)
    torch.testing.assert_close(out, expected, atol=1e-12, rtol=0)
