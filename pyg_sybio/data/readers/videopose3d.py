"""The 3-D archives of VideoPose3D (`data_3d_h36m.npz`): Human3.6M, by subject and action."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.nested import shown, single_precision
from pyg_sybio.data.readers.npz_file import NpzFile
from pyg_sybio.data.readers.plain_pickle import ObjectUnpickler, PickledArray
from pyg_sybio.skeleton import Skeleton, load_skeleton

# The 17 of Human3.6M's 32 joints that VideoPose3D uses.
_USED = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]


def read_videopose3d(path: str | Path, *, skeleton: Skeleton | None = None) -> Iterator[Motion]:
    r"""The motions of an archive, with the action as label and the `subject` as id.

    The archive holds a pickled dictionary `positions_3d[subject][action]`, which is read without executing
    code in it.

    Args:
        path: The file.
        skeleton: A skeleton whose joints are selected by name. (default: `h36m17`)

    Shapes:
        - **poses:** `[1, T, 17, 3]`, metres, single precision; 50 Hz if the archive has all 32 joints

    Raises:
        ValueError: If the archive is damaged or holds something else.
        FileNotFoundError: If there is no such file.
    """
    path, own = Path(path), load_skeleton("h36m17")
    with NpzFile(path) as file:
        content = ObjectUnpickler(file.pickle("positions_3d"), f"{path}, array 'positions_3d'").load()
    subjects = content.values if isinstance(content, PickledArray) else content
    for subject, actions in _items(subjects, f"{path}, 'positions_3d'"):
        for action, entry in _items(actions, f"{path}, subject {subject!r:.40}"):
            where = f"{path}: {subject!s:.40} {action!s:.40}"
            array = entry.values if isinstance(entry, PickledArray) else None
            if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.ndim != 3:
                raise ValueError(f"{where} is {shown(entry)}, expected an array [T, 17 or 32, 3]")
            if array.shape[1] not in (17, 32) or array.shape[2] != 3 or not len(array):
                raise ValueError(f"{where} has shape {list(array.shape)}, expected [T, 17 or 32, 3]")
            whole = array.shape[1] == 32
            poses = single_precision(array[:, _USED] if whole else array, where)
            motion = Motion(
                poses=torch.from_numpy(poses)[None],
                skeleton=own,
                frame_rate=50.0 if whole else None,
                label=str(action),
                ids={"subject": str(subject)},
                source=where,
            )
            yield motion if skeleton is None else motion.joints(skeleton)


def _items(value: Any, where: str) -> list[tuple[Any, Any]]:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{where} is {shown(value)}, expected a dictionary")
    return list(value.items())
