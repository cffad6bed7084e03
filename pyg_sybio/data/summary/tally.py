r"""Counts over clips: classes, lengths, frame rates, persons, ids, and missing joints."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyg_sybio.data.natural_order import natural
from pyg_sybio.data.summary.clip_facts import ClipFacts


@dataclass(eq=False)
class Tally:
    """Counts over clips, such as the clips of one split."""

    lengths: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    empty: int = 0
    unlabelled: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """Class, frame rate, persons, skeleton and format -> value -> number of clips."""
    ids: dict[str, Counter[str]] = field(default_factory=dict)
    """Id -> value -> number of clips."""
    joints: dict[str, tuple[tuple[str, ...], np.ndarray, int]] = field(default_factory=dict)
    """Skeleton -> joints, number of frames in which each is missing, number of frames that show a person."""

    notes: Counter[str] = field(default_factory=Counter)
    """What readers have decided, because the files do not say it -> number of clips."""

    def add(self, clip: ClipFacts) -> None:
        """Count one more clip."""
        self.lengths.append(clip.num_frames)
        if clip.seconds is not None:
            self.seconds.append(clip.seconds)
        self.empty += clip.empty
        self.unlabelled += clip.values["class"] is None
        for counts, values in ((self.counts, clip.values), (self.ids, clip.ids)):
            for name, value in values.items():
                if value is not None:
                    counts.setdefault(name, Counter())[value] += 1
        self.notes.update(clip.notes)
        skeleton = str(clip.values["skeleton"])
        joints, missing, seen = self.joints.get(skeleton, (clip.joints, 0, 0))
        self.joints[skeleton] = joints, missing + clip.missing, seen + clip.seen

    def of(self, name: str) -> dict[str, int]:
        """Number of clips of each value, values in natural order: 2 before 10."""
        return _in_order(self.counts.get(name, Counter()))

    def of_id(self, name: str) -> dict[str, int]:
        """Number of clips of each value of an id."""
        return _in_order(self.ids.get(name, Counter()))

    def missing(self, skeleton: str) -> dict[str, float]:
        """For each joint, the fraction of frames with a person in which the person's joint is missing."""
        joints, missing, seen = self.joints.get(skeleton, ((), np.zeros(0), 0))
        return {joint: float(count) / max(seen, 1) for joint, count in zip(joints, missing, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain values for JSON."""
        return {
            "clips": len(self.lengths),
            "unlabelled": self.unlabelled,
            "classes": self.of("class"),
            "frames": spread(self.lengths),
            "seconds": spread(self.seconds),
            "frames_with_nobody": self.empty,
            "frame_rates": self.of("frame rate"),
            "persons": self.of("persons"),
            "skeletons": self.of("skeleton"),
            "formats": self.of("format"),
            "ids": {name: self.of_id(name) for name in sorted(self.ids)},
            "notes": dict(self.notes),
            "missing_joints": {name: self.missing(name) for name in sorted(self.joints)},
        }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Minimum, median, maximum and sum of numbers; None if there are none."""
    if not values:
        return None
    low, high, middle = min(values), max(values), statistics.median(values)
    return {"min": low, "median": middle, "max": high, "total": math.fsum(values)}


def _in_order(counter: Counter[str]) -> dict[str, int]:
    return {value: counter[value] for value in sorted(counter, key=natural)}
