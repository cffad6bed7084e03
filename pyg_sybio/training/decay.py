"""Selection of the parameters with weight decay."""

from typing import Any

from torch import nn

from pyg_sybio.accelerate.dense_actional import DenseActionalGraph
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.shared_graph import SharedGraph


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    r"""Group a model's trainable parameters for an optimiser: with and without weight decay.

    Biases, batch norms and the embeddings of AGIM have no weight decay. With weight decay, the affinities and
    their gradients would shrink until the actional graphs are uniform and the gradients of AGIM are zero.
    """
    without = {id(parameter) for module in model.modules() for parameter in _without_decay(module)}
    groups: list[dict[str, Any]] = [{"params": []}, {"params": [], "weight_decay": 0.0}]
    for parameter in filter(lambda parameter: parameter.requires_grad, model.parameters()):
        groups[id(parameter) in without]["params"].append(parameter)
    return [group for group in groups if group["params"]]


def _without_decay(module: nn.Module) -> list[nn.Parameter]:
    if isinstance(module, ActionalGraphInference | DenseActionalGraph):
        embeddings = [*module.f_embedding.parameters(), *module.g_embedding.parameters()]
        return embeddings if module.node_embedding is None else [module.node_embedding, *embeddings]
    if isinstance(module, SharedGraph | nn.BatchNorm1d | nn.BatchNorm2d):
        return list(module.parameters())
    return [parameter for name, parameter in module.named_parameters(recurse=False) if "bias" in name]
