"""Errors for wrong inputs, masks and arguments of the model."""

from typing import Any

import numpy as np
import pytest
import torch
from small_gnn import SKELETON, C, D, M, T, build, graph_of, motion
from torch import Tensor
from torch_geometric.data import Data

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import Skeleton


def broken(value: float) -> Tensor:
    x = motion(2, T)
    x[1, 2, 3, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.randn(2, T, M - 1, D), "'x' has 14 joints, but skeleton 'jhmdb15' has 15"),
        (torch.randn(2, T, M, D + 1), "'x' has 3 features per joint, but the model expects 2"),
        (torch.randn(T, M, D), r"'x' must be \[N, T, M, D\] or .* but it has shape \(7, 15, 2\)"),
        (torch.randn(0, T, M, D), r"'x' is empty: its persons have shape \(0, 7, 15, 2\)"),
        (torch.randn(2, 0, M, D), r"'x' is empty: its persons have shape \(2, 0, 15, 2\)"),
        (torch.ones(2, T, M, D, dtype=torch.bool), "'x' has type torch.bool, expected real numbers"),
        (torch.ones(2, T, M, D, dtype=torch.cfloat), "'x' has type torch.complex64, expected real numbers"),
        (np.full((2, T, M, D), "1"), "'x' is ndarray of type <U1, expected real numbers"),
        ([[1, 2], [None, 3]], "'x' is list of type object, expected real numbers"),
        (np.full((2, T, M, D), 1e300), "'x' contains NaN or infinite values"),  # not in single precision
        (broken(float("nan")), "'x' contains NaN or infinite values"),
        (broken(float("inf")), "'x' contains NaN or infinite values"),
        (torch.zeros(2, 2, T, M, D), "but none is present in clip 0"),
        (
            Data(x=torch.randn(M + 1, T, D)),
            "'x' has 16 nodes in graph 0, expected a multiple of the skeleton's 15 joints",
        ),
        (Data(x=torch.randn(M, T, D + 1)), "'x' has 3 features per joint, but the model expects 2"),
        (Data(x=torch.randn(M, 0, D)), "'x' is empty"),
        (Data(x=torch.ones(M, T, D, dtype=torch.bool)), "'x' has type torch.bool, expected real numbers"),
        (graph_of(broken(float("nan"))), "'x' contains NaN or infinite values"),
        (Data(y=torch.tensor([1])), "'x' of the batch must be .* but it is missing"),
    ],
)
def test_wrong_inputs_are_refused(x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        build()(x)
    assert "\n" not in str(error.value)


def test_wrong_masks_and_lengths_are_refused() -> None:
    model = build()
    with pytest.raises(ValueError, match=r"'present' must be \[2, 2\], but it has shape \(2,\)"):
        model(motion(2, 2, T), present=torch.ones(2))
    with pytest.raises(ValueError, match="'present' is given, but 'x' has no person dimension"):
        model(motion(2, T), present=torch.ones(2, 1))
    with pytest.raises(ValueError, match="'present' is only for dense tensors"):
        model(graph_of(motion(1, T)), present=torch.ones(1, 1))
    with pytest.raises(ValueError, match="'num_future' must be at least 1, but it is 0"):
        model(motion(2, T), num_future=0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"hop": 3}, r"the model has no 'hop' \(did you mean 'hops'"),
        ({"zoo": 3}, "^the model has no 'zoo'$"),
        ({"hops": 1.5}, "'hops' of the model is 1.5, expected an integer"),
        ({"hops": True}, "'hops' of the model is True, expected an integer"),
        (
            {"channels": 8},
            "'channels' of the model is 8, expected a list in which each item is an integer",
        ),
        (
            {"channels": "88"},
            "'channels' of the model is '88', expected a list in which each item is an integer",
        ),
        ({"channels": (8, 8.5)}, r"is \(8, 8\.5\), expected a list in which each item is an integer"),
        ({"in_channels": "3"}, "'in_channels' of the model is '3', expected an integer or null"),
        ({"dropout": "much"}, "'dropout' of the model is 'much', expected a number"),
        ({"bone_weight": None}, "'bone_weight' of the model is None, expected a number"),
        ({"actional": 1}, "'actional' of the model is 1, expected true or false"),
        ({"recognition": False, "prediction": False}, "expected at least one task"),
        (
            {"joints": False, "bones": False},
            "expected at least one network, but 'joints' and 'bones' are both False",
        ),
        ({"num_classes": 0}, "'num_classes' must be at least 1, but it is 0"),
        ({"num_future": 0}, "'num_future' must be at least 1, but it is 0"),
        ({"actional": False, "structural": False, "parts": False}, "expected at least one graph"),
        ({"strides": (1,)}, "'strides' has 1 entries, but 'channels' has 2"),
    ],
)
def test_wrong_arguments_are_refused(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**overrides)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="'preset' is 'huge', expected one of ntu, mocap, demo"):
        SybioGNN.from_preset("huge", skeleton=SKELETON, num_classes=C, num_future=3)


def test_a_skeleton_with_a_single_bone_has_no_bone_network() -> None:
    stick = Skeleton(
        name="stick",
        joints=("a", "b"),
        bones=(("a", "b"),),
        center="a",
        parts={"all": ("a", "b")},
        part_bones=(),
        mirror=(),
        coordinates="xy",
        units="m",
    )
    with pytest.raises(ValueError, match="needs at least 2 nodes, but the graph has 1"):
        build(stick)
    assert build(stick, bones=False)(torch.randn(2, T, 2, 2)).logits.isfinite().all()
