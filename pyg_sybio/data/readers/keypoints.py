r"""Keypoints in the formats of detectors: arrays, people per frame in JSON, folders of OpenPose."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.natural_order import natural
from pyg_sybio.data.readers.detections import Found, detected_motion, frames_of, image_people
from pyg_sybio.data.readers.frame_names import frame_numbers
from pyg_sybio.data.readers.nested import shown, to_array, to_single
from pyg_sybio.data.readers.npz_file import read_npy
from pyg_sybio.data.readers.people import keypoint_motion
from pyg_sybio.data.readers.reading_of import COLUMNS, reading_of
from pyg_sybio.files import read_json
from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton

FRAME_FILES = "*_keypoints.json"
"""The files that OpenPose writes, one per frame."""
_MAX_FRAME_BYTES = 2**22


def read_keypoints(path: str | Path, *, skeleton: Skeleton | None = None) -> Motion:
    r"""The motion of a file, or folder, of keypoints.

    * An **array**, in `.npy` or as nested lists in JSON: `[T, M, C]`, or `[P, T, M, C]` for several persons,
      with the coordinates of a keypoint, followed by its score if there is one (MediaPipe: x, y, z,
      visibility; COCO: x, y, score). In `.npy`, frames may also be rows of M * C values, and ST-GCN's
      `[C, T, M, P]` is read if the skeleton is given. In JSON, `null` is a missing number or frame.
    * **People per frame** in JSON: COCO results (a list with the `image_id` and the `keypoints` of each
      person), COCO data sets, lists of OpenPose frames, AlphaPose, mmpose, YOLO and MediaPipe
      (:func:`~pyg_sybio.data.readers.detections.frames_of`). Each image is a frame. Frames are in the order
      of the image numbers, or of the image names if these are times; an image without an entry contains no
      person.
    * The folder that **OpenPose** writes: a file per frame, such as `NAME_000000000012_keypoints.json` or
      `012.json`, with `"people": [{"pose_keypoints_2d": [x0, y0, c0, x1, ...]}]`.

    A keypoint with a `nan` (JSON: `null`), or with score 0, is not present. People are identified by track
    numbers (`track_id`, `idx`, `person_id`); without them, people are matched by distance from frame to frame
    (:func:`~pyg_sybio.data.readers.matching.persons_of`). Coordinates are kept in the unit of the file.

    Args:
        path: The file or folder.
        skeleton: The skeleton of the keypoints; its coordinates are positions. (default: the only shipped
            skeleton that fits the number of joints and their values, :func:`~.reading_of.reading_of`)

    Raises:
        ValueError: If the file is in none of these formats or damaged, or the keypoints do not fit exactly
            one skeleton; the message names the file and the location in it.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    if path.is_dir():
        return detected_motion(_openpose_frames(path), path, skeleton)
    if path.suffix.lower() == ".npy":
        return _from_array(path, _npy_array(path), skeleton)
    document = read_json(path)
    if _has_objects(document):
        if isinstance(document, dict) and "people" in document:
            raise ValueError(f"{path} is a single frame of OpenPose, expected its folder")
        return detected_motion(frames_of(document, path), path, skeleton)
    return _from_array(path, _json_array(path, document), skeleton)


def frame_files(folder: Path) -> list[Path]:
    """The OpenPose files of a folder, one per frame, in natural order; empty if the folder has none."""
    files = [*folder.glob(FRAME_FILES)]
    if not files:
        files = [file for file in folder.glob("*.json") if not file.name.startswith(".")]
        if not files or not _is_frame(min(files)):
            return []
    return sorted(files, key=lambda file: natural(file.name))


def _is_frame(file: Path) -> bool:
    """Whether a file is a frame of OpenPose; a recording of several frames is not."""
    if not file.is_file() or file.stat().st_size > _MAX_FRAME_BYTES or b'"people"' not in file.read_bytes():
        return False
    try:
        document = read_json(file)
    except ValueError:
        return False
    return isinstance(document, dict) and isinstance(document.get("people"), list)


def _has_objects(document: Any) -> bool:
    """Whether a document contains objects, in contrast to lists of numbers."""
    for _ in range(4):
        if isinstance(document, dict):
            return True
        if not isinstance(document, list):
            return False
        document = next((item for item in document if item not in (None, [])), None)
    return isinstance(document, dict)


