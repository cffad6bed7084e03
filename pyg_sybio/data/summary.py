r"""What is in a folder of recordings: clips, classes, lengths, frame rates, persons, and what is missing."""

import multiprocessing
import os
import re
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pyg_sybio.data.clip_table import ClipEntry, match_clip_pattern, read_clip_table
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.protocols import SPLITS
from pyg_sybio.data.readers.annotations import annotation_splits
from pyg_sybio.data.reading import FORMATS, read_motions
from pyg_sybio.skeleton import Skeleton

TABLE = "clips.csv"

_TRIAL_SECONDS = 1.0
_START_UP_SECONDS = 3.0  # of a worker process, most of it the import of torch
_FILES_AT_ONCE = 4
_ROWS_SHOWN, _JOINTS_SHOWN, _FAILURES_SHOWN = 20, 8, 20
_UNKNOWN = "unknown"
_KINDS = ("frame rate", "persons", "skeleton")

Result = tuple[list["ClipFacts"], str | None]
"""What there is in a file, and the error that ended the reading."""


@dataclass(frozen=True, eq=False)
class ClipFacts:
    r"""What counts of one motion.

    Args:
        format: Suffix of its file.
        label: Its class.
        splits: The splits that it belongs to; in an annotation file they may be several.
        ids: Its other ids.
        num_frames: Its length.
        frame_rate: In Hz.
        num_persons: How many persons are seen anywhere in it.
        skeleton: Its name.
        joints: Of the skeleton.
        missing: In how many of the frames that show a person is each joint of theirs missing, `[M]`.
        seen: Frames in which a person is seen, summed over persons.
        empty: Frames in which nobody is seen.
    """

    format: str
    label: str | None
    splits: tuple[str, ...]
    ids: Mapping[str, str]
    num_frames: int
    frame_rate: float | None
    num_persons: int
    skeleton: str
    joints: tuple[str, ...]
    missing: np.ndarray
    seen: int
    empty: int

    @classmethod
    def of(cls, motion: Motion, format: str, splits: tuple[str, ...] = ()) -> "ClipFacts":
        """The facts of a motion; its id `split`, if it has one, is its split."""
        ids = dict(motion.ids)
        if "split" in ids:
            splits = (ids.pop("split"),)
        seen = motion.seen
        return cls(
            format=format,
            label=motion.label,
            splits=splits,
            ids=ids,
            num_frames=motion.num_frames,
            frame_rate=motion.frame_rate,
            num_persons=int(seen.any(dim=1).sum()),
            skeleton=motion.skeleton.name,
            joints=motion.skeleton.joints,
            missing=(seen[..., None] & ~motion.present).sum(dim=(0, 1)).numpy(),
            seen=int(seen.sum()),
            empty=int((~seen.any(dim=0)).sum()),
        )


