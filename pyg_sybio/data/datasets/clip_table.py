"""Labels of the files in a folder, from a CSV file or a pattern of the file names."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pyg_sybio.data.datasets.protocols import SPLITS
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.text import few, shown


@dataclass(frozen=True)
class ClipEntry:
    """Label, split and ids of a file, or of a segment of a file, from the user's CSV file or pattern.

    Args:
        label: The class; None if the table or pattern has no labels.
        ids: All other columns of the CSV file or groups of the pattern, including `split` and `person` if
            they exist.
        start: The first frame (or second) of the segment. (default: the beginning of the file)
        end: The frame (or second) after the segment. (default: the end of the file)
        seconds: Whether `start` and `end` are seconds.
        person: The track number of the only person in the clip. (default: everybody)
    """

    label: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    start: float | None = None
    end: float | None = None
    seconds: bool = False
    person: int | None = None

    def clip(self, motion: Motion) -> Motion:
        """The segment of a recording, with the label and the ids of this entry.

        Raises:
            ValueError: If the recording does not contain the segment or the person, or `start` and `end` are
                seconds and its frame rate is unknown.
        """
        source, notes = motion.source, motion.notes
        if self.start is not None or self.end is not None:
            unit = "seconds" if self.seconds else "frames"
            if self.seconds and motion.frame_rate is None:
                expected = "expected 'frame_rate', or 'start' and 'end' in frames, without a decimal point"
                raise ValueError(f"{source} has no frame rate, but its segments are in seconds: {expected}")
            scale, last = (motion.frame_rate or 1.0) if self.seconds else 1.0, motion.num_frames
            begin = round(scale * (self.start or 0))
            end = last if self.end is None else round(scale * self.end)
            if self.seconds:
                end = min(end, last) if end <= last + 1 else end  # a rounded duration may be longer
            if not 0 <= begin < end <= last:
                found = f"{self.start or 0:g} to {last / scale if self.end is None else self.end:g}"
                raise ValueError(f"{source} has {last / scale:g} {unit}, which do not contain {found}")
            motion, source = motion.frames(slice(begin, end)), f"{source}, frames {begin} to {end - 1}"
            notes = (*notes, f"is cut into segments by {unit} ('2' is a frame, '2.0' or '2s' a second)")
        if self.person is not None:
            if self.person not in motion.tracks:
                tracks = few(map(str, motion.tracks))
                expected = f"expected one of the tracks {tracks} (a column of subjects needs another name)"
                raise ValueError(f"{source} has no person {self.person}, {expected}")
            motion = motion.persons([motion.tracks.index(self.person)])
            source = f"{source}, person {self.person}"
        label = motion.label if self.label is None else self.label
        ids = {**motion.ids, **self.ids}
        return motion.replace(label=label, ids=ids, source=source, notes=notes, check_values=False)


Entries = Mapping[str, Sequence[ClipEntry]]
"""The entries of each file, by its relative path: one, or one per segment."""

WHOLE_FILE = (ClipEntry(),)
_SEGMENT = ("start", "end", "person")
_TIME = re.compile(r"\d{1,12}(\.\d{0,9})?\s?s?", re.ASCII)


def read_clip_table(path: Path, files: Sequence[str]) -> Entries:
    r"""Read a CSV file with labels and, optionally, splits, segments, persons and ids.

    - `file` is relative to the CSV file's folder, with `/` between folders.
    - `split` is `train`, `val` or `test`.
    - `start` and `end` (excluded) limit a line to a segment of the file, which may have several lines. They
      are frame numbers from 0, or seconds if any `start` or `end` in the table has a decimal point or ends in
      `s`. An empty field is the beginning or the end of the file.
    - `person` limits a line to one person: the track number or, without a tracker, the index from 0.
    - Every other column is an id of that name; an empty field means that the clip does not have this id.

    Without a column `label`, the files themselves must contain labels. The text is UTF-8, fields are
    separated by commas and may be quoted with double quotes, and blank lines are ignored.

    Args:
        path: The CSV file.
        files: The files of the folder, as written in the column `file`.

    Returns:
        The entries of each of `files`.

    Raises:
        ValueError: If the table is damaged or lacks a column, a line has a wrong value or names an unknown or
            repeated file, or a file of the folder has no line. The message names the line and column.
        FileNotFoundError: If there is no such file.
    """
    known = set(files)
    entries: dict[str, list[ClipEntry]] = {}
    lines: dict[tuple[str, ...], int] = {}
    rows = list(_rows(path))
    seconds = any(_is_seconds(row.get(column, "")) for _, row in rows for column in ("start", "end"))
    for line, row in rows:
        where = f"{path}, line {line}"
        name = str(PurePosixPath(row["file"]))
        segment = (name, *(row.get(column, "") for column in _SEGMENT))
        if segment in lines:
            raise ValueError(f"{where}, column 'file': {shown(name)} is already in line {lines[segment]}")
        if name not in known:
            expected = f"expected one of the {len(files)} motion files below {path.parent}"
            raise ValueError(f"{where}, column 'file' has {shown(row['file'])}, {expected}")
        entries.setdefault(name, []).append(_entry(row, where, seconds=seconds))
        lines[segment] = line
    if missing := [name for name in files if name not in entries]:
        expected = "expected a line for every motion file: add one, or move the file elsewhere"
        raise ValueError(f"{path}, column 'file' lacks {few(missing)}, {expected}")
    return entries


def match_clip_pattern(pattern: str, files: Sequence[str]) -> Entries:
    r"""The entries of files whose names contain the labels.

    Args:
        pattern: A regular expression for the whole path of a file, relative to the folder, with `/` between
            folders. Its named groups are the columns of :func:`read_clip_table`, except `file`:
            `(?P<label>[^/]+)/(?P<subject>\d+)_.*`.
        files: The files.

    Raises:
        ValueError: If the pattern is not a regular expression, has no named groups, or does not match every
            file, or a split is not `train`, `val` or `test`.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"'pattern' {pattern!r} is not a regular expression: {error}") from None
    if not expression.groupindex:
        raise ValueError(f"'pattern' {pattern!r} has no named group, expected one such as (?P<label>[^/]+)")
    matches = {name: expression.fullmatch(name) for name in files}
    if strange := [name for name, match in matches.items() if match is None]:
        expected = "expected it to match the path of every motion file"
        raise ValueError(f"'pattern' {pattern!r} does not match {few(strange)}, {expected}")
    groups = {name: match.groupdict(default="") for name, match in matches.items() if match is not None}
    return {name: [_entry(row, f"file {name!r}")] for name, row in groups.items()}


