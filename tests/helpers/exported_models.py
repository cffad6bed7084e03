"""Small models as ONNX files. Exporting takes seconds, so each model is exported once per session."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from once import once

from pyg_sybio.export import Exported, export_onnx
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import randomize

FUTURE = 3
ABOUT = {"class_names": ["a", "b", "ü", "d", "e"]}

_ONE_BLOCK = {"channels": [8], "strides": [2], "fusions": []}

# Skeleton, variant of the model, settings of the export.
KINDS: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "both networks": ("ntu25", {**_ONE_BLOCK, "bones": True, "bone_weight": 0.3}, {}),
    "joints alone": ("jhmdb15", {}, {"about": ABOUT}),
    "recognition": ("jhmdb15", {}, {"task": "recognition"}),
    "prediction": ("jhmdb15", _ONE_BLOCK, {"task": "prediction", "num_future": 2}),
    "persons": ("cmu38:used", _ONE_BLOCK, {"persons": True}),
}


class OnnxFile(NamedTuple):
    """A model, the bytes of its ONNX file, and the result of the export."""

    model: SybioGNN
    content: bytes
    exported: Exported


def small_model(skeleton: str = "jhmdb15", **variant: Any) -> SybioGNN:
    """A model with five classes and random weights that keep the scale of the signal."""
    size = {"channels": [8, 8], "strides": [2, 2], "fusions": [1], "head_channels": 8, "actional_channels": 8}
    model = SybioGNN.from_preset(
        "realtime",
        skeleton=load_skeleton(skeleton),
        num_classes=5,
        num_future=FUTURE,
        **{**size, "hops": 1, **variant},
    )
    randomize(model)
    return model.eval()


@cache
def onnx_file(kind: str) -> OnnxFile:
    """Return the file of one of :data:`KINDS`."""
    return once(f"{kind}.onnx", lambda: _export(kind))


def _export(kind: str) -> OnnxFile:
    skeleton, variant, settings = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
        torch.manual_seed(0)
        model = small_model(skeleton, **variant)
        path = Path(folder) / "deeper" / "model.onnx"
        exported = export_onnx(model, path, **settings)
        assert [each.name for each in path.parent.iterdir()] == ["model.onnx"]
        return OnnxFile(model, path.read_bytes(), exported)
