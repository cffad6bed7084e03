"""Model files of every format, and changes that an attacker may have made."""

import copy
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import once
import onnx
import torch
from safetensors.torch import load_file, save_file

from pyg_sybio.trained.digest import graph_digest
from pyg_sybio.trained.load import load_trained

_FIXTURES = Path(__file__).parents[1] / "fixtures" / "old_form"
_OLD = _FIXTURES / "synthetic"

KINDS = ("checkpoint", "folder", "onnx", "old checkpoint", "old folder", "old onnx")

# Where each form stores the values that attacks change.
_PLACES = {
    "new": {
        "dataset": ("training", "dataset"),
        "settings": ("training", "settings"),
        "test": ("training", "test"),
        "folder": ("training", "folder"),
        "batch_size": ("training", "batch_size"),
        "epoch": ("training", "epoch"),
        "preprocess": ("preparation", "preprocess"),
        "fill": ("preparation", "fill"),
        "num_observed": ("preparation", "num_observed"),
        "frame_rate": ("preparation", "frame_rate"),
        "class_names": ("class_names",),
        "seen_classes": ("seen_classes",),
        "views": ("views",),
        "format": ("format",),
    },
    "old": {
        "dataset": ("data", "dataset"),
        "settings": ("data", "settings"),
        "test": ("data", "test"),
        "folder": ("data", "folder"),
        "batch_size": ("data", "batch_size"),
        "epoch": ("epoch",),
        "preprocess": ("data", "settings", "preprocess"),
        "fill": ("data", "settings", "fill"),
        "num_observed": ("data", "num_observed"),
        "frame_rate": ("data", "frame_rate"),
        "class_names": ("data", "class_names"),
        "seen_classes": ("seen_classes",),
        "views": ("data", "looks"),
        "format": ("format",),
    },
}


@dataclass
class Parts:
    """The content of a model file: the model's config, the document, and the weights."""

    form: str
    config: Any
    document: Any
    weights: dict[str, torch.Tensor]

    def set(self, name: str, value: Any, *inner: str) -> None:
        """Set a value of the document, possibly nested, wherever this form of the document stores it."""
        *path, last = (*_PLACES[self.form][name], *inner)
        target = self.document
        for key in path:
            target = target.setdefault(key, {})
        target[last] = value

    def transform(self, name: str, **arguments: Any) -> dict[str, Any]:
        """A transform in this form of the document."""
        if self.form == "old":
            return {"class_path": name, "init_args": arguments}
        return {"name": name, "arguments": arguments}


@dataclass(frozen=True)
class ModelFile:
    """A model file, and functions that read and write its parts."""

    kind: str
    path: Path
    recording: Path

    def hostile(self, folder: Path, change: Callable[[Parts], object]) -> Path:
        """Write a copy with changed parts.

        Args:
            folder: Folder to write to.
            change: Function that changes the parts.
        """
        parts = self._read()
        change(parts)
        path = folder / self.path.name
        _WRITERS[self.kind.removeprefix("old ")](self.path, path, parts)
        return path

    def _read(self) -> Parts:
        form = "old" if self.kind.startswith("old ") else "new"
        match self.kind.removeprefix("old "):
            case "checkpoint":
                content = torch.load(self.path, weights_only=True)
                document = content if form == "old" else json.loads(content["document"])
                return Parts(form, content["model_config"], copy.deepcopy(document), content["state_dict"])
            case "folder":
                config, document = (
                    json.loads((self.path / name).read_text()) for name in ("config.json", "data.json")
                )
                return Parts(form, config, document, load_file(self.path / "model.safetensors"))
            case _:
                proto = onnx.load(self.path)
                texts = {each.key: each.value for each in proto.metadata_props}
                weights = {
                    each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy())
                    for each in proto.graph.initializer
                    if each.data_type == onnx.TensorProto.FLOAT
                }
                documents = [json.loads(texts[f"pyg_sybio.{name}"]) for name in ("model", "about")]
                return Parts(form, *documents, weights)


def _write_checkpoint(original: Path, path: Path, parts: Parts) -> None:
    content = torch.load(original, weights_only=True)
    if parts.form == "old":
        content |= {
            key: value for key, value in parts.document.items() if key not in ("model_config", "state_dict")
        }
    else:
        content["document"] = _text(parts.document)
    content |= {"model_config": parts.config, "state_dict": parts.weights}
    torch.save(_pickled(content), path)


