"""Marks that test files share."""

from typing import Any

import pytest


def slow(*values: Any) -> Any:
    """Return a case of a parametrised test that only `make slow` runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
"""Cases of a test that runs on every device."""