def _from_array(path: Path, values: np.ndarray, skeleton: Skeleton | None) -> Motion:
    """The motion of an array `[T, M, C]` or `[P, T, M, C]`, or of rows `[T, M * C]`."""
    if values.ndim == 2 and values.size and (rows := _from_rows(values, skeleton)) is not None:
        values = rows
    if values.ndim == 4 and values.size:
        values = _persons_first(path, values, skeleton)
    if values.ndim not in (3, 4) or not values.size:
        raise ValueError(f"{path} has shape {list(values.shape)}, expected {_axes(values)}")
    reading = reading_of(values, str(path), skeleton=skeleton)
    placed = torch.from_numpy(np.ascontiguousarray(values if values.ndim == 4 else values[None]))
    motion = keypoint_motion(placed, reading=reading, where=str(path))
    return motion if skeleton is None else motion.joints(skeleton)


def _from_rows(values: np.ndarray, skeleton: Skeleton | None) -> np.ndarray | None:
    """Frames `[T, M, C]` of rows `[T, M * C]`, if only one M is possible."""
    shipped = map(load_skeleton, available_skeletons()) if skeleton is None else (skeleton,)
    sizes = {
        each.num_joints
        for each in shipped
        for columns in COLUMNS.get(each.coordinates, ())
        if each.num_joints * len(columns) == values.shape[1]
    }
    return values.reshape(len(values), sizes.pop(), -1) if len(sizes) == 1 else None


def _persons_first(path: Path, values: np.ndarray, skeleton: Skeleton | None) -> np.ndarray:
    """An array `[P, T, M, C]`; one whose axes are certainly `[C, T, M, P]` is transposed."""
    num_coordinates, _, num_joints, num_persons = values.shape
    other = num_coordinates in (2, 3, 4) and num_persons in (1, 2)
    if skeleton is not None:
        fits = values.shape[2:] in [
            (skeleton.num_joints, len(each)) for each in COLUMNS.get(skeleton.coordinates, ())
        ]
        return (
            values.transpose(3, 1, 2, 0)
            if other and num_joints == skeleton.num_joints and not fits
            else values
        )
    if other and any(load_skeleton(name).num_joints == num_joints for name in available_skeletons()):
        raise ValueError(
            f"{path} has shape {list(values.shape)}, which may be [C, T, M, P] as in ST-GCN or [P, T, M, C]: "
            "expected '--skeleton NAME' to name the joints, or, for [C, T, M, P], the array "
            "numpy.transpose(array, (3, 1, 2, 0))"
        )
    return values


def _axes(values: np.ndarray) -> str:
    """The expected axes, and how to remove superfluous axes from an array."""
    expected = "[T, M, C] or [P, T, M, C]"
    if values.ndim > 4 and 1 in values.shape[1:-2]:
        expected += (
            ": save numpy.squeeze(array) without the axes of size 1 (MoveNet has [T, 1, 1, M, C] with y, x, "
            "score: save numpy.squeeze(array)[..., [1, 0, 2]])"
        )
    return expected


def _npy_array(path: Path) -> np.ndarray:
    array = read_npy(path)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{path} holds {array.dtype}, expected numbers")
    return to_single(array)


def _json_array(path: Path, document: Any) -> np.ndarray:
    sizes, inner = [], document
    while isinstance(inner, list) and inner:
        sizes.append(len(inner))
        inner = next((item for item in inner if item is not None), None)
    depth = len(sizes)
    if depth not in (3, 4):
        expected = "lists [T][M][C] or [P][T][M][C], or a list of COCO results"
        raise ValueError(f"{path} is {shown(document)}, nested {depth} levels deep, expected {expected}")
    if depth == 3:  # a frame in which nobody was found may be null
        empty = [[None] * sizes[2]] * sizes[1]
        document = [empty if frame is None else frame for frame in document]
    return to_array(document, [None] * depth, str(path), null=True)


def _openpose_frames(folder: Path) -> Found:
    """The people of the files of a folder, one file per frame."""
    files = frame_files(folder)
    if not files:
        raise ValueError(f"{folder} has no file NAME_NUMBER_keypoints.json, expected one per frame")
    for file in files:
        if not file.is_file():  # reading from a pipe could take forever
            raise ValueError(f"{file} is not a file, expected the keypoints of a frame")
    found: Found = {}
    numbers = frame_numbers((file.stem.removesuffix("_keypoints"), f"{file} is") for file in files)
    for number, file in zip(numbers, files, strict=True):
        if number in found:
            raise ValueError(f"{file} is a second file of frame {number}, expected one")
        found[number] = image_people(read_json(file), str(file))
    return found
