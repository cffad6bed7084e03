"""Activation checkpointing of a model: the same training with fewer stored values."""

import copy

import pytest
import torch
from torch import Tensor

from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.backbone import MultiscaleGCN
from pyg_sybio.skeleton import load_skeleton

SKELETON = load_skeleton("jhmdb15")
M, T, T_FUTURE = SKELETON.num_joints, 24, 2


def build(**overrides: object) -> SybioGNN:
    return SybioGNN.from_preset(
        "demo", skeleton=SKELETON, num_classes=4, num_future=T_FUTURE, dropout=0.2, **overrides
    ).train()


def train(model: SybioGNN) -> int:
    """Train two steps; return the number of bytes that the last forward pass stored for the backward pass."""
    torch.manual_seed(1)
    optimizer, loss = torch.optim.SGD(model.parameters(), lr=0.1), SymbioticLoss(SKELETON)
    kept: dict[int, int] = {}

    def keep(values: Tensor) -> Tensor:
        kept[values.untyped_storage().data_ptr()] = values.untyped_storage().nbytes()
        return values

    for _ in range(2):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
            out = model(torch.randn(4, T, M, 2))
        optimizer.zero_grad()
        loss(out, y=torch.arange(4), future=torch.randn(4, T_FUTURE, M, 2)).total.backward()
        optimizer.step()
    return sum(kept.values())


@pytest.mark.parametrize("overrides", [{}, {"parts": False}, {"structural": False, "actional": False}])
def test_checkpointed_training_gives_the_same_results_with_less_memory(overrides: dict[str, bool]) -> None:
    model = build(**overrides)
    twin = copy.deepcopy(model)
    twin.checkpoint_activations = True
    kept, twin_kept = train(model), train(twin)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(twin.state_dict()[name], value, msg=name)
    assert twin_kept < 0.7 * kept


def test_checkpointing_is_off_by_default_and_is_set_in_every_branch() -> None:
    model = build(shared_branches=False)
    assert not model.checkpoint_activations
    model.checkpoint_activations = True
    branches = [module for module in model.modules() if isinstance(module, MultiscaleGCN)]
    assert len(branches) == 6 and all(branch.checkpoint_activations for branch in branches)
    assert model.checkpoint_activations
    assert SybioGNN.from_config(model.config).state_dict().keys() == model.state_dict().keys()
