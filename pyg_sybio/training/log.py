"""The logged values of a training: losses, accuracies and errors by step."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Curve(NamedTuple):
    """The logged values of one quantity.

    Args:
        steps: Optimiser steps `[n]`, in increasing order.
        values: The values `[n]`.
    """

    steps: np.ndarray
    values: np.ndarray


Curves = dict[str, Curve]


def read_log(folder: str | Path) -> tuple[Path, Curves]:
    """Read the curves of a run from Lightning's TensorBoard files.

    Args:
        folder: A folder with event files (`version_N`), or its parent folder; then the last version is read.

    Returns:
        The folder that was read, and the curves by name.

    Raises:
        FileNotFoundError: If the folder does not exist or has no event file.
        ValueError: If nothing was logged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}: expected the folder of a run, such as .../version_0")
    found = _with_events([folder]) or _with_events(_versions(folder))
    if not found:
        raise FileNotFoundError(
            f"{folder} has no event file (events.out.tfevents.*), expected one there or in its version_N"
        )
    # Imported here, because this import takes a second.
    from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

    # By default, TensorBoard only reads a sample of the values.
    events = event_accumulator.EventAccumulator(str(found[-1]), size_guidance={"scalars": 0}).Reload()
    curves: Curves = {}
    for name in events.Tags()["scalars"]:
        # If a resumed run has repeated a step, the last value of this step is used.
        by_step = {event.step: event.value for event in events.Scalars(name)}
        steps = sorted(by_step)
        curves[name] = Curve(np.array(steps, dtype=float), np.array([by_step[step] for step in steps]))
    if not curves:
        raise ValueError(f"{found[-1]} has event files without values, expected the log of a training")
    return found[-1], curves


def _versions(folder: Path) -> list[Path]:
    """The folders `version_N`, in the order of their numbers."""
    versions = [path for path in folder.iterdir() if re.fullmatch(r"version_\d+", path.name)]
    return sorted(versions, key=lambda path: int(path.name.removeprefix("version_")))


def _with_events(folders: Iterable[Path]) -> list[Path]:
    return [folder for folder in folders if any(folder.glob("events.out.tfevents.*"))]
