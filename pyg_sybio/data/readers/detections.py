r"""Reading of the people that detectors find in images, from the JSON formats of many detectors.

Every format is converted to one :class:`Detection` per person and frame.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.frame_names import frame_numbers
from pyg_sybio.data.readers.nested import entry_of, shown, to_array
from pyg_sybio.data.readers.people import listed_motion
from pyg_sybio.data.readers.reading_of import COLUMNS, Reading, reading_of
from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton

# Keys that different tools use for the same field, the preferred key first.
_IMAGE = ("image_id", "frame_id", "frame_index", "frame", "frame_number", "file_name", "image", "image_name")
_PEOPLE = ("people", "instances", "persons", "predictions", "detections", "bodies")
_KEYPOINTS = (
    *("keypoints", "pose_keypoints_2d", "pose_keypoints_3d", "keypoints_3d", "pose_world_landmarks"),
    *("poseWorldLandmarks", "world_landmarks", "pose_landmarks", "poseLandmarks", "landmarks"),
)
_IDS = ("track_id", "idx", "tracking_id", "person_id", "instance_id", "id")
_SCORES = ("keypoint_scores", "keypoints_scores", "keypoint_score", "scores")
_LISTS = ("instance_info", "frames", "annotations")  # keys under which files list frames or annotations
_AXES = ("x", "y", "z")
_SCORE = ("visible", "visibility", "score", "confidence", "conf", "v", "c")


@dataclass
class Detection:
    r"""A person in an image.

    Args:
        values: The values of all keypoints.
        columns: The meaning of the values of a keypoint (:data:`COLUMNS`); None if the file does not name
            them.
        width: The number of values per keypoint; None if the file only has a flat list of numbers.
        where: The location in the file, for errors.
        id: The track number.
        only_id: Whether `id` comes from a key ``id``, which may number the entries of the file instead of the
            persons.
    """

    values: list[Any]
    columns: str | None
    width: int | None
    where: str
    id: int | None = None
    only_id: bool = False


Found = dict[int, list[Detection]]
"""The people of each frame."""


def detected_motion(found: Found, path: Path, skeleton: Skeleton | None, **fields: Any) -> Motion:
    r"""The motion of the people in the frames of a file.

    Args:
        found: The people of each frame.
        path: The file.
        skeleton: The requested skeleton.
        fields: The other fields of the motion.

    Raises:
        ValueError: If the keypoints are not numbers, or do not fit exactly one skeleton.
    """
    people = [(number, person) for number in sorted(found) for person in found[number]]
    first = min(found, default=0)
    num_frames = max(found, default=0) - first + 1
    if people:
        values, columns = _values([person for _, person in people], skeleton)
        reading = reading_of(values, str(path), skeleton=skeleton, columns=columns)
    elif skeleton is not None:
        reading = Reading(skeleton, COLUMNS.get(skeleton.coordinates, ("xyz",))[0])
        values = np.zeros((0, skeleton.num_joints, len(reading.columns)), np.float32)
    else:
        raise ValueError(f"{path} contains no person, so 'skeleton' must be given")
    motion = listed_motion(
        values,
        [number - first for number, _ in people],
        num_frames=num_frames,
        reading=reading,
        where=str(path),
        ids=_track_ids(people),
        **fields,
    )
    return motion if skeleton is None else motion.joints(skeleton)


def _values(people: list[Detection], skeleton: Skeleton | None) -> tuple[np.ndarray, str | None]:
    """The keypoints of all people, `[people, M, C]`, and the meaning of their values, if known."""
    where = [person.where for person in people]
    flat = to_array([person.values for person in people], (None, None), "", entries=where, null=True)
    first = people[0]
    for person in people:
        if (person.columns, person.width) != (first.columns, first.width):
            raise ValueError(f"{person.where} differs in form from {first.where}, expected the same")
    count = flat.shape[1]
    width = first.width or _width_of(count, skeleton)
    if count % width:
        raise ValueError(f"{first.where} has {count} numbers, expected three per keypoint")
    columns = first.columns
    if first.width is None:  # a flat list of numbers, as in COCO results
        columns = {2: "xy", 3: "xys", 4: "xyzs"}[width]
    return flat.reshape(len(flat), -1, width), columns


def _width_of(count: int, skeleton: Skeleton | None) -> int:
    """The number of values per keypoint in a list of numbers: `xys`, or else `xy` or `xyzs`."""
    if skeleton is not None and count % skeleton.num_joints == 0:
        width = count // skeleton.num_joints
        if width in {len(columns) for columns in COLUMNS.get(skeleton.coordinates, ())}:
            return max(2, width)
    shipped = [load_skeleton(name) for name in available_skeletons()]
    for columns in ("xys", "xy", "xyzs"):
        for each in shipped:
            if columns in COLUMNS.get(each.coordinates, ()) and each.num_joints * len(columns) == count:
                return len(columns)
    return 3


def _track_ids(people: list[tuple[int, Detection]]) -> list[int | None]:
    """The track number of each entry; None if the numbers of the keys ``id`` count entries, not persons."""
    numbers = [person.id for _, person in people if person.only_id]
    own = len(people) > 1 and len(numbers) == len(set(numbers)) and len({number for number, _ in people}) > 1
    return [None if person.only_id and own else person.id for _, person in people]


# Frames ---------------------------------------------------------------------------------------------------


def frames_of(document: Any, path: Path) -> Found:
    r"""The people of each frame in a JSON document.

    Raises:
        ValueError: If the document is in none of the known formats.
    """
    if isinstance(document, dict):
        return _frames_of_object(document, path)
    entries = [(entry, f"{path}, [{index}]") for index, entry in enumerate(document)]
    named = [isinstance(entry, dict) and _named(entry, _IMAGE) is not None for entry, _ in entries]
    if any(named) or any(isinstance(entry, dict) and "keypoints" in entry for entry, _ in entries):
        return _frames_by_image(entries)
    return {number: list(_people(entry, where)) for number, (entry, where) in enumerate(entries)}


def has_detections(document: Any) -> bool:
    """Whether :func:`frames_of` can read a document that is an object."""
    if not isinstance(document, dict):
        return False
    if any(isinstance(document.get(key), list) for key in (*_LISTS, "images", "people")):
        return True
    return bool(document) and all(any(map(str.isdecimal, name)) for name in document)


def _frames_of_object(document: Mapping[str, Any], path: Path) -> Found:
    if "images" in document and "annotations" in document:
        return _frames_of_data_set(document, path)
    for key in _LISTS:
        if isinstance(document.get(key), list):
            return frames_of(document[key], path)
    names = [name for name, value in document.items() if isinstance(value, list | dict)]
    entries = [({"image_id": name, "people": document[name]}, f"{path}, {shown(name)}") for name in names]
    return _frames_by_image(entries)


def _frames_by_image(entries: list[tuple[Any, str]]) -> Found:
    """The people of each frame, from entries that each name an image; an image may have several entries."""
    images = []
    for entry, where in entries:
        if not isinstance(entry, dict):
            raise ValueError(f"{where} is {shown(entry)}, expected an object")
        key = _named(entry, _IMAGE) or _IMAGE[0]
        images.append((entry.get(key), f"{where} has '{key}'"))
    found: Found = {}
    for number, (entry, where) in zip(frame_numbers(images), entries, strict=True):
        found.setdefault(number, []).extend(_people(entry, where))
    return found


def _frames_of_data_set(document: Mapping[str, Any], path: Path) -> Found:
    """The people of a data set in COCO's format, whose images are the frames of a video."""
    images = entry_of(document, "images", list, str(path))
    names: dict[Any, tuple[Any, str]] = {}
    for index, image in enumerate(images):
        where = f"{path}, 'images'[{index}]"
        number = entry_of(image, "id", int, where)
        name = image.get("file_name", number)
        names[number] = name, f"{where} has 'file_name'"
    frames = dict(zip(names, frame_numbers(names.values()), strict=True))
    found: Found = {number: [] for number in frames.values()}
    for index, entry in enumerate(entry_of(document, "annotations", list, str(path))):
        where = f"{path}, 'annotations'[{index}]"
        image = entry_of(entry, "image_id", int, where)
        if image not in frames:
            raise ValueError(f"{where} has 'image_id' {image}, expected the 'id' of one of the images")
        found[frames[image]] += _people({key: value for key, value in entry.items() if key != "id"}, where)
    return found


