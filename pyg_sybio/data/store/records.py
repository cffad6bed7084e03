"""The motions of many files as plain arrays and values, in the order of the files."""

import functools
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.processes import results_of
from pyg_sybio.skeleton import Skeleton

Read = Callable[[Path], Motion | Iterable[Motion]]
Preprocess = Callable[[Motion], Motion | None]

LOOK_AHEAD = 32
"""Number of files that are still read after a failure, so that the error can also list their failures."""
NUM_ERRORS_SHOWN = 5


@dataclass(frozen=True)
class Record:
    """A motion as plain arrays, `[P * T, ...]` each, and plain values.

    A record has no tensors: to send it to another process, torch would need a file descriptor per tensor.
    """

    arrays: dict[str, np.ndarray]
    values: dict[str, Any]
    skeleton: Skeleton


@dataclass(frozen=True)
class LeftOut:
    """A motion, or a file, that is left out on purpose."""

    source: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """The error of a file that could not be read.

    Args:
        message: The message, which names the file.
        trace: The traceback of an error that is not about the file's content.
    """

    message: str
    trace: str | None


Item = Record | LeftOut | Failure


def read_files(
    files: Sequence[Path],
    read: Read,
    preprocess: Preprocess | None,
    *,
    num_processes: int | None,
    folder: Path,
    advance: Callable[[], object],
) -> Generator[Record | LeftOut, None, None]:
    """The motions of all files, in the order of the files (:func:`~pyg_sybio.data.processes.results_of`).

    Args:
        files: The files.
        read: Function that returns the motion or motions of a file.
        preprocess: Applied to each motion; returns None for a motion that is to be left out.
        num_processes: Largest number of processes.
        folder: Folder for files that transfer large results from workers to this process.
        advance: Called after each file.

    Raises:
        ValueError: If a file cannot be read. In this case, the next :data:`LOOK_AHEAD` files are still read,
            and the message contains the first :data:`NUM_ERRORS_SHOWN` errors.
        RuntimeError: If a worker process died.
    """
    failures: list[Failure] = []
    done, ahead = 0, LOOK_AHEAD
    function = functools.partial(items_of, read=read, preprocess=preprocess)
    with closing(results_of(function, files, num_processes=num_processes, folder=folder)) as results:
        for items in results:
            for item in items:
                if isinstance(item, Failure):
                    failures.append(item)
                elif not failures:
                    yield item
            done += 1
            advance()
            ahead -= bool(failures)
            if ahead < 0:
                break
    if failures:
        raise _error(failures, f"{done} of {len(files)}")


def _error(failures: Sequence[Failure], read: str) -> ValueError:
    shown = failures[:NUM_ERRORS_SHOWN]
    if len(failures) == 1:
        error = ValueError(shown[0].message)
    else:
        lines = [f"{len(failures)} files cannot be prepared (found after {read} files):"]
        lines += [failure.message for failure in shown]
        if more := len(failures) - len(shown):
            lines.append(f"and {more} more")
        error = ValueError("\n  ".join(lines))
    for failure in shown:
        if failure.trace is not None:
            error.add_note(failure.trace)
    return error


def items_of(path: Path, read: Read, preprocess: Preprocess | None) -> Iterator[Item]:
    """The motions of a file one by one; a failure is the last item."""
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
    """The arrays and values of a motion."""
    for name, text in motion.ids.items():
        if not isinstance(text, str):
            raise ValueError(f"{motion.source} has {text!r} as its '{name}', expected text")
    tensors = {name: value.detach().cpu().contiguous() for name, value in motion.tensors.items()}
    arrays = {name: value.flatten(0, 1).numpy() for name, value in tensors.items()}
    names = ("num_persons", "num_frames", "label", "source", "frame_rate", "body_size")
    values = {name: getattr(motion, name) for name in names}
    values |= {"ids": dict(motion.ids), "tracks": tuple(map(int, motion.tracks))}
    return Record(arrays, values, motion.skeleton)


def name_of(function: Any) -> str:
    """The name of a function or transform in messages."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    return getattr(function, "__qualname__", type(function).__qualname__)
