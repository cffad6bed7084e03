"""A folder of files, and a cache for the stores prepared from them."""

from pathlib import Path

import pytest
from made_up_motions import (
    reads,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for seed in range(8):
        (folder / f"{seed}.txt").write_text(str(seed))
    reads.clear()
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, found by its environment variable as a user would set it."""
    monkeypatch.setenv("PYG_SYBIO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
