"""Text files line by line, and numbers in them, with errors that name file and line."""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import NoReturn

MAX_LINE = 1_000_000
"""Largest number of characters in a line of a motion file."""

MAX_BYTES = 2**28
"""Largest size of a text file that is read as a whole: over half an hour of one person in any format."""

MAX_LINES = 2**22
"""Largest number of lines of such a file, because each line becomes an object in memory."""


class Lines:
    """The lines of a text file, one at a time; the location of the last line is kept for errors.

    A byte order mark is left out. Bytes that are not text become characters that are neither numbers nor
    keywords, so that the parser of the line reports them.

    Args:
        path: The file.

    Attributes:
        line: Number of the last line, from 1.

    Raises:
        ValueError: If a line is longer than :data:`MAX_LINE`.
        FileNotFoundError: If there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.line = path, 0
        self._lines = self._read()

    def __iter__(self) -> Iterator[str]:
        """The lines from the next one."""
        return self._lines

    def _read(self) -> Iterator[str]:
        with self.path.open(encoding="utf-8-sig", errors="replace") as file:
            while text := file.readline(MAX_LINE + 1):
                self.line += 1
                if len(text) > MAX_LINE:
                    raise ValueError(f"{self.where} is longer than {MAX_LINE} characters")
                yield text

    @property
    def where(self) -> str:
        """File and number of the last line."""
        return f"{self.path}, line {self.line}"

    def fail(self, found: str, expected: str) -> NoReturn:
        """Raise a :class:`ValueError` about the last line."""
        raise ValueError(f"{self.where} has {found}, expected {expected}")


def all_lines_of(path: Path) -> list[bytes]:
    """The lines of a text file, for formats that are much faster to read at once than line by line.

    A byte order mark at the beginning and white space at the end are left out.

    Raises:
        ValueError: If the file is larger than :data:`MAX_BYTES`, has more than :data:`MAX_LINES` lines, or a
            line of more than :data:`MAX_LINE` characters.
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
    """Convert texts to numbers.

    Args:
        fields: The texts.
        where: The location in error messages, such as ``"walk.bvh, line 7"``.
        finite: Whether infinity and `nan` are refused.

    Raises:
        ValueError: If a text is not a number in decimal digits, or not finite.
    """
    try:
        values = list(map(float, fields))
    except ValueError:
        wrong = next(field for field in fields if not is_number(field))
        raise ValueError(f"{where} has {shown(wrong)}, expected a number") from None
    together = "".join(fields)
    if "_" in together or not together.isascii():  # Python also reads 1_000, and digits of other scripts
        wrong = next(field for field in fields if "_" in field or not field.isascii())
        raise ValueError(f"{where} has {shown(wrong)}, expected a number in decimal digits")
    if finite and not all(map(isfinite, values)):
        wrong = next(field for field in fields if not isfinite(float(field)))
        raise ValueError(f"{where} has {shown(wrong)}, expected a finite number")
    return values


def to_count(field: str, where: str, *, least: int = 0) -> int:
    """Convert a text of decimal digits to an integer of at least `least`.

    Raises:
        ValueError: If this is impossible.
    """
    text = field.strip()
    # More digits cannot be a count, and int() itself refuses thousands of digits.
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) >= least):
        raise ValueError(f"{where} has {shown(text)}, expected an integer of at least {least}")
    return int(text)


def is_number(field: str) -> bool:
    """Whether Python reads a text as a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def shown(field: str) -> str:
    """A text from a file in an error message: at most its first 40 characters."""
    text = field.strip()
    return repr(text if len(text) <= 40 else text[:40] + "...")


def few(names: Iterable[str], most: int = 3) -> str:
    """The first names for an error message, and the number of further names."""
    listed = list(names)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
