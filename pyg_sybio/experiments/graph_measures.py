r"""Measures of the actional graphs of a model and of the gradients of its two tasks."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_sybio.experiments.experiment import MeasuredModel
from pyg_sybio.experiments.measures import motion, recognition
from pyg_sybio.experiments.rows import Row
from pyg_sybio.losses import LossTerms
from pyg_sybio.trained.actional import actional_graphs
from pyg_sybio.trained.evaluation import dense, future_mask, numbered_clip
from pyg_sybio.trained.liveness import with_uniform_graphs

WITH_UNIFORM_GRAPHS = " with 1/M"
"""Suffix of a metric of the model whose actional graphs are replaced by 1/M."""

GRADIENT_CLIPS = 128
"""Clips whose gradients are measured."""


def graphs(trained: MeasuredModel) -> list[Row]:
    """Statistics of the actional graphs, and their effect on the results. Models without actional graphs have
    no rows.

    The metrics ``row_distance`` and ``row_entropy`` exist for each network
    (:class:`~pyg_sybio.trained.liveness.Liveness`). ``nearest_graph`` is the accuracy of classifying a person
    by the nearest actional graph of another clip (smallest sum of absolute differences). In addition, all
    metrics of :func:`~pyg_sybio.experiments.measures.recognition` and
    :func:`~pyg_sybio.experiments.measures.motion` are computed for the same model with all entries of its
    actional graphs set to 1/M.
    """
    rows = []
    for network, alive in trained.answers.liveness.items():
        rows.append(Row("row_distance", network, None, alive.row_distance))
        rows.append(Row("row_entropy", network, None, alive.entropy))
    if not rows:
        return []
    if trained.model.joint_network is not None:
        found = actional_graphs(trained.model, trained.clips, batch_size=trained.batch_size)
        rows.append(Row("nearest_graph", "", None, nearest_graph(found.graphs, found.y, found.clip)))
    uniform = replace(trained, model=with_uniform_graphs(trained.model))
    replaced = [*recognition(uniform), *motion(uniform)]
    return rows + [row._replace(metric=row.metric + WITH_UNIFORM_GRAPHS) for row in replaced]


def nearest_graph(graphs: Tensor, y: Tensor, clip: Tensor) -> float:
    r"""Accuracy of classifying each graph by its nearest neighbour from another clip.

    Args:
        graphs: Actional graphs of persons.
        y: The class of each graph's clip.
        clip: The clip index of each graph.

    Shapes:
        - **graphs:** :math:`(n, M, M)`
        - **y, clip:** :math:`(n)`
    """
    distances = torch.cdist(graphs.flatten(1), graphs.flatten(1), p=1)
    nearest = distances.masked_fill(clip[:, None] == clip, torch.inf).argmin(dim=1)
    return float((y[nearest] == y).double().mean())


def task_gradients(trained: MeasuredModel) -> list[Row]:
    r"""Ratio of the gradient norms of the prediction loss and the recognition loss.

    ``prediction_gradient`` is :math:`\|\nabla (1 - \alpha) \mathcal{L}_{pred}\| / \|\nabla \alpha
    \mathcal{L}_{recg}\|` for the weights of the backbones in training mode, averaged over batches of clips of
    the split. A model with one task has no rows.
    """
    if trained.loss is None or not trained.model.num_classes or not trained.answers.errors:
        return []
    model = copy.deepcopy(trained.model).train()
    networks = (model.joint_network, model.bone_network)
    for network in networks:
        if network is not None:
            network.input_norm.eval()  # do not update the running statistics
    weights = [w for network in networks if network is not None for w in network.backbone.parameters()]
    loss = trained.loss().to(weights[0].device)
    step = max(1, len(trained.clips) // GRADIENT_CLIPS)
    shares = []
    with torch.random.fork_rng():
        torch.manual_seed(0)  # seeds the dropout
        for numbers in torch.arange(0, len(trained.clips), step).split(trained.batch_size):
            clips = [numbered_clip(trained.clips, number) for number in numbers.tolist()]
            batch = Batch.from_data_list(clips).to(weights[0].device)
            num_joints = model.skeleton.num_joints
            future, mask = dense(batch, "future", num_joints), future_mask(batch, num_joints)
            terms: LossTerms = loss(model(batch), y=batch.y, future=future, future_mask=mask)
            assert terms.recognition is not None and terms.prediction is not None
            of_recognition = _norm(loss.alpha * terms.recognition, weights)
            of_prediction = _norm((1 - loss.alpha) * terms.prediction, weights)
            shares.append(of_prediction / of_recognition)
    return [Row("prediction_gradient", "", None, float(torch.stack(shares).mean()))]


def _norm(term: Tensor, weights: Sequence[Tensor]) -> Tensor:
    gradients = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
    return torch.nn.utils.get_total_norm([each for each in gradients if each is not None])
