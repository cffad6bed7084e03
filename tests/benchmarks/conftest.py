"""Fixture for all tests of the benchmarks."""

import pytest
from benchmark_scripts import Scripts


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Scripts:
    """The modules of ``benchmarks/``."""
    return Scripts(monkeypatch)
