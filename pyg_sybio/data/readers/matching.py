r"""Identification of persons across frames: by the numbers of a tracker, or by distance."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MAX_MATCHED = 64
"""If a frame has more people than this, people keep their order in the file."""

BY_DISTANCE = "has no track numbers: persons are matched by distance"
IN_ORDER = f"has a frame with more than {MAX_MATCHED} people: persons are in the order of the file"
NOT_UNIQUE = "repeats track numbers within a frame: persons are matched by distance"


@dataclass(frozen=True)
class Persons:
    """The person of each entry of a list of people.

    Args:
        index: The index of the person of each entry.
        tracks: The track number of each person.
        note: How persons were identified, if not by the numbers in the file; empty for a single person.
    """

    index: list[int]
    tracks: tuple[int, ...]
    note: str = ""


def persons_of(
    points: np.ndarray, seen: np.ndarray, frames: Sequence[int], ids: Sequence[int | None] = ()
) -> Persons:
    r"""Identify the persons in a list of people across frames.

    People with a track number are the same person in all frames with this number. People without a track
    number are matched from frame to frame, the nearest first, if the mean distance of their joints is smaller
    than the size of the body. An entry without a match becomes a new person. There are at most as many
    persons as people in the fullest frame; beyond that, the entry continues the person who has not been seen
    for the longest time.

    Args:
        points: Positions of the joints of each entry; entries of a frame are successive.
        seen: Which joints were seen.
        frames: The frame of each entry, in ascending order.
        ids: The track number of each entry, None where it is unknown. (default: unknown)

    Shapes:
        - **points:** `[entries, M, D]`
        - **seen:** `[entries, M]`
    """
    ids, repeated = list(ids) or [None] * len(frames), ""
    counts = Counter(zip(frames, ids, strict=True))
    if any(count > 1 for (_, track), count in counts.items() if track is not None):
        ids, repeated = [None] * len(frames), NOT_UNIQUE
    tracks = list(dict.fromkeys(track for track in ids if track is not None))
    row_of = {track: row for row, track in enumerate(tracks)}
    index = [-1 if track is None else row_of[track] for track in ids]
    unknown = [place for place, track in enumerate(ids) if track is None]
    groups: dict[int, list[int]] = {}
    for place in unknown:
        groups.setdefault(frames[place], []).append(place)
    most = max(map(len, groups.values()), default=0)
    note = repeated or BY_DISTANCE if most > 1 or (most and tracks) else ""
    if most > MAX_MATCHED:
        note = IN_ORDER
        matched = [row for group in groups.values() for row in range(len(group))]
    else:
        matched = _by_distance(points, seen, list(groups.values()), most)
    for place, row in zip(unknown, matched, strict=True):
        index[place] = len(tracks) + row
    first = max(tracks, default=-1) + 1
    return Persons(index, (*tracks, *range(first, first + most)), note)


def _by_distance(
    points: np.ndarray, seen: np.ndarray, groups: Sequence[Sequence[int]], most: int
) -> list[int]:
    """The person, from 0 to `most - 1`, of each entry; each group has the entries of one frame, in order."""
    if most <= 1:
        return [0 for group in groups for _ in group]
    result: list[int] = []
    last = np.zeros((most, *points.shape[1:]))  # the last pose of each person
    known = np.zeros((most, points.shape[1]), dtype=bool)
    since = [-1] * most  # the last frame of each person, -1 for none
    for now, group in enumerate(groups):
        here, visible = points[group], seen[group]
        both = visible[:, None] & known[None]  # [people, persons, M]
        count = both.sum(-1)
        apart = np.sqrt(((here[:, None] - last[None]) ** 2).sum(-1))
        distance = (apart * both).sum(-1) / np.maximum(count, 1)
        distance[count == 0] = np.inf
        distance[distance > _sizes(here, visible)[:, None]] = np.inf
        rows: dict[int, int] = {}
        for flat in np.argsort(distance, axis=None, kind="stable").tolist():
            entry, row = divmod(flat, most)
            if not np.isfinite(distance[entry, row]):
                break
            if entry not in rows and row not in rows.values():
                rows[entry] = row
        free = sorted(set(range(most)) - set(rows.values()), key=lambda row: (since[row], row))
        for entry in range(len(group)):
            if entry not in rows:
                rows[entry] = free.pop(0)
        order = [rows[entry] for entry in range(len(group))]
        result += order
        for entry, row in enumerate(order):
            if visible[entry].any():
                last[row], known[row], since[row] = here[entry], visible[entry], now
    return result


def _sizes(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The extent of each body along its longest axis."""
    low = np.where(seen[..., None], points, np.inf).min(1)
    high = np.where(seen[..., None], points, -np.inf).max(1)
    return np.where(seen.any(1), (high - low).max(-1), 0.0)
