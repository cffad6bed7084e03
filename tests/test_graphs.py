"""Graphs compared with dense computations in NumPy, and the direction of edges."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_dense_adj

from pyg_sybio.graphs import (
    bone_graph,
    complete_graph,
    dense_adjacency,
    part_graph,
    skeleton_graph,
    structural_graph,
)
from pyg_sybio.skeleton import Skeleton, load_skeleton

NAMES = ["ntu25", "openpose18", "mediapipe33", "cmu38:used", "hand21"]


@pytest.fixture(autouse=True)
def _double() -> object:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def normalised(num_nodes: int, edges: tuple[tuple[int, int], ...]) -> np.ndarray:
    """A matrix whose row i has equal weights for node i and its neighbours, with a sum of one."""
    adj = np.zeros((num_nodes, num_nodes))
    for i in range(num_nodes):
        neighbours = {i} | {b for a, b in edges if a == i} | {a for a, b in edges if b == i}
        for j in neighbours:
            adj[i, j] = 1 / len(neighbours)
    return adj


def distances(num_nodes: int, edges: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Path lengths by the Floyd-Warshall algorithm."""
    hops = np.full((num_nodes, num_nodes), np.inf)
    np.fill_diagonal(hops, 0)
    for a, b in edges:
        hops[a, b] = hops[b, a] = 1
    for k in range(num_nodes):
        hops = np.minimum(hops, hops[:, k, None] + hops[None, k, :])
    return hops


def check_columns(graph: Data) -> None:
    """Check that each edge occurs once, sorted by target, then by source."""
    columns = [(target, source) for source, target in graph.edge_index.T.tolist()]
    assert columns == sorted(set(columns))
    assert graph.validate()


