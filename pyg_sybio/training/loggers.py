"""The loggers of a run, and its folder."""

from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only


def new_loggers(root: str | Path) -> list[Logger]:
    """Loggers to TensorBoard and CSV files in a new folder ``version_N`` of `root`.

    The folder is created immediately, so that two runs that start together have different folders. With
    several processes, the first one creates the folder, and Lightning gives its path to the others.
    """
    version = int(TensorBoardLogger(root, name="").version)
    created = rank_zero_only.rank != 0
    while not created:
        try:
            (Path(root) / f"version_{version}").mkdir(parents=True)
            created = True
        except FileExistsError:
            version += 1
    return [TensorBoardLogger(root, name="", version=version), CSVLogger(root, name="", version=version)]
