r"""The actions of a person over time, from the class probabilities of overlapping windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

STEPS_PER_WINDOW = 8
"""Windows that begin during one window, by default."""

# Times in seconds are rounded to this number of decimals.
_DECIMALS = 6


class Segment(NamedTuple):
    r"""A time interval with one label.

    Args:
        label: The class.
        start: Start in seconds.
        end: End in seconds.
        probability: Mean probability of the class in this interval, from 0 to 1.
    """

    label: str
    start: float
    end: float
    probability: float


@dataclass(slots=True)
class _Run:
    """A segment of a sequence, without its end.

    Args:
        label: Index of the class.
        start: Start in seconds.
        sums: Integral of the probabilities `[C]` from the beginning of the timeline to the start.
        before: The segment before it.
    """

    label: int
    start: float
    sums: np.ndarray
    before: "_Run | None"


class Timeline:
    r"""The most likely sequence of actions of one person, updated window by window.

    The probabilities :math:`p_c(t)` of a moment are the mean over all windows that contain it. The labels
    :math:`c(t)` are the sequence with the largest

    .. math::
        \int p_{c(t)}(t) \, dt - \frac{W}{2} \cdot \#\{\text{changes of } c\},

    with `W` the length of a window, which the Viterbi algorithm finds. Thus, a segment that is much shorter
    than a window, such as the transition between two actions, has no label of its own.

    Args:
        class_names: Names of the classes.
        length: Length `W` of a window in seconds.
        keep: Number of segments to keep, for streams without an end. (default: all)
    """

    def __init__(self, class_names: Sequence[str], length: float, *, keep: int | None = None) -> None:
        self.class_names = tuple(class_names)
        self.length = length
        self.keep = keep
        self._windows: list[tuple[float, float, np.ndarray]] = []  # windows that may still change the labels
        self._scores = np.zeros(len(class_names))  # score of the best sequence that ends with each class
        self._sums = np.zeros(len(class_names))
        self._runs: list[_Run] = []  # the last segment of each of these sequences
        self._decided = -np.inf  # the scores are computed up to this time

    def add(self, start: float, end: float, probabilities: np.ndarray) -> None:
        r"""Add a window, which does not begin before the newest one.

        Args:
            start: Start of the window in seconds.
            end: End of the window in seconds.
            probabilities: Class probabilities of the window.

        Shapes:
            - **probabilities:** `[C]`
        """
        self._windows.append((start, end, probabilities))
        if start > max(self._decided, self._windows[0][0]):  # no later window contains an earlier time
            self._scores, self._sums, self._runs = self._advanced(start)
            self._decided = start
            self._windows = [window for window in self._windows if window[1] > start]

    @property
    def segments(self) -> list[Segment]:
        """The segments so far; later windows may still change the labels within the last window."""
        if not self._windows:
            return []
        end = max(window[1] for window in self._windows)
        scores, sums, runs = self._advanced(end)
        run: _Run | None = runs[int(scores.argmax())]
        found = []
        while run is not None:
            probability = (sums - run.sums)[run.label] / (end - run.start)
            found.append(Segment(self.class_names[run.label], run.start, end, float(probability)))
            if len(found) == self.keep:
                run.before = None
            end, sums, run = run.start, run.sums, run.before
        return found[::-1]

    def _advanced(self, until: float) -> tuple[np.ndarray, np.ndarray, list[_Run]]:
        """The scores, integrals and last segments of the best sequences up to a time."""
        scores, sums, runs = self._scores, self._sums, list(self._runs)
        starts, ends = (np.round([window[i] for window in self._windows], _DECIMALS) for i in (0, 1))
        probabilities = np.stack([window[2] for window in self._windows])
        low, high = max(starts[0], round(self._decided, _DECIMALS)), round(until, _DECIMALS)
        edges = np.unique(np.concatenate([starts, ends, [low, high]]))
        edges = edges[(edges >= low) & (edges <= high)]
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            inside = (starts <= start) & (ends >= end)
            mean = probabilities[inside].mean(0) if inside.any() else probabilities[starts <= start][-1]
            if not runs:
                runs = [_Run(label, start, sums, None) for label in range(len(scores))]
            best = int(scores.argmax())
            changed = scores[best] - self.length / 2
            for label in np.flatnonzero(scores < changed).tolist():
                runs[label] = _Run(label, start, sums, runs[best])
            gain = (end - start) * mean
            scores, sums = np.maximum(scores, changed) + gain, sums + gain
        return scores, sums, runs
