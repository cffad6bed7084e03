"""Text files line by line, and numbers in them, with errors that name file and line."""

import codecs
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path

MAX_LINE = 1_000_000
"""Characters: a longer line is no line of a motion file."""

MAX_BYTES = 2**28
"""Of a text file that is read as a whole: more than half an hour of one person in any format."""

MAX_LINES = 2**22
"""Of such a file, whose lines are in memory at once, each with an object of its own."""


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers from 1, one at a time, without a byte order mark.

    Bytes that are no text become characters that are no numbers and no keywords, so that whoever parses the
    line reports them with their place.

    Raises:
        ValueError: If a line is longer than :data:`MAX_LINE`.
        FileNotFoundError: If there is no such file.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise ValueError(f"{path}, line {number} is longer than {MAX_LINE} characters")
            yield number, line


def all_lines_of(path: Path) -> list[bytes]:
    """The lines of a text file, for formats that are read much faster all at once than line by line.

    A byte order mark at the beginning and white space at the end are left out.

    Raises:
        ValueError: If the file has more than :data:`MAX_BYTES` or :data:`MAX_LINES`, or a line has more than
            :data:`MAX_LINE`.
        FileNotFoundError: If there is no such file.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes, expected at most {MAX_BYTES}")
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8).rstrip()
    if (count := content.count(b"\n") + 1) > MAX_LINES:
        raise ValueError(f"{path} has {count} lines, expected at most {MAX_LINES}")
    lines = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE:
            raise ValueError(f"{path}, line {number} is longer than {MAX_LINE} characters")
    return lines


def to_floats(fields: Sequence[str], where: str, *, finite: bool = True) -> list[float]:
    """Finite numbers.

    Args:
        fields: Their texts.
        where: What an error calls the place, such as ``"walk.bvh, line 7"``.
        finite: Whether infinity and `nan` are refused.

    Raises:
        ValueError: If one of them is not a finite number.
    """
    try:
        values = list(map(float, fields))
    except ValueError:
        wrong = next(field for field in fields if not _is_number(field))
        raise ValueError(f"{where} has {shown(wrong)}, expected a number") from None
    together = "".join(fields)
    if "_" in together or not together.isascii():  # Python reads 1_000, and digits of any script
        wrong = next(field for field in fields if "_" in field or not field.isascii())
        raise ValueError(f"{where} has {shown(wrong)}, expected a number in decimal digits")
    if finite and not all(map(isfinite, values)):
        wrong = next(field for field in fields if not isfinite(float(field)))
        raise ValueError(f"{where} has {shown(wrong)}, expected a finite number")
    return values


def to_count(field: str, where: str, *, least: int = 0) -> int:
    """A whole number of at least `least`, written in decimal digits alone.

    Raises:
        ValueError: If it is something else.
    """
    text = field.strip()
    # A count of more digits than this is no count; int() itself refuses thousands of digits.
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) >= least):
        raise ValueError(f"{where} has {shown(text)}, expected a whole number of at least {least}")
    return int(text)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def shown(field: str) -> str:
    """A text from a file as errors quote it: not more of it than tells what it is."""
    text = field.strip()
    return repr(text if len(text) <= 40 else text[:40] + "...")
