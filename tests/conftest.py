"""What every test shares: determinism, a cache folder of its own, and the folder of real recordings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test leaves prepared data in the user's cache; processes that a test starts inherit this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYG_SYBIO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def data_root() -> Path:
    """The folder of real recordings, from the environment variable ``PYG_SYBIO_DATA``."""
    root = os.environ.get("PYG_SYBIO_DATA")
    if not root:
        pytest.skip("set PYG_SYBIO_DATA to the folder of real recordings to run this test")
    return Path(root)
