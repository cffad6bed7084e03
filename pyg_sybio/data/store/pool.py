"""Motions out of many files, in the order of the files, on one core or on many."""

import functools
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton

Read = Callable[[Path], Motion | Iterable[Motion]]
Preprocess = Callable[[Motion], Motion | None]

START_UP_SECONDS = 3.0
"""What a worker process takes to start, most of it the import of torch."""
TRIAL_SECONDS = 0.5
"""How long this process reads alone before it judges whether workers pay."""
LOOK_AHEAD = 32
"""Files that are still read after one that failed, so that the error can name the next ones too."""
NUM_ERRORS_SHOWN = 5
FILES_IN_FLIGHT = 4
"""Files that are given out ahead of the writer, for each worker."""
MAX_RESULT_BYTES = 4 * 2**20
"""What a worker sends of one file through memory; more goes through a file on disk."""


@dataclass(frozen=True)
class Record:
    """A motion as plain arrays, `[P * T, ...]` each, and plain values.

    Torch would send its tensors from process to process through shared memory, with a file descriptor each.
    """

    arrays: dict[str, np.ndarray]
    values: dict[str, Any]
    skeleton: Skeleton

    @property
    def num_bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())


@dataclass(frozen=True)
class LeftOut:
    """A motion, or a file, that is left out on purpose."""

    source: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """What went wrong with a file."""

    message: str
    trace: str | None
    """Where in the code, for an error that is not about the file's content."""


Item = Record | LeftOut | Failure


def read_files(
    files: Sequence[Path],
    read: Read,
    preprocess: Preprocess | None,
    *,
    num_processes: int,
    folder: Path,
    advance: Callable[[], object],
) -> Generator[Record | LeftOut, None, None]:
    """The motions of all files, in the order of the files.

    This process reads alone for :data:`TRIAL_SECONDS`, and goes on alone unless the files read so far say
    that workers will save at least twice the :data:`START_UP_SECONDS` that they take to start.

    Args:
        files: What to read.
        read: Gives the motions of a file.
        preprocess: Applied to each motion; None where the motion is to be left out.
        num_processes: How many processes may read.
        folder: Where workers may leave files on their way to this process.
        advance: Called after each file.

    Raises:
        ValueError: If a file cannot be read, with its message. The next :data:`LOOK_AHEAD` files are still
            read, and the first :data:`NUM_ERRORS_SHOWN` messages shown.
        RuntimeError: If a worker process died.
    """
    if multiprocessing.current_process().daemon:  # such as a loader's worker, which may not have children
        num_processes = 1
    failures: list[Failure] = []
    done, ahead = 0, LOOK_AHEAD
    with closing(_results(files, read, preprocess, num_processes, folder)) as results:
        for items in results:
            for item in items:
                if isinstance(item, Failure):
                    failures.append(item)
                elif not failures:
                    yield item
            done += 1
            advance()
            if failures:
                ahead -= 1
                if ahead < 0:
                    break
    if failures:
        raise _error(failures, f"{done} of {len(files)}")


def _error(failures: Sequence[Failure], read: str) -> ValueError:
    shown = failures[:NUM_ERRORS_SHOWN]
    if len(failures) == 1:
        error = ValueError(shown[0].message)
    else:
        lines = [failure.message for failure in shown]
        if more := len(failures) - len(shown):
            lines.append(f"and {more} more")
        error = ValueError(
            f"{len(failures)} files cannot be prepared (found after {read} files):"
            + "".join(f"\n  {line}" for line in lines)
        )
    for failure in shown:
        if failure.trace is not None:
            error.add_note(failure.trace)
    return error


def _results(
    files: Sequence[Path], read: Read, preprocess: Preprocess | None, num_processes: int, folder: Path
) -> Generator[Iterable[Item], None, None]:
    begin = time.perf_counter()
    for done, path in enumerate(files):
        elapsed = time.perf_counter() - begin
        if num_processes > 1 and done and elapsed >= TRIAL_SECONDS:
            rest = elapsed / done * (len(files) - done)
            if rest * (1 - 1 / num_processes) > 2 * START_UP_SECONDS:
                yield from _in_workers(files[done:], read, preprocess, num_processes, folder)
                return
        yield items_of(path, read, preprocess)


def items_of(path: Path, read: Read, preprocess: Preprocess | None) -> Iterator[Item]:
    """What a file gives: motion by motion, and a failure as the last item if it fails."""
    found = False
    try:
        motions = read(path)
        for motion in (motions,) if isinstance(motions, Motion) else motions:
            found = True
            if not isinstance(motion, Motion):
                raise TypeError(f"'read' gave {type(motion).__name__}, expected motions")
            result = motion if preprocess is None else preprocess(motion)
            if result is None:
                yield LeftOut(motion.source or str(path), f"left out by {name_of(preprocess)}")
            elif isinstance(result, Motion):
                yield record_of(result)
            else:
                raise TypeError(f"'preprocess' gave {type(result).__name__}, expected a motion or None")
        if not found:
            yield LeftOut(str(path), "has no motion")
    except Exception as error:
        about_content = isinstance(error, ValueError | OSError)
        message = str(error) if about_content else f"{type(error).__name__}: {error}"
        if str(path) not in message:
            message = f"{path}: {message}"
        yield Failure(message, None if about_content else traceback.format_exc())


