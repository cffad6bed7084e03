"""A graph that is the same for all motions: uniform, or learned."""

import math

import pytest
import torch
from small_skeletons import make

from pyg_sybio.graphs import bone_graph
from pyg_sybio.nn.shared_graph import SharedGraph
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import assert_every_parameter_gets_a_gradient

SKELETON = load_skeleton("jhmdb15")
M = SKELETON.num_joints


def test_the_weights_of_a_uniform_graph_are_one_over_the_number_of_joints() -> None:
    graph = SharedGraph(SKELETON, learned=False)
    torch.testing.assert_close(graph(torch.randn(3, 5, M, 2)), torch.full((3, M, M), 1 / M))
    assert not list(graph.parameters())
    assert not graph.state_dict()


def test_a_learned_graph_starts_uniform_and_equals_the_softmax_of_each_row() -> None:
    graph, x = SharedGraph(SKELETON, learned=True).double(), torch.randn(2, 5, M, 2, dtype=torch.float64)
    torch.testing.assert_close(graph(x), torch.full((2, M, M), 1 / M, dtype=torch.float64))
    with torch.no_grad():
        graph.logits.normal_()
    adj = graph(x)
    for i in range(M):
        total = sum(math.exp(graph.logits[i, k].item()) for k in range(M))
        for j in range(M):
            assert adj[0, i, j].item() == pytest.approx(math.exp(graph.logits[i, j].item()) / total)


def test_a_learned_graph_is_the_same_for_all_motions() -> None:
    graph = SharedGraph(SKELETON, learned=True)
    with torch.no_grad():
        graph.logits.normal_()
    adj = graph(torch.randn(4, 5, M, 2))
    assert torch.equal(adj, adj[:1].expand(4, M, M))
    assert torch.equal(graph(torch.randn(1, 9, M, 2))[0], adj[0])


def test_a_learned_graph_gets_the_gradient_of_the_softmax() -> None:
    graph = SharedGraph(SKELETON, learned=True).double()
    with torch.no_grad():
        graph.logits.normal_()
    cotangent = torch.randn(3, M, M, dtype=torch.float64)
    adj = graph(torch.randn(3, 5, M, 2))
    (adj * cotangent).sum().backward()
    assert_every_parameter_gets_a_gradient(graph)
    # d softmax: p (c - Σ p c), with the cotangents of all motions.
    p, c = adj[0].detach(), cotangent.sum(dim=0)
    torch.testing.assert_close(graph.logits.grad, p * (c - (p * c).sum(dim=-1, keepdim=True)))


def test_rows_sum_to_one_in_half_precision() -> None:
    graph = SharedGraph(SKELETON, learned=True).bfloat16()
    with torch.no_grad():
        graph.logits.normal_()
    adj = graph(torch.randn(2, 5, M, 2, dtype=torch.bfloat16))
    assert adj.dtype == torch.float32
    torch.testing.assert_close(adj.sum(dim=-1), torch.ones(2, M))


def test_a_shared_graph_of_bones_has_one_node_per_bone() -> None:
    assert SharedGraph(bone_graph(SKELETON), learned=False)(torch.randn(1, 2, M - 1, 2)).shape == (
        1,
        M - 1,
        M - 1,
    )


def test_a_single_node_is_an_error() -> None:
    with pytest.raises(ValueError, match="a shared graph needs at least 2 nodes, but the graph has 1"):
        SharedGraph(make("a", "", center="a"), learned=True)