def _entry(row: Mapping[str, str], where: str, *, seconds: bool = False) -> ClipEntry:
    if "label" in row and not row["label"]:
        raise ValueError(f"{where}, column 'label' is empty, expected the name of a class")
    if "split" in row and row["split"] not in SPLITS:
        raise ValueError(f"{where}, column 'split' is {shown(row['split'])}, expected train, val or test")
    ids = {key: value for key, value in row.items() if key not in ("file", "label", "start", "end") and value}
    start, end, person = (row.get(column, "") for column in _SEGMENT)
    for column, text in (("start", start), ("end", end)):
        if text and not _TIME.fullmatch(text):
            expected = "expected a frame such as 150, or seconds such as 5.0 or 5s"
            raise ValueError(f"{where}, column '{column}' is {shown(text)}, {expected}")
    if person and not re.fullmatch(r"\d{1,18}", person, re.ASCII):
        raise ValueError(f"{where}, column 'person' is {shown(person)}, expected a track number")
    begin, after = (float(text.rstrip(" s")) if text else None for text in (start, end))
    return ClipEntry(row.get("label"), ids, begin, after, seconds, int(person) if person else None)


def _is_seconds(text: str) -> bool:
    return "." in text or text.endswith("s")


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows below the header, with their line numbers."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, byte {error.start}: not UTF-8 text, expected a CSV file") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        columns = _columns(next((row for row in reader if row), []), path, reader.line_num)
        for row in reader:
            if not row:
                continue
            if len(row) != len(columns):
                expected = f"expected {len(columns)}: {', '.join(columns)}"
                raise ValueError(f"{path}, line {reader.line_num} has {len(row)} fields, {expected}")
            yield reader.line_num, {name: value.strip() for name, value in zip(columns, row, strict=True)}
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}, expected a CSV file") from None


def _columns(header: Sequence[str], path: Path, line: int) -> list[str]:
    columns = [name.strip() for name in header]
    where = f"{path}, line {line}"
    if "file" not in columns:
        found = ", ".join(map(shown, columns[:8])) or "nothing"
        raise ValueError(f"{where} has the columns {found}, expected 'file', 'label' and perhaps others")
    for name in columns:
        if not name or columns.count(name) > 1:
            count = columns.count(name)
            raise ValueError(f"{where} has the column {shown(name)} {count} times, expected different names")
    return columns
