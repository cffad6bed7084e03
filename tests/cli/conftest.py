"""A model that was trained for two steps, for the tests of several commands."""

from pathlib import Path

import numpy as np
import pytest
from tiny_recipe import tiny

from pyg_sybio.cli.main import main
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert main(["fit", "synthetic", *tiny(folder, steps=2)]) == 0
    return folder / "version_0" / "checkpoints" / "last.ckpt"


@pytest.fixture
def clip() -> np.ndarray:
    """A clip ``[T, M, D]``, starting with the observed frames."""
    return SyntheticMotions(num_clips=1, num_observed=8, num_future=1)[0].x.transpose(0, 1).numpy()
