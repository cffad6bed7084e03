"""Numbers of any type as inputs, models in half precision, skeletons by name, and ``torch.export``."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_gnn import SKELETON, D, M, T, build, close, graph_of, motion
from torch import Tensor
from torch_geometric.data import Batch

from pyg_sybio import graphs
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.joint_conv import StructuralConv

HALF = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize(
    "convert",
    [
        *(lambda x, dtype=dtype: x.to(dtype) for dtype in (torch.float64, torch.int16, torch.int64, *HALF)),
        *(
            lambda x, dtype=dtype: x.numpy().astype(dtype)
            for dtype in ("f2", "f4", "f8", ">f4", "g", "i4", "u2")
        ),
        lambda x: np.ascontiguousarray(x.numpy()[:, ::-1])[:, ::-1],  # negative strides
        lambda x: x.tolist(),
    ],
)
def test_numbers_of_any_type_are_converted_to_the_type_of_the_model(convert: Any) -> None:
    x = torch.randint(0, 200, (2, 2, T, M, D)).float()  # every type has these numbers
    model = build()
    out, expected = model(convert(x)), model(x)
    assert out.logits is not None
    assert out.logits.dtype == torch.float32
    close(out.logits, expected.logits, 0)
    close(out.future, expected.future, 0)


def test_a_batch_in_another_precision() -> None:
    persons, model = motion(2, T), build()
    out, expected = (model(Batch.from_data_list([graph_of(x)])) for x in (persons.double(), persons))
    close(out.future, expected.future, 0)


@pytest.mark.parametrize("overrides", [{}, {"bone_weight": 0.3}, {"actional_graphs": "shared"}])
@pytest.mark.parametrize("dtype", HALF)
def test_a_model_in_half_precision(dtype: torch.dtype, overrides: dict[str, Any]) -> None:
    model, x = build(**overrides), 1000 * motion(2, 2, T)  # millimetres: their squares exceed float16
    with torch.no_grad():
        model.train()(x)  # statistics in millimetres
        expected = model.eval()(x)
        statistics = {
            name: each.mean.clone() for name, each in model.named_modules() if isinstance(each, InputNorm)
        }
        half = model.to(dtype)
        for out in (half(x), half.folded()(x)):
            assert out.logits is not None
            assert out.future is not None
            assert out.future.dtype == torch.float32
            assert out.logits.softmax(-1).sub(expected.logits.softmax(-1)).abs().max() < 0.03
            # Errors of a few steps of half precision, relative to the displacements.
            moved = (expected.future - x[:, :, -1:]).abs().max()
            assert (out.future - expected.future).abs().max() < 0.1 * moved
    for name, each in half.named_modules():
        if isinstance(each, InputNorm):
            assert torch.equal(each.mean, statistics[name])
    assert {weight.dtype for weight in half.parameters()} == {dtype}


@pytest.mark.parametrize("dtype", HALF)
def test_a_model_in_half_precision_can_be_trained(dtype: torch.dtype) -> None:
    model = build().to(dtype).train()
    out = model(motion(3, T))
    losses = [each.square().mean() for each in (out.logits, out.future, out.bone_future)]
    torch.stack(losses).sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


def exported_equals(model: SybioGNN, x: Tensor) -> None:
    with torch.no_grad():
        program = torch.export.export(model, (x,))
        again = motion(*x.shape[:-2]) if x.shape[-2:] == (M, D) else torch.randn_like(x)
        out, expected = program.module()(again), model(again)
    close(out.logits, expected.logits)
    close(out.future, expected.future)
    close(out.actional, expected.actional)


@pytest.mark.parametrize("shape", [(2, T), (2, 2, T)])
def test_torch_export(shape: tuple[int, ...]) -> None:
    exported_equals(build(), motion(*shape))


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_torch_export_of_every_preset(preset: str) -> None:
    model = SybioGNN.from_preset(preset, skeleton="coco17", num_classes=3, num_future=2).eval()
    exported_equals(model, torch.randn(1, 16, 17, 3))


def test_skeletons_are_taken_by_name(tmp_path: Path) -> None:
    SKELETON.save(tmp_path / "mine.json")
    for name in (SKELETON.name, tmp_path / "mine.json", SKELETON):
        model = SybioGNN.from_preset("realtime", skeleton=name, num_classes=2, num_future=1)
        assert model.skeleton == SKELETON
        assert graphs.skeleton_graph(name).num_nodes == graphs.complete_graph(name).num_nodes == M
        assert graphs.bone_graph(name).num_nodes == graphs.dual_graphs(name).nodes.num_nodes
        assert graphs.part_graph(name).num_nodes == SKELETON.num_parts
        assert torch.equal(StructuralConv(2, 2, name).powers(), StructuralConv(2, 2, SKELETON).powers())
        assert torch.equal(SymbioticLoss(name).bone_vectors.inner, BoneVectors(SKELETON).inner)
        assert model.eval().stream(skeleton=name).skeleton == SKELETON