def image_people(document: Any, where: str) -> list[Detection]:
    """The people in the file of a single image, as OpenPose writes it."""
    entry_of(document, "people", list, where)
    return list(_people(document, where))


# People ---------------------------------------------------------------------------------------------------


def _people(frame: Any, where: str) -> Iterator[Detection]:
    """The people of a frame, which is null, a person, a list of persons, or an object with such a list."""
    if frame is None or frame == []:
        return
    if isinstance(frame, dict):
        if (key := _named(frame, _PEOPLE)) is not None:
            yield from _people(frame[key], f"{where}, '{key}'")
            return
        key = _named(frame, _KEYPOINTS)
        if key is None:
            raise ValueError(f"{where} has no 'keypoints' or 'pose_keypoints_2d', expected a list")
        keypoints = frame[key]
        if _is_list_of_people(keypoints):
            yield from _people(keypoints, f"{where}['{key}']")
        elif keypoints is not None and keypoints != []:
            yield _person(frame, keypoints, f"{where}['{key}']")
    elif isinstance(frame, list) and _is_list_of_people(frame):
        for index, person in enumerate(frame):
            yield from _people(person, f"{where}[{index}]")
    elif isinstance(frame, list):
        yield _person({}, frame, where)
    else:
        raise ValueError(f"{where} is {shown(frame)}, expected the people of a frame")


