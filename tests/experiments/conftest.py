"""Fixtures of the tests of experiments."""

import pytest

from pyg_sybio.experiments import measures


@pytest.fixture(autouse=True)
def _short_timings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take at most 0.2 seconds for a timing, whose value no test depends on."""
    monkeypatch.setattr(measures, "TIMER_SECONDS", 0.2)
