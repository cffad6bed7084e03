"""Motions from lists of persons per frame, and from keypoints of detectors."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton

MAX_VALUES = 2**22
"""Largest number of values (16 MiB) of a motion in which most entries are empty."""

KEYPOINT_WIDTHS = {"xyz": (3, 4), "xy": (2, 3), "xy+score": (3,)}
"""Possible numbers of values per keypoint, by the coordinates of the skeleton."""


def spread(
    values: np.ndarray,
    *,
    persons: Sequence[int],
    frames: Sequence[int],
    num_persons: int,
    num_frames: int,
    where: str,
) -> Tensor:
    r"""An array with the values of the listed persons, and zeros where no person is listed.

    Args:
        values: The values of the joints of each listed person.
        persons: Index of the person of each entry.
        frames: Frame of each entry.
        num_persons: `P`, at least 1.
        num_frames: `T`, at least 1.
        where: The file, for errors.

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
    placed = torch.zeros(shape)
    placed[list(persons), list(frames)] = torch.from_numpy(values.astype(np.float32))
    return placed


def check_coordinates(skeleton: Skeleton, expected: Sequence[str], where: str) -> None:
    """Raise a :class:`ValueError` unless the skeleton has one of the expected kinds of coordinates."""
    if skeleton.coordinates not in expected:
        found = f"'skeleton' {skeleton.name!r} has coordinates '{skeleton.coordinates}'"
        raise ValueError(f"{found}, expected {' or '.join(map(repr, expected))} for {where}")


def keypoint_motion(values: Tensor, *, skeleton: Skeleton, where: str, **fields: Any) -> Motion:
    r"""A motion from the keypoints of a detector, each with or without a confidence.

    A keypoint with a `nan`, or with confidence 0, is not present.

    Args:
        values: Coordinates, followed by the confidence if there is one.
        skeleton: The skeleton; with coordinates `xy+score`, the score is the confidence.
        where: The file, for errors.
        fields: The other fields of the :class:`~pyg_sybio.data.motion.Motion`.

    Shapes:
        - **values:** `[P, T, M, C]`; C is 3 for `xy+score`, and the number of coordinates or one more for
          `xyz` and `xy`

    Raises:
        ValueError: If joints or features do not fit the skeleton, a value is infinite, or a confidence
            negative.
    """
    check_coordinates(skeleton, tuple(KEYPOINT_WIDTHS), where)
    widths = KEYPOINT_WIDTHS[skeleton.coordinates]
    num_joints, width = values.shape[-2:]
    if num_joints != skeleton.num_joints or width not in widths:
        raise ValueError(
            f"{where} has {num_joints} keypoints of {width} values, expected {skeleton.num_joints} of "
            f"{' or '.join(map(str, widths))} for skeleton '{skeleton.name}' ({skeleton.coordinates})"
        )
    present = ~values.isnan().any(-1)
    confidence = None
    if width > skeleton.num_spatial:
        confidence = values[..., skeleton.num_spatial].nan_to_num(0.0)
        present &= confidence != 0
    for wrong, what in (
        (values.isinf().any(-1), "finite numbers"),
        (values.new_zeros(()).bool() if confidence is None else confidence < 0, "a confidence of at least 0"),
    ):
        if wrong.any():
            person, frame, joint = wrong.nonzero()[0].tolist()
            found = ", ".join(f"{value:g}" for value in values[person, frame, joint].tolist())
            place = f"person {person}, frame {frame}, joint '{skeleton.joints[joint]}'"
            raise ValueError(f"{where} has {found} for {place}, expected {what}")
    poses = values[..., : skeleton.num_features].masked_fill(~present[..., None], 0.0)
    if confidence is not None:
        confidence = confidence.masked_fill(~present, 0.0)
    fields |= {"present": present, "confidence": confidence, "source": where}
    return Motion(poses=poses, skeleton=skeleton, **fields)


def listed_motion(
    values: np.ndarray, counts: Sequence[tuple[int, int]], *, skeleton: Skeleton, where: str, **fields: Any
) -> Motion:
    r"""A motion from the people of each frame, for formats in which people have no identity across frames.

    Person `k` of the motion is the person at index `k` in each frame. The number of persons is the largest
    number in a frame, and at least one. A frame that is not listed contains no person.

    Args:
        values: Coordinates and confidence of all people, frame by frame.
        counts: For each listed frame its index, in ascending order, and its number of people.
        skeleton: The skeleton.
        where: The file, for errors.
        fields: The other fields of the :class:`~pyg_sybio.data.motion.Motion`.

    Shapes:
        - **values:** `[people, M, C]`

    Raises:
        ValueError: If the motion would be too large, or :func:`keypoint_motion` refuses it.
    """
    placed = spread(
        values,
        persons=list(chain.from_iterable(range(count) for _, count in counts)),
        frames=list(chain.from_iterable([frame] * count for frame, count in counts)),
        num_persons=max(1, max(count for _, count in counts)),
        num_frames=counts[-1][0] + 1,
        where=where,
    )
    return keypoint_motion(placed, skeleton=skeleton, where=where, **fields)
