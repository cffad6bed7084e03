r"""Motion files that are easy to write: a NumPy ``.npz`` or a ``.json`` file with the same fields.

=============== =========================== ===========================================================
field           shape or type               meaning
=============== =========================== ===========================================================
``poses``       `[T, M, D]` or              joints in the order and the units of the skeleton; a joint that
                `[P, T, M, D]`              was not recorded is NaN in all features (JSON: ``null``). The
                                            only required field. With ``xy+score``, a joint with score 0 was
                                            not recorded either
``skeleton``    text (JSON: or an object)   a shipped name such as ``"coco17"``, or a whole skeleton as in
                                            ``skeletons/schema.json``
``present``     booleans `[(P,) T, M]`      which joints were recorded, instead of NaN; other joints are zero
``confidence``  `[(P,) T, M]`               score of the detector for each joint, from 0 (not observed)
``translation`` `[(P,) T, 3]`               path of the root, for exponential maps only
``frame_rate``  number                      frames per second
``label``       text                        the class
``ids``         text (JSON: an object)      other properties of the recording, such as ``{"subject": "3"}``;
                                            in an ``.npz``, this JSON as text
``tracks``      integers `[P]`              the tracker's number of each person
``source``      text                        the origin of the motion (default: the file)
``precision``   text, only in JSON          ``"double"`` or ``"single"`` (default) precision of the numbers
=============== =========================== ===========================================================

`P` persons, `T` frames, `M` joints, `D` features per joint: 3 with ``xyz``, ``xy+score`` and ``expmap``, 2
with ``xy``. A label or an id may be an integer instead of text. Single and double precision are kept;
half precision and integers become single. In JSON, ``null`` means that a field is absent. Other fields
are ignored, unless their names look like a misspelt field of this list.

In Python::

    np.savez("wave.npz", poses=poses, skeleton="coco17", frame_rate=30, label="wave")

As JSON, a recording of two frames, the second without its second joint::

    {"skeleton": {"name": "stick", ...}, "frame_rate": 30, "label": "wave",
     "poses": [[[0, 1.5, 0], [0, 1, 0]], [[0, 1.5, 0], null]]}
"""

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import TENSORS, Motion
from pyg_sybio.data.readers.nested import shown, to_array
from pyg_sybio.data.readers.npz_file import NpzFile
from pyg_sybio.files import parse_json, read_json, write_text, write_whole
from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton

OTHERS = ("skeleton", "frame_rate", "label", "ids", "tracks", "source")
FIELDS = (*TENSORS, *OTHERS, "precision")
MAX_TEXT_BYTES = 2**24
"""Largest size of a text in an ``.npz``."""
MAX_ENTRIES = 1000
"""Largest number of joints, bones or parts of a skeleton in a file, which limits the time of its checks."""

# With this threshold, "framerate" and "joint_confidence" count as misspelt, but "probabilities" does not.
_SIMILARITY = 0.75
_EXPECTED = "expected a motion's fields: 'poses', and perhaps " + ", ".join(FIELDS[1:])


