r"""Dense AGIM: all pairs of nodes at once, in training and in evaluation (Eq. 1 and 2)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pyg_sybio.accelerate.chunks import apply_in_chunks, num_chunks
from pyg_sybio.accelerate.graph_product import transform
from pyg_sybio.models.version_0_1 import OldActionalGraph
from pyg_sybio.nn.actional_graph import ActionalGraphInference, ActionalMLP, row_softmax


class DenseActionalGraph(nn.Module):
    r"""Dense version of :class:`~pyg_sybio.nn.actional_graph.ActionalGraphInference`, sharing its weights.

    The first linear layer of an edge's perceptron is a sum of two terms, one per node,

    .. math::
        W [p_i, p_j] + b = W_i p_i + (W_j p_j + b),

    so it requires one product per node and one sum per edge. In evaluation, the batch norm is a linear map
    and is applied after averaging over the senders.

    Args:
        module: The reference module; its perceptrons are shared, under the same names.

    Shapes:
        See :class:`~pyg_sybio.nn.actional_graph.ActionalGraphInference`.
    """

    inputs: Any = ActionalGraphInference.inputs  # called with the embeddings of this module

    def __init__(self, module: ActionalGraphInference) -> None:
        super().__init__()
        self.trajectories, self.node_embedding = module.trajectories, module.node_embedding
        self.joint_embedding = module.joint_embedding
        self.edge_mlps, self.joint_mlps = module.edge_mlps, module.joint_mlps
        self.f_embedding, self.g_embedding = module.f_embedding, module.g_embedding
        self.scale = module.scale
        self.train(module.training)

    def forward(self, x: Tensor) -> Tensor:
        """Infer the actional graphs ``[G, M, M]`` of the motions ``x``."""
        p = self.joint_embedding(self.inputs(x))  # [G, M, D_v]
        for edge_mlp, joint_mlp in zip(self.edge_mlps, self.joint_mlps, strict=True):
            assert isinstance(edge_mlp, ActionalMLP)
            weight_i, weight_j = edge_mlp.first.weight.chunk(2, dim=1)
            receiver, sender = F.linear(p, weight_i), F.linear(p, weight_j, edge_mlp.first.bias)
            mean = _mean_in_training if self.training else _mean_in_evaluation
            p = joint_mlp(mean(edge_mlp, receiver, sender))
        return row_softmax(self.f_embedding(p), self.g_embedding(p), self.scale)


# The dense class that replaces each reference class.
DENSE = {ActionalGraphInference: DenseActionalGraph, OldActionalGraph: DenseActionalGraph}


def use_dense_actional(model: nn.Module) -> nn.Module:
    """Replace every AGIM in a model by its dense version, in place; parameters keep their names.

    Use this function for training; :class:`~pyg_sybio.accelerate.folded.FoldedSybioGNN` has dense AGIM, too.

    Args:
        model: The model.

    Returns:
        The model.
    """
    replace_submodules(model, DENSE)
    return model


def replace_submodules(module: nn.Module, replacements: Mapping[type[nn.Module], Any]) -> None:
    """Replace the submodules of the given types in place."""
    for name, child in list(module.named_children()):
        if type(child) in replacements:
            setattr(module, name, replacements[type(child)](child))
        else:
            replace_submodules(child, replacements)


def _mean_in_training(mlp: ActionalMLP, receiver: Tensor, sender: Tensor) -> Tensor:
    """Average the edge perceptron over the senders :math:`j \\neq i`, given the terms of its first layer."""
    hidden = _without_diagonal(receiver[:, :, None] + sender[:, None])  # [G, M, M - 1, D]
    out = mlp.second(mlp.dropout(hidden.relu())).relu()
    return mlp.norm(out.flatten(0, -2)).view_as(out).mean(dim=2)


def _mean_in_evaluation(mlp: ActionalMLP, receiver: Tensor, sender: Tensor) -> Tensor:
    """Compute the same average as :func:`_mean_in_training` faster, for evaluation."""

    def mean_before_norm(receiver: Tensor, sender: Tensor) -> Tensor:
        hidden = receiver[:, :, None] + sender[:, None]  # [G, M, M, D]
        pairs = transform(hidden.relu_(), mlp.second.weight, mlp.second.bias).relu_()
        # Evaluation computes no batch statistics, so the diagonal may be computed and then subtracted.
        total = pairs.sum(dim=2, dtype=torch.promote_types(pairs.dtype, torch.float32))
        return (total - pairs.diagonal(dim1=1, dim2=2).mT) / (pairs.size(2) - 1)

    bytes_each = 4 * receiver[0].numel() * receiver.size(1) * receiver.element_size()
    mean = apply_in_chunks(mean_before_norm, num_chunks(receiver, bytes_each), receiver, sender)
    mean = mean.to(mlp.norm.weight.dtype)  # half precision only in a model in half precision
    return mlp.norm(mean.flatten(0, -2)).view_as(mean)


def _without_diagonal(pairs: Tensor) -> Tensor:
    """Remove the diagonal of ``[G, M, M, D]``, keeping the order: ``[G, M, M - 1, D]``."""
    num_nodes = pairs.size(1)
    # After removing the first entry, every (M + 1)-th entry of the flattened matrix is on the diagonal.
    rows = pairs.flatten(1, 2)[:, 1:].unflatten(1, (num_nodes - 1, num_nodes + 1))
    return rows[:, :, :-1].reshape(-1, num_nodes, num_nodes - 1, pairs.size(-1))
