r"""An exported model, run by onnxruntime in place of PyTorch."""

import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as native  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio.files import parse_json
from pyg_sybio.models.bounds import MAX_FUTURE, check_config_bounds, check_plain
from pyg_sybio.models.persons import persons_of_batch
from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.digest import graph_digest
from pyg_sybio.trained.onnx_file import parse_onnx

FORMAT_VERSION = 1
"""Version of the metadata that :func:`~pyg_sybio.export.export_onnx` writes next to the graph."""

FORMAT, CONFIG, ABOUT = "pyg_sybio.format", "pyg_sybio.model", "pyg_sybio.about"
"""Keys of the metadata: the format version, the model's config, and further facts."""

POSES, PRESENT, PROBABILITIES = "poses", "present", "probabilities"
FIELDS = ("logits", "future", "actional", "bone_future")
"""Outputs that :class:`~pyg_sybio.models.sybio_gnn.SybioOutput` has, in addition to ``probabilities``."""

MAX_MEMORY = 2**30
"""Maximum memory in bytes of all graphs of a process together, without their weights."""

MAX_SECONDS = 60.0
"""Maximum duration of the trial run on a single clip when a model is read."""

_PIECE = 2**19  # maximum number of pose values per run of the graph

# Errors of onnxruntime if a file is not ONNX, is damaged, or needs a later version of onnxruntime.
_UNREADABLE = (
    native.InvalidProtobuf, native.InvalidGraph, native.InvalidArgument, native.NoSuchFile, native.NoModel,
    native.NotImplemented, native.RuntimeException, native.Fail,
)  # fmt: skip


