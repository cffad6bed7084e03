r"""Keypoints in the formats of detectors: arrays in `.npy` and JSON, COCO results, OpenPose folders."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.nested import entry_of, shown, to_array
from pyg_sybio.data.readers.npz_file import read_npy
from pyg_sybio.data.readers.people import KEYPOINT_WIDTHS, check_coordinates, keypoint_motion, listed_motion
from pyg_sybio.files import read_json
from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton

_NUMBERED = re.compile(r"(.*?)(\d{1,18})", re.ASCII | re.DOTALL)


def read_keypoints(path: str | Path, *, skeleton: Skeleton | None = None) -> Motion:
    r"""The motion of a file, or folder, of keypoints.

    * An **array**, in `.npy` or as nested lists in JSON: `[T, M, C]`, or `[P, T, M, C]` for several persons,
      with the coordinates of a keypoint, followed by its confidence if there is one (MediaPipe: x, y, z,
      visibility; COCO: x, y, score). In JSON, `null` is a missing number.
    * **COCO results** in JSON: `[{"image_id": 1, "keypoints": [x0, y0, c0, x1, ...]}, ...]`, one entry per
      person. Images are frames, in the order of their numbers; an image without an entry contains no person.
      The number is the `image_id`, or is at the end of its name (`"frame_000012.jpg"`).
    * The folder that **OpenPose** writes: a file `NAME_000000000012_keypoints.json` per frame, with
      `"people": [{"pose_keypoints_2d": [x0, y0, c0, x1, ...]}]`.

    A keypoint with a `nan` (JSON: `null`), or with confidence 0, is not present. In the last two formats,
    people have no identity from one frame to the next (:func:`~pyg_sybio.data.readers.people.listed_motion`).
    Coordinates are kept in the unit of the file.

    Args:
        path: The file or folder.
        skeleton: The skeleton of the keypoints; its coordinates are positions. (default: the only shipped
            skeleton with this number of joints and such values, for example `coco17` for 17 of x, y, score;
            it must be given if several fit: 25 keypoints of three values may be a Kinect's or OpenPose's)

    Raises:
        ValueError: If the file is in none of these formats or damaged, or fits no skeleton, or several; the
            message names the file and the place.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    if path.is_dir():
        return _from_frames(path, _openpose_frames(path), skeleton)
    if path.suffix.lower() == ".npy":
        return _from_array(path, _npy_array(path), skeleton)
    document = read_json(path)
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return _from_frames(path, _coco_frames(path, document), skeleton)
    return _from_array(path, _json_array(path, document), skeleton)


def _from_array(path: Path, values: np.ndarray, skeleton: Skeleton | None) -> Motion:
    """The motion of an array `[T, M, C]` or `[P, T, M, C]`."""
    if values.ndim not in (3, 4) or not values.size:
        raise ValueError(f"{path} has shape {list(values.shape)}, expected [T, M, C] or [P, T, M, C]")
    return keypoint_motion(
        torch.from_numpy(values if values.ndim == 4 else values[None]),
        skeleton=skeleton or _skeleton_of(path, values.shape[-2], values.shape[-1], KEYPOINT_WIDTHS),
        where=str(path),
    )


def _npy_array(path: Path) -> np.ndarray:
    array = read_npy(path)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{path} holds {array.dtype}, expected numbers")
    with np.errstate(over="ignore"):  # it becomes infinite, which is refused
        return array.astype(np.float32)


def _json_array(path: Path, document: Any) -> np.ndarray:
    depth, inner = 0, document
    while isinstance(inner, list) and inner:
        depth, inner = depth + 1, inner[0]
    if depth not in (3, 4):
        expected = "lists [T][M][C] or [P][T][M][C], or a list of COCO results"
        raise ValueError(f"{path} is {shown(document)}, nested {depth} levels deep, expected {expected}")
    return to_array(document, [None] * depth, str(path), null=True)


