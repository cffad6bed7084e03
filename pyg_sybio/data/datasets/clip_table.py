"""What a user says of the files in a folder: a CSV file with a line for each, or a pattern of their names."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pyg_sybio.data.datasets.protocols import SPLITS


@dataclass(frozen=True)
class ClipEntry:
    """What is said of one file.

    Args:
        label: Its class; None where the file says it itself.
        ids: What else tells clips apart; `split` among them, if it is said.
    """

    label: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)


def read_clip_table(path: Path, files: Sequence[str]) -> dict[str, ClipEntry]:
    r"""The entries of a CSV file: a line a file, with the columns `file`, `label`, perhaps `split`, and ids.

    `file` is relative to the CSV file's folder, with `/` between folders. `split` is `train`, `val` or
    `test`. Every other column is an id of that name; an empty field says that the clip has none. Without a
    column `label`, the files have to say it. The text is UTF-8, commas part the fields, double quotes hold
    together what has a comma in it, and blank lines do not count.

    Args:
        path: The CSV file.
        files: The files that the folder has, as `file` names them.

    Returns:
        The entry of each of `files`.

    Raises:
        ValueError: If the file is no such table, or a line is wrong, names a file that is not there or was
            named before; the message names line and column. Also if a file of the folder has no line.
        FileNotFoundError: If there is no such file.
    """
    known = set(files)
    entries: dict[str, ClipEntry] = {}
    lines: dict[str, int] = {}
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        name = str(PurePosixPath(row["file"]))
        if name in entries:
            raise ValueError(f"{where}, column 'file': {_short(name)} stands in line {lines[name]} already")
        if name not in known:
            raise ValueError(
                f"{where}, column 'file': {_short(row['file'])} is none of the {len(files)} motion files "
                f"below {path.parent}, expected one of them"
            )
        entries[name] = _entry(row, where)
        lines[name] = line
    if missing := [name for name in files if name not in entries]:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ValueError(
            f"{path}, column 'file' lacks {', '.join(missing[:3])}{more}, "
            "expected a line for every motion file: add one, or move the file elsewhere"
        )
    return entries


def match_clip_pattern(pattern: str, files: Sequence[str]) -> dict[str, ClipEntry]:
    r"""The entries of files whose names say it all.

    Args:
        pattern: A regular expression for the whole path of a file, relative to the folder, with `/` between
            folders. Its named groups are the columns of :func:`read_clip_table`, but for `file`:
            `(?P<label>[^/]+)/(?P<subject>\d+)_.*`.
        files: The files.

    Raises:
        ValueError: If the pattern is no regular expression or has no named groups, a file does not match it,
            or a split is none.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"'pattern' {pattern!r} is no regular expression: {error}") from None
    if not expression.groupindex:
        raise ValueError(f"'pattern' {pattern!r} has no named group, expected such as (?P<label>[^/]+)")
    matches = {name: expression.fullmatch(name) for name in files}
    if strange := [name for name, match in matches.items() if match is None]:
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        raise ValueError(
            f"'pattern' {pattern!r} does not match {', '.join(strange[:3])}{more}, "
            "expected it to match the path of every motion file"
        )
    return {
        name: _entry({key: value or "" for key, value in match.groupdict().items()}, f"file {name!r}")
        for name, match in matches.items()
        if match is not None
    }


def _entry(row: Mapping[str, str], where: str) -> ClipEntry:
    if "label" in row and not row["label"]:
        raise ValueError(f"{where}, column 'label' is empty, expected the name of a class")
    if "split" in row and row["split"] not in SPLITS:
        raise ValueError(f"{where}, column 'split' is {_short(row['split'])}, expected train, val or test")
    ids = {key: value for key, value in row.items() if key not in ("file", "label") and value}
    return ClipEntry(row.get("label"), ids)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows below the header with the numbers of their lines."""
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
                raise ValueError(
                    f"{path}, line {reader.line_num} has {len(row)} fields, expected {len(columns)}: "
                    f"{', '.join(columns)}"
                )
            yield reader.line_num, {name: value.strip() for name, value in zip(columns, row, strict=True)}
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}, expected a CSV file") from None


def _columns(header: Sequence[str], path: Path, line: int) -> list[str]:
    columns = [name.strip() for name in header]
    where = f"{path}, line {line}"
    if "file" not in columns:
        shown = ", ".join(map(_short, columns[:8])) or "nothing"
        raise ValueError(f"{where} has the columns {shown}, expected 'file', 'label' and perhaps others")
    for name in columns:
        if not name or columns.count(name) > 1:
            raise ValueError(
                f"{where} has the column {_short(name)} {columns.count(name)} times, expected names"
            )
    return columns


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
