r"""CSV files with a line per frame and the columns ``x0, y0, z0, v0, x1, ...``, as for MediaPipe."""

import re
from pathlib import Path

import numpy as np

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.detections import Detection, detected_motion
from pyg_sybio.data.readers.text import Lines
from pyg_sybio.skeleton import Skeleton

_AROUND = ' "\t\r\n'
_COLUMN = re.compile(r"([xyzvcs])_?(\d{1,4})", re.ASCII)


def landmark_columns(path: Path) -> list[list[int]]:
    """The columns of each landmark: x, y, perhaps z, and perhaps a score; empty for other files."""
    header = next(iter(Lines(path)), "").split(",")
    found: dict[int, dict[str, int]] = {}
    for column, name in enumerate(header):
        if match := _COLUMN.fullmatch(name.strip(_AROUND).lower()):
            found.setdefault(int(match[2]), {})["s" if match[1] in "vcs" else match[1]] = column
    names = {"".join(letter for letter in "xyzs" if letter in each) for each in found.values()}
    if len(found) < 2 or len(names) != 1 or not names <= {"xy", "xyz", "xys", "xyzs"}:
        return []
    return [[found[number][letter] for letter in next(iter(names))] for number in sorted(found)]


def read_landmark_csv(path: str | Path, *, skeleton: Skeleton | None = None) -> Motion:
    r"""The motion of one person with a frame per line; an empty field is a missing number.

    Args:
        path: The file.
        skeleton: The skeleton of the landmarks. (default: by the number of landmarks and their values)

    Raises:
        ValueError: If a field is not a number, or the landmarks do not fit exactly one skeleton.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    columns = landmark_columns(path)
    frames = {}
    lines = Lines(path)
    next(iter(lines), None)
    for number, line in enumerate(lines):
        where, row = f"{path}, line {number + 2}", [field.strip(_AROUND) for field in line.split(",")]
        try:
            values = [float(row[column] or "nan") for landmark in columns for column in landmark]
        except (ValueError, IndexError):
            raise ValueError(f"{where} lacks a number, expected one in each column of a landmark") from None
        if np.isinf(values).any():
            raise ValueError(f"{where} has an infinite number, expected finite ones")
        plain = [None if np.isnan(value) else value for value in values]
        frames[number] = [Detection(plain, None, len(columns[0]), where)]
    return detected_motion(frames, path, skeleton)
