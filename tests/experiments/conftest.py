"""Fixtures of the tests of experiments."""

import pytest

from pyg_sybio.experiments import measures


@pytest.fixture(autouse=True)
def _short_timings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit each timing to 0.2 seconds, because no test depends on the measured time."""
    monkeypatch.setattr(measures, "TIMER_SECONDS", 0.2)
