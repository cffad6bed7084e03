"""Stores of random motions, and the folders of a cache."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from made_up_motions import (
    files_of,
    read,
)

from pyg_sybio.data.store.storage import Storage
from pyg_sybio.data.store.store import MotionStore, prepare


def prepared(root: Path, read: Callable[[Path], object] = read, **changes: object) -> MotionStore:
    names = {field.name for field in fields(Storage)}
    storage = {"progress": False} | {name: changes.pop(name) for name in names & changes.keys()}
    arguments = {"files": files_of(root), "settings": {}, "root": root, "storage": Storage(**storage)}
    return prepare(read=read, **(arguments | changes))  # type: ignore[arg-type]


def folders_of(cache: Path) -> list[Path]:
    """Return everything in the cache except the locks."""
    return [path for path in cache.iterdir() if path.suffix != ".lock"]
