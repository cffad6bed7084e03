"""Percentiles of the latest durations."""

from pyg_sybio.streaming.latency import RecentTimes


def test_percentiles_only_use_the_latest_durations() -> None:
    times = RecentTimes(length=101)
    assert times.percentiles() is None
    for value in [9.0] * 50 + [step / 1000 for step in range(101)]:
        times.add(value)
    assert times.percentiles() == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
