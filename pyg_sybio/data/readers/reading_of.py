r"""The meaning of keypoints without names: which joints they are, and what the values of each one are.

Several skeletons have 17 joints, and three values may be `x, y, z` or `x, y, score`. The numbers of joints
and values are therefore not enough: the values themselves must fit as well, and keypoints with two possible
meanings are refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton

COLUMNS = {"xyz": ("xyz", "xyzs", "xyzsp"), "xy": ("xy", "xys"), "xy+score": ("xys", "xy")}
"""The possible values of a keypoint, by the coordinates of the skeleton: x, y, z, s (score), p (presence)."""

MAX_SCORE = 1.25
"""Largest score of a keypoint; the peak of a heat map may be a little above 1."""
MAX_FRACTION = 4.0
"""Larger coordinates in an image are pixels; smaller ones are fractions of the image."""
_LEAST_PIXELS = 50.0  # If x or y is larger, a third value as small as a score is not a depth.
_MAX_METRES, _MAX_CENTIMETRES = 20.0, 400.0  # largest extents of a body in these units


@dataclass(frozen=True, eq=False)
class Reading:
    r"""The meaning of keypoints.

    Args:
        skeleton: The skeleton of the keypoints, with their unit.
        columns: The meaning of the values of a keypoint, one of :data:`COLUMNS`.
        note: What the reader decided by the values; empty if no decision was needed.
    """

    skeleton: Skeleton
    columns: str
    note: str = ""


def reading_of(
    values: np.ndarray, where: str, *, skeleton: Skeleton | None = None, columns: str | None = None
) -> Reading:
    r"""Find the meaning of keypoints.

    Args:
        values: The keypoints; NaN where a value is missing.
        where: The file, for errors.
        skeleton: The skeleton, if it is known. A recording of more joints is read with a shipped skeleton
            that has the joints of `skeleton`, such as `coco133` for the joints of `coco17`.
        columns: The meaning of the values of a keypoint, if the format defines it.

    Shapes:
        - **values:** `[..., M, C]`

    Raises:
        ValueError: If the keypoints do not fit exactly one skeleton.
    """
    num_joints, width = values.shape[-2:]
    if skeleton is not None and (skeleton.num_joints == num_joints or skeleton.coordinates not in COLUMNS):
        return Reading(skeleton, _columns_for(skeleton, values, where, columns))
    fitting = [
        Reading(candidate, each)
        for candidate, each in _readings(num_joints, width, columns)
        if skeleton is None or _has_joints(candidate, skeleton)
    ]
    if skeleton is not None and not fitting:
        raise ValueError(_wrong_shape(skeleton, num_joints, width, where))
    plausible = [each for each in fitting if columns is not None or _refuted(values, each.columns) is None]
    if len(plausible) == 1:
        (found,) = plausible
        unit = _unit(values, found)
        note = f"is read as {_described(found)}, judged by the number of keypoints and their values"
        return replace(found, skeleton=replace(found.skeleton, units=unit), note=note)
    size = f"{where} has {num_joints} keypoints of {width} values"
    if not fitting:
        raise ValueError(
            f"{size}, which fit no shipped skeleton: expected a skeleton (--skeleton NAME or FILE.json, in "
            "recipes --data.settings.skeleton, in Python 'skeleton'), or joints of a shipped one"
        )
    if not plausible:
        reasons = "; ".join(f"{_described(each)}: {_refuted(values, each.columns)}" for each in fitting)
        raise ValueError(f"{size}, but the values do not fit {reasons}")
    names = " and ".join(dict.fromkeys(map(_described, plausible)))
    choices = " or ".join(dict.fromkeys(f"'--skeleton {each.skeleton.name}'" for each in plausible))
    raise ValueError(
        f"{size}, which fit {names}: expected {choices} to say which (in recipes --data.settings.skeleton, "
        "in Python the argument 'skeleton')"
    )


def _readings(num_joints: int, width: int, columns: str | None) -> Iterator[tuple[Skeleton, str]]:
    """The shipped skeletons with this number of joints, and their columns of this width."""
    for skeleton in map(load_skeleton, available_skeletons()):
        if skeleton.num_joints == num_joints:
            for each in COLUMNS.get(skeleton.coordinates, ()):
                if len(each) == width and columns in (None, each):
                    yield skeleton, each


def _columns_for(skeleton: Skeleton, values: np.ndarray, where: str, columns: str | None) -> str:
    """The columns of keypoints with a given skeleton."""
    num_joints, width = values.shape[-2:]
    possible = COLUMNS.get(skeleton.coordinates)
    if possible is None or columns not in (None, *possible):
        kinds = " or ".join(map(repr, [kind for kind, each in COLUMNS.items() if columns in (None, *each)]))
        found = f"'skeleton' {skeleton.name!r} has coordinates '{skeleton.coordinates}'"
        raise ValueError(f"{found}, expected {kinds} for {where}")
    for each in possible:
        if len(each) == width:
            reason = _refuted(values, each) if columns is None else None
            if reason is not None:
                raise ValueError(
                    f"{where} has values that do not fit {_described(Reading(skeleton, each))}: {reason}"
                )
            return each
    raise ValueError(_wrong_shape(skeleton, num_joints, width, where))


def _wrong_shape(skeleton: Skeleton, num_joints: int, width: int, where: str) -> str:
    widths = " or ".join(str(len(each)) for each in sorted(COLUMNS.get(skeleton.coordinates, ()), key=len))
    return (
        f"{where} has {num_joints} keypoints of {width} values, expected {skeleton.num_joints} of {widths} "
        f"for skeleton '{skeleton.name}' ({skeleton.coordinates})"
    )


def _has_joints(whole: Skeleton, wanted: Skeleton) -> bool:
    return whole.coordinates == wanted.coordinates and set(wanted.joints) <= set(whole.joints)


def _described(reading: Reading) -> str:
    columns = ", ".join({"s": "score", "p": "presence"}.get(column, column) for column in reading.columns)
    return f"{columns} of {reading.skeleton.name}"


def _refuted(values: np.ndarray, columns: str) -> str | None:
    """The reason why the values cannot have this meaning; None if they can."""
    reach = _largest(np.abs(values[..., :2]))
    if columns == "xyz":
        if reach > _LEAST_PIXELS and _is_score(values[..., 2], pixels=True):
            return "the third value looks like a score, and the others like pixels"
        return None
    for column in range(columns.find("s"), len(columns)) if "s" in columns else ():
        scores = values[..., column]
        if not _is_score(scores, pixels=reach > _LEAST_PIXELS):
            low, high = _largest(-scores), _largest(scores)
            return f"value {column + 1} is between {-low:g} and {high:g}, expected a score from 0 to 1"
    return None


def _is_score(values: np.ndarray, *, pixels: bool) -> bool:
    """Whether values may be scores; next to pixels, a wider range is accepted."""
    known = values[np.isfinite(values)]
    if np.isin(known, (0, 1, 2)).all():  # COCO: not labelled, hidden, visible
        return True
    return known.min() >= (-1 if pixels else 0) and known.max() <= (3 * MAX_SCORE if pixels else MAX_SCORE)


def _unit(values: np.ndarray, reading: Reading) -> str:
    """The unit of the coordinates, by their size."""
    skeleton = reading.skeleton
    if not np.nan_to_num(values).any():
        return skeleton.units
    if skeleton.num_spatial == 2:
        return "image fraction" if _largest(np.abs(values[..., :2])) <= MAX_FRACTION else "px"
    points = values[..., :3].reshape(-1, values.shape[-2], 3)
    points = points[np.isfinite(points).all((1, 2))]
    extent = float(np.median(np.ptp(points, axis=1).max(-1))) if len(points) else 0.0
    return "m" if extent <= _MAX_METRES else "cm" if extent <= _MAX_CENTIMETRES else "mm"


def _largest(values: np.ndarray) -> float:
    return float(values.max(initial=-np.inf, where=np.isfinite(values)))