def read_motion_npz(path: str | Path, *, skeleton: Skeleton | None = None) -> Motion:
    r"""A motion from an ``.npz`` file.

    Args:
        path: The file.
        skeleton: The skeleton, if the file does not name it.

    Raises:
        ValueError: If the file is not such an archive, a field is missing or wrong (the message names it), no
            skeleton is known, or the file's skeleton is not `skeleton`.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    with NpzFile(path) as file:
        _check_names(file.names, path)
        if "precision" in file.names:
            raise ValueError(f"{path} has 'precision', expected it only in JSON: arrays have a type")
        arrays = {name: _floating(file, name) for name in TENSORS if name in file.names}
        others = {name: _value(file, name) for name in OTHERS if name in file.names}
    return _motion(arrays, others, _skeleton(others.get("skeleton"), skeleton, path), path)


def read_motion_json(path: str | Path, *, skeleton: Skeleton | None = None) -> Motion:
    r"""A motion from a ``.json`` file; arguments and errors of :func:`read_motion_npz`."""
    path = Path(path)
    document = read_json(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path} holds {shown(document)}, expected an object with the field 'poses'")
    fields = {name: value for name, value in document.items() if value is not None}
    _check_names(fields, path)
    skeleton = _skeleton(fields.get("skeleton"), skeleton, path)
    precision = fields.get("precision", "single")
    if precision not in ("single", "double"):
        raise ValueError(f"{path}, 'precision' is {shown(precision)}, expected 'single' or 'double'")
    arrays = {
        name: _from_lists(value, name, f"{path}, '{name}'", precision, skeleton)
        for name, value in fields.items()
        if name in TENSORS
    }
    return _motion(arrays, fields, skeleton, path)


# From fields to a motion ----------------------------------------------------------------------------------


def _motion(
    arrays: dict[str, np.ndarray], others: Mapping[str, Any], skeleton: Skeleton, path: Path
) -> Motion:
    """The motion from the arrays of a file and its other fields, which are JSON values."""
    poses = arrays["poses"]
    expected = [skeleton.num_joints, skeleton.num_features]
    if poses.ndim not in (3, 4) or list(poses.shape[-2:]) != expected:
        raise ValueError(
            f"{path}, 'poses' has shape {list(poses.shape)}, expected [T, {expected[0]}, {expected[1]}] or "
            f"[P, T, {expected[0]}, {expected[1]}] for skeleton '{skeleton.name}' ({skeleton.coordinates})"
        )
    for name, array in arrays.items():
        if name != "poses" and array.ndim != poses.ndim - 1:
            shape = list(array.shape)
            raise ValueError(f"{path}, '{name}' has shape {shape}, while 'poses' has {list(poses.shape)}")
    if poses.ndim == 3:
        arrays = {name: array[None] for name, array in arrays.items()}
    poses, present = _missing(arrays["poses"], arrays.get("present"), skeleton, path)
    scores = poses[..., 2] if skeleton.coordinates == "xy+score" else arrays.get("confidence")
    if scores is not None and scores.shape == present.shape:  # Motion refuses other shapes
        present = present & (scores != 0)
        poses = np.where(scores[..., None] == 0, poses.dtype.type(0), poses)
    arrays |= {"poses": poses, "present": present}
    fields: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
    try:
        fields |= {name: read(others[name], f"'{name}'") for name, read in _READ.items() if name in others}
        return Motion(**{"source": str(path)} | fields, skeleton=skeleton)
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from None


def _missing(
    poses: np.ndarray, present: np.ndarray | None, skeleton: Skeleton, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Poses with zeros for NaN, and which joints are present."""
    nan = np.isnan(poses)
    lost = nan.all(-1)
    if (nan.any(-1) != lost).any():
        person, frame, joint = np.argwhere(nan.any(-1) != lost)[0].tolist()
        place = f"person {person}, frame {frame}, joint '{skeleton.joints[joint]}'"
        raise ValueError(f"{path}, 'poses' is partly NaN for {place}, expected only numbers or only NaN")
    if present is None:
        present = ~lost
    if present.shape != lost.shape:
        raise ValueError(f"{path}, 'present' has shape {list(present.shape)}, expected {list(lost.shape)}")
    if (present & lost).any():
        person, frame, joint = np.argwhere(present & lost)[0].tolist()
        place = f"person {person}, frame {frame}, joint '{skeleton.joints[joint]}'"
        raise ValueError(f"{path}, 'poses' is NaN for {place}, which is present: expected numbers there")
    return np.where(nan, poses.dtype.type(0), poses), present


