"""Matching of persons between successive frames, with loops over pairs of people."""

import math
from collections.abc import Sequence

import numpy as np


def seen(point: np.ndarray) -> bool:
    return bool(np.isfinite(point).all() and point[2] > 0)


def same_persons(frames: Sequence[Sequence[np.ndarray]]) -> list[list[int]]:
    """Return the person index of each entry `[M, 3]` (x, y, score) of each frame; nearest pairs are matched
    first."""
    most = max(map(len, frames), default=0)
    if most <= 1:
        return [[0] * len(frame) for frame in frames]
    last: dict[int, np.ndarray] = {}
    since = dict.fromkeys(range(most), -1)
    result = []
    for now, frame in enumerate(frame for frame in frames if len(frame)):
        pairs = []
        for entry, pose in enumerate(frame):
            visible = [point for point in pose if seen(point)]
            size = max((np.ptp([point[axis] for point in visible]) for axis in (0, 1) if visible), default=0)
            for row, before in last.items():
                steps = [
                    math.dist(a[:2], b[:2]) for a, b in zip(pose, before, strict=True) if seen(a) and seen(b)
                ]
                if steps and sum(steps) / len(steps) <= size:
                    pairs.append((sum(steps) / len(steps), entry, row))
        found: dict[int, int] = {}
        for _, entry, row in sorted(pairs):
            if entry not in found and row not in found.values():
                found[entry] = row
        free = sorted(set(range(most)) - set(found.values()), key=lambda row: (since[row], row))
        for entry, pose in enumerate(frame):
            if entry not in found:
                found[entry] = free.pop(0)
            if any(map(seen, pose)):
                last[found[entry]], since[found[entry]] = pose, now
        result.append([found[entry] for entry in range(len(frame))])
    remaining = iter(result)
    return [next(remaining) if len(frame) else [] for frame in frames]
