"""A folded model against the model it was made from."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pyg_sybio.models.presets import VARIANTS
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import randomize

SKELETON = load_skeleton("jhmdb15")
N, P, T, M = 2, 2, 12, SKELETON.num_joints
NAMES = ("logits", "future", "actional", "bone_future", "present")


def build(preset: str = "demo", **overrides: Any) -> SybioGNN:
    model = SybioGNN.from_preset(preset, skeleton=SKELETON, num_classes=4, num_future=3, **overrides)
    return randomize(model).eval()  # type: ignore[return-value]


def clips() -> Tensor:
    x = torch.randn(N, P, T, M, SKELETON.num_features)
    x[1, 1] = 0  # absent
    return x


def plain(model: SybioGNN, x: Tensor) -> SybioOutput:
    """Evaluation layer by layer, as in training but with the norms' own statistics."""
    layers = (nn.modules.batchnorm._BatchNorm, nn.Dropout)
    for module in model.modules():
        in_evaluation = isinstance(module, layers) or type(module).__name__ in ("SybioGNN", "InputNorm")
        module.training = not in_evaluation
    try:
        return model(x)
    finally:
        model.eval()


def assert_same(mine: SybioOutput, theirs: SybioOutput, tolerance: float) -> None:
    for name in NAMES:
        a, b = getattr(mine, name), getattr(theirs, name)
        assert (a is None) == (b is None), name
        if a is not None and name == "present":
            assert torch.equal(a, b)
        elif a is not None:
            torch.testing.assert_close(a, b, atol=tolerance * max(1, float(b.abs().max())), rtol=0, msg=name)


@pytest.mark.parametrize("variant", [*VARIANTS.values(), {"bone_weight": 0.5}], ids=str)
@torch.no_grad()
def test_layer_by_layer_in_evaluation_and_folded_the_numbers_are_the_same(variant: dict[str, Any]) -> None:
    model, x = build(**variant), clips()
    layer_by_layer = plain(model, x)
    assert_same(model(x), layer_by_layer, 1e-5)
    assert_same(model.folded()(x), layer_by_layer, 1e-5)


@torch.no_grad()
def test_long_clips_of_the_large_preset_are_the_same_too() -> None:
    # Long enough for the temporal convolutions in tiles and for pieces; narrow where that changes nothing.
    widths = {"channels": (8, 128, 128), "strides": (1, 1, 1), "fusions": (2,), "head_channels": 8}
    model = build("ntu", actional_channels=8, **widths)
    x = torch.randn(1, 2, 400, M, SKELETON.num_features)
    layer_by_layer = plain(model, x)
    assert_same(model(x), layer_by_layer, 1e-5)
    assert_same(model.folded()(x), layer_by_layer, 1e-5)


@pytest.mark.parametrize("bone_weight", [0.0, 0.5])
@torch.no_grad()
def test_in_bfloat16_it_is_near(bone_weight: float) -> None:
    model, x = build(bone_weight=bone_weight), clips()
    out, exact = model.folded(torch.bfloat16)(x), model(x)
    assert out.future.dtype == out.logits.dtype == torch.float32
    torch.testing.assert_close(out.logits.softmax(-1), exact.logits.softmax(-1), atol=0.05, rtol=0)
    assert (out.future - exact.future).abs().max() < 0.05 * exact.future.abs().max()


@torch.no_grad()
def test_later_changes_of_the_model_do_not_reach_it_nor_its_own_the_model() -> None:
    model, x = build(), clips()
    folded = model.folded()
    before = folded(x)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    randomize(model)
    assert torch.equal(folded(x).future, before.future)
    assert not torch.equal(model(x).future, before.future)
    model.load_state_dict(state)
    assert_same(model(x), before, 1e-5)


def test_it_keeps_nothing_that_training_alone_needs() -> None:
    folded = build().folded()
    assert folded.model.bone_network is not None
    assert folded.model.bone_network.prediction_head is None
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert not folded(clips()).future.requires_grad


def test_folding_leaves_the_model_trainable() -> None:
    model = build().train()
    model.folded()
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_errors() -> None:
    model = build()
    with pytest.raises(
        ValueError, match=r"'dtype' must be torch\.float32, as the model's, or torch\.bfloat16"
    ):
        model.folded(torch.float64)
    with pytest.raises(ValueError, match="a folded model is for evaluation alone"):
        model.folded().train()


def test_repr() -> None:
    assert "dtype=torch.bfloat16" in repr(build().folded(torch.bfloat16))
