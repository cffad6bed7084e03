"""Percentiles of the latest durations."""

from collections import deque

import numpy as np


class RecentTimes:
    """The latest durations, in bounded memory.

    Args:
        length: Number of durations to keep.
    """

    def __init__(self, length: int = 1000) -> None:
        self._times: deque[float] = deque(maxlen=length)

    def add(self, seconds: float) -> None:
        """Add a duration."""
        self._times.append(seconds)

    def percentiles(self) -> dict[str, float] | None:
        """Return the 50th, 95th and 99th percentile in milliseconds; None if there are no durations."""
        if not self._times:
            return None
        values = np.round(1e3 * np.percentile(self._times, (50, 95, 99)), 3)
        return dict(zip(("p50", "p95", "p99"), values.tolist(), strict=True))