@pytest.mark.parametrize("name", NAMES)
def test_skeleton_graph_is_the_normalised_adjacency(name: str) -> None:
    skeleton = load_skeleton(name)
    graph = skeleton_graph(skeleton)
    check_columns(graph)
    expected = normalised(skeleton.num_joints, skeleton.edges)
    np.testing.assert_allclose(dense_adjacency(graph), expected, atol=1e-15)
    np.testing.assert_allclose(dense_adjacency(graph).sum(dim=1), 1, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hops", [1, 2, 4])
def test_structural_graph_holds_the_powers_and_the_distances(name: str, hops: int) -> None:
    skeleton = load_skeleton(name)
    graph = structural_graph(skeleton, hops)
    check_columns(graph)
    adj = normalised(skeleton.num_joints, skeleton.edges)
    power, expected = np.eye(skeleton.num_joints), []
    for _ in range(hops):
        power = power @ adj
        expected.append(power)
    dense = dense_adjacency(graph)
    assert dense.shape == (hops, skeleton.num_joints, skeleton.num_joints)
    np.testing.assert_allclose(dense, np.stack(expected), atol=1e-14)

    reach = distances(skeleton.num_joints, skeleton.edges)
    assert graph.num_edges == (reach <= hops).sum()
    source, target = graph.edge_index
    np.testing.assert_array_equal(graph.hop, reach[target, source])


def test_one_hop_structural_graph_is_the_skeleton_graph() -> None:
    skeleton = load_skeleton("ntu25")
    graph, one = skeleton_graph(skeleton), structural_graph(skeleton, 1)
    assert torch.equal(graph.edge_index, one.edge_index)
    assert torch.equal(graph.edge_weight, one.edge_attr[:, 0])


def test_structural_graph_needs_at_least_one_hop() -> None:
    with pytest.raises(ValueError, match="'hops' is 0, expected at least 1"):
        structural_graph(load_skeleton("ntu25"), 0)


@pytest.mark.parametrize("name", NAMES)
def test_part_graph_is_normalised_and_has_the_part_of_each_joint(name: str) -> None:
    skeleton = load_skeleton(name)
    graph = part_graph(skeleton)
    check_columns(graph)
    assert graph.num_nodes == skeleton.num_parts
    np.testing.assert_allclose(
        dense_adjacency(graph), normalised(skeleton.num_parts, skeleton.part_edges), atol=1e-15
    )
    parts = list(skeleton.parts.values())
    for joint, part in zip(skeleton.joints, graph.joint_part.tolist(), strict=True):
        assert joint in parts[part]


@pytest.mark.parametrize("name", NAMES)
def test_bone_graph_has_the_bones_as_nodes(name: str) -> None:
    skeleton = load_skeleton(name)
    graph = bone_graph(skeleton)
    check_columns(graph)
    assert graph.num_nodes == skeleton.num_bones
    dual = skeleton_graph(skeleton.dual())
    assert torch.equal(graph.edge_index, dual.edge_index)
    assert torch.equal(graph.edge_weight, dual.edge_weight)
    for bone, inner, outer in zip(skeleton.bones, graph.inner.tolist(), graph.outer.tolist(), strict=True):
        assert {skeleton.joints[inner], skeleton.joints[outer]} == set(bone)


def test_bones_of_a_tree_add_up_to_the_displacement_from_the_center() -> None:
    """The bones along a path from the center add up to the displacement."""
    skeleton = load_skeleton("ntu25")
    graph = bone_graph(skeleton)
    x = torch.randn(skeleton.num_joints, 3)
    bones = x[graph.outer] - x[graph.inner]
    bone_into = {outer: (bone, inner) for bone, (inner, outer) in enumerate(skeleton.bone_pairs)}
    center = skeleton.joint_index(skeleton.center)
    for joint in range(skeleton.num_joints):
        total, here = torch.zeros(3), joint
        while here != center:
            bone, here = bone_into[here]
            total = total + bones[bone]
        torch.testing.assert_close(total, x[joint] - x[center])


def test_complete_graph_has_every_ordered_pair() -> None:
    graph = complete_graph(load_skeleton("coco17"))
    check_columns(graph)
    expected = {(j, i) for i in range(17) for j in range(17) if i != j}
    assert {tuple(column) for column in graph.edge_index.T.tolist()} == expected
    assert torch.equal(dense_adjacency(graph), 1 - torch.eye(17))


def test_an_entry_of_the_adjacency_is_an_edge_from_column_to_row() -> None:
    """adj[i, j] is the weight of the edge j -> i, which is the column (j, i) of edge_index."""
    chain = Skeleton(
        "chain", ("a", "b", "c"), (("a", "b"), ("b", "c")), "a", {"all": ("a", "b", "c")}, (), (), "xy", "px"
    )
    graph = skeleton_graph(chain)
    adj = dense_adjacency(graph)
    # Including self-loops, b has three neighbours and a has two: b receives 1/3 from a, and a receives 1/2
    # from b.
    assert adj[1, 0].item() == pytest.approx(1 / 3)
    assert adj[0, 1].item() == pytest.approx(1 / 2)
    a_to_b = (graph.edge_index == torch.tensor([[0], [1]])).all(dim=0)
    assert graph.edge_weight[a_to_b].item() == pytest.approx(1 / 3)
    x = torch.tensor([1.0, 10.0, 100.0])
    received = torch.zeros(3)
    for (source, target), weight in zip(graph.edge_index.T.tolist(), graph.edge_weight, strict=True):
        received[target] += weight * x[source]
    torch.testing.assert_close(adj @ x, received)
    # PyG's dense adjacency is [source, target], the transpose of this one.
    torch.testing.assert_close(adj, to_dense_adj(graph.edge_index, edge_attr=graph.edge_weight)[0].T)


def test_dense_adjacency_accepts_given_weights() -> None:
    graph = structural_graph(load_skeleton("hand21"), 2)
    weight = torch.randn(graph.num_edges, 3, requires_grad=True)
    dense = dense_adjacency(graph, weight)
    for k in range(3):
        assert torch.equal(dense[k], dense_adjacency(graph, weight[:, k]))
    dense.sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))
    with pytest.raises(
        ValueError, match=rf"'weight' has shape \(3,\), expected \[E\] .* E = {graph.num_edges}"
    ):
        dense_adjacency(graph, torch.ones(3))


def test_graphs_can_be_batched() -> None:
    graph = skeleton_graph(load_skeleton("ntu25"))
    batch = Batch.from_data_list([graph, graph])
    adj = dense_adjacency(batch)
    torch.testing.assert_close(adj, torch.block_diag(dense_adjacency(graph), dense_adjacency(graph)))


def test_graph_weights_have_the_default_dtype() -> None:
    torch.set_default_dtype(torch.float32)
    skeleton = load_skeleton("ntu25")
    assert skeleton_graph(skeleton).edge_weight.dtype == torch.float32
    assert structural_graph(skeleton, 2).edge_attr.dtype == torch.float32