def _write_folder(original: Path, path: Path, parts: Parts) -> None:
    shutil.copytree(original, path)
    (path / "config.json").write_text(_text(parts.config))
    (path / "data.json").write_text(_text(parts.document))
    save_file(parts.weights, path / "model.safetensors")


def _write_onnx(original: Path, path: Path, parts: Parts) -> None:
    proto = onnx.load(original)
    for each in proto.metadata_props:
        changed: Mapping[str, Any] = {"pyg_sybio.model": parts.config, "pyg_sybio.about": parts.document}
        if each.key in changed:
            each.value = _text(changed[each.key])
    for each in proto.graph.initializer:
        if each.name in parts.weights:
            each.CopyFrom(onnx.numpy_helper.from_array(parts.weights[each.name].numpy(), each.name))
    path.write_bytes(proto.SerializeToString())


_WRITERS = {"checkpoint": _write_checkpoint, "folder": _write_folder, "onnx": _write_onnx}


class Raw(str):
    """Text that is inserted into a JSON document unchanged, such as a number that Python cannot represent."""


NAN, INFINITY, DIGITS, DEEP = Raw("NaN"), Raw("1e999"), Raw("9" * 10**5), Raw("[" * 10**5 + "]" * 10**5)
SHARED = Raw("[" + "[[]]," * 10**5 + "[]]")
"""Many lists: 10^5 in JSON, and 10^24 in formats in which several places can share a list."""


def _pickled(value: Any) -> Any:
    """The document with Python values in place of raw texts, for files that are not JSON."""
    if isinstance(value, Raw):
        deep: list[Any] = []
        for _ in range(100):
            deep = [deep]
        shared: list[Any] = []
        for _ in range(24):
            shared = [shared] * 10
        plain = {
            NAN: float("nan"),
            INFINITY: float("inf"),
            DIGITS: int("9" * 4000),
            DEEP: deep,
            SHARED: shared,
        }
        return plain[value]
    if isinstance(value, dict):
        return {key: _pickled(each) for key, each in value.items()}
    return [_pickled(each) for each in value] if isinstance(value, list) else value


def _text(document: Any) -> str:
    raw: list[Raw] = []

    def marked(value: Any) -> Any:
        if isinstance(value, Raw):
            raw.append(value)
            return f"raw text {len(raw) - 1}"
        if isinstance(value, dict):
            return {key: marked(each) for key, each in value.items()}
        return [marked(each) for each in value] if isinstance(value, list | tuple) else value

    text = json.dumps(marked(document))
    for number, each in enumerate(raw):
        text = text.replace(f'"raw text {number}"', each)
    return text


def model_files() -> dict[str, ModelFile]:
    """One intact file of each format, made once per session."""
    folder = once.once("hostile models", _make)
    paths = {
        "checkpoint": folder / "model.ckpt",
        "folder": folder / "model",
        "onnx": folder / "model.onnx",
        "old checkpoint": _OLD / "last.ckpt",
        "old folder": _OLD / "shared",
        "old onnx": _FIXTURES / "motion_folder" / "model.onnx",
    }
    recordings = {kind: folder / f"recordings of {kind}" / "recording.npz" for kind in paths}
    return {kind: ModelFile(kind, path, recordings[kind]) for kind, path in paths.items()}


def _make() -> Path:
    folder = once.folder / "hostile models"
    for kind in KINDS:
        (folder / f"recordings of {kind}").mkdir(parents=True)
        source = _FIXTURES / "motion_folder" if kind.endswith("onnx") else _OLD
        shutil.copy(source / "recording.npz", folder / f"recordings of {kind}")
    load_trained(_OLD / "last.ckpt").save(folder / "model")
    exported = _FIXTURES / "motion_folder" / "model.onnx"
    proto = onnx.load(exported)
    (about,) = (each for each in proto.metadata_props if each.key == "pyg_sybio.about")
    about.value = json.dumps(load_trained(exported).document(graph_digest(proto.graph)))
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    old = torch.load(_OLD / "last.ckpt", weights_only=True)
    content = {key: value for key, value in old.items() if key != "data"}
    content["document"] = (folder / "model" / "data.json").read_text()
    torch.save(content, folder / "model.ckpt")
    return folder
