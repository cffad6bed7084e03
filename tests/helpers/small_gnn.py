"""A small model, motions for it, and a comparison of outputs."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import (
    randomize,
)

SKELETON = load_skeleton("jhmdb15")
M, D, B, C, T = SKELETON.num_joints, 2, SKELETON.num_bones, 4, 7
SMALL: dict[str, Any] = {
    "channels": (4, 6),
    "strides": (1, 2),
    "fusions": (1,),
    "kernel_size": 3,
    "head_channels": 8,
    "actional_channels": 8,
    "actional_frames": 6,
    "dropout": 0.0,  # training is deterministic
}


def build(skeleton: Skeleton = SKELETON, **overrides: Any) -> SybioGNN:
    """A small model with random weights and statistics, in evaluation mode."""
    arguments = {"num_classes": C, "num_future": 3, **SMALL, **overrides}
    model = SybioGNN.from_preset("demo", skeleton=skeleton, **arguments)
    randomize(model)
    return model.eval()


def motion(*shape: int) -> Tensor:
    return torch.randn(*shape, M, D)


def graph_of(persons: Tensor, **attributes: Any) -> Data:
    """A clip of persons ``[P, T, M, D]``, which are stacked in the node dimension."""
    return Data(x=persons.transpose(1, 2).flatten(0, 1), **attributes)


def close(a: Tensor | None, b: Tensor | None, tolerance: float = 1e-5) -> None:
    assert a is not None
    assert b is not None
    torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)
