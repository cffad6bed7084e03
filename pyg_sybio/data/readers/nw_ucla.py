r"""The commonly distributed JSON files of Northwestern-UCLA (Kinect v1, 20 joints, metres).

A file is an object with `file_name` (`aAA_sSS_eEE_vVV`: action, subject, repetition, view), `skeletons`
`[T, 20, 3]` and `label`, the number of the class from 1.

Source: Wang et al., "Cross-view Action Modeling, Learning and Recognition" (2014), and the file names of the
data set. Neither states the frame rate of the skeletons.
"""

import re
from pathlib import Path
from typing import Any

import torch

from pyg_sybio.data.lists import listed
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.nested import shown, to_array
from pyg_sybio.files import read_json
from pyg_sybio.skeleton import load_skeleton

ACTIONS = listed("ucla_actions.txt")
"""The classes, in the order of the labels 1 to 10."""

ACTION_NUMBERS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
"""Numbers of the actions in file names: `a08` is donning, with label 7."""

SKELETON = load_skeleton("ucla20")

_NAME = re.compile(r"a(\d{2})_s(\d{2})_e(\d{2})_v(\d{2})", re.ASCII)
_KEYS = ("file_name", "label", "skeletons")


def read_nw_ucla(path: str | Path) -> Motion:
    r"""The motion of a file: one person, with ids `subject`, `repetition` and `view`, and the class as label.

    A joint at the origin, that is, at the camera, was not tracked and is not present. The frame rate is
    None, because the data set does not state it.

    Args:
        path: The file.

    Raises:
        ValueError: If the file is not in the format, its label contradicts the action in its `file_name`, or
            the file has the name of another recording. The message names the file and the location in it.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    document = read_json(path)
    if not isinstance(document, dict) or sorted(document) != sorted(_KEYS):
        raise ValueError(f"{path} has {shown(document)}, expected an object of {', '.join(_KEYS)}")
    ids, label = _who_and_what(path, document)
    array = to_array(document["skeletons"], (None, SKELETON.num_joints, 3), f"{path}, 'skeletons'")
    poses = torch.from_numpy(array)[None]
    present = (poses != 0).any(-1)
    return Motion(poses=poses, present=present, skeleton=SKELETON, label=label, ids=ids, source=str(path))


def _who_and_what(path: Path, document: dict[str, Any]) -> tuple[dict[str, str], str]:
    """Ids and the name of the class, from `file_name` and `label`, which must not contradict each other."""
    name, label = document["file_name"], document["label"]
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError(f"{path}, 'file_name' is {shown(name)}, expected a name such as a01_s01_e00_v01")
    if _NAME.fullmatch(path.stem) and path.stem != name:
        raise ValueError(f"{path}, 'file_name' is {shown(name)}, expected the name of the file")
    action, subject, repetition, view = map(int, found.groups())
    if action not in ACTION_NUMBERS:
        raise ValueError(f"{path}, 'file_name' is {shown(name)}, expected an action of {ACTION_NUMBERS}")
    number = ACTION_NUMBERS.index(action)
    if type(label) is not int or label != number + 1:
        raise ValueError(f"{path}, 'label' is {shown(label)}, expected {number + 1} for action {action}")
    ids = {"subject": subject, "repetition": repetition, "view": view}
    return {key: str(value) for key, value in ids.items()}, ACTIONS[number]
