r"""Exponential-map text files, as CMU Mocap and Human3.6M are distributed for motion prediction.

A line is a frame of `V = 3 + 3·joints` comma-separated numbers: the translation of the root, then an
exponential map (rotation axis times angle, in radians) per joint.
"""

from array import array
from pathlib import Path

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.people import check_coordinates
from pyg_sybio.data.readers.text import all_lines_of, to_floats
from pyg_sybio.skeleton import Skeleton

FRAME_RATE = 50.0  # of the benchmarks; the files do not state it

# Larger angles are wrong, or in degrees, and would distort the training statistics.
_MAX_ANGLE = 100


def read_expmap(path: str | Path, *, skeleton: Skeleton) -> Motion:
    r"""The motion of one person in a file of exponential maps.

    Args:
        path: The file.
        skeleton: The skeleton (coordinates `expmap`) with the joints in the order of the columns.

    Shapes:
        - **poses:** `[1, T, M, 3]`, radians, double precision
        - **translation:** `[1, T, 3]`, in the file's unit of length, double precision

    Raises:
        ValueError: If the skeleton has other coordinates, or a line has another number of values, a value
            that is not a finite number, or a rotation of more than 100 rad. The message names the file and
            the line.
        FileNotFoundError: If there is no such file.
    """
    check_coordinates(skeleton, ("expmap",), str(path))
    frames = torch.from_numpy(_read_frames(Path(path), 3 + 3 * skeleton.num_joints))
    translation, rotations = frames.split((3, 3 * skeleton.num_joints), dim=-1)
    if (largest := float(rotations.abs().max())) > _MAX_ANGLE:
        line = int(rotations.abs().amax(-1).argmax()) + 1
        raise ValueError(
            f"{path}, line {line} has a rotation of {largest:.3g} rad, expected at most {_MAX_ANGLE} "
            "(exponential maps in radians)"
        )
    return Motion(
        poses=rotations.unflatten(-1, (-1, 3))[None].contiguous(),
        translation=translation[None].contiguous(),
        skeleton=skeleton,
        frame_rate=FRAME_RATE,
        source=str(path),
    )


def _read_frames(path: Path, num_values: int) -> np.ndarray:
    lines = all_lines_of(path)
    if lines == [b""]:
        raise ValueError(f"{path} has no frames, expected lines of {num_values} comma-separated values")
    values = array("d")
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        # Bytes that are not text become characters that are not numbers.
        fields = line.decode("utf-8", errors="replace").split(",")
        if len(fields) != num_values:
            raise ValueError(f"{where} has {len(fields)} values, expected {num_values}")
        values.extend(to_floats(fields, where))
    return np.array(values).reshape(-1, num_values)
