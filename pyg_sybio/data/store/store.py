"""Motions that are prepared once: read from their files, preprocessed, and kept as memory-mapped arrays.

:func:`prepare` makes a :class:`MotionStore`, or opens the one from an earlier run.
"""

import functools
import json
import multiprocessing
import os
import pickle
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor
from tqdm import tqdm

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.processes import MAIN_GUARD
from pyg_sybio.data.store.files import (
    INDEX,
    META,
    ClipInfo,
    Clips,
    DamagedStoreError,
    StoreWriter,
    check_file,
    first_rows,
    mapped,
    outside,
    read_meta,
)
from pyg_sybio.data.store.fingerprint import described, digest, listing
from pyg_sybio.data.store.records import Preprocess, Read, read_files
from pyg_sybio.data.store.storage import DEFAULT_STORAGE, Storage
from pyg_sybio.skeleton import Skeleton

__all__ = ["ClipInfo", "DamagedStoreError", "MotionStore", "prepare"]

FORMAT = 3
"""Version of stores and readers; stores of older versions are prepared again."""

CACHE_VARIABLE = "PYG_SYBIO_CACHE"


class MotionStore:
    """Prepared motions, memory-mapped and read only.

    A pickled store is a reference: when it is unpickled in another process, it opens the same folder.

    Args:
        folder: The store's folder.
        root: The folder of the raw files, which contains the motions' sources.
        verify: Whether to compare the arrays with their checksums.

    Attributes:
        skeleton: The skeleton of all motions.
        clips: The properties of each motion.
        skipped: Source and reason of each motion that was left out.

    Raises:
        DamagedStoreError: If a file of the store is missing or has changed since it was written.
    """

    def __init__(self, folder: str | Path, *, root: str | Path, verify: bool = True) -> None:
        self.folder, self.root = Path(folder), Path(root)
        meta = read_meta(self.folder / META)
        for name, written in meta["files"].items():
            # The index is always checked: it is small and read completely.
            check_file(self.folder / name, written, content=verify or name == INDEX)
        self.skeleton = Skeleton.from_dict(meta["skeleton"])
        columns = json.loads((self.folder / INDEX).read_bytes())
        self.clips: Sequence[ClipInfo] = Clips(columns, str(self.root))
        self.skipped: tuple[tuple[str, str], ...] = tuple(
            (outside(source, inside, str(self.root)), reason) for source, inside, reason in columns["skipped"]
        )
        joints, features = self.skeleton.num_joints, self.skeleton.num_features
        rows = {"poses": (joints, features), "translation": (3,)}
        self._arrays = {
            name: mapped(self.folder / f"{name}.bin", kind, rows.get(name, (joints,)))
            for name, kind in meta["types"].items()
        }
        self._first = {name: first_rows(columns, name) for name in self._arrays}

    def __len__(self) -> int:
        return len(self.clips)

    def __repr__(self) -> str:
        return f"MotionStore({len(self)} clips, {self.skeleton.name!r}, {str(self.folder)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(MotionStore, self.folder, root=self.root, verify=False), ()

    def motion(self, index: int, frames: slice = slice(None)) -> Motion:
        """A copy of one motion, or of some of its frames.

        Args:
            index: Index of the motion; negative numbers count from the end.
            frames: The frames.

        Raises:
            IndexError: If there is no such motion.
            ValueError: If `frames` selects no frame.
        """
        clip = self.clips[index]
        tensors: dict[str, Any] = {name: self._part(name, index, clip, frames) for name in self._arrays}
        if not tensors["poses"].numel():
            raise ValueError(f"'frames' is {frames}, but {clip.source} has {clip.num_frames} frames")
        fields = {name: getattr(clip, name) for name in ("frame_rate", "label", "ids", "tracks", "source")}
        # The values were checked when the motion was prepared, and the checksums guard them since.
        return Motion(**tensors, **fields, skeleton=self.skeleton, check_values=False)

    def _part(self, name: str, index: int, clip: ClipInfo, frames: slice) -> Tensor | None:
        if (first := self._first[name][index]) < 0:
            return None
        rows = self._arrays[name]
        shape = (clip.num_persons, clip.num_frames, *rows.shape[1:])
        block = rows[first : first + shape[0] * shape[1]].reshape(shape)
        return torch.from_numpy(np.array(block[:, frames], order="C"))


