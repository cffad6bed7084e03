r"""A summary of a folder of recordings: clips, classes, lengths, frame rates, persons, and missing joints."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pyg_sybio.data.datasets.clip_table import Entries, match_clip_pattern
from pyg_sybio.data.datasets.motion_folder import describe_files, find_motion_files
from pyg_sybio.data.datasets.protocols import SPLITS
from pyg_sybio.data.folder_walk import paths_below
from pyg_sybio.data.natural_order import natural
from pyg_sybio.data.processes import results_of
from pyg_sybio.data.reading import is_readable
from pyg_sybio.data.summary.clip_facts import ClipFacts, facts_of_file
from pyg_sybio.data.summary.tally import Tally
from pyg_sybio.skeleton import Skeleton

Names = dict[tuple[str | None, tuple[str, ...]], str]
"""The distinct names of skeletons, by their own names and joints."""

TABLE = "clips.csv"


@dataclass(frozen=True, eq=False)
class Summary:
    """The contents of a folder or a file.

    Args:
        path: The folder or file.
        all: Counts over all clips.
        splits: Counts of each split.
        num_files: Number of files with motions.
        failures: The error of each file that cannot be read.
        others: Number of the files that are not read as motions, by suffix.
    """

    path: Path
    all: Tally
    splits: Mapping[str, Tally]
    num_files: int
    failures: Mapping[str, str]
    others: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values for JSON."""
        return {
            "path": str(self.path),
            "files": self.num_files,
            "other_files": dict(self.others),
            "failures": dict(self.failures),
            "all": self.all.to_dict(),
            "splits": {name: tally.to_dict() for name, tally in self.splits.items()},
        }


def summarise(
    path: str | Path,
    *,
    skeleton: Skeleton | None = None,
    labels: str | Path | None = None,
    pattern: str | None = None,
    besides: Sequence[Path] = (),
    num_processes: int | None = None,
    progress: bool = True,
) -> Summary:
    """Read all motions of a folder, or of one file, and count their contents.

    Only one motion at a time is in memory, per process. The split of a clip comes from `labels` or `pattern`,
    from its file, or from a folder of that name that contains the file.

    Args:
        path: The folder (with its subfolders), or the file.
        skeleton: The requested skeleton (:func:`~pyg_sybio.data.reading.read_motions`).
        labels: A CSV file with class, split and ids of every file (:func:`read_clip_table`). (default:
            `clips.csv` in the folder, if it exists)
        pattern: A regular expression that extracts class, split and ids from the file names
            (:func:`match_clip_pattern`).
        besides: Files in the folder that are not motions, such as a skeleton.
        num_processes: Largest number of processes that read. (default: one per core; files are read in this
            process if that is faster)
        progress: Whether to show a progress bar on stderr.

    Raises:
        FileNotFoundError: If there is no such folder or file, or no file in it can be read.
        ValueError: If `labels` or `pattern` does not fit the files.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no folder {path}: expected a folder of motion files, or a motion file")
    if path.is_file() or is_readable(path):  # a folder of frames is read as a file
        folder, files, entries = path.parent, [path], _entry(path, labels, pattern)
    else:
        folder = path
        files = _files(path, besides if labels is None else (*besides, Path(labels)))
        entries = _entries(files, path, labels, pattern)
    read = partial(facts_of_file, root=folder, skeleton=skeleton, entries=entries)
    every = Tally()
    splits: dict[str, Tally] = {}
    failures: dict[str, str] = {}
    names: Names = {}
    hidden = None if progress else True  # None: show the bar only on a terminal
    with closing(results_of(read, files, num_processes=num_processes)) as results:
        bar = tqdm(results, total=len(files), unit="file", disable=hidden, leave=False)
        for file, clips in zip(files, bar, strict=True):
            for clip in clips:
                if isinstance(clip, str):
                    failures[str(file)] = clip
                    continue
                described = _named(clip, names)
                every.add(described)
                for split in described.splits:
                    splits.setdefault(split, Tally()).add(described)
    order = sorted(splits, key=lambda name: (_split_place(name), natural(name)))
    in_order = {name: splits[name] for name in order}
    others = _others(path, files) if folder == path else {}
    return Summary(path, every, in_order, len(files), failures, others)


def _files(path: Path, besides: Sequence[Path]) -> list[Path]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning about other files, which the summary counts
        return find_motion_files(path, besides=(path / TABLE, *besides))


def _others(path: Path, files: Sequence[Path]) -> dict[str, int]:
    """Number of the visible files that are not among `files`, by suffix."""
    looked_at = set(files)
    others = Counter(
        file.suffix.lower() or file.name
        for file in paths_below(path)
        if file.is_file()
        and not looked_at & {file, file.parent}
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    return dict(sorted(others.items()))


def _entry(path: Path, labels: str | Path | None, pattern: str | None) -> Entries:
    """The entry of a single file, from its name."""
    if labels is not None:
        raise ValueError(f"'labels' is {labels}, but {path} is a single file: expected a folder")
    return {} if pattern is None else match_clip_pattern(pattern, [path.name])


def _entries(files: Sequence[Path], path: Path, labels: str | Path | None, pattern: str | None) -> Entries:
    """The entries of files by their relative paths, from a table or from the file names."""
    if labels is not None and pattern is not None:
        raise ValueError("'labels' and 'pattern' are both given, expected one of them")
    if labels is not None and not Path(labels).is_file():
        raise FileNotFoundError(f"no file {labels}: expected a CSV file with the columns file and label")
    table = str(TABLE if labels is None else Path(labels).absolute())
    return describe_files(files, path, labels=table, pattern=pattern)


def _named(clip: ClipFacts, names: Names) -> ClipFacts:
    """Number different skeletons with the same name: `rig21` is the name of every rig of 21 joints."""
    skeleton = clip.values["skeleton"]
    if (key := (skeleton, clip.joints)) not in names:
        number = 1 + sum(name == skeleton for name, _ in names)
        names[key] = f"{skeleton} ({number})" if number > 1 else str(skeleton)
    return replace(clip, values={**clip.values, "skeleton": names[key]})


def _split_place(name: str) -> int:
    places = [place for place, split in enumerate(SPLITS) if split in name.lower()]
    return places[0] if places else len(SPLITS)