def _skeleton(found: Any, given: Skeleton | None, path: Path) -> Skeleton:
    if found is None:
        if given is None:
            raise ValueError(f"{path} has no 'skeleton', expected one in the file or as an argument")
        return given
    if isinstance(found, dict):
        for name, value in found.items():
            if isinstance(value, (list, dict)) and len(value) > MAX_ENTRIES:
                where = f"{path}, 'skeleton', '{name[:40]}'"
                raise ValueError(f"{where} has {len(value)} entries, expected at most {MAX_ENTRIES}")
    # Only names of shipped skeletons: an untrusted file must not cause other files to be opened.
    elif not isinstance(found, str) or found.partition(":")[0] not in available_skeletons():
        expected = f"the JSON of a skeleton or one of {', '.join(available_skeletons())}"
        raise ValueError(f"{path}, 'skeleton' is {shown(found)}, expected {expected}")
    try:
        skeleton = load_skeleton(found) if isinstance(found, str) else _checked_skeleton(json.dumps(found))
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from None
    if given is not None and given != skeleton:
        raise ValueError(
            f"{path}, 'skeleton' is '{skeleton.name}', but the given one is '{given.name}'"
            + (" with other fields" if skeleton.name == given.name else "")
        )
    return skeleton


@lru_cache(maxsize=16)
def _checked_skeleton(text: str) -> Skeleton:
    """Parse and cache a skeleton: the files of a folder mostly have the same one, and checking it is slow."""
    return Skeleton.from_dict(json.loads(text), where="'skeleton'")


