r"""The `.skeleton` files of NTU RGB+D and NTU RGB+D 120 (Kinect v2, 25 joints, metres, 30 Hz).

A file is text with one item per line: the number of frames; for each frame the number of bodies; for each
body ten fields, the number of joints (25), and twelve numbers per joint. The name of a file
`SsssCcccPpppRrrrAaaa` gives setup, camera, subject, repetition and action.

Source: https://github.com/shahroudy/NTURGB-D
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyg_sybio.data.lists import listed
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.nested import to_single
from pyg_sybio.data.readers.people import spread
from pyg_sybio.data.readers.text import all_lines_of, to_count, to_floats
from pyg_sybio.skeleton import load_skeleton

ACTIONS = listed("ntu_actions.txt")
"""The classes A1 to A120 in order, as spelt by the authors; NTU RGB+D has the first 60."""

FRAME_RATE = 30.0
BODY_FIELDS = 10
JOINT_NUMBERS = 12
MAX_DIGITS = 1000
"""Largest number of digits of a body's number, because Python does not convert thousands of digits."""
SKELETON = load_skeleton("ntu25")

_USED = [0, 1, 2, 11]  # x, y, z, tracking state
_SAMPLE = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")


def read_ntu(path: str | Path) -> Motion:
    r"""The motion of a `.skeleton` file.

    Bodies with the same number are one person, who has this track number. Persons come in the order in which
    they appear, and are present in the frames that list their body. All joints of a listed body are present,
    including those that the sensor inferred: its tracking state 0 (not tracked), 1 (inferred) or 2 (tracked)
    becomes the confidence 0, 0.5 or 1. Only a joint at the origin, that is, at the camera, is not present.

    Of the twelve numbers of a joint, the position and the tracking state are used and must be finite. The
    other numbers of a joint (position in the depth and colour images, orientation) and of a body may be
    infinite or `nan`, as for joints outside an image.

    A file without any body becomes one person who is never present.

    Args:
        path: The file. A name `SsssCcccPpppRrrrAaaa` gives the ids `setup`, `view` (the camera), `subject`
            and `repetition`, and the label, the name of the class (:data:`ACTIONS`). Other names give no ids
            and no label.

    Raises:
        ValueError: If the file is not in the format, is truncated, continues after its last frame, or lists a
            body twice in a frame; the message names the file and the line. Also if the file name has an
            action beyond A120.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    label = _label_from_name(path)
    num_frames, bodies = _parse(path, all_lines_of(path))
    tracks = {number: person for person, number in enumerate(dict.fromkeys(body.number for body in bodies))}
    known = spread(
        _known(path, bodies),
        persons=[tracks[body.number] for body in bodies],
        frames=[body.frame for body in bodies],
        num_persons=max(1, len(tracks)),
        num_frames=num_frames,
        where=str(path),
    )
    return Motion(
        poses=known[..., :3].contiguous(),
        confidence=known[..., 3].contiguous(),
        present=known[..., 4] > 0,
        skeleton=SKELETON,
        frame_rate=FRAME_RATE,
        label=label,
        ids=ids_from_name(path.stem),
        tracks=tuple(tracks),
        source=str(path),
    )


def ids_from_name(name: str) -> dict[str, str]:
    """Setup, view (camera), subject and repetition of a sample `SsssCcccPpppRrrrAaaa`, or nothing."""
    found = _SAMPLE.fullmatch(name)
    if found is None:
        return {}
    keys = ("setup", "view", "subject", "repetition")
    return {key: str(int(number)) for key, number in zip(keys, found.groups()[:4], strict=True)}


def _label_from_name(path: Path) -> str | None:
    found = _SAMPLE.fullmatch(path.stem)
    if found is None:
        return None
    action = int(found[5])
    if not 1 <= action <= len(ACTIONS):
        raise ValueError(f"{path} is named for action {action}, expected 1 to {len(ACTIONS)}")
    return ACTIONS[action - 1]


class _Body(NamedTuple):
    """A body in one frame: twelve numbers per joint, and the line (from 0) where they begin."""

    number: int
    frame: int
    start: int
    joints: np.ndarray  # [25 * 12]


def _parse(path: Path, lines: Sequence[bytes]) -> tuple[int, list[_Body]]:
    """The number of frames, and every body of every frame."""
    for number, line in enumerate(lines, start=1):
        if b"_" in line:  # Python would read 1_000 as a number
            raise ValueError(f"{path}, line {number} has '_', expected only numbers")
    num_frames = _count(path, lines, 0, least=1)
    bodies = []
    at = 1
    for frame in range(num_frames):
        num_bodies = _count(path, lines, at)
        at += 1
        numbers = set()
        for _ in range(num_bodies):
            number = _body_number(path, lines, at)
            if number in numbers:
                raise ValueError(f"{path}, line {at + 1} has body {number} twice in frame {frame + 1}")
            numbers.add(number)
            num_joints = _count(path, lines, at + 1)
            if num_joints != SKELETON.num_joints:
                raise ValueError(f"{path}, line {at + 2} has {num_joints} joints, expected 25")
            bodies.append(_Body(number, frame, at + 2, _joints(path, lines, at + 2)))
            at += 2 + SKELETON.num_joints
    if at < len(lines):
        raise ValueError(f"{path}, line {at + 1} continues after the last of {num_frames} frames")
    return num_frames, bodies


def _line(path: Path, lines: Sequence[bytes], at: int) -> tuple[str, str]:
    """A line, and its location for errors."""
    if at >= len(lines):
        raise ValueError(f"{path}, line {at} is the last, expected more frames, bodies or joints")
    # Bytes that are not text become characters that are not numbers.
    return lines[at].decode("ascii", "replace"), f"{path}, line {at + 1}"


def _count(path: Path, lines: Sequence[bytes], at: int, *, least: int = 0) -> int:
    return to_count(*_line(path, lines, at), least=least)


def _body_number(path: Path, lines: Sequence[bytes], at: int) -> int:
    """The number of a body from its line of ten fields; it has more digits than a float can hold."""
    line, where = _line(path, lines, at)
    fields = line.split()
    if len(fields) != BODY_FIELDS:
        raise ValueError(f"{where} has {len(fields)} fields of a body, expected {BODY_FIELDS}")
    number, *others = fields
    if not (number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS):
        raise ValueError(f"{where} has body {number[:40]!r}, expected an integer")
    to_floats(others, where, finite=False)
    return int(number)


def _joints(path: Path, lines: Sequence[bytes], start: int) -> np.ndarray:
    """The numbers of the 25 joints of a body."""
    rows = [line.split() for line in lines[start : start + SKELETON.num_joints]]
    if len(rows) == SKELETON.num_joints and set(map(len, rows)) == {JOINT_NUMBERS}:
        with suppress(ValueError):
            return np.fromiter(map(float, chain.from_iterable(rows)), dtype=np.float64)
    # Parse again, slowly, to locate the error.
    return np.concatenate([_joint(path, lines, start + joint) for joint in range(SKELETON.num_joints)])


def _joint(path: Path, lines: Sequence[bytes], at: int) -> list[float]:
    line, where = _line(path, lines, at)
    fields = line.split()
    if len(fields) != JOINT_NUMBERS:
        raise ValueError(f"{where} has {len(fields)} numbers of a joint, expected {JOINT_NUMBERS}")
    return to_floats(fields, where, finite=False)


def _known(path: Path, bodies: Sequence[_Body]) -> np.ndarray:
    """Position, confidence and presence of the joints of each body, `[bodies, 25, 5]`."""
    joints = np.array([body.joints for body in bodies]).reshape(-1, SKELETON.num_joints, JOINT_NUMBERS)
    used = to_single(joints[..., _USED])
    state = used[..., 3]
    for wrong, expected in (
        (~np.isfinite(used).all(-1), "finite numbers"),
        (~np.isin(state, (0, 1, 2)), "tracking state 0, 1 or 2"),
    ):
        if wrong.any():
            body, joint = np.argwhere(wrong)[0]
            values = ", ".join(f"{value:g}" for value in joints[body, joint, _USED])
            where = f"{path}, line {bodies[body].start + joint + 1}"
            raise ValueError(f"{where} has position and tracking state {values}, expected {expected}")
    present = (used[..., :3] != 0).any(-1)
    return np.concatenate([used[..., :3], np.stack([state / 2 * present, present], axis=-1)], axis=-1)
