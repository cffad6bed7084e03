"""Motions from lists of persons per frame, and from keypoints of detectors."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.matching import persons_of
from pyg_sybio.data.readers.nested import to_single
from pyg_sybio.data.readers.reading_of import Reading
from pyg_sybio.skeleton import Skeleton

MAX_VALUES = 2**22
"""Largest number of values (16 MiB) of a motion in which most entries are empty."""


def spread(
    values: np.ndarray,
    *,
    persons: Sequence[int],
    frames: Sequence[int],
    num_persons: int,
    num_frames: int,
    where: str,
    empty: float = 0.0,
) -> Tensor:
    r"""An array with the values of the listed persons, and zeros where no person is listed.

    Args:
        values: The values of the joints of each listed person.
        persons: Index of the person of each entry.
        frames: Frame of each entry.
        num_persons: `P`, at least 1.
        num_frames: `T`, at least 1.
        where: The file, for errors.
        empty: The value where no person is listed.

    Shapes:
        - **values:** `[entries, M, K]`
        - **output:** `[P, T, M, K]`, single precision

    Raises:
        ValueError: If the array would have more than :data:`MAX_VALUES` values, nearly all of them zeros. (In
            a small file, the next person may appear after a billion frames.)
    """
    shape = (num_persons, num_frames, *values.shape[1:])
    size = math.prod(shape)
    if size > max(MAX_VALUES, 32 * values.size):
        found = f"{len(values)} poses for {num_persons} persons in {num_frames} frames"
        raise ValueError(f"{where} has {found}, expected a person in most frames")
    placed = torch.full(shape, empty)
    placed[list(persons), list(frames)] = torch.from_numpy(to_single(values))
    return placed


def check_coordinates(skeleton: Skeleton, expected: Sequence[str], where: str) -> None:
    """Raise a :class:`ValueError` unless the skeleton has one of the expected coordinates."""
    if skeleton.coordinates not in expected:
        found = f"'skeleton' {skeleton.name!r} has coordinates '{skeleton.coordinates}'"
        raise ValueError(f"{found}, expected {' or '.join(map(repr, expected))} for {where}")


def keypoint_motion(values: Tensor, *, reading: Reading, where: str, **fields: Any) -> Motion:
    r"""A motion from the keypoints of a detector, each with or without a score.

    A keypoint with a NaN, or with score 0, is not present. Without scores, a keypoint at the origin of an
    image is not present either. (If any coordinate is negative, poses are centred, and the origin is a valid
    position.)

    Args:
        values: The keypoints.
        reading: The meaning of the keypoints.
        where: The file, for errors.
        fields: The other fields of the :class:`~pyg_sybio.data.motion.Motion`.

    Shapes:
        - **values:** `[P, T, M, C]`

    Raises:
        ValueError: If a value is infinite, or a score negative.
    """
    skeleton, scored = reading.skeleton, "s" in reading.columns
    present = ~values.isnan().any(-1)
    confidence = None
    if scored:
        confidence = values[..., reading.columns.index("s")].nan_to_num(0.0)
        present &= confidence != 0
    elif skeleton.num_spatial == 2 and not (values < 0).any():
        present &= (values != 0).any(-1)
    for wrong, what in (
        (values.isinf().any(-1), "finite numbers"),
        (values.new_zeros(()).bool() if confidence is None else confidence < 0, "a confidence of at least 0"),
    ):
        if wrong.any():
            person, frame, joint = wrong.nonzero()[0].tolist()
            found = ", ".join(f"{value:g}" for value in values[person, frame, joint].tolist())
            place = f"person {person}, frame {frame}, joint '{skeleton.joints[joint]}'"
            raise ValueError(f"{where} has {found} for {place}, expected {what}")
    if skeleton.coordinates == "xy+score" and not scored:
        values = torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)
    poses = values[..., : skeleton.num_features].masked_fill(~present[..., None], 0.0)
    if confidence is not None:
        confidence = confidence.masked_fill(~present, 0.0)
    notes = tuple(note for note in (reading.note, *fields.pop("notes", ())) if note)
    fields |= {"present": present, "confidence": confidence, "source": where, "notes": notes}
    return Motion(poses=poses, skeleton=skeleton, **fields)


def listed_motion(
    values: np.ndarray,
    frames: Sequence[int],
    *,
    num_frames: int,
    reading: Reading,
    where: str,
    ids: Sequence[int | None] = (),
    **fields: Any,
) -> Motion:
    r"""A motion from a list of people.

    People are identified across frames by :func:`~pyg_sybio.data.readers.matching.persons_of`. The motion has
    at least one person. A frame without entries contains no person.

    Args:
        values: The keypoints of all people, frame by frame.
        frames: The frame of each entry, in ascending order.
        num_frames: Number of frames.
        reading: The meaning of the keypoints.
        where: The file, for errors.
        ids: The track number of each entry, None where it is unknown. (default: unknown)
        fields: The other fields of the :class:`~pyg_sybio.data.motion.Motion`.

    Shapes:
        - **values:** `[entries, M, C]`

    Raises:
        ValueError: If the motion would be too large, or :func:`keypoint_motion` refuses it.
    """
    points = np.nan_to_num(values[..., : reading.skeleton.num_spatial], posinf=0, neginf=0)
    seen = np.isfinite(values).all(-1)
    if "s" in reading.columns:
        seen &= values[..., reading.columns.index("s")] > 0
    persons = persons_of(points, seen, frames, ids)
    placed = spread(
        values,
        persons=persons.index,
        frames=frames,
        num_persons=max(1, len(persons.tracks)),
        num_frames=num_frames,
        where=where,
        empty=math.nan,
    )
    fields |= {"tracks": persons.tracks, "notes": (persons.note,)}
    return keypoint_motion(placed, reading=reading, where=where, **fields)