def record_of(motion: Motion) -> Record:
    """A motion's arrays and values."""
    for name, text in motion.ids.items():
        if not isinstance(text, str):
            raise ValueError(f"{motion.source} has {text!r} as its '{name}', expected text")
    arrays = {
        name: value.detach().cpu().contiguous().numpy().reshape(-1, *value.shape[2:])
        for name, value in (
            ("poses", motion.poses),
            ("present", motion.present),
            ("confidence", motion.confidence),
            ("translation", motion.translation),
        )
        if value is not None
    }
    values = {
        "num_persons": motion.num_persons,
        "num_frames": motion.num_frames,
        "label": motion.label,
        "ids": dict(motion.ids),
        "source": motion.source,
        "frame_rate": motion.frame_rate,
        "tracks": tuple(map(int, motion.tracks)),
    }
    return Record(arrays, values, motion.skeleton)


def name_of(function: Any) -> str:
    """What to call a function or transform."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    return getattr(function, "__qualname__", type(function).__qualname__)


# Worker processes ------------------------------------------------------------------------------------------


def _in_workers(
    files: Sequence[Path], read: Read, preprocess: Preprocess | None, num_processes: int, folder: Path
) -> Generator[Iterable[Item], None, None]:
    num_processes = min(num_processes, len(files))
    context = multiprocessing.get_context("spawn")  # a forked torch may hang in its threads' locks
    reading = context.RawArray("q", num_processes)  # 1 + the file that each worker reads
    slot = context.Value("i", 0)
    executor = ProcessPoolExecutor(
        num_processes,
        mp_context=context,
        initializer=_start_worker,
        initargs=(pickle.dumps((read, preprocess)), folder, reading, slot),
    )
    waiting: deque[Future[list[Item] | Path]] = deque()
    numbered = enumerate(files)
    try:
        with _interrupts_held_back():
            for number, path in numbered:
                waiting.append(executor.submit(_work, number, path))
                if len(waiting) == FILES_IN_FLIGHT * num_processes:
                    break
        while waiting:
            result = waiting.popleft().result()
            for number, path in numbered:
                waiting.append(executor.submit(_work, number, path))
                break
            yield _from_disk(result) if isinstance(result, Path) else result
    except BrokenProcessPool:
        names = ", ".join(str(files[number - 1]) for number in reading if number)
        raise RuntimeError(
            f"a worker process died while it read {names}: it crashed, or memory ran out"
            if names
            else "a worker process died while it started; a script that prepares data must do so under "
            "`if __name__ == '__main__':`"
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    # Workers inherit the mask: Ctrl+C while they import reaches them in _start_worker, and they end silently.
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What a worker process knows."""

    pickled: bytes
    functions: tuple[Read, Preprocess | None] | None = None
    folder: Path
    reading: Any
    slot: int


def _start_worker(pickled: bytes, folder: Path, reading: Any, slot: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _Worker.pickled, _Worker.folder, _Worker.reading = pickled, folder, reading
    with slot.get_lock():
        _Worker.slot = slot.value
        slot.value += 1


def _end_with_parent() -> None:
    # A worker holds both ends of the pipe that it waits on: nothing else tells it that the parent was killed.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(number: int, path: Path) -> list[Item] | Path:
    """The items of a file, or where they lie if they are large."""
    if _Worker.functions is None:
        try:
            _Worker.functions = pickle.loads(_Worker.pickled)
        except Exception as error:
            raise ValueError(
                f"a worker process cannot load 'read' or 'preprocess' ({error}): expected "
                "functions of a module"
            ) from None
    _Worker.reading[_Worker.slot] = number + 1
    try:
        return _collected(items_of(path, *_Worker.functions), _Worker.folder / f"file-{number}")
    finally:
        _Worker.reading[_Worker.slot] = 0


def _collected(items: Iterator[Item], spill: Path) -> list[Item] | Path:
    collected: list[Item] = []
    size = 0
    for item in items:
        collected.append(item)
        size += item.num_bytes if isinstance(item, Record) else 0
        if size > MAX_RESULT_BYTES:
            with spill.open("wb") as file:
                for earlier in collected:
                    pickle.dump(earlier, file)
                collected.clear()
                for later in items:
                    pickle.dump(later, file)
            return spill
    return collected


def _from_disk(spill: Path) -> Iterator[Item]:
    with spill.open("rb") as file:
        spill.unlink()
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                return
