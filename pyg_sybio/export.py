r"""Export of models to ONNX files, which are compared with PyTorch before they are written."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from pyg_sybio.files import write_whole
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.trained import onnx_model
from pyg_sybio.trained.digest import graph_digest
from pyg_sybio.trained.onnx_model import FIELDS, POSES, PRESENT, PROBABILITIES, OnnxModel

TOLERANCE = 1e-4
"""Maximum difference between onnxruntime and PyTorch, relative to the largest magnitude (at least 1)."""

_OUTPUTS = {
    "all": (PROBABILITIES, *FIELDS),
    "recognition": (PROBABILITIES, "logits"),
    "prediction": ("future", "bone_future"),
}
TASKS = tuple(_OUTPUTS)

# Numbers of clips, persons and frames of the traced motions, and of the motions that check an export. The two
# sets have no shape in common.
_TRACED = (3, 2, 41)
_CHECKED = ((1, 1, 30), (2, 2, 50), (7, 3, 100), (3, 1, 5))


@dataclass(frozen=True)
class Exported:
    """Facts about an exported file.

    Args:
        outputs: Names of the outputs.
        differences: Maximum difference of each output from PyTorch, divided by the output's largest
            magnitude, or by 1 if that is smaller.
        num_bytes: Size of the file in bytes.
    """

    outputs: tuple[str, ...]
    differences: Mapping[str, float]
    num_bytes: int


class ExportError(RuntimeError):
    """The outputs of the exported model differ from PyTorch; no file was written."""


def export_onnx(
    model: SybioGNN,
    path: str | Path,
    *,
    task: str = "all",
    persons: bool = False,
    num_future: int | None = None,
    about: Mapping[str, Any] | Callable[[str], Mapping[str, Any]] | None = None,
) -> Exported:
    r"""Export a model in evaluation mode to an ONNX file.

    The exported model has the input ``poses``, with any number of clips and observed frames. Its outputs are
    the fields of ``probabilities``, ``logits``, ``future``, ``actional`` and ``bone_future``
    (:class:`~pyg_sybio.models.sybio_gnn.SybioOutput`) that ``task`` and the model include. The metadata
    contain the model's config with the skeleton, so :class:`~pyg_sybio.trained.onnx_model.OnnxModel` only
    needs the file.

    Before the file is written, its outputs in onnxruntime are compared with PyTorch on random motions with
    different numbers of clips, persons and frames.

    Args:
        model: The model, on the CPU; it is set to evaluation mode.
        path: The file, which is written atomically.
        task: ``"all"``, ``"recognition"`` or ``"prediction"``; the file contains only what the task needs. A
            model trained on both tasks predicts from the class probabilities (Eq. 10b), so that
            ``"prediction"`` includes the recognition layers.
        persons: Whether clips have a person dimension. Poses then have the shape ``[N, P, T, M, D]`` with any
            number of persons, and there is a second input ``present``, booleans ``[N, P]``.
        num_future: Number of future frames. (default: the model's ``num_future``)
        about: Additional metadata as JSON values, or a function that returns them for the digest of the
            file's weights (:func:`~pyg_sybio.trained.digest.graph_digest`).

    Shapes:
        - **poses:** :math:`(N, T, M, D)`, any :math:`T \geq 1`
        - **probabilities, logits:** :math:`(N, C)`
        - **future:** :math:`(N, T_{future}, M, D)`
        - **actional:** :math:`(N, M, M)`

    Raises:
        ValueError: If the task is unknown or the model was trained without it, or an argument is out of its
            range.
        ExportError: If the outputs differ from PyTorch, or are the same for different motions.

    Note:
        The recurrence of the prediction head is unrolled, so ``num_future`` is fixed in the file, and the
        size of the file grows with it.
    """
    if task not in TASKS:
        raise ValueError(f"'task' is {task!r}, expected one of {', '.join(TASKS)}")
    if not model.config.get(task, True):
        raise ValueError(f"'task' is {task!r}, but the model was trained without it")
    num_future = model.num_future if num_future is None else num_future
    if num_future < 1:
        raise ValueError(f"'num_future' must be at least 1, but it is {num_future}")
    metadata = {
        onnx_model.FORMAT: str(onnx_model.FORMAT_VERSION),
        onnx_model.CONFIG: json.dumps(model.config),
    }
    model.eval()
    graph = _Graph(model, _OUTPUTS[task], num_future, *_motions(model, *_TRACED, persons=persons))
    proto = _translated(graph)
    if about is not None:
        facts = about(graph_digest(proto.graph)) if callable(about) else about
        metadata[onnx_model.ABOUT] = json.dumps(facts, allow_nan=False)
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    content: bytes = proto.SerializeToString()
    differences = _check(OnnxModel(content, where="the export"), model, graph, num_future)
    write_whole(path, lambda file: file.write(content))
    return Exported(graph.outputs, differences, len(content))


class _Graph(nn.Module):
    """The module to export, which maps tensors to the selected output tensors."""

    def __init__(
        self, model: SybioGNN, wanted: tuple[str, ...], num_future: int, x: Tensor, present: Tensor | None
    ) -> None:
        super().__init__()
        # In the folded model, all constants are computed in advance.
        folded = model.folded(next(model.parameters()).dtype)
        if "future" not in wanted:
            for network in (folded.model.joint_network, folded.model.bone_network):
                if network is not None:
                    network.prediction_head = None
        self.model, self.num_future = folded, num_future
        self.example = (x,) if present is None else (x, present)
        with torch.no_grad():
            answer = folded(x, present, num_future)
        here = {name for name in FIELDS if getattr(answer, name) is not None}
        here |= {PROBABILITIES} if answer.logits is not None else set()
        self.outputs = tuple(name for name in wanted if name in here)

    def forward(self, poses: Tensor, present: Tensor | None = None) -> tuple[Tensor, ...]:
        out = self.model(poses, present, self.num_future)
        return tuple(
            out.logits.softmax(dim=-1) if name == PROBABILITIES else getattr(out, name)
            for name in self.outputs
        )


def _translated(graph: _Graph) -> Any:
    """Return the ONNX model of a graph."""
    free: tuple[tuple[str, ...], ...] = (("clips", "frames"),)
    if len(graph.example) > 1:
        free = (("clips", "persons", "frames"), ("clips", "persons"))
    with torch.no_grad(), _silence():
        program = torch.onnx.export(
            graph,
            graph.example,
            dynamo=True,
            # Named dimensions with bounds would make the exporter trace a second time.
            dynamic_shapes=tuple(dict.fromkeys(range(len(names)), Dim.DYNAMIC) for names in free),
            input_names=[POSES, PRESENT][: len(graph.example)],
            output_names=list(graph.outputs),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    graph_proto = proto.graph
    # Remove the origin of each operator, which contains local paths.
    assert not proto.functions
    del graph_proto.value_info[:], graph_proto.metadata_props[:]
    for each in (*graph_proto.node, *graph_proto.input, *graph_proto.output, *graph_proto.initializer):
        del each.metadata_props[:]
        each.doc_string = ""
    symbols: dict[str, str] = {}
    for value, names in zip(graph_proto.input, free, strict=True):
        for dim, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            symbols[dim.dim_param] = name
    for value in (*graph_proto.input, *graph_proto.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = symbols[dim.dim_param]
    return proto


def _check(exported: OnnxModel, model: SybioGNN, graph: _Graph, num_future: int) -> dict[str, float]:
    """Return the maximum difference of each field from PyTorch on random motions.

    Raises:
        ExportError: If a difference exceeds :data:`TOLERANCE`, or an output does not depend on the motion.
    """
    fields = [name for name in FIELDS if name in graph.outputs]
    worst = dict.fromkeys(fields, 0.0)
    for num_clips, num_persons, num_frames in _CHECKED:
        x, present = _motions(model, num_clips, num_persons, num_frames, persons=exported.persons)
        with torch.no_grad():
            expected: SybioOutput = model(x, present, num_future)
        came = exported(x, present)
        shape = f"{num_clips} clips of {num_frames} frames"
        for name in fields:
            ours, theirs = getattr(expected, name), getattr(came, name)
            difference = _difference(ours, theirs)
            worst[name] = max(worst[name], difference)
            if not difference <= TOLERANCE:  # also true for NaN
                raise ExportError(
                    f"'{name}' differs between onnxruntime and PyTorch for {shape}: the relative difference "
                    f"is {difference:.2g}, expected at most {TOLERANCE:g}"
                )
            # The largest differences between clips.
            spread, came_spread = (float((each.amax(0) - each.amin(0)).max()) for each in (ours, theirs))
            if name == "actional" and spread == 0:
                continue  # a shared graph, or an inferred graph that does not depend on the motion
            if num_clips > 1 and spread == 0:
                raise ExportError(f"'{name}' of the PyTorch model is the same for different motions")
            if came_spread < spread / 2:
                raise ExportError(
                    f"'{name}' hardly depends on the motion in onnxruntime: it differs by {came_spread:.2g} "
                    f"between clips, but by {spread:.2g} in PyTorch"
                )
    return worst


def _difference(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1))


def _motions(
    model: SybioGNN, num_clips: int, num_persons: int, num_frames: int, *, persons: bool
) -> tuple[Tensor, Tensor | None]:
    """Return random motions with the scale and speed of the training data and, with ``persons``, a mask."""
    like = next(model.parameters())
    shape = (num_clips, num_persons, num_frames, model.skeleton.num_joints, model.in_channels)
    position, velocity = torch.randn(shape, dtype=like.dtype), torch.randn(shape, dtype=like.dtype)
    position = position[:, :, :1]
    if model.joint_network is not None:
        norm = model.joint_network.input_norm
        position, velocity = norm.mean[0] + norm.scale[0] * position, norm.scale[1] * velocity
    velocity[:, :, 0] = 0
    x = position + velocity.cumsum(dim=2)
    if not persons:
        return x[:, 0], None
    present = torch.rand(num_clips, num_persons) < 0.7
    present[:, 0] = True
    return x, present


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress warnings and log messages below errors: they only concern the exporter's internals."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(disabled)
