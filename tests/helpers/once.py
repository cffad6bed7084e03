"""Values that a test session computes once for all of its workers."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

T = TypeVar("T")

folder = Path()
"""The folder that the workers share; `conftest.py` sets it."""


def once(name: str, make: Callable[[], T]) -> T:
    """Return the result of `make`, from a file if another test or worker has already called it."""
    path = folder / f"{name}.pickle"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            path.write_bytes(pickle.dumps(make()))
        made: T = pickle.loads(path.read_bytes())
    return made
