"""Low precision: results in float32, accuracy, and the memory format of features."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from marks import DEVICES
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pyg_sybio.losses import LossTerms, SymbioticLoss
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.skeleton import load_skeleton

SKELETON = load_skeleton("jhmdb15")
M, D, C, T, T_FUTURE = SKELETON.num_joints, 2, 4, 7, 3


def build(**overrides: bool) -> SybioGNN:
    return SybioGNN.from_preset(
        "demo",
        skeleton=SKELETON,
        num_classes=C,
        num_future=T_FUTURE,
        channels=(8, 8, 16),
        strides=(1, 2, 1),
        fusions=(1, 2),
        kernel_size=3,
        dropout=0.0,
        **overrides,
    )


def step(model: SybioGNN, device: str, *, low: bool) -> tuple[SybioOutput, LossTerms]:
    """Return output and loss of a seeded batch, with or without bfloat16 autocast."""
    torch.manual_seed(1)
    x, future = torch.randn(4, T, M, D), torch.randn(4, T_FUTURE, M, D)
    loss = SymbioticLoss(SKELETON).to(device)
    with torch.autocast(device, dtype=torch.bfloat16, enabled=low):
        out = model(x.to(device))
        return out, loss(out, y=torch.arange(4, device=device) % C, future=future.to(device))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("device", DEVICES)
def test_under_autocast_outputs_and_losses_are_float32_and_accurate(device: str, training: bool) -> None:
    model = build().train(training).to(device)
    out, terms = step(copy.deepcopy(model), device, low=True)
    expected, expected_terms = step(model, device, low=False)
    for name in ("logits", "future", "actional", "bone_future", "bone_actional"):
        mine, theirs = getattr(out, name), getattr(expected, name)
        assert (mine is None) == (theirs is None) == (name == "bone_future" and not training)
        if mine is not None:
            assert mine.dtype == torch.float32
            # bfloat16 has eight significant bits; errors are relative to the largest value. The softmax of
            # products of embeddings amplifies them.
            tolerance = 0.15 if name.endswith("actional") else 0.05
            assert (mine - theirs).abs().max() < tolerance * theirs.abs().max(), name
    assert not torch.equal(out.logits, expected.logits)
    torch.testing.assert_close(out.logits.exp().sum(dim=-1), torch.ones(4, device=device))
    torch.testing.assert_close(out.actional.sum(dim=-1), torch.ones(4, M, device=device))
    for name in ("total", "recognition", "prediction"):
        mine, theirs = getattr(terms, name), getattr(expected_terms, name)
        assert mine.dtype == torch.float32
        assert mine.item() == pytest.approx(theirs.item(), rel=0.03)


@pytest.mark.parametrize("device", DEVICES)
def test_under_autocast_gradients_are_finite_and_have_the_same_direction(device: str) -> None:
    model = build().train().to(device)
    twin = copy.deepcopy(model)
    step(model, device, low=True)[1].total.backward()
    step(twin, device, low=False)[1].total.backward()
    mine = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    theirs = torch.cat([parameter.grad.flatten() for parameter in twin.parameters()])
    assert mine.isfinite().all()
    # The gradient of the ℓ1 loss consists of signs, and rounding flips a few of them.
    assert torch.cosine_similarity(mine, theirs, dim=0) > 0.7


@pytest.mark.parametrize("task", ["prediction", "recognition"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_single_task_trains_under_autocast(device: str, task: str) -> None:
    model = build(**{task: False}).train().to(device)
    step(model, device, low=True)[1].total.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("device", DEVICES)
def test_under_autocast_affinities_are_not_rounded(device: str) -> None:
    model = build().eval().to(device)
    agim = model.joint_network.actional_graph
    assert agim is not None
    with torch.no_grad():
        agim.f_embedding.norm.weight.fill_(8)  # affinities far from zero, as after training
    embedded: list[Tensor] = []
    for embedding in (agim.f_embedding, agim.g_embedding):
        embedding.register_forward_hook(lambda module, args, out: embedded.append(out.float()))
    out, _ = step(model, device, low=True)
    f, g = (each.transpose(0, 1) for each in embedded[:2])  # message passing has the node dimension first
    torch.testing.assert_close(
        out.actional, torch.softmax(agim.scale * (f @ g.mT), dim=-1), atol=1e-5, rtol=0
    )


class Convolutions(TorchDispatchMode):
    """Recorder of the inputs and outputs of every convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Tensor] = []
        self.sampled: list[Tensor] = []  # inputs of kernels of size 1, possibly subsampled

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            self.images.append(out)
            (self.images if args[1].size(2) > 1 else self.sampled).append(args[0])
        return out


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("device", DEVICES)
def test_every_convolution_uses_channels_last_memory(device: str, low: bool, training: bool) -> None:
    model = build().train(training).to(device)
    with Convolutions() as convolutions, torch.set_grad_enabled(training):
        step(model, device, low=low)
    # A network has three joint and two part blocks, each with one temporal convolution.
    assert len(convolutions.images) >= 2 * 2 * 5
    for image in convolutions.images:
        assert image.dtype == (torch.bfloat16 if low else torch.float32)
        assert image.is_contiguous(memory_format=torch.channels_last), (image.shape, image.stride())
    for image in convolutions.sampled:
        assert image.stride(1) == 1 and image.stride(3) == image.size(1), (image.shape, image.stride())
