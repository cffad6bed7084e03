r"""CSV files with a line per person and frame, and columns ``x0, y0, z0, v0, x1, ...``, as for MediaPipe."""

import re
from pathlib import Path

import numpy as np

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.detections import Detection, detected_motion
from pyg_sybio.data.readers.text import Lines, to_count
from pyg_sybio.skeleton import Skeleton

_AROUND = ' "\t\r\n'
_FRAME = ("frame", "frame_id", "frame_index", "frame_idx", "frame_number", "frame_num")
_PERSON = ("person", "person_id", "track", "track_id", "id")
_COLUMN = re.compile(r"([xyzvcs])_?(\d{1,4})", re.ASCII)


def landmark_columns(path: Path) -> list[list[int]]:
    """The columns of each landmark: x, y, perhaps z, and perhaps a score; empty for other files."""
    header = _header(path)
    found: dict[int, dict[str, int]] = {}
    for column, name in enumerate(header):
        if match := _COLUMN.fullmatch(name):
            found.setdefault(int(match[2]), {})["s" if match[1] in "vcs" else match[1]] = column
    names = {"".join(letter for letter in "xyzs" if letter in each) for each in found.values()}
    if len(found) < 2 or len(names) != 1 or not names <= {"xy", "xyz", "xys", "xyzs"}:
        return []
    return [[found[number][letter] for letter in next(iter(names))] for number in sorted(found)]


def _header(path: Path) -> list[str]:
    return [name.strip(_AROUND).lower() for name in next(iter(Lines(path)), "").split(",")]


def read_landmark_csv(path: str | Path, *, skeleton: Skeleton | None = None) -> Motion:
    r"""The motion of the people in a file; an empty field is a missing number.

    A column such as ``frame`` contains the frame numbers, in which gaps are allowed. Lines of the same frame
    are different people, and a column such as ``person`` or ``track_id`` may contain their track numbers.
    Without a column of frame numbers, each line is the next frame of one person.

    Args:
        path: The file.
        skeleton: The skeleton of the landmarks. (default: by the number of landmarks and their values)

    Raises:
        ValueError: If a field is not a number, or the landmarks do not fit exactly one skeleton.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    columns = landmark_columns(path)
    header = _header(path)
    frame, person = (
        next((header.index(name) for name in names if name in header), None) for names in (_FRAME, _PERSON)
    )
    frames: dict[int, list[Detection]] = {}
    lines = Lines(path)
    next(iter(lines), None)
    for number, line in enumerate(lines):
        where, row = f"{path}, line {number + 2}", [field.strip(_AROUND) for field in line.split(",")]
        try:
            values = [float(row[column] or "nan") for landmark in columns for column in landmark]
            index = number if frame is None else to_count(row[frame], where)
            track = None if person is None or frame is None else to_count(row[person], where)
        except IndexError:
            raise ValueError(f"{where} has {len(row)} fields, expected {len(header)}") from None
        except ValueError as error:
            if str(error).startswith(where):
                raise
            raise ValueError(f"{where} lacks a number, expected one in each column of a landmark") from None
        if np.isinf(values).any():
            raise ValueError(f"{where} has an infinite number, expected finite ones")
        plain = [None if np.isnan(value) else value for value in values]
        frames.setdefault(index, []).append(Detection(plain, None, len(columns[0]), where, id=track))
    return detected_motion(frames, path, skeleton)