# The people of each frame: number of the frame -> place in the file, for errors -> x0, y0, c0, x1, ...
_Frames = dict[int, dict[str, list[Any]]]


def _from_frames(path: Path, frames: _Frames, skeleton: Skeleton | None) -> Motion:
    people = {where: keypoints for number in sorted(frames) for where, keypoints in frames[number].items()}
    if people:
        flat = to_array([*people.values()], (None, None), "", entries=[*people])
        if flat.shape[1] % 3:
            raise ValueError(f"{next(iter(people))} has {flat.shape[1]} numbers, expected three per keypoint")
        values = flat.reshape(len(flat), -1, 3)
        skeleton = skeleton or _skeleton_of(path, values.shape[1], 3, ("xy+score",))
    elif skeleton is not None:
        values = np.zeros((0, skeleton.num_joints, 3))
    else:
        raise ValueError(f"{path} contains no person, so 'skeleton' must be given")
    check_coordinates(skeleton, ("xy", "xy+score"), str(path))
    counts = [(number - min(frames), len(frames[number])) for number in sorted(frames)]
    return listed_motion(values, counts, skeleton=skeleton, where=str(path))


def _coco_frames(path: Path, document: list[Any]) -> _Frames:
    """The people of COCO results, whose images are frames."""
    frames: _Frames = {}
    names: set[str] = set()
    for index, entry in enumerate(document):
        where = f"{path}, [{index}]"
        keypoints = entry_of(entry, "keypoints", list, where)
        number = _frame_number(entry.get("image_id"), f"{where} has 'image_id'", names)
        frames.setdefault(number, {})[f"{where}['keypoints']"] = keypoints
    return frames


def _openpose_frames(folder: Path) -> _Frames:
    """The people of the files of a folder, one file per frame."""
    frames: _Frames = {}
    names: set[str] = set()
    for file in sorted(folder.glob("*_keypoints.json")):
        if not file.is_file():  # reading from a pipe could take forever
            raise ValueError(f"{file} is not a file, expected the keypoints of a frame")
        number = _frame_number(file.stem.removesuffix("_keypoints"), str(file), names)
        if number in frames:
            raise ValueError(f"{file} is a second file of frame {number}, expected one")
        frames[number] = {
            f"{file}, 'people'[{k}]['pose_keypoints_2d']": entry_of(
                person, "pose_keypoints_2d", list, f"{file}, 'people'[{k}]"
            )
            for k, person in enumerate(entry_of(read_json(file), "people", list, str(file)))
        }
    if not frames:
        raise ValueError(f"{folder} has no file NAME_NUMBER_keypoints.json, expected one per frame")
    return frames


def _frame_number(image: Any, where: str, series: set[str]) -> int:
    """Number of an image, from its id or the end of its name; all images must belong to one series."""
    found = _NUMBERED.fullmatch(Path(image).stem) if isinstance(image, str) else None
    if found is None and (type(image) is not int or image < 0):
        raise ValueError(f"{where} {shown(image)}, expected a number, or a name that ends in one")
    name, number = found.groups() if found else ("", image)
    series.add(name)
    if others := series - {name}:
        raise ValueError(f"{where} {shown(image)}, expected all frames to belong to {shown(others.pop())}")
    return int(number)


def _skeleton_of(path: Path, num_joints: int, width: int, coordinates: Collection[str]) -> Skeleton:
    """The only shipped skeleton with this number of joints, of `width` values in one of these coordinates."""
    fitting = [
        skeleton
        for skeleton in map(load_skeleton, available_skeletons())
        if skeleton.num_joints == num_joints
        and skeleton.coordinates in coordinates
        and width in KEYPOINT_WIDTHS.get(skeleton.coordinates, ())
    ]
    if len(fitting) != 1:
        names = " and ".join(skeleton.name for skeleton in fitting) or "no shipped skeleton"
        found = f"{num_joints} keypoints of {width} values, which fit {names}"
        raise ValueError(f"{path} has {found}: expected a skeleton as the argument 'skeleton'")
    return fitting[0]
