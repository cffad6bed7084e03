"""What every test shares: determinism, and the folder of real recordings."""

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def data_root() -> Path:
    """The folder of real recordings, from the environment variable ``PYG_SYBIO_DATA``."""
    root = os.environ.get("PYG_SYBIO_DATA")
    if not root:
        pytest.skip("set PYG_SYBIO_DATA to the folder of real recordings to run this test")
    return Path(root)
