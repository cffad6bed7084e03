"""Apply a function to many files, in this process or in several, with results in the order of the files."""

import io
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import torch

Function = Callable[[Path], Iterable[Any]]

START_UP_SECONDS = 3.0
"""The time that a worker process takes to start, most of it the import of torch."""
TRIAL_SECONDS = 0.5
"""Time during which only this process reads, before it decides whether to start workers."""
MAIN_GUARD = "a script that prepares data must do so under `if __name__ == '__main__':`"
FILES_IN_FLIGHT = 4
"""Files per worker that are submitted before their results are needed."""
MAX_RESULT_BYTES = 4 * 2**20
"""Larger results of a file are sent through a file on disk instead of through memory."""


def results_of(
    function: Function, files: Sequence[Path], *, num_processes: int | None = None, folder: Path | None = None
) -> Generator[Iterable[Any], None, None]:
    """The results of a function for many files, in the order of the files.

    This process first calls the function itself for :data:`TRIAL_SECONDS`. From the time per file, it
    estimates how long the other files take, and starts workers only if they save at least twice their
    start-up time.

    Args:
        function: Function that yields the results of a file. It must be picklable.
        files: The files.
        num_processes: Largest number of processes. (default: one per core)
        folder: Folder for files that transfer large results from workers to this process. (default: the
            system's folder for temporary files)

    Returns:
        An iterable of results per file, which must be exhausted before the next file is requested.

    Raises:
        RuntimeError: If a worker process died; the message names the files that were being read.
    """
    available = num_processes or os.cpu_count() or 1
    if multiprocessing.current_process().daemon:  # a data loader's worker cannot start processes
        available = 1
    begin = time.perf_counter()
    for done, path in enumerate(files):
        elapsed = time.perf_counter() - begin
        if available > 1 and done and elapsed >= TRIAL_SECONDS:
            rest = elapsed / done * (len(files) - done)
            if rest * (1 - 1 / available) > 2 * START_UP_SECONDS:
                yield from _from_workers(function, files[done:], available, folder)
                return
        yield function(path)


def _from_workers(
    function: Function, files: Sequence[Path], num_processes: int, folder: Path | None
) -> Generator[Iterable[Any], None, None]:
    num_processes = min(num_processes, len(files))
    context = multiprocessing.get_context("spawn")  # a forked process may hang in torch's thread locks
    reading = context.RawArray("q", num_processes)  # 1 + index of the file that each worker reads
    slot = context.Value("i", 0)
    with tempfile.TemporaryDirectory(prefix="results-", dir=folder) as spill:
        executor = ProcessPoolExecutor(
            num_processes,
            mp_context=context,
            initializer=_start_worker,
            initargs=(pickle.dumps(function), Path(spill), reading, slot),
        )
        submitted = (executor.submit(_work, number, path) for number, path in enumerate(files))
        try:
            with _interrupts_held_back():
                waiting = deque(islice(submitted, FILES_IN_FLIGHT * num_processes))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(islice(submitted, 1))
                yield _unpickled(io.BytesIO(result) if isinstance(result, bytes) else result.open("rb"))
        except BrokenProcessPool:
            names = ", ".join(str(files[number - 1]) for number in reading if number)
            did = f"read {names}: it crashed, or memory ran out" if names else f"started; {MAIN_GUARD}"
            raise RuntimeError(f"a worker process died while it {did}") from None
        finally:
            executor.shutdown(cancel_futures=True)


def _unpickled(stream: BinaryIO) -> Iterator[Any]:
    with stream:
        if isinstance(stream, io.BufferedReader):
            Path(stream.name).unlink()
        while True:
            try:
                yield pickle.load(stream)
            except EOFError:
                return


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    # Workers inherit the mask, so Ctrl+C during their imports ends them silently in _start_worker.
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In a worker process --------------------------------------------------------------------------------------


class _Worker:
    """The state of a worker process."""

    pickled: bytes
    function: Function | None = None
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
    # The pipe does not tell a worker that its parent was killed, because the worker holds both ends.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(number: int, path: Path) -> bytes | Path:
    """The pickled results of a file, or the path of a file that contains them."""
    if _Worker.function is None:
        try:
            _Worker.function = pickle.loads(_Worker.pickled)
        except Exception as error:
            what = "a worker process cannot load 'read' or 'preprocess'"
            raise ValueError(f"{what} ({error}): expected functions of a module") from None
    _Worker.reading[_Worker.slot] = number + 1
    spill = _Worker.folder / f"file-{number}"
    stream: Any = io.BytesIO()
    try:
        for result in _Worker.function(path):
            pickle.dump(result, stream)
            if isinstance(stream, io.BytesIO) and stream.tell() > MAX_RESULT_BYTES:
                content = stream.getvalue()
                stream = spill.open("wb")
                stream.write(content)
        return stream.getvalue() if isinstance(stream, io.BytesIO) else spill
    finally:
        stream.close()
        _Worker.reading[_Worker.slot] = 0