@dataclass(eq=False)
class Tally:
    """Counts over clips, such as those of one split."""

    lengths: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    empty: int = 0
    unlabelled: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """What is counted (`class`, `frame rate`, ..., and every id) -> value -> clips."""
    joints: dict[str, tuple[tuple[str, ...], np.ndarray, int]] = field(default_factory=dict)
    """Skeleton -> its joints, frames in which each is missing, frames that show a person."""

    def add(self, clip: ClipFacts) -> None:
        """Count one more clip."""
        rate = clip.frame_rate
        self.lengths.append(clip.num_frames)
        if rate is not None:
            self.seconds.append(clip.num_frames / rate)
        self.empty += clip.empty
        self.unlabelled += clip.label is None
        values = {
            "class": clip.label,
            "frame rate": _UNKNOWN if rate is None else f"{rate:g} Hz",
            "persons": str(clip.num_persons),
            "skeleton": clip.skeleton,
            "format": clip.format,
            **clip.ids,
        }
        for name, value in values.items():
            if value is not None:
                self.counts.setdefault(name, Counter())[value] += 1
        joints, missing, seen = self.joints.get(clip.skeleton, (clip.joints, 0, 0))
        if joints != clip.joints:
            raise ValueError(f"two skeletons are named '{clip.skeleton}' but have different joints")
        self.joints[clip.skeleton] = joints, missing + clip.missing, seen + clip.seen

    def of(self, name: str) -> dict[str, int]:
        """Clips of each value of a count or id, values in the order of people: 2 before 10."""
        counter = self.counts.get(name, Counter())
        return {value: counter[value] for value in sorted(counter, key=_natural)}

    @property
    def ids(self) -> list[str]:
        """Names of the ids that any clip has."""
        return sorted(set(self.counts) - {"class", "format", *_KINDS})

    def missing(self, skeleton: str) -> dict[str, float]:
        """Share of the frames that show a person in which each of their joints is missing."""
        joints, missing, seen = self.joints.get(skeleton, ((), np.zeros(0), 0))
        return {joint: float(count) / max(seen, 1) for joint, count in zip(joints, missing, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "clips": len(self.lengths),
            "unlabelled": self.unlabelled,
            "classes": self.of("class"),
            "frames": _spread(self.lengths),
            "seconds": _spread(self.seconds),
            "frames_with_nobody": self.empty,
            "frame_rates": self.of("frame rate"),
            "persons": self.of("persons"),
            "skeletons": self.of("skeleton"),
            "formats": self.of("format"),
            "ids": {name: self.of(name) for name in self.ids},
            "missing_joints": {name: self.missing(name) for name in sorted(self.joints)},
        }


@dataclass(frozen=True, eq=False)
class Summary:
    """What is in a folder or a file.

    Args:
        path: The folder or file.
        all: Counts over all clips.
        splits: Counts of each split.
        num_files: Files with motions.
        failures: Files that cannot be read, with the error of each.
        others: How many files of which suffix hold no motions by their suffix.
    """

    path: Path
    all: Tally
    splits: Mapping[str, Tally]
    num_files: int
    failures: Mapping[str, str]
    others: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "path": str(self.path),
            "files": self.num_files,
            "other_files": dict(self.others),
            "failures": dict(self.failures),
            "all": self.all.to_dict(),
            "splits": {name: tally.to_dict() for name, tally in self.splits.items()},
        }

    def text(self) -> str:
        """Tables for a terminal: a column for all clips, and one for each split."""
        columns = {"all": self.all} | dict(self.splits)
        several = [name for name in _KINDS if len(self.all.of(name)) > 1]
        sections = [_overview(columns, [name for name in _KINDS if name not in several])]
        sections += [
            _counts(name, columns) for name in ("class", *several, *self.all.ids) if self.all.of(name)
        ]
        sections += [_missing(name, columns) for name in sorted(self.all.joints)]
        # A row of a single cell is a remark, and as long as it likes.
        table = [row for rows in sections for row in rows if len(row) > 1]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        blocks = [self._heading()]
        blocks += ["\n".join(_line(row, widths) for row in rows) for rows in sections]
        if self.failures:
            shown = [f"  {message}" for message in list(self.failures.values())[:_FAILURES_SHOWN]]
            if more := len(self.failures) - len(shown):
                shown.append(f"  and {more} more")
            blocks.append("\n".join(["cannot be read", *shown]))
        return "\n\n".join(blocks)

    def _heading(self) -> str:
        formats = ", ".join(f"{count} {suffix}" for suffix, count in self.all.of("format").items())
        files = f"{self.num_files} file{'s' if self.num_files != 1 else ''}"
        lines = [f"{self.path}: {files}, {len(self.all.lengths)} clips ({formats or 'none'})"]
        if self.others:
            counts = ", ".join(f"{count} {suffix}" for suffix, count in self.others.items())
            lines.append(f"not looked at: {counts}")
        return "\n".join(lines)


