r"""The JSON files of Kinetics-Skeleton (OpenPose on video at 30 Hz, 18 joints), and its lists of labels.

Source: Yan et al., "Spatial Temporal Graph Convolutional Networks for Skeleton-Based Action Recognition"
(2018).
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.nested import entry_of, shown, to_array
from pyg_sybio.data.readers.people import listed_motion
from pyg_sybio.data.readers.reading_of import Reading
from pyg_sybio.files import read_json
from pyg_sybio.skeleton import load_skeleton

FRAME_RATE = 30.0
SKELETON = load_skeleton("openpose18")


def read_kinetics(path: str | Path) -> Motion:
    r"""The motion of a clip.

    The file is an object with `data`, `label` and `label_index`; `data` has an entry per frame,
    `{"frame_index": 1, "skeleton": [{"pose": [x0, y0, x1, ...], "score": [s0, s1, ...]}]}`. Coordinates are
    not changed, 0 to 1 across the image. A joint with score 0 was not found, and is not present.

    The file does not identify people across frames, so they are matched by distance (:func:`listed_motion`).
    Frames are counted from 1, or from 0 in a file with a frame 0, up to the last listed frame.

    The label is None if its index is negative, which stands for an unknown class.

    Args:
        path: The file.

    Raises:
        ValueError: If the file is not in the format, lists no frame, or its frames are not in order; the
            message names the file and the location in it.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    document = read_json(path)
    label = entry_of(document, "label", str, str(path))
    label_index = entry_of(document, "label_index", int, str(path))
    people: dict[str, Any] = {}  # location in the file -> person
    frames: list[int] = []  # the frame of each person
    first, last = 1, -1
    for place, entry in enumerate(entry_of(document, "data", list, str(path))):
        where = f"{path}, 'data'[{place}]"
        index = entry_of(entry, "frame_index", int, where)
        if index <= last:
            raise ValueError(f"{where} has 'frame_index' {index}, expected at least {last + 1}")
        in_frame = entry_of(entry, "skeleton", list, where)
        people |= {f"{where}['skeleton'][{k}]": person for k, person in enumerate(in_frame)}
        frames += [index] * len(in_frame)
        first, last = min(first, index), index
    if last < 0:
        raise ValueError(f"{path} has no frame in 'data', expected at least one")
    return listed_motion(
        _keypoints(people),
        [frame - first for frame in frames],
        num_frames=last + 1 - first,
        reading=Reading(SKELETON, "xys"),
        where=str(path),
        label=None if label_index < 0 else label,
        frame_rate=FRAME_RATE,
    )


def _keypoints(people: dict[str, Any]) -> np.ndarray:
    """The keypoints of all people, `[people, 18, 3]`: `x, y, score`."""
    if not people:
        return np.zeros((0, SKELETON.num_joints, 3))
    poses, scores = (
        to_array(
            [entry_of(person, key, list, where) for where, person in people.items()],
            (None, length),
            "",
            entries=[f"{where}['{key}']" for where in people],
        ).reshape(len(people), SKELETON.num_joints, -1)
        for key, length in (("pose", 2 * SKELETON.num_joints), ("score", SKELETON.num_joints))
    )
    return np.concatenate([poses, scores], axis=-1)


class KineticsLabel(NamedTuple):
    """The entry of a clip in a list of labels."""

    label: str
    label_index: int
    has_skeleton: bool


def read_kinetics_labels(path: str | Path) -> dict[str, KineticsLabel]:
    r"""A list of labels, `{"clip": {"label": "yoga", "label_index": 399, "has_skeleton": true}}`.

    Returns:
        The entry of each clip, by the name of its file without `.json`, in the order of the list.

    Raises:
        ValueError: If the file is not in the format, or a class has two numbers, or a number has two classes.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    document = read_json(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path} is {shown(document)}, expected an object")
    labels = {
        clip: KineticsLabel(
            entry_of(entry, "label", str, where := f"{path}, {shown(clip)}"),
            entry_of(entry, "label_index", int, where),
            entry_of(entry, "has_skeleton", bool, where),
        )
        for clip, entry in document.items()
    }
    names: dict[int, str] = {}
    indices: dict[str, int] = {}
    for clip, (label, index, _) in labels.items():
        if names.setdefault(index, label) != label or indices.setdefault(label, index) != index:
            raise ValueError(
                f"{path}, {shown(clip)} has label {shown(label)} with index {index}, but in earlier entries, "
                f"index {index} is {shown(names[index])}, and {shown(label)} has {indices.get(label, index)}"
            )
    return labels
