r"""The files of a motion store: written motion by motion, and checked when they are read.

| file | content |
|---|---|
| `poses.bin` | the frames of all persons of all clips, one after the other, `[rows, M, D]` |
| `present.bin` | the same for `present`, `[rows, M]`, one byte each |
| `confidence.bin`, `translation.bin` | the same for the clips that have them |
| `index.json` | the other properties of the clips, as columns |
| `meta.json` | skeleton, number types, what the store was made from, sizes and checksums, including its own |
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash

from pyg_sybio.data.motion import TENSORS
from pyg_sybio.data.store.fingerprint import digest
from pyg_sybio.data.store.records import LeftOut, Record
from pyg_sybio.skeleton import Skeleton

INDEX, META = "index.json", "meta.json"
COLUMNS = ("num_persons", "num_frames", "label", "source", "inside", "frame_rate", "tracks", "body_size")
TYPES = {"float16": "<f2", "float32": "<f4", "float64": "<f8", "bool": "|b1"}


class DamagedStoreError(ValueError):
    """The files of a store differ from what was written."""


@dataclass(frozen=True, kw_only=True)
class ClipInfo:
    """The properties of a stored motion without its arrays (:class:`~pyg_sybio.data.motion.Motion`)."""

    num_persons: int
    num_frames: int
    label: str | None
    ids: Mapping[str, str]
    source: str
    frame_rate: float | None
    tracks: tuple[int, ...]
    body_size: float


def read_meta(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()
        document = json.loads(text)
        whole = isinstance(document, dict) and text == _meta_text(document)
    except OSError as error:
        raise DamagedStoreError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError:
        whole = False
    if not whole:
        raise DamagedStoreError(f"{path} has changed since it was written")
    return document


def _meta_text(document: Mapping[str, Any]) -> bytes:
    content = {key: value for key, value in document.items() if key != "checksum"}
    return (json.dumps(content | {"checksum": digest(content)}, indent=1) + "\n").encode()


def check_file(path: Path, written: Mapping[str, Any], *, content: bool) -> None:
    try:
        size = path.stat().st_size
        if size != written["bytes"]:
            raise DamagedStoreError(f"{path} has {size} bytes, but {written['bytes']} were written")
        if content:
            with path.open("rb", buffering=0) as file:
                checksum = hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
            if checksum != written["xxh3_128"]:
                raise DamagedStoreError(f"{path} has changed since it was written")
    except OSError as error:
        raise DamagedStoreError(f"{path} cannot be read ({error.strerror})") from None


def mapped(path: Path, kind: str, row: tuple[int, ...]) -> np.ndarray:
    # As a plain array: slicing a memmap takes a few microseconds more.
    return np.memmap(path, dtype=TYPES[kind], mode="r").view(np.ndarray).reshape(-1, *row)


class Clips(Sequence[ClipInfo]):
    """The properties of each clip, created on access, because a store may have a hundred thousand clips."""

    def __init__(self, columns: Mapping[str, Any], root: str) -> None:
        self._columns = {name: columns[name] for name in COLUMNS}
        # Equal texts are stored once: there are many clips, but few different texts.
        ids = columns["ids"].items()
        self._ids = {name: [text and sys.intern(text) for text in column] for name, column in ids}
        self._root = root

    def __len__(self) -> int:
        return len(self._columns["source"])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        values = {name: column[index] for name, column in self._columns.items()}
        inside = values.pop("inside")
        values["source"] = outside(values["source"], inside, self._root)
        values["tracks"] = tuple(values["tracks"])
        ids = {name: text for name, column in self._ids.items() if (text := column[index]) is not None}
        return ClipInfo(**values, ids=ids)


def first_rows(columns: Mapping[str, Any], name: str) -> list[int]:
    """The first row of each clip in an array, -1 for clips without one."""
    counts = np.array(columns["num_persons"]) * np.array(columns["num_frames"])
    there = np.array(columns["has"][name], dtype=bool)
    counts = np.where(there, counts, 0)
    return np.where(there, np.cumsum(counts) - counts, -1).tolist()


def _inside(source: str, root: str) -> tuple[str, bool]:
    prefix = root + os.sep
    return source.removeprefix(prefix), source.startswith(prefix)


def outside(source: str, inside: bool, root: str) -> str:
    return root + os.sep + source if inside else source


class StoreWriter(AbstractContextManager):
    """Write motions one after the other into the files of a store."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, str(root)
        self.files: dict[str, BinaryIO] = {}
        self.checksums: dict[str, Any] = {}
        self.types: dict[str, tuple[str, str]] = {}  # the type, and the first clip with it
        self.skeleton: tuple[Skeleton, str] | None = None
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.has: dict[str, list[int]] = {name: [] for name in TENSORS}
        self.ids: dict[str, list[str | None]] = {}
        self.skipped: list[tuple[str, bool, str]] = []

    def __exit__(self, *_: object) -> None:
        for file in self.files.values():
            file.close()

    def add(self, item: Record | LeftOut) -> None:
        if isinstance(item, LeftOut):
            self.skipped.append((*_inside(item.source, self.root), item.reason))
            return
        source = item.values["source"]
        self._check_skeleton(item.skeleton, source)
        for name in TENSORS:
            self.has[name].append(int(name in item.arrays))
            if name in item.arrays:
                self._add_rows(name, item.arrays[name], source)
        values = dict(item.values)
        values["source"], values["inside"] = _inside(source, self.root)
        for name, column in self.columns.items():
            column.append(values[name])
        count = len(self.columns["source"])
        for name, text in values["ids"].items():
            column = self.ids.setdefault(name, [])
            column += [None] * (count - 1 - len(column)) + [text]

    def finish(self, made_from: Mapping[str, Any]) -> None:
        if self.skeleton is None:
            source, _, reason = self.skipped[0]
            raise ValueError(f"no motion of {self.root} can be stored: {source} {reason}")
        count = len(self.columns["source"])
        ids = {name: column + [None] * (count - len(column)) for name, column in self.ids.items()}
        index = {**self.columns, "has": self.has, "ids": ids, "skipped": self.skipped}
        self._write(INDEX, json.dumps(index, separators=(",", ":")).encode())
        meta = {
            "made_from": dict(made_from),
            "skeleton": self.skeleton[0].to_dict(),
            "types": {name: kind for name, (kind, _) in self.types.items()},
            "files": {
                name: {"bytes": file.tell(), "xxh3_128": self.checksums[name].hexdigest()}
                for name, file in self.files.items()
            },
        }
        (self.folder / META).write_bytes(_meta_text(meta))

    def _add_rows(self, name: str, array: np.ndarray, source: str) -> None:
        kind, first = self.types.setdefault(name, (array.dtype.name, source))
        if array.dtype.name != kind:
            raise ValueError(f"'{name}' is {array.dtype.name} in {source}, but {kind} in {first}")
        self._write(f"{name}.bin", array.astype(TYPES[kind], copy=False).data)

    def _write(self, name: str, content: bytes | memoryview) -> None:
        if name not in self.files:
            self.files[name] = (self.folder / name).open("wb")
            self.checksums[name] = xxhash.xxh3_128()
        self.files[name].write(content)
        self.checksums[name].update(content)

    def _check_skeleton(self, skeleton: Skeleton, source: str) -> None:
        if self.skeleton is None:
            self.skeleton = skeleton, source
        elif skeleton != self.skeleton[0]:
            first, first_source = self.skeleton
            raise ValueError(
                f"{source} has skeleton '{skeleton.name}' ({skeleton.num_joints} joints), but {first_source} "
                f"has '{first.name}' ({first.num_joints} joints): expected one skeleton"
            )