def prepare(
    *,
    files: Sequence[Path],
    read: Read,
    preprocess: Preprocess | None = None,
    settings: Mapping[str, Any],
    root: str | Path,
    storage: Storage = DEFAULT_STORAGE,
) -> MotionStore:
    """Prepare the motions of files, or open the store of an earlier run.

    A store is made in a hidden folder and renamed when it is complete. Another process that wants the same
    store waits, and then opens it. A store is made again, and the previous one removed, in three cases: a
    file was added, removed or changed (by size or modification time); the store has the format of another
    version; or the store is damaged (with a warning). Stores with other settings are kept, since another run
    may be using them. The cache folder may be emptied at any time.

    Args:
        files: The raw files, in the order of the clips.
        read: Function that returns the motion or motions of a file. The motions of an iterator are not
            collected in memory.
        preprocess: Applied to each motion before it is stored; a motion for which it returns None is left
            out. `read` and `preprocess` must be picklable: functions of a module, `functools.partial` of one,
            or transforms.
        settings: Further values on which the result depends, such as the version of a user's function
            (changes of its code are not detected) and the choice of the files. There is one store for each
            combination of `root`, `settings`, `read` and `preprocess`.
        root: The folder of the raw files.
        storage: The folder of the stores, and how they are made.

    Raises:
        ValueError: If a file cannot be read (the message lists the errors of this file and the next ones),
            motions have different skeletons or number types, or no motion is left.
        OSError: If the cache folder cannot be written.
        RuntimeError: If a worker process died.
    """
    if not files:
        raise ValueError(f"'files' is empty, expected files of {root}")
    root = Path(root)
    for name, function in (("read", read), ("preprocess", preprocess)):
        try:
            pickle.dumps(function)
        except Exception as error:
            raise ValueError(
                f"'{name}' is {function!r}, which cannot be sent to another process ({error}): expected a "
                "function of a module, functools.partial of one, or a transform"
            ) from None
    # Absolute: a store may be opened again by a process that works in another folder.
    folder = storage.cache or os.environ.get(CACHE_VARIABLE) or "~/.cache/pyg_sybio"
    cache = Path(folder).expanduser().absolute()
    arguments = {"settings": settings, "read": read, "preprocess": preprocess}
    made_from = {name: described(value) for name, value in arguments.items()} | {"root": str(root.resolve())}
    family = f"{root.resolve().name[:40]}-{digest(made_from)[:16]}"
    made_from |= {"format": FORMAT, "files": listing(files, root)}
    folder = cache / f"{family}-{digest(made_from)[:16]}"
    try:
        return MotionStore(folder, root=root)
    except (DamagedStoreError, OSError):
        pass  # the store is missing or is being removed: try again under the lock
    with _writing(cache), _alone(cache / f"{family}.lock", root, storage.progress):
        _remove(cache, f".{family}.")  # files of a process that was killed
        if folder.exists():
            try:
                return MotionStore(folder, root=root)
            except DamagedStoreError as error:
                warnings.warn(f"{error}: {root} is prepared again", stacklevel=2)
        part = cache / f".{family}.{os.getpid()}"
        try:
            part.mkdir()
            _fill(part, files, read, preprocess, root, made_from, storage)
            _remove(cache, f"{family}-")
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return MotionStore(folder, root=root)


def _fill(
    folder: Path,
    files: Sequence[Path],
    read: Read,
    preprocess: Preprocess | None,
    root: Path,
    made_from: Mapping[str, Any],
    storage: Storage,
) -> None:
    hidden = None if storage.progress else True  # None: show the bar only on a terminal
    bar = tqdm(total=len(files), desc=f"preparing {root.name}", unit="file", disable=hidden)
    options = {"num_processes": storage.num_processes, "folder": folder, "advance": bar.update}
    with bar, StoreWriter(folder, root) as writer:
        with closing(read_files(files, read, preprocess, **options)) as items:
            for item in items:
                writer.add(item)
        writer.finish(made_from)
    try:
        unchanged = listing(files, root) == made_from["files"]
    except OSError:
        unchanged = False
    if not unchanged:
        raise ValueError(f"files of {root} changed while they were prepared: prepare them again")


# The cache folder -------------------------------------------------------------------------------------------


@contextmanager
def _writing(cache: Path) -> Iterator[None]:
    """Report file system errors in the block as errors of the cache folder (raw files raise `ValueError`)."""
    try:
        yield
    except OSError as error:
        raise type(error)(
            f"the cache folder {cache} cannot be written ({error.strerror or error}): set the environment "
            f"variable {CACHE_VARIABLE} (or 'cache') to a folder that can be written"
        ) from None


def _alone(lock_file: Path, root: Path, progress: bool) -> AbstractContextManager:
    """A context in which only one process at a time prepares a store."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # A worker imports the script that started it, and would wait here for its parent process.
        raise RuntimeError(MAIN_GUARD)
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_file)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        if progress:
            print(f"waiting for another process that prepares {root}", file=sys.stderr, flush=True)
        return lock.acquire()


def _remove(cache: Path, prefix: str) -> None:
    for path in cache.iterdir():
        if path.name.startswith(prefix):
            shutil.rmtree(path)
