"""Joint-scale convolutions compared with loops, einsum and networkx, and the direction of edges."""

import networkx as nx
import numpy as np
import pytest
import torch

from pyg_sybio.graphs import bone_graph, skeleton_graph
from pyg_sybio.nn.joint_conv import ActionalConv, JointConv, StructuralConv
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import assert_equivariant, assert_every_parameter_gets_a_gradient, randomize

SKELETON = load_skeleton("jhmdb15")
M = SKELETON.num_joints


def motion(channels: int = 3, num_graphs: int = 2) -> torch.Tensor:
    return torch.randn(num_graphs, 4, M, channels, dtype=torch.float64)


def random_graphs(num_graphs: int = 2) -> torch.Tensor:
    return torch.randn(num_graphs, M, M, dtype=torch.float64).softmax(dim=-1)


def normalised(skeleton: Skeleton) -> np.ndarray:
    """The matrix D^-1 A of the self-looped skeleton, computed with networkx."""
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(skeleton.joints)
    graph.add_edges_from([*skeleton.bones, *skeleton.bridges])
    graph.add_edges_from((joint, joint) for joint in skeleton.joints)
    adjacency = nx.to_numpy_array(graph, nodelist=skeleton.joints)
    return adjacency / adjacency.sum(axis=1, keepdims=True)


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
    layer = StructuralConv(3, 5, skeleton, hops=hops)  # the layer is built in float32
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


def test_one_hop_gives_the_normalised_skeleton_graph() -> None:
    conv = StructuralConv(3, 5, SKELETON, hops=1).double()
    np.testing.assert_allclose(conv.adjacency[0].detach(), normalised(SKELETON), atol=1e-15)


def test_the_graph_can_be_a_data_object() -> None:
    by_skeleton = StructuralConv(3, 5, SKELETON, hops=3).double()
    by_graph = StructuralConv(3, 5, skeleton_graph(SKELETON), hops=3).double()
    assert torch.equal(by_skeleton.powers(), by_graph.powers())
    bones = StructuralConv(3, 5, bone_graph(SKELETON), hops=3).double()
    assert torch.equal(bones.powers(), StructuralConv(3, 5, SKELETON.dual(), hops=3).double().powers())


@pytest.mark.parametrize("conv", ["actional", "joint"])
def test_entry_i_j_is_the_weight_from_j_to_i(conv: str) -> None:
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
def test_joint_conv_is_the_weighted_sum_of_both_convolutions(actional_weight: float) -> None:
    layer = JointConv(3, 5, SKELETON, hops=3, actional_weight=actional_weight)
    randomize(layer.double())
    assert layer.actional is not None
    assert layer.structural is not None
    x, actional = motion(), random_graphs()
    expected = actional_weight * layer.actional(x, actional) + layer.structural(x)
    torch.testing.assert_close(layer(x, actional), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("hops", "actional_weight"), [(3, 0.0), (0, 0.5)])
def test_a_disabled_term_has_no_parameters(hops: int, actional_weight: float) -> None:
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


def test_each_person_has_a_separate_graph() -> None:
    layer = JointConv(3, 5, SKELETON, hops=2, actional_weight=0.5).double()
    x, actional = motion(num_graphs=3), random_graphs(3)
    for person in range(3):
        alone = layer(x[person, None], actional[person, None])
        torch.testing.assert_close(layer(x, actional)[person, None], alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("hops", "actional_weight"), [(3, 0.5), (3, 0.0), (0, 1.0)])
def test_joint_conv_is_equivariant_to_the_order_of_joints(hops: int, actional_weight: float) -> None:
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


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a graph: 'hops' and 'actional_weight' are both 0"):
        JointConv(3, 5, SKELETON, hops=0, actional_weight=0.0)
    with pytest.raises(ValueError, match=r"'hops' must be at least 1, but it is 0"):
        StructuralConv(3, 5, SKELETON, hops=0)
    with pytest.raises(ValueError, match=r"'actional' is None, but this convolution has an actional term"):
        JointConv(3, 5, SKELETON, hops=1, actional_weight=0.5)(torch.randn(1, 1, M, 3), None)


def test_the_repr_has_the_sizes_hops_and_actional_weight() -> None:
    both = JointConv(3, 64, SKELETON, hops=4, actional_weight=0.5)
    assert repr(both) == "JointConv(3 -> 64, hops=4, actional_weight=0.5)"
    actional = JointConv(3, 64, SKELETON, hops=0, actional_weight=0.5)
    assert repr(actional) == "JointConv(3 -> 64, hops=0, actional_weight=0.5)"
