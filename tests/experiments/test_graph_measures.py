"""Measures of actional graphs and task gradients, compared with loops."""

import copy
from itertools import combinations

import pytest
import torch
from torch_geometric.data import Batch

from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.experiments import graph_measures
from pyg_sybio.experiments.experiment import MeasuredModel
from pyg_sybio.experiments.rows import Row
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.evaluation import numbered_clip
from pyg_sybio.training.data_module import ClipDataModule

DATA = ClipDataModule(
    SyntheticMotions,
    settings={"skeleton": "jhmdb15", "num_observed": 8, "num_future": 3, "num_clips": 24},
    test={"seed": 2},
    batch_size=7,
)


def trained_of(**variant: object) -> MeasuredModel:
    torch.manual_seed(1)
    clips = DATA.clips("test")
    small = {"channels": [8, 8], "strides": [2, 2], "fusions": [1], "head_channels": 8, "dropout": 0.0}
    model = SybioGNN.from_preset(
        "demo",
        skeleton=clips.skeleton,
        num_classes=len(clips.class_names),
        num_future=3,
        **(small | variant),
    )
    with torch.no_grad():
        for _ in range(50):  # a pass in training mode fills the running statistics
            model(Batch.from_data_list([numbered_clip(clips, number) for number in range(24)]))
    seen = torch.ones(len(clips.class_names), dtype=torch.bool)
    loss = SymbioticLoss(clips.skeleton, alpha=0.3, label_smoothing=0.1)
    return MeasuredModel(model.eval(), DATA.splits, seen, "test", batch_size=7, loss=lambda: loss)


def by_name(rows: list[Row]) -> dict[tuple[str, str], float]:
    return {(row.metric, row.group): row.value for row in rows if row.at is None}


@torch.no_grad()
def test_graphs_equal_loops_over_clips() -> None:
    trained = trained_of()
    rows = by_name(graph_measures.graphs(trained))
    clips = [numbered_clip(trained.clips, number) for number in range(len(trained.clips))]
    outs = [trained.model(Batch.from_data_list([clip])) for clip in clips]
    for network, name in (("joints", "actional"), ("bones", "bone_actional")):
        distances = [
            (graph[i] - graph[j]).abs().sum().item() / 2
            for graph in (getattr(out, name)[0] for out in outs)
            for i, j in combinations(range(len(graph)), 2)
        ]
        expected = sum(distances) / len(distances)
        assert expected > 1e-4
        assert rows["row_distance", network] == pytest.approx(expected, rel=1e-4)
    hits = 0
    for n, (out, clip) in enumerate(zip(outs, clips, strict=True)):
        apart = [float((out.actional - each.actional).abs().sum()) for each in outs]
        nearest = min((distance, k) for k, distance in enumerate(apart) if k != n)[1]
        hits += int(clips[nearest].y) == int(clip.y)
    assert rows["nearest_graph", ""] == pytest.approx(hits / len(clips))
    uniform = copy.deepcopy(trained.model)
    for network in (uniform.joint_network, uniform.bone_network):
        network.actional_graph.register_forward_hook(
            lambda _, inputs, out: torch.full_like(out, 1 / out.size(-1))
        )
    guesses = [int(uniform(Batch.from_data_list([clip])).logits.argmax()) for clip in clips]
    hits = sum(guess == int(clip.y) for guess, clip in zip(guesses, clips, strict=True))
    assert rows["top1 with 1/M", ""] == pytest.approx(hits / len(clips))


def test_the_nearest_graph_is_from_another_clip() -> None:
    graphs = torch.tensor([0.0, 0.1, 1.0, 1.2])[:, None, None].expand(4, 2, 2)
    y, clip = torch.tensor([0, 0, 1, 0]), torch.tensor([0, 0, 1, 2])
    # The nearest graphs from other clips have the values 1.0, 1.0, 1.2 and 1.0, and the classes 1, 1, 0 and
    # 1.
    assert graph_measures.nearest_graph(graphs, y, clip) == 0.0
    assert graph_measures.nearest_graph(graphs, torch.tensor([1, 1, 1, 0]), clip) == 0.5


def test_without_actional_graphs_there_are_no_graph_measures() -> None:
    assert graph_measures.graphs(trained_of(actional=False)) == []


def test_task_gradients_equal_two_backward_passes() -> None:
    trained = trained_of()
    [row] = graph_measures.task_gradients(trained)
    shares = []
    for numbers in torch.arange(24).split(7):
        norms = {}
        for task in ("recognition", "prediction"):
            model = copy.deepcopy(trained.model).train()
            for network in (model.joint_network, model.bone_network):
                network.input_norm.eval()
            batch = Batch.from_data_list([numbered_clip(trained.clips, n) for n in numbers.tolist()])
            terms = trained.loss()(model(batch), y=batch.y, future=model.dense(batch, "future"))
            ({"recognition": 0.3, "prediction": 0.7}[task] * getattr(terms, task)).backward()
            squares = [
                weight.grad.square().sum()
                for network in (model.joint_network, model.bone_network)
                for weight in network.backbone.parameters()
                if weight.grad is not None
            ]
            norms[task] = float(sum(squares)) ** 0.5
        shares.append(norms["prediction"] / norms["recognition"])
    assert row.metric == "prediction_gradient"
    assert row.value == pytest.approx(sum(shares) / len(shares), rel=1e-3)


@pytest.mark.parametrize("task", ["prediction", "recognition"])
def test_a_model_with_one_task_has_no_task_gradients(task: str) -> None:
    assert graph_measures.task_gradients(trained_of(**{task: False})) == []
