"""Settings for storing prepared clips: the folder and the number of processes."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Where prepared clips are stored, and how they are made (:func:`~pyg_sybio.data.store.store.prepare`).

    Args:
        cache: The folder of all stores. (default: the environment variable `PYG_SYBIO_CACHE`, else
            `~/.cache/pyg_sybio`)
        num_processes: Maximum number of processes that read files. Few or small files are always read
            in this process. (default: one per core)
        progress: Whether to show a progress bar, if standard error is a terminal.

    Raises:
        ValueError: If `num_processes` is not positive.
    """

    cache: str | Path | None = None
    num_processes: int | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        if self.num_processes is not None and self.num_processes < 1:
            raise ValueError(f"'num_processes' is {self.num_processes}, expected at least 1")


DEFAULT_STORAGE = Storage()
