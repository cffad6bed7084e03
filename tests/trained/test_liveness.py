"""Liveness of actional graphs, compared with loops and with exact values of simple graphs."""

import itertools
import math

import pytest
import torch
from small_gnn import B, M, T, build, close, motion
from torch import Tensor

from pyg_sybio.models.output import SybioOutput
from pyg_sybio.nn.shared_graph import SharedGraph
from pyg_sybio.trained.liveness import (
    DEAD,
    Liveness,
    MeanLiveness,
    actional_of,
    row_distances,
    row_entropies,
    with_uniform_graphs,
)


def random_graphs(*shape: int) -> Tensor:
    return (3 * torch.randn(*shape, 6, 6, dtype=torch.float64)).softmax(dim=-1)


def distance_of(graph: Tensor) -> float:
    pairs = list(itertools.combinations(range(len(graph)), 2))
    total = [sum(abs(float(graph[i, k] - graph[j, k])) for k in range(len(graph))) / 2 for i, j in pairs]
    return sum(total) / len(pairs)


def entropy_of(graph: Tensor) -> float:
    rows = [-sum(p * math.log(p) for p in row if p > 0) for row in graph.tolist()]
    return sum(rows) / len(rows) / math.log(len(graph))


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_distance_and_entropy_equal_loops_over_rows(shape: tuple[int, ...]) -> None:
    graphs = random_graphs(*shape)
    assert row_distances(graphs).shape == row_entropies(graphs).shape == shape
    for graph, distance, entropy in zip(
        graphs.flatten(0, -3), row_distances(graphs).flatten(), row_entropies(graphs).flatten(), strict=True
    ):
        assert float(distance) == pytest.approx(distance_of(graph), abs=1e-12)
        assert float(entropy) == pytest.approx(entropy_of(graph), abs=1e-12)


def test_distance_and_entropy_of_simple_graphs_are_exact() -> None:
    uniform = torch.full((5, 5), 0.2)
    identity = torch.eye(5)  # each joint receives only from itself
    one_sender = torch.zeros(5, 5)
    one_sender[:, 2] = 1  # all joints receive the same, from one joint
    halves = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    for graph, distance, entropy in (
        (uniform, 0, 1),
        (identity, 1, 0),
        (one_sender, 0, 0),
        (halves, 0.5, 0.5),
    ):
        assert float(row_distances(graph)) == pytest.approx(distance, abs=1e-6)
        assert float(row_entropies(graph)) == pytest.approx(entropy, abs=1e-6)


def test_the_mean_includes_the_present_persons_of_all_batches() -> None:
    clips, persons = random_graphs(3), random_graphs(2, 2)
    persons[1, 0] = 0  # absent
    mean = MeanLiveness()
    mean.update(clips.float())
    mean.update(persons.float())
    counted = [*clips, persons[0, 0], persons[0, 1], persons[1, 1]]
    assert mean.count == 6
    assert mean.value.row_distance == pytest.approx(sum(map(distance_of, counted)) / 6, rel=1e-5)
    assert mean.value.entropy == pytest.approx(sum(map(entropy_of, counted)) / 6, rel=1e-5)


def test_graphs_are_dead_if_the_row_distance_is_below_the_bound() -> None:
    assert Liveness(DEAD / 2, 0.5).is_dead
    assert not Liveness(DEAD, 1.0).is_dead


def test_graphs_are_returned_for_each_network() -> None:
    joints, bones = random_graphs(1), random_graphs(1)

    def output(actional: Tensor | None, bone_actional: Tensor | None) -> SybioOutput:
        return SybioOutput(None, None, actional, None, torch.ones(1, 1), bone_actional=bone_actional)

    assert actional_of(output(None, None)) == {}
    assert list(actional_of(output(None, bones))) == ["bones"]
    found = actional_of(output(joints, bones))
    assert found["joints"] is joints and found["bones"] is bones


@pytest.mark.parametrize("folded", [False, True])
@torch.no_grad()
def test_with_uniform_graphs_equals_a_model_with_constant_graphs(folded: bool) -> None:
    model, x = build().double(), motion(3, 2, T).double()
    x[1, 1] = 0
    for network in (model.joint_network, model.bone_network):
        network.actional_graph.scale = 100.0  # so that outputs depend on the graphs
    before = model(x)
    uniform = with_uniform_graphs(model.folded() if folded else model)
    out = uniform(x)
    present = torch.ones(3, 2, 1, 1, dtype=torch.float64)
    present[1, 1] = 0
    close(out.actional, present.expand(3, 2, M, M) / M, 1e-12)
    close(out.bone_actional, present.expand(3, 2, B, B) / B, 1e-12)
    # Independent computation: the modules are replaced by functions that return 1/M.
    model.joint_network.actional_graph.forward = lambda x: x.new_full((len(x), M, M), 1 / M)
    model.bone_network.actional_graph.forward = lambda x: x.new_full((len(x), B, B), 1 / B)
    expected = model(x)
    close(out.logits, expected.logits, 1e-9)
    close(out.future, expected.future, 1e-9)
    assert not torch.allclose(out.logits, before.logits, atol=1e-4)


def test_a_copy_with_uniform_graphs_leaves_the_model_unchanged() -> None:
    model, x = build(), motion(1, T)
    before = model(x).actional
    uniform = with_uniform_graphs(model)
    assert isinstance(uniform.joint_network.actional_graph, SharedGraph)
    assert torch.equal(model(x).actional, before)


@pytest.mark.parametrize("overrides", [{"bones": False}, {"joints": False}, {"actional": False}], ids=str)
def test_models_without_a_network_or_without_graphs_can_get_uniform_graphs(
    overrides: dict[str, bool],
) -> None:
    out = with_uniform_graphs(build(**overrides))(motion(2, T))
    for graphs in actional_of(out).values():
        assert not row_distances(graphs).any()
    assert len(actional_of(out)) == (0 if "actional" in overrides else 1)