class OnnxModel(nn.Module):
    r"""A model that ``sybio export onnx`` wrote, called as :class:`~pyg_sybio.models.sybio_gnn.SybioGNN`.

    The model has no PyTorch parameters and cannot be trained. Outputs that were not exported are None.

    Args:
        content: The bytes of the file, which may come from someone else: the graph may contain only standard
            operators and its own weights (:mod:`~pyg_sybio.trained.onnx_file`), and all graphs of a process
            share :data:`MAX_MEMORY`.
        where: Name of the file in error messages.
        num_threads: Number of threads per operator. (default: the number that torch uses)

    Attributes:
        skeleton, in_channels, num_future, config: The same as in the exported model. ``num_future`` is also
            the maximum number of predicted frames.
        num_classes: The number of classes; 0 if recognition was not exported.
        persons: Whether clips may have several persons.
        about: Further metadata of the file (data, class names, ...); empty if there are none.
        digest: The digest of the graph (:func:`~pyg_sybio.trained.digest.graph_digest`).

    Shapes:
        As in :class:`~pyg_sybio.models.sybio_gnn.SybioGNN`; one person per clip unless :attr:`persons`.

    Raises:
        ValueError: If the file is not what :func:`~pyg_sybio.export.export_onnx` wrote, is damaged, or needs
            too much memory or time. Also if the input does not fit the model, or needs persons or frames that
            were not exported.

    Note:
        Idle threads sleep. By default, the idle threads of onnxruntime spin, which occupies the cores that
        readers, trackers and the next model need.
    """

    def __init__(self, content: bytes, *, where: str = "the model", num_threads: int | None = None) -> None:
        super().__init__()
        self._where = where
        proto = parse_onnx(content, where)
        metadata = {each.key: each.value for each in proto.metadata_props}
        if metadata.get(FORMAT) != str(FORMAT_VERSION):
            came = repr(metadata[FORMAT])[:60] if FORMAT in metadata else "none"
            raise ValueError(
                f"{where} is not an ONNX file that 'sybio export onnx' wrote: "
                f"expected '{FORMAT}' {FORMAT_VERSION} in its metadata, but found {came}"
            )
        self.config = _object(metadata, CONFIG, where)
        self.about = _object(metadata, ABOUT, where) if ABOUT in metadata else {}
        self.digest = graph_digest(proto.graph)
        check_config_bounds(self.config, where)
        self.skeleton = Skeleton.from_dict(self.config["skeleton"], where=f"{where}: the model's config")
        self.in_channels = self.config["in_channels"]
        self._session = _session(content, where, num_threads)

        shapes = {each.name: list(each.shape) for each in self._session.get_inputs()}
        self.persons = PRESENT in shapes
        expected = [self.skeleton.num_joints, self.in_channels]
        if len(shapes.get(POSES, ())) != 4 + self.persons or shapes[POSES][-2:] != expected:
            raise ValueError(
                f"{where}: expected an input '{POSES}' that ends in {expected}, the joints and features of "
                f"its skeleton '{self.skeleton.name}', but its inputs are {shapes}"
            )
        outputs = {each.name: list(each.shape) for each in self._session.get_outputs()}
        self._outputs = [name for name in FIELDS if name in outputs]
        if not self._outputs:
            raise ValueError(f"{where}: expected outputs among {FIELDS}, but it has {tuple(outputs)}")
        self.num_classes = self.config["num_classes"] if "logits" in outputs else 0
        # The number of exported frames; for a model without a future, the (unused) number in the config.
        frames = [outputs[name][-3:][0] for name in ("future", "bone_future") if name in outputs]
        self.num_future = frames[0] if frames else self.config["num_future"]
        if type(self.num_future) is not int or not 1 <= self.num_future <= MAX_FUTURE:
            raise ValueError(
                f"{where}: the future has {self.num_future!r:.60} frames, expected from 1 to {MAX_FUTURE}"
            )
        self._try()
        self.train(False)

    @classmethod
    def load(cls, path: str | Path, *, num_threads: int | None = None) -> "OnnxModel":
        """Read a file that ``sybio export onnx`` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is of another kind, or is damaged.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}: expected an .onnx file that 'sybio export onnx' wrote")
        return cls(path.read_bytes(), where=str(path), num_threads=num_threads)

    def forward(
        self, batch: Data | Tensor, present: Tensor | None = None, num_future: int | None = None
    ) -> SybioOutput:
        """Recognise and predict, as :meth:`~pyg_sybio.models.sybio_gnn.SybioGNN.forward` does."""
        persons = persons_of_batch(batch, present, self.skeleton, self.in_channels, like=torch.empty(0))
        x = persons.dense(persons.x)
        x = x if persons.has_slots else x[:, None]  # [N, P, T, M, D]
        num_future = self.num_future if num_future is None else num_future
        if not 1 <= num_future <= self.num_future:
            raise ValueError(
                f"'num_future' is {num_future}, expected 1 to {self.num_future} (the exported frames)"
            )
        if not self.persons and x.size(1) != 1:
            raise ValueError(
                f"'x' has {x.size(1)} persons per clip, but the model was exported for one: "
                "export it with --persons"
            )
        inputs = {POSES: x, PRESENT: persons.present} if self.persons else {POSES: x[:, 0]}
        arrays = {name: value.detach().cpu().numpy() for name, value in inputs.items()}
        size = max(1, _PIECE // max(1, arrays[POSES][0].size))  # clips per run
        pieces = [
            self._run({name: value[first : first + size] for name, value in arrays.items()})
            for first in range(0, len(arrays[POSES]), size)
        ]
        came = {
            name: torch.from_numpy(np.concatenate([each[name] for each in pieces])) for name in self._outputs
        }
        for name in came.keys() - {"logits"}:
            if self.persons and not persons.has_slots:
                came[name] = came[name].squeeze(1)
            elif persons.has_slots and not self.persons:
                came[name] = came[name].unsqueeze(1)
        for name in came.keys() & {"future", "bone_future"}:
            came[name] = came[name][..., :num_future, :, :]  # each frame only depends on earlier frames
        return SybioOutput(**{name: came.get(name) for name in FIELDS}, present=persons.present)

    def _run(
        self, arrays: Mapping[str, np.ndarray], options: onnxruntime.RunOptions | None = None
    ) -> dict[str, np.ndarray]:
        try:
            values = self._session.run(self._outputs, arrays, options)
        except _UNREADABLE as error:
            raise ValueError(f"{self._where} cannot be evaluated: {_one_line(error)}") from None
        return dict(zip(self._outputs, values, strict=True))

    def _try(self) -> None:
        """Check that the graph evaluates one clip within :data:`MAX_SECONDS`, with the expected shapes."""
        joints, bones = self.skeleton.num_joints, self.skeleton.num_bones
        clip = (1,) * (1 + self.persons)
        arrays = {
            POSES: np.zeros((*clip, self.config["actional_frames"], joints, self.in_channels), np.float32)
        }
        if self.persons:
            arrays[PRESENT] = np.ones(clip, bool)
        options = onnxruntime.RunOptions()
        timer = threading.Timer(MAX_SECONDS, setattr, (options, "terminate", True))
        timer.start()
        try:
            came = self._run(arrays, options)
        finally:
            timer.cancel()
        expected = {
            "logits": (1, self.num_classes),
            "future": (*clip, self.num_future, joints, self.in_channels),
            "actional": (*clip, joints, joints),
            "bone_future": (*clip, self.num_future, bones, self.in_channels),
        }
        for name, value in came.items():
            if value.shape != expected[name] or value.dtype != np.float32:
                raise ValueError(
                    f"{self._where}: '{name}' has shape {list(value.shape)} and type {value.dtype}, expected "
                    f"{list(expected[name])} and float32"
                )

    def train(self, mode: bool = True) -> "OnnxModel":
        """Raise an error unless ``mode`` is :obj:`False`, because an exported model cannot be trained."""
        if mode:
            raise ValueError("an exported model is only for evaluation: train the original model instead")
        return super().train(mode)

    def extra_repr(self) -> str:
        """Return the extra representation of the module."""
        return f"{self.skeleton.name!r}, outputs={self._outputs}, persons={self.persons}"


def _object(metadata: Mapping[str, str], key: str, where: str) -> dict[str, Any]:
    """Return a JSON object from the metadata of the file."""
    place = f"{where}, '{key}' of its metadata"
    value = parse_json(metadata.get(key, ""), place)
    check_plain(value, place)
    if not isinstance(value, dict):
        raise ValueError(f"{where}: '{key}' of its metadata must be an object, but it is {value!r:.60}")
    return value


def _session(content: bytes, where: str, num_threads: int | None) -> onnxruntime.InferenceSession:
    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads() if num_threads is None else num_threads
    options.inter_op_num_threads = 1  # operators depend on each other
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.log_severity_level = 4  # errors are exceptions, not log messages
    try:
        # Constant folding would bypass the memory limit; the exporter has already folded the constants.
        return onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
        )
    except _UNREADABLE as error:
        raise ValueError(f"{where} is not an ONNX file that can be run: {_one_line(error)}") from error


@cache
def _limit_memory() -> None:
    """Give the graphs of this process a common arena of limited size."""
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY}))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
