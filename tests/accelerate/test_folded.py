"""Folded models compared with the original models."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_sybio.accelerate import folded_block
from pyg_sybio.accelerate.fast_head import FastPredictionHead
from pyg_sybio.accelerate.folded import REPLACEMENTS
from pyg_sybio.accelerate.folded_block import FoldedBlock
from pyg_sybio.accelerate.minimal_filtering import convolve_in_tiles
from pyg_sybio.models.presets import VARIANTS
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.nn.blocks import GraphTemporalBlock
from pyg_sybio.nn.fusion import Joint2Part, Part2Joint
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.nn.part_conv import PartConv
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import randomize

SKELETON = load_skeleton("jhmdb15")
N, P, T, M = 2, 2, 12, SKELETON.num_joints
NAMES = ("logits", "future", "actional", "bone_future", "present", "bone_actional")


def build(preset: str = "demo", **overrides: Any) -> SybioGNN:
    model = SybioGNN.from_preset(preset, skeleton=SKELETON, num_classes=4, num_future=3, **overrides)
    return randomize(model).eval()  # type: ignore[return-value]


def clips() -> Tensor:
    x = torch.randn(N, P, T, M, SKELETON.num_features)
    x[1, 1] = 0  # absent
    return x


def assert_same(mine: SybioOutput, theirs: SybioOutput, tolerance: float) -> None:
    for name in NAMES:
        a, b = getattr(mine, name), getattr(theirs, name)
        assert (a is None) == (b is None), name
        if a is not None and name == "present":
            assert torch.equal(a, b)
        elif a is not None:
            torch.testing.assert_close(a, b, atol=tolerance * max(1, float(b.abs().max())), rtol=0, msg=name)


@pytest.mark.parametrize("variant", [*VARIANTS.values(), {"bone_weight": 0.5}], ids=str)
@pytest.mark.parametrize("preset", ["demo", "mocap"])
@torch.no_grad()
def test_a_folded_model_equals_the_reference_model(preset: str, variant: dict[str, Any]) -> None:
    model, x = build(preset, **variant).double(), clips().double()
    assert_same(model.folded()(x), model(x), 1e-9)
    model, x = model.float(), x.float()
    assert_same(model.folded()(x), model(x), 1e-5)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=str)
@torch.no_grad()
def test_each_replaced_module_equals_the_reference_module(variant: dict[str, Any]) -> None:
    model, compared = build(**variant).double(), 0
    for module in model.modules():
        if type(module) not in REPLACEMENTS:
            continue
        calls: list[tuple[Any, Any, Tensor]] = []
        handle = module.register_forward_hook(
            lambda module, args, kwargs, out, calls=calls: calls.append((args, kwargs, out)), with_kwargs=True
        )
        model(clips().double())
        handle.remove()
        for args, kwargs, out in calls:  # the bone network's prediction head is not called in evaluation
            replaced = REPLACEMENTS[type(module)](module)
            torch.testing.assert_close(replaced(*args, **kwargs), out, atol=1e-9, rtol=1e-9)
            compared += 1
    assert compared


@pytest.mark.parametrize("num_frames", [1, 7, 12])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("channels", "stride"), [(6, 1), (6, 2), (4, 1), (4, 3)])
@pytest.mark.parametrize("scale", ["joint", "part"])
@torch.no_grad()
def test_each_folded_block_equals_the_reference_block(
    scale: str, channels: int, stride: int, fused: bool, num_frames: int
) -> None:
    # With fused scales, 3 of the 6 input features belong to the other scale.
    if scale == "joint":
        conv: JointConv | PartConv = JointConv(6, channels, SKELETON, hops=2, actional_weight=0.5)
        graph, exchange = (torch.randn(2, M, M, dtype=torch.float64).softmax(dim=-1),), Part2Joint(SKELETON)
        nodes, others = M, SKELETON.num_parts
    else:
        conv, graph, exchange = PartConv(6, channels, SKELETON), (), Joint2Part(SKELETON)
        nodes, others = SKELETON.num_parts, M
    block = randomize(GraphTemporalBlock(conv, kernel_size=3, stride=stride).double()).eval()
    exchange = exchange.double()
    if not fused:
        x = torch.randn(2, num_frames, nodes, 6, dtype=torch.float64)
        torch.testing.assert_close(FoldedBlock(block)(x, *graph), block(x, *graph), atol=1e-9, rtol=0)
        return
    x = torch.randn(2, num_frames, nodes, 3, dtype=torch.float64)
    other = torch.randn(2, num_frames, others, 3, dtype=torch.float64)
    folded = FoldedBlock(block, exchange(torch.eye(others, dtype=torch.float64)))
    expected = block(torch.cat([x, exchange(other)], dim=-1), *graph)
    torch.testing.assert_close(folded((x, other), *graph), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("num_future", [1, 5])
def test_the_fast_prediction_head_equals_the_reference_head_in_training(num_future: int) -> None:
    model = build().double().train()
    assert model.joint_network is not None
    head, norm = model.joint_network.prediction_head, model.joint_network.input_norm
    assert head is not None
    inputs = [
        torch.randn(2, M, 3 * 64, dtype=torch.float64),
        torch.randn(3, 2, 5, M, SKELETON.num_features, dtype=torch.float64),
        torch.rand(2, 4, dtype=torch.float64),
        torch.randn(2, M, M, dtype=torch.float64).softmax(dim=-1),
    ]
    found = []
    for module in (head, FastPredictionHead(head)):
        head.zero_grad()
        future = module(*inputs, norm=norm, num_future=num_future)
        future.square().sum().backward()
        gradients = {name: each.grad.clone() for name, each in head.named_parameters()}
        found.append({"future": future.detach(), **gradients})
    for name, value in found[0].items():
        scale = float(value.abs().max())
        torch.testing.assert_close(found[1][name], value, atol=1e-9 * max(1, scale), rtol=0, msg=name)


@torch.no_grad()
def test_folding_keeps_the_outputs_for_long_clips_of_the_large_preset() -> None:
    # The clips are long enough for tiled temporal convolutions and for chunks; widths that do not matter are
    # small.
    widths = {"channels": (8, 128, 128), "strides": (1, 1, 1), "fusions": (2,), "head_channels": 8}
    model = build("ntu", actional_channels=8, **widths)
    x = torch.randn(1, 2, 400, M, SKELETON.num_features)
    assert_same(model.folded()(x), model(x), 1e-5)


@torch.no_grad()
def test_convolutions_in_bfloat16_are_not_tiled(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[torch.dtype] = []

    def count(x: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
        calls.append(kernels.dtype)
        return convolve_in_tiles(x, kernels, bias)

    monkeypatch.setattr(folded_block, "convolve_in_tiles", count)
    widths = {"channels": (8, 128, 128), "strides": (1, 1, 1), "fusions": (2,), "head_channels": 8}
    model = build("ntu", actional_channels=8, **widths)
    x = torch.randn(1, 2, 150, M, SKELETON.num_features)
    model.folded(torch.bfloat16)(x)
    assert not calls
    model.folded()(x)
    assert set(calls) == {torch.float32}


@pytest.mark.parametrize("bone_weight", [0.0, 0.5])
@torch.no_grad()
def test_folding_in_bfloat16_changes_outputs_only_slightly(bone_weight: float) -> None:
    model, x = build(bone_weight=bone_weight), clips()
    out, exact = model.folded(torch.bfloat16)(x), model(x)
    assert out.future.dtype == out.logits.dtype == torch.float32
    torch.testing.assert_close(out.logits.softmax(-1), exact.logits.softmax(-1), atol=0.05, rtol=0)
    assert (out.future - exact.future).abs().max() < 0.05 * exact.future.abs().max()


@torch.no_grad()
def test_bfloat16_does_not_round_the_poses() -> None:
    model, x = build(), torch.randn(N, T, M, SKELETON.num_features)
    expected = model.folded(torch.bfloat16)(x).future
    assert model.joint_network is not None
    model.joint_network.input_norm.mean[0] += 1000  # at this magnitude, bfloat16 has steps of 4
    moved = model.folded(torch.bfloat16)(1000 + x).future - 1000
    assert (moved - expected).abs().max() < 0.02 * expected.abs().max()


@torch.no_grad()
def test_the_model_and_its_folded_copy_are_independent() -> None:
    model, x = build(), clips()
    folded = model.folded()
    before = folded(x)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    randomize(model)
    assert torch.equal(folded(x).future, before.future)
    assert not torch.equal(model(x).future, before.future)
    model.load_state_dict(state)
    assert_same(model(x), before, 1e-5)


def test_modules_only_used_in_training_are_removed() -> None:
    folded = build().folded()
    assert folded.model.bone_network is not None
    assert folded.model.bone_network.prediction_head is None
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert not folded(clips()).future.requires_grad


def test_folding_a_folded_model_returns_the_same_model() -> None:
    folded = build().folded()
    assert folded.folded() is folded
    with pytest.raises(
        ValueError, match=r"'dtype' is torch.bfloat16, but the model is already folded in torch.float32"
    ):
        folded.folded(torch.bfloat16)


def test_folding_leaves_the_model_trainable() -> None:
    model = build().train()
    model.folded()
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_invalid_dtypes_and_training_mode_are_refused() -> None:
    model = build()
    with pytest.raises(
        ValueError, match=r"'dtype' is torch\..*, expected the model's torch\.float32 or torch\.bfloat16"
    ):
        model.folded(torch.float64)
    with pytest.raises(ValueError, match="a folded model is only for evaluation"):
        model.folded().train()


def test_the_repr_has_the_data_type() -> None:
    assert "dtype=torch.bfloat16" in repr(build().folded(torch.bfloat16))
