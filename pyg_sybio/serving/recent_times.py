"""Times of the last frames: the figures of the health page and of logs."""

from collections import deque

import numpy as np


class RecentTimes:
    """Durations in seconds, of which the last ones count.

    Args:
        length: How many are kept.
    """

    def __init__(self, length: int = 1000) -> None:
        self._times: deque[float] = deque(maxlen=length)

    def add(self, seconds: float) -> None:
        """Remember one."""
        self._times.append(seconds)

    def percentiles(self) -> dict[str, float] | None:
        """Milliseconds below which 50, 95 and 99 of 100 remain; None without any time."""
        if not self._times:
            return None
        values = 1e3 * np.percentile(np.array(self._times), (50, 95, 99))
        return {
            f"p{share}": round(float(value), 3) for share, value in zip((50, 95, 99), values, strict=True)
        }
