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
        values = 1e3 * np.percentile(self._times, (50, 95, 99))
        return {
            f"p{share}": round(float(value), 3) for share, value in zip((50, 95, 99), values, strict=True)
        }
