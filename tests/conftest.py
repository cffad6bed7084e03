"""Fixtures for all tests: one thread, fixed seeds, a temporary cache folder, and restored process state."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

# Workers and child processes share the cores. torch reads this variable when it is imported.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import once
import pytest
import torch


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    """Make tests independent of their order: set the same seeds before and restore the process after each."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = False  # results on CUDA are compared with the CPU
    folder, environment, path = Path.cwd(), dict(os.environ), list(sys.path)
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    yield
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
        pyplot.rcdefaults()


@pytest.fixture(scope="session", autouse=True)
def _folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use a temporary cache, also in child processes, so that no test writes to the user's cache."""
    own = tmp_path_factory.getbasetemp()
    once.folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYG_SYBIO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("MPLBACKEND", "agg")
        yield


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked ``cuda`` if there is no CUDA device."""
    if item.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, torch sees none")


@pytest.fixture
def data_root() -> Path:
    """The folder of real recordings, from the environment variable ``PYG_SYBIO_DATA``."""
    root = os.environ.get("PYG_SYBIO_DATA")
    if not root:
        pytest.skip("set PYG_SYBIO_DATA to the folder of real recordings to run this test")
    return Path(root)
