"""The files of small data sets that were recorded with Kinect v1: SBU, MSR Action3D and UTD-MHAD."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.nested import to_single
from pyg_sybio.data.readers.npz_file import MAX_BYTES
from pyg_sybio.data.readers.people import keypoint_motion, spread
from pyg_sybio.data.readers.reading_of import reading_of
from pyg_sybio.data.readers.text import all_lines_of, to_count, to_floats
from pyg_sybio.skeleton import Skeleton, load_skeleton

SBU_VALUES = 1 + 2 * 15 * 3
"""Number of values in a line of SBU: the number of the frame, and the joints of two persons."""

_MSR_JOINTS = 20


def read_sbu(path: str | Path) -> Motion:
    r"""The motion of two persons in a file `skeleton_pos.txt` of SBU Kinect Interaction (15 Hz).

    A line is a frame: its number, followed by the normalised coordinates `x, y, z` of the fifteen joints of
    each person. In millimetres, the coordinates are

    .. math:: (X, Y, Z) = (1280 - 2560 x,\; 960 - 1920 y,\; 1280 z)

    Joints are not present in frames that the file leaves out, or if they are at the origin.

    Args:
        path: The file.

    Shapes:
        - **poses:** `[2, T, 15, 3]`, millimetres, single precision

    Raises:
        ValueError: If a line has another number of values, a value is not a finite number, or the numbers of
            the frames do not increase.
        FileNotFoundError: If there is no such file.
    """
    path, skeleton = Path(path), load_skeleton("sbu15")
    numbers: list[int] = []
    rows = []
    for where, fields in _lines(path, ",", SBU_VALUES):
        number = to_count(fields[0], where)
        if numbers and number <= numbers[-1]:
            raise ValueError(f"{where} is frame {number}, expected a number above {numbers[-1]}")
        numbers.append(number)
        rows.append(to_floats(fields[1:], where))
    raw = np.array(rows).reshape(-1, skeleton.num_joints, 3)
    seen = (raw != 0).any(-1, keepdims=True)
    values = np.array([1280.0, 960.0, 0.0]) + np.array([-2560.0, -1920.0, 1280.0]) * raw
    placed = spread(
        np.concatenate([np.where(seen, values, 0.0), seen], axis=-1),
        persons=[0, 1] * len(numbers),
        frames=[number - numbers[0] for number in numbers for _ in range(2)],
        num_persons=2,
        num_frames=numbers[-1] - numbers[0] + 1,
        where=str(path),
    )
    poses, present = placed[..., :3].contiguous(), placed[..., 3] > 0
    return Motion(poses=poses, present=present, skeleton=skeleton, frame_rate=15.0, source=str(path))


def read_msr(path: str | Path, *, skeleton: Skeleton | None = None) -> Motion:
    r"""The motion of one person in a text file of MSR Action3D (15 Hz).

    A line is a joint: `x y z` and a score; twenty lines are a frame. A joint with score 0 is not present.

    Args:
        path: The file.
        skeleton: The skeleton of the twenty joints, in the order of the file, with coordinates `xyz`.

    Shapes:
        - **poses:** `[1, T, 20, 3]`, single precision

    Raises:
        ValueError: If no skeleton is given, a line has another number of values, a value is not a finite
            number, or the last frame is incomplete.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    rows = [to_floats(fields, where) for where, fields in _lines(path, None, 4)]
    if len(rows) % _MSR_JOINTS:
        raise ValueError(f"{path} has {len(rows)} lines, expected {_MSR_JOINTS} per frame, one per joint")
    values = torch.tensor(rows).reshape(1, -1, _MSR_JOINTS, 4)
    reading = reading_of(values[0].numpy(), str(path), skeleton=skeleton, columns="xyzs")
    return keypoint_motion(values, reading=reading, where=str(path), frame_rate=15.0)


def read_utd_mhad(path: str | Path) -> Motion:
    r"""The motion of one person in a MATLAB file of UTD-MHAD (30 Hz), with the action's number as its label.

    Args:
        path: The file, with the array `d_skel` `[20, 3, T]`. Its name (`a1_s2_t3_skeleton.mat`) gives the
            label and the ids `subject` and `repetition`.

    Shapes:
        - **poses:** `[1, T, 20, 3]`, metres, single precision

    Raises:
        ValueError: If the package scipy is not installed, or the file is damaged or has other arrays.
        FileNotFoundError: If there is no such file.
    """
    path, skeleton = Path(path), load_skeleton("utd20")
    try:
        from scipy.io import loadmat, whosmat  # type: ignore[import-untyped]
    except ImportError:
        raise ValueError(f"{path}: MATLAB files need the package scipy (pip install scipy)") from None
    expected = "expected the array d_skel [20, 3, T] of UTD-MHAD"
    try:
        sizes = {name: shape for name, shape, _ in whosmat(path)}
        content = loadmat(path, variable_names=["d_skel"]) if path.stat().st_size <= MAX_BYTES else {}
    except Exception as error:  # damaged content raises many kinds of errors in scipy
        raise ValueError(f"{path}: {' '.join(str(error).split())[:200]}, {expected}") from error
    array: Any = content.get("d_skel")
    if array is None or array.dtype.kind not in "fiu" or array.ndim != 3 or array.shape[:2] != (20, 3):
        listed = ", ".join(f"{name} {list(shape)}" for name, shape in list(sizes.items())[:8]) or "no array"
        raise ValueError(f"{path} has {listed[:200]}, {expected}")
    poses = torch.from_numpy(to_single(array).transpose(2, 0, 1)[None].copy())
    if not poses.isfinite().all():
        raise ValueError(f"{path} has numbers in d_skel that are not finite, expected metres")
    name = re.match(r"a(\d+)_s(\d+)_t(\d+)_", path.stem, re.ASCII)
    return Motion(
        poses=poses,
        skeleton=skeleton,
        frame_rate=30.0,
        label=name[1] if name else None,
        ids={"subject": name[2], "repetition": name[3]} if name else {},
        source=str(path),
    )


def _lines(path: Path, separator: str | None, num_values: int) -> Iterator[tuple[str, list[str]]]:
    """The location and the values of each line that is not empty."""
    lines = all_lines_of(path)
    if lines == [b""]:
        raise ValueError(f"{path} has no frames, expected lines of {num_values} values")
    for number, line in enumerate(lines, start=1):
        where, fields = f"{path}, line {number}", line.decode("utf-8", errors="replace").split(separator)
        if len(fields) != num_values:
            raise ValueError(f"{where} has {len(fields)} values, expected {num_values}")
        yield where, fields