def summarise(
    path: str | Path,
    *,
    skeleton: Skeleton | None = None,
    labels: str | Path | None = None,
    pattern: str | None = None,
    num_processes: int | None = None,
    progress: bool = True,
) -> Summary:
    """Read all motions of a folder, or of one file, and count what is in them.

    One motion at a time is in memory, in every process. The split of a clip is what `labels` or `pattern`
    says, or its file does, or the folder of that name does in which the file lies.

    Args:
        path: The folder, with all folders in it, or the file.
        skeleton: The joints wanted (:func:`~pyg_sybio.data.reading.read_motions`).
        labels: A CSV file with class, split and ids of every file (:func:`read_clip_table`). (default:
            `clips.csv` in the folder, if there is one)
        pattern: A regular expression that says the same of the files' names (:func:`match_clip_pattern`).
        num_processes: How many processes may read. (default: one a core, if they save time)
        progress: Whether to show a progress bar on stderr.

    Raises:
        FileNotFoundError: If there is no such folder or file.
        ValueError: If there is no file of a readable format in the folder, or `labels` or `pattern` does not
            fit the files.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no folder {path}: expected a folder of motion files, or a motion file")
    if labels is not None and pattern is not None:
        raise ValueError("'labels' and 'pattern' are given, expected one of them")
    files, others = _files(path)
    if not files:
        raise ValueError(f"{path} has no motion files, expected files that end in {', '.join(FORMATS)}")
    entries = _entries(path, files, labels, pattern)
    read = partial(_facts, root=path, skeleton=skeleton)
    every = Tally()
    splits: dict[str, Tally] = {}
    failures: dict[str, str] = {}
    results = _results(files, read, num_processes)
    hidden = None if progress else True  # None: shown on a terminal alone
    bar = tqdm(results, total=len(files), unit="file", disable=hidden, leave=False)
    for file, (clips, failure) in zip(files, bar, strict=True):
        if failure is not None:
            failures[str(file)] = failure
        for clip in clips:
            described = _described(clip, entries[file]) if file in entries else clip
            every.add(described)
            for split in described.splits:
                splits.setdefault(split, Tally()).add(described)
    order = sorted(splits, key=lambda name: (_split_place(name), _natural(name)))
    return Summary(path, every, {name: splits[name] for name in order}, len(files), failures, others)


def _files(path: Path) -> tuple[list[Path], dict[str, int]]:
    """The files of a readable format, in order, and how many others there are of each suffix."""
    if path.is_file():
        return [path], {}
    files: list[Path] = []
    others: Counter[str] = Counter()
    for file in sorted(path.rglob("*")):
        if not file.is_file() or any(part.startswith(".") for part in file.relative_to(path).parts):
            continue
        if file.suffix.lower() in FORMATS:
            files.append(file)
        else:
            others[file.suffix.lower() or file.name] += 1
    return files, dict(sorted(others.items()))


def _entries(
    path: Path, files: Sequence[Path], labels: str | Path | None, pattern: str | None
) -> dict[Path, ClipEntry]:
    """What a table, or the files' names, say of them."""
    root = path if path.is_dir() else path.parent
    names = {str(file.relative_to(root).as_posix()): file for file in files}
    if labels is None and pattern is None and (path / TABLE).is_file():
        labels = path / TABLE
    if labels is not None:
        found = read_clip_table(Path(labels), list(names))
    elif pattern is not None:
        found = match_clip_pattern(pattern, list(names))
    else:
        found = {}
    return {names[name]: entry for name, entry in found.items()}


def _facts(file: Path, root: Path, skeleton: Skeleton | None) -> Result:
    """The facts of a file's motions, and the error that ended the reading."""
    clips: list[ClipFacts] = []
    suffix = file.suffix.lower()
    inner = file.relative_to(root).parts[:-1] if root.is_dir() else ()
    folder = tuple(part.lower() for part in inner if part.lower() in SPLITS)[-1:]
    try:
        splits: dict[str, list[str]] = {}
        if suffix == ".pkl":
            for split, names in annotation_splits(file).items():
                for name in names:
                    splits.setdefault(f"{file}: {name}", []).append(split)
        for motion in read_motions(file, skeleton=skeleton):
            in_splits = tuple(splits.get(motion.source, folder))
            clips.append(ClipFacts.of(motion, suffix, in_splits))
    except (ValueError, OSError) as error:
        return clips, str(error)
    return clips, None


def _described(clip: ClipFacts, entry: ClipEntry) -> ClipFacts:
    """A clip as a table describes it, which counts more than the file."""
    ids = dict(entry.ids)
    splits = (ids.pop("split"),) if "split" in ids else clip.splits
    label = clip.label if entry.label is None else entry.label
    return replace(clip, label=label, splits=splits, ids={**clip.ids, **ids})


# Many cores ------------------------------------------------------------------------------------------------


