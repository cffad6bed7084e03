"""Labels of the files in a folder, from a CSV file with one line per file or a pattern of the file names."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pyg_sybio.data.datasets.protocols import SPLITS
from pyg_sybio.data.readers.text import few, shown


@dataclass(frozen=True)
class ClipEntry:
    """Label, split and ids of one file, from the user's table or pattern.

    Args:
        label: The class; None if the table or pattern has no labels.
        ids: The other columns, including `split` if there is one.
    """

    label: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)


def read_clip_table(path: Path, files: Sequence[str]) -> dict[str, ClipEntry]:
    r"""Read a CSV file with one line per file and the columns `file`, `label`, optionally `split`, and ids.

    `file` is relative to the CSV file's folder, with `/` between folders. `split` is `train`, `val` or
    `test`. Every other column is an id of that name; an empty field means that the clip does not have it.
    Without a column `label`, the files themselves must contain labels. The text is UTF-8, fields are
    separated by commas and may be quoted with double quotes, and blank lines are ignored.

    Args:
        path: The CSV file.
        files: The files of the folder, as written in the column `file`.

    Returns:
        The entry of each of `files`.

    Raises:
        ValueError: If the file is not such a table, a line is wrong, or names an unknown or repeated file
            (the message names line and column), or a file of the folder has no line.
        FileNotFoundError: If there is no such file.
    """
    known = set(files)
    entries: dict[str, ClipEntry] = {}
    lines: dict[str, int] = {}
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        name = str(PurePosixPath(row["file"]))
        if name in entries:
            raise ValueError(f"{where}, column 'file': {shown(name)} is already in line {lines[name]}")
        if name not in known:
            expected = f"expected one of the {len(files)} motion files below {path.parent}"
            raise ValueError(f"{where}, column 'file' has {shown(row['file'])}, {expected}")
        entries[name] = _entry(row, where)
        lines[name] = line
    if missing := [name for name in files if name not in entries]:
        expected = "expected a line for every motion file: add one, or move the file elsewhere"
        raise ValueError(f"{path}, column 'file' lacks {few(missing)}, {expected}")
    return entries


def match_clip_pattern(pattern: str, files: Sequence[str]) -> dict[str, ClipEntry]:
    r"""The entries of files whose names contain the labels.

    Args:
        pattern: A regular expression for the whole path of a file, relative to the folder, with `/` between
            folders. Its named groups are the columns of :func:`read_clip_table`, except `file`:
            `(?P<label>[^/]+)/(?P<subject>\d+)_.*`.
        files: The files.

    Raises:
        ValueError: If the pattern is not a regular expression or has no named groups, a file does not match
            it, or a split is not `train`, `val` or `test`.
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
    return {name: _entry(row, f"file {name!r}") for name, row in groups.items()}


def _entry(row: Mapping[str, str], where: str) -> ClipEntry:
    if "label" in row and not row["label"]:
        raise ValueError(f"{where}, column 'label' is empty, expected the name of a class")
    if "split" in row and row["split"] not in SPLITS:
        raise ValueError(f"{where}, column 'split' is {shown(row['split'])}, expected train, val or test")
    ids = {key: value for key, value in row.items() if key not in ("file", "label") and value}
    return ClipEntry(row.get("label"), ids)


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