def _ids(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {shown(value)}, expected an object of strings")
    return {name: _text(item, f"{where}, {name[:40]!r}") for name, item in value.items()}


def _tracks(value: Any, where: str) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or not all(type(item) is int for item in value):
        raise ValueError(f"{where} is {shown(value)}, expected a list of integers, one per person")
    return tuple(value)


def _text(value: Any, where: str) -> str:
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{where} is {shown(value)}, expected a string")
    return value


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{where} is {shown(value)}, expected a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{where} is {shown(value)}, expected a finite number") from None


_READ = {"frame_rate": _number, "label": _text, "ids": _ids, "tracks": _tracks, "source": _text}


def _check_names(names: Iterable[str], path: Path) -> None:
    """Refuse files without poses, and names that are similar to a field and probably misspelt."""
    names = list(names)
    for name in names:
        if name not in FIELDS:
            similar = difflib.get_close_matches(name.lower()[:40], FIELDS, n=1, cutoff=_SIMILARITY)
            if similar:
                raise ValueError(f"{path} has {name[:40]!r}, did you mean '{similar[0]}'?")
    if "poses" not in names:
        found = ", ".join(map(repr, names[:12])) or "nothing"
        raise ValueError(f"{path} has {found[:300]}, {_EXPECTED}")


# NumPy ----------------------------------------------------------------------------------------------------


def _floating(file: NpzFile, name: str) -> np.ndarray:
    """The array of a field, in single or double precision; `present` as booleans."""
    array = file.array(name)
    kind = array.dtype.kind
    if (kind != "b") if name == "present" else (kind not in "fiu" or array.dtype.itemsize > 8):
        expected = "booleans" if name == "present" else "numbers of at most double precision"
        raise ValueError(f"{file.path}, array '{name}' holds {array.dtype}, expected {expected}")
    if name == "present":
        return np.ascontiguousarray(array)
    double = kind == "f" and array.dtype.itemsize == 8
    return np.ascontiguousarray(array, np.float64 if double else np.float32)


def _value(file: NpzFile, name: str) -> Any:
    """A field that is not a tensor, as the JSON value."""
    where = f"{file.path}, array '{name}'"
    array = file.array(name, max_bytes=MAX_TEXT_BYTES)
    if name == "tracks":
        return array.tolist()
    if array.ndim:
        raise ValueError(f"{where} has shape {list(array.shape)}, expected a single value")
    try:
        value = array.item()
    except ValueError as error:  # from an invalid Unicode character
        raise ValueError(f"{where}: {error}, expected a string") from None
    if isinstance(value, str) and (name == "ids" or (name == "skeleton" and value.startswith("{"))):
        return parse_json(value, where)
    return value


# JSON -----------------------------------------------------------------------------------------------------


def _from_lists(value: Any, name: str, where: str, precision: str, skeleton: Skeleton) -> np.ndarray:
    r"""An array from nested lists; each joint of `poses` may be null."""
    depth, items = 0, [value]
    while isinstance(first := next((item for item in items if item is not None), None), list):
        depth += 1
        items = [item for part in items if isinstance(part, list) for item in part]
    if not 1 <= depth <= 4:
        found = shown(value) if depth < 1 else f"{depth} levels of lists"
        raise ValueError(f"{where} is {found}, expected lists of persons, frames, joints, features")
    if name == "present":
        return to_array(value, [None] * depth, where, kinds=frozenset({bool}), dtype=np.bool_)
    if name != "poses":
        return to_array(value, [None] * depth, where, dtype=precision)
    if first is None and len(items) % skeleton.num_joints == 0:
        depth += 1  # Without any number, the nesting depth is unknown: assume that a null is a joint.
    value = _with_features(value, depth - 2, skeleton.num_features)
    return to_array(value, [None] * depth, where, null=True, dtype=precision)


def _with_features(value: Any, levels: int, num_features: int) -> Any:
    """Replace each null joint, below `levels` lists, by a list with one null per feature."""
    if not isinstance(value, list):
        return value
    if levels > 0:
        return [_with_features(item, levels - 1, num_features) for item in value]
    return [[None] * num_features if item is None else item for item in value]


# Writing --------------------------------------------------------------------------------------------------


def write_motion(motion: Motion, path: str | Path, **extra_arrays: Any) -> None:
    r"""Write a motion as ``.npz`` or ``.json``; the file is read as an equal motion (:meth:`Motion.equal`).

    The skeleton is always in the file. A joint that is not present is NaN (JSON: ``null``).

    Args:
        motion: The motion, in single or double precision.
        path: The file; its suffix determines the format.
        extra_arrays: Further arrays for the file, which the readers ignore.

    Raises:
        ValueError: If the suffix is unknown, a tensor has another precision (JSON: if the precisions differ),
            or the name of an extra array equals, or resembles, the name of a field.
    """
    path = Path(path)
    for name in extra_arrays:
        if name in FIELDS:
            raise ValueError(f"the extra array '{name}' has the name of a field, expected another name")
    _check_names(["poses", *extra_arrays], path)
    if path.suffix.lower() not in (".npz", ".json"):
        raise ValueError(f"{path} ends in {path.suffix!r}, expected .npz or .json")
    tensors = {name: tensor for name, tensor in motion.tensors.items() if name != "present"}
    tensors["poses"] = motion.poses.masked_fill(~motion.present.unsqueeze(-1), math.nan)
    for name, tensor in tensors.items():
        if tensor.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"'{name}' is {tensor.dtype}, expected single or double precision")
    arrays = {name: tensor.numpy(force=True) for name, tensor in tensors.items()}
    values = {name: value for name in OTHERS if (value := getattr(motion, name)) is not None}
    values |= {"skeleton": motion.skeleton.to_dict(), "ids": dict(motion.ids), "tracks": list(motion.tracks)}
    if path.suffix.lower() == ".json":
        write_text(path, _json(motion, values, arrays, extra_arrays))
        return
    values |= {name: json.dumps(values[name]) for name in ("skeleton", "ids")}
    content = {**arrays, **values, "tracks": np.array(motion.tracks, np.int64), **extra_arrays}
    write_whole(path, lambda file: np.savez(file, allow_pickle=False, **content))


def _json(
    motion: Motion, values: Mapping[str, Any], arrays: dict[str, np.ndarray], extra: Mapping[str, Any]
) -> str:
    kinds = {name: str(array.dtype) for name, array in arrays.items()}
    if len(set(kinds.values())) > 1:
        raise ValueError(f"the precisions {kinds} differ, expected the same one in JSON, or .npz")
    poses = [
        [
            [joint if seen else None for joint, seen in zip(*frame, strict=True)]
            for frame in zip(*person, strict=True)
        ]
        for person in zip(motion.poses.tolist(), motion.present.tolist(), strict=True)
    ]
    precision = "double" if arrays.pop("poses").dtype == np.float64 else "single"
    lists = {name: np.asarray(array).tolist() for name, array in {**arrays, **extra}.items()}
    return json.dumps({**values, "precision": precision, **lists, "poses": poses}, allow_nan=False)