def _results(
    files: Sequence[Path],
    read: Callable[[Path], Result],
    num_processes: int | None,
) -> Iterator[Result]:
    """The results in the order of the files: from this process, and from workers once those pay."""
    available = num_processes or os.cpu_count() or 1
    begin = time.perf_counter()
    for done, file in enumerate(files):
        elapsed = time.perf_counter() - begin
        if available > 1 and elapsed > _TRIAL_SECONDS:
            saved = elapsed / done * (len(files) - done) * (1 - 1 / available)
            if saved > 2 * _START_UP_SECONDS:
                yield from _from_workers(files[done:], read, available)
                return
        yield read(file)


def _from_workers(
    files: Sequence[Path],
    read: Callable[[Path], Result],
    num_processes: int,
) -> Iterator[Result]:
    executor = ProcessPoolExecutor(
        num_processes,
        mp_context=multiprocessing.get_context("spawn"),  # a forked torch may hang in its threads' locks
        initializer=_start_worker,
    )
    try:
        yield from executor.map(read, files, chunksize=_FILES_AT_ONCE)
    finally:
        executor.shutdown(cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent, which then ends the workers
    torch.set_num_threads(1)


# Numbers and tables ----------------------------------------------------------------------------------------


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {
        "min": min(values),
        "median": statistics.median(values),
        "max": max(values),
        "total": sum(values),
    }


def _natural(text: str) -> tuple[Any, ...]:
    """A key that sorts as people do: 2 before 10."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text)
    )


def _split_place(name: str) -> int:
    places = [place for place, split in enumerate(SPLITS) if split in name.lower()]
    return places[0] if places else len(SPLITS)


def _overview(columns: Mapping[str, Tally], kinds: Sequence[str]) -> list[list[str]]:
    """Sizes, and of `kinds`, of which all clips have the same one, which it is."""

    def row(name: str, cell: Callable[[Tally], str]) -> list[str]:
        return [name, *map(cell, columns.values())]

    def spread(name: str, values: Callable[[Tally], Sequence[float]], form: str) -> list[list[str]]:
        found = [_spread(values(tally)) for tally in columns.values()]
        return [
            [
                f"{name}, {which}",
                *("-" if numbers is None else format(numbers[which], form) for numbers in found),
            ]
            for which in ("min", "median", "max")
        ]

    rows = [["", *columns], row("clips", lambda tally: str(len(tally.lengths)))]
    if columns["all"].unlabelled:
        rows.append(row("  without a class", lambda tally: str(tally.unlabelled)))
    rows.append(row("classes", lambda tally: str(len(tally.of("class")))))
    rows += spread("frames", lambda tally: tally.lengths, "g")
    rows += spread("seconds", lambda tally: tally.seconds, ".2f")
    rows += [[kind, *(", ".join(tally.of(kind)) or "-" for tally in columns.values())] for kind in kinds]
    rows.append(row("frames with nobody", lambda tally: _percent(tally.empty / max(sum(tally.lengths), 1))))
    return rows


def _counts(name: str, columns: Mapping[str, Tally]) -> list[list[str]]:
    counts = [tally.of(name) for tally in columns.values()]
    values = list(counts[0])
    return [
        [f"clips by {name}", *columns],
        *([f"  {value}", *(str(count.get(value, 0)) for count in counts)] for value in values[:_ROWS_SHOWN]),
        *_more(len(values) - _ROWS_SHOWN),
    ]


def _missing(skeleton: str, columns: Mapping[str, Tally]) -> list[list[str]]:
    shares = [tally.missing(skeleton) for tally in columns.values()]
    worst = [
        joint for joint in sorted(shares[0], key=lambda joint: -shares[0][joint]) if shares[0][joint] > 0
    ]
    if not worst:
        return [[f"no joint of {skeleton} is missing where somebody is seen"]]
    return [
        [f"missing joints of {skeleton}", *columns],
        *(
            [f"  {joint}", *(_percent(share[joint]) if share else "-" for share in shares)]
            for joint in worst[:_JOINTS_SHOWN]
        ),
        *_more(len(worst) - _JOINTS_SHOWN),
    ]


def _more(number: int) -> list[list[str]]:
    return [[f"  and {number} more"]] if number > 0 else []


def _percent(share: float) -> str:
    """A share as a percentage; what is not nothing never reads as 0."""
    return "0 %" if share == 0 else "<0.01 %" if share < 1e-4 else f"{100 * share:.2f} %"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    if len(row) == 1:
        return row[0]
    return f"{row[0]:<{widths[0]}}" + "".join(
        f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)
    )
