r"""A model as an ONNX file, which runs without PyTorch; checked before it is written."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from pyg_sybio.files import write_whole
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.trained.onnx_model import (
    ABOUT,
    CONFIG,
    FIELDS,
    FORMAT,
    FORMAT_VERSION,
    POSES,
    PRESENT,
    PROBABILITIES,
    OnnxModel,
)

TOLERANCE = 1e-4
"""How far onnxruntime may be from PyTorch: the largest difference, over the largest magnitude or 1."""

_OUTPUTS = {
    "all": (PROBABILITIES, *FIELDS),
    "recognition": (PROBABILITIES, "logits"),
    "prediction": ("future", "bone_future"),
}
TASKS = tuple(_OUTPUTS)

# Clips, persons and frames of the motions that an export is checked on; none is of the shape that was traced.
_TRACED = (3, 2, 41)
_CHECKED = ((1, 1, 30), (2, 2, 50), (7, 3, 100), (3, 1, 5))


@dataclass(frozen=True)
class Exported:
    """What was written, and how it was checked.

    Args:
        outputs: Names of the outputs.
        differences: The largest difference of each field from PyTorch's, over its largest magnitude or 1.
        num_bytes: The size of the file.
    """

    outputs: tuple[str, ...]
    differences: Mapping[str, float]
    num_bytes: int


class ExportError(RuntimeError):
    """An export that does not answer as the model that it was made from: nothing was written."""


def export_onnx(
    model: SybioGNN,
    path: str | Path,
    *,
    task: str = "all",
    persons: bool = False,
    num_future: int | None = None,
    about: Mapping[str, Any] | None = None,
) -> Exported:
    r"""Write a model's evaluation as an ONNX file.

    The file takes any number of clips and of observed frames. It has the input ``poses`` and, of what the
    model has and ``task`` asks for, the outputs ``probabilities``, ``logits``, ``future``, ``actional`` and
    ``bone_future`` (:class:`~pyg_sybio.models.sybio_gnn.SybioOutput`). Its metadata hold the model's config
    with the skeleton, so that :class:`~pyg_sybio.trained.onnx_model.OnnxModel` needs nothing else.

    Before it is written, onnxruntime runs it on fresh random motions, of several numbers of clips, persons
    and frames, and what it answers is compared with PyTorch's.

    Args:
        model: The model, on the CPU; it is left in evaluation mode.
        path: The file; it appears whole or not at all.
        task: ``"all"``, ``"recognition"`` or ``"prediction"``: what is not asked for is not in the file. A
            model that has learned both tasks predicts from the class probabilities (Eq. 10b): what finds
            them is in the file even where only the future comes out.
        persons: Whether clips have several persons. Poses are ``[N, P, T, M, D]`` then, any number of
            persons, and there is a second input ``present``, booleans ``[N, P]``.
        num_future: Future frames, in place of the model's own.
        about: Whatever else is to be known, as values that JSON has.

    Shapes:
        - **poses:** :math:`(N, T, M, D)`, any :math:`T \geq 1`
        - **probabilities, logits:** :math:`(N, C)`
        - **future:** :math:`(N, T_{future}, M, D)`
        - **actional:** :math:`(N, M, M)`

    Raises:
        ValueError: If there is no such task, the model lacks it, or an argument is out of its range.
        ExportError: If the file would not answer as the model, or answers the same to different motions.

    Note:
        The recurrence of the prediction head is unrolled: the file's size grows with ``num_future``, which is
        fixed in it.
    """
    if task not in TASKS:
        raise ValueError(f"'task' is {task!r}, expected one of {', '.join(TASKS)}")
    if not model.config.get(task, True):
        raise ValueError(f"'task' is {task!r}, but the model was trained without it")
    num_future = model.num_future if num_future is None else num_future
    if num_future < 1:
        raise ValueError(f"'num_future' must be at least 1, but it is {num_future}")
    metadata = {FORMAT: str(FORMAT_VERSION), CONFIG: json.dumps(model.config)}
    if about is not None:
        metadata[ABOUT] = json.dumps(about, allow_nan=False)

    model.eval()
    graph = _Graph(model, _OUTPUTS[task], num_future, *_motions(model, *_TRACED, persons=persons))
    content = _translated(graph, metadata)
    differences = _check(OnnxModel(content, where="the export"), model, graph, num_future)
    write_whole(path, lambda file: file.write(content))
    return Exported(graph.outputs, differences, len(content))


class _Graph(nn.Module):
    """What is exported: tensors in, the chosen tensors out."""

    def __init__(
        self, model: SybioGNN, wanted: tuple[str, ...], num_future: int, x: Tensor, present: Tensor | None
    ) -> None:
        super().__init__()
        # Folded, as constants of any size are worked out once in it.
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


def _translated(graph: _Graph, metadata: Mapping[str, str]) -> bytes:
    """The ONNX file of a graph."""
    free: tuple[tuple[str, ...], ...] = (("clips", "frames"),)
    if len(graph.example) > 1:
        free = (("clips", "persons", "frames"), ("clips", "persons"))
    with torch.no_grad(), _silence():
        program = torch.onnx.export(
            graph,
            graph.example,
            dynamo=True,
            # Not names with bounds, as the exporter would trace a second time to find them.
            dynamic_shapes=tuple(dict.fromkeys(range(len(names)), Dim.DYNAMIC) for names in free),
            input_names=[POSES, PRESENT][: len(graph.example)],
            output_names=list(graph.outputs),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    graph_proto = proto.graph
    # Where each operator comes from, with the paths of this machine, is nobody's business.
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
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    content: bytes = proto.SerializeToString()
    return content


def _check(exported: OnnxModel, model: SybioGNN, graph: _Graph, num_future: int) -> dict[str, float]:
    """The differences from PyTorch on fresh motions.

    Raises:
        ExportError: If one is above :data:`TOLERANCE`, or an output does not depend on the motion.
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
            if not difference <= TOLERANCE:  # a NaN is no match either
                raise ExportError(
                    f"onnxruntime's '{name}' is not PyTorch's for {shape}: the largest difference is "
                    f"{difference:.2g} of the largest magnitude, expected at most {TOLERANCE:g}"
                )
            if num_clips > 1:
                _check_spread(name, _spread(ours), _spread(theirs))
    return worst


def _difference(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1))


def _spread(values: Tensor) -> float:
    """How much clips differ, at most."""
    return float((values.amax(dim=0) - values.amin(dim=0)).max())


def _check_spread(name: str, ours: float, theirs: float) -> None:
    if ours == 0:
        raise ExportError(f"the model's own '{name}' is the same for different motions: nothing to compare")
    if theirs < ours / 2:
        raise ExportError(
            f"onnxruntime's '{name}' hardly depends on the motion: it differs by {theirs:.2g} between clips, "
            f"where PyTorch's differs by {ours:.2g}"
        )


def _motions(
    model: SybioGNN, num_clips: int, num_persons: int, num_frames: int, *, persons: bool
) -> tuple[Tensor, Tensor | None]:
    """Random motions as large and as fast as those of the training, and with ``persons`` who is present."""
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
    """Keep what the exporter says of its own insides from whoever exports."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