def _is_list_of_people(value: Any) -> bool:
    first = next((item for item in value if item is not None), None) if isinstance(value, list) else None
    if isinstance(first, dict):
        return "x" not in first
    return isinstance(first, list) and bool(first) and isinstance(first[0], dict | list)


def _person(entry: Mapping[str, Any], keypoints: Any, where: str) -> Detection:
    values, columns, width = _flattened(keypoints, where)
    scores = next((entry[key] for key in _SCORES if isinstance(entry.get(key), list)), None)
    if scores is not None and width is not None and len(scores) * width == len(values) and columns != "xys":
        scored = [[*values[k * width : (k + 1) * width], score] for k, score in enumerate(scores)]
        columns = {2: "xys", 3: "xyzs"}.get(width)
        values, width = [value for point in scored for value in point], width + 1
    key = next((key for key in _IDS if _id(entry.get(key)) is not None), None)
    track = None if key is None else _id(entry[key])
    return Detection(values, columns, width, where, track, only_id=key == "id")


def _flattened(keypoints: Any, where: str) -> tuple[list[Any], str | None, int | None]:
    """Keypoints as a flat list, the meaning of their values, and the number of values per keypoint."""
    if isinstance(keypoints, dict):  # {"x": [...], "y": [...], "visible": [...]}
        names, columns = _columns(keypoints, where)
        lists = [entry_of(keypoints, name, list, where) for name in names]
        if len({len(each) for each in lists}) > 1:
            raise ValueError(f"{where} has lists of different lengths, expected one value per keypoint")
        return [value for point in zip(*lists, strict=True) for value in point], columns, len(names)
    if not isinstance(keypoints, list):
        raise ValueError(f"{where} is {shown(keypoints)}, expected a list")
    if isinstance(keypoints[0], dict):  # [{"x": ..., "y": ..., "visibility": ...}, ...]
        names, columns = _columns(keypoints[0], where)
        points = [
            [point.get(name) if isinstance(point, dict) else None for name in names] for point in keypoints
        ]
        return [value for point in points for value in point], columns, len(names)
    if isinstance(keypoints[0], list):
        width = len(keypoints[0])
        for index, point in enumerate(keypoints):
            if point is not None and (not isinstance(point, list) or len(point) != width):
                found = f"{len(point)} entries" if isinstance(point, list) else shown(point)
                raise ValueError(f"{where}[{index}] has {found}, expected {width} values")
        values = [value for point in keypoints for value in (point or [None] * width)]
        return values, "xy" if width == 2 else None, width
    return keypoints, None, None


def _columns(point: Mapping[str, Any], where: str) -> tuple[list[str], str]:
    """The keys of the values of a keypoint, and the meaning of these values."""
    axes = [name for name in _AXES if name in point]
    if axes[:2] != ["x", "y"]:
        raise ValueError(f"{where} has {', '.join(map(repr, list(point)[:6]))}, expected 'x' and 'y'")
    score = [name for name in _SCORE if point.get(name) is not None][:1]
    return axes + score, "".join(axes) + "s" * len(score)


def _named(entry: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in entry), None)


def _id(value: Any) -> int | None:
    """A track number; some tools write it as a float, or in a list."""
    while isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.isdecimal() and len(value) < 19:
        value = int(value)
    return value if type(value) is int and 0 <= value < 2**62 else None
