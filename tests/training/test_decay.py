"""Exactly the matrices outside of AGIM's embeddings have weight decay."""

from typing import Any

import pytest
import torch
from small_gnn import build
from tiny_recipe import TINY
from torch import nn
from torch.optim import AdamW

from pyg_sybio.accelerate.dense_actional import use_dense_actional
from pyg_sybio.models.version_0_1 import use_old_actional_graphs
from pyg_sybio.training.decay import parameter_groups
from pyg_sybio.training.muon import Muon
from pyg_sybio.training.recipes import prepare


def names_by_decay(model: nn.Module) -> tuple[set[str], set[str]]:
    """The names of the parameters with weight decay, and the names of all other parameters."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found: tuple[set[str], set[str]] = (set(), set())
    for group in parameter_groups(model):
        found["weight_decay" in group].update(names[id(parameter)] for parameter in group["params"])
        assert group.get("weight_decay", 0.0) == 0.0
    return found


def expected_without(name: str, size: torch.Size) -> bool:
    """The parameters without decay by name and shape: vectors are biases and norms."""
    parts = ("node_embedding", ".f_embedding.", ".g_embedding.", "graph.logits")
    return len(size) == 1 or any(part in name for part in parts)


def changed(kind: str) -> nn.Module:
    model = build(**({"actional_graphs": kind} if kind in ("shared", "uniform") else {}))
    if kind == "dense":
        use_dense_actional(model)
    if kind == "version 0.1":
        names = [f"{each}_network.actional_graph.f_embedding.0.weight" for each in ("joint", "bone")]
        use_old_actional_graphs(model, names)
    return model


@pytest.mark.parametrize("kind", ["inferred", "dense", "shared", "uniform", "version 0.1"])
def test_biases_norms_and_embeddings_have_no_decay(kind: str) -> None:
    model = changed(kind)
    decays, without = names_by_decay(model)
    sizes = {name: parameter.shape for name, parameter in model.named_parameters()}
    assert without == {name for name, size in sizes.items() if expected_without(name, size)}
    assert decays == sizes.keys() - without
    embedded = [name for name in without if "_embedding." in name and "weight" in name and "graph" in name]
    assert bool(embedded) == (kind in ("inferred", "dense", "version 0.1"))


@pytest.mark.parametrize("kind", ["inferred", "dense", "shared"])
def test_every_parameter_is_in_exactly_one_group(kind: str) -> None:
    model = changed(kind)
    grouped = [id(parameter) for group in parameter_groups(model) for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())


def test_empty_groups_are_left_out() -> None:
    assert [len(group["params"]) for group in parameter_groups(nn.Linear(2, 3, bias=False))] == [1]
    [group] = parameter_groups(nn.BatchNorm1d(3))
    assert group["weight_decay"] == 0.0


@pytest.mark.parametrize("optimizer", [AdamW, Muon])
def test_only_parameters_with_decay_change_without_gradients(optimizer: Any) -> None:
    model = build(actional_channels=16, head_channels=16)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer(parameter_groups(model), lr=0.1, weight_decay=0.5).step()
    for name, weight in model.named_parameters():
        factor = 1.0 if expected_without(name, weight.shape) else 0.95
        torch.testing.assert_close(weight.detach(), factor * before[name], msg=name)


@pytest.mark.parametrize("recipe_optimizer", ["torch.optim.AdamW", "pyg_sybio.training.muon.Muon"])
@pytest.mark.parametrize("dense", ["true", "false"])
def test_the_optimizer_of_a_recipe_has_both_groups(recipe_optimizer: str, dense: str) -> None:
    cli = prepare(
        "synthetic",
        [
            *TINY,
            f"--model.dense_actional={dense}",
            "--model.variant.actional_channels=16",
            f"--model.optimizer={recipe_optimizer}",
            "--model.optimizer.weight_decay=0.25",
        ],
    )
    module = cli.model
    optimizer = module.optimizer(parameter_groups(module))
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    decay = {
        names[id(parameter)]: group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert decay.keys() == dict(module.named_parameters()).keys()
    for name, parameter in module.named_parameters():
        assert decay[name] == (0.0 if expected_without(name, parameter.shape) else 0.25), name
