"""Read motions from files in any supported format, which is recognised by suffix and content."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.amass import read_amass
from pyg_sybio.data.readers.amc import read_amc
from pyg_sybio.data.readers.annotations import read_annotations
from pyg_sybio.data.readers.bvh import read_bvh
from pyg_sybio.data.readers.detections import has_detections
from pyg_sybio.data.readers.expmap import read_expmap
from pyg_sybio.data.readers.feeder_arrays import read_feeder_arrays
from pyg_sybio.data.readers.keypoints import FRAME_FILES, frame_files, read_keypoints
from pyg_sybio.data.readers.kinect_sets import SBU_VALUES, read_msr, read_sbu, read_utd_mhad
from pyg_sybio.data.readers.kinetics import read_kinetics
from pyg_sybio.data.readers.landmark_csv import landmark_columns, read_landmark_csv
from pyg_sybio.data.readers.motion_file import read_motion_json, read_motion_npz
from pyg_sybio.data.readers.npz_file import NpzFile
from pyg_sybio.data.readers.ntu import read_ntu
from pyg_sybio.data.readers.nw_ucla import read_nw_ucla
from pyg_sybio.data.readers.text import Lines
from pyg_sybio.data.readers.videopose3d import read_videopose3d
from pyg_sybio.files import read_json
from pyg_sybio.skeleton import AnySkeleton, Skeleton, load_skeleton

FORMATS = {
    ".npz": "'poses' and related arrays, or x_train, y_train, x_test and y_test",
    ".json": "'poses' and related fields, Kinetics-Skeleton, NW-UCLA, or the keypoints of a detector",
    ".npy": "keypoints",
    ".pkl": "annotations of many clips, as distributed with skeleton toolboxes",
    ".csv": "landmarks in the columns x0, y0, z0, v0, x1, ...",
    ".mat": "UTD-MHAD (requires scipy)",
    ".skeleton": "NTU RGB+D",
    ".bvh": "BVH",
    ".amc": "AMC, with its .asf in the same folder",
    ".txt": "exponential maps, 117 (CMU Mocap) or 99 (Human3.6M) values per line, SBU, or MSR Action3D",
}
"""The formats, by suffix."""

_CONVERTED = {
    ".fbx": "export it as .bvh, for example with Blender",
    ".c3d": "save its points as .npy [T, M, 3], for example with the package ezc3d, and give a skeleton",
    ".trc": "save its markers as .npy [T, M, 3], for example with pandas.read_csv, and give a skeleton",
}

# Number of values per line -> skeleton.
_EXPMAP_SKELETONS = {117: "cmu38", 99: "h36m32"}

Read = Callable[..., Motion | Iterator[Motion]]  # arguments: path and skeleton


def read_motions(path: str | Path, *, skeleton: AnySkeleton | None = None) -> Iterator[Motion]:
    r"""The motions of a file, one after the other.

    Args:
        path: A file in one of the :data:`FORMATS`, or a folder that OpenPose has written.
        skeleton: The requested skeleton, its name, or the path of its JSON file. If the file or its format
            contains joint names, joints are found by name; otherwise they must be the joints of the skeleton,
            or of the skeleton of which it is a subset, in its order. (default: the skeleton of the file or of
            its format)

    Raises:
        ValueError: If the file cannot be read or does not fit the skeleton; the message names the location
            and what was expected. (An error in a later motion is raised when that motion is read.)
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    return _motions(_format(path), path, None if skeleton is None else load_skeleton(skeleton))


def _motions(read: Read, path: Path, skeleton: Skeleton | None) -> Iterator[Motion]:
    """The motions of a file. For a subset of a skeleton, a file without joint names may have all joints."""
    motions = _all(read, path, skeleton)
    try:
        first = next(motions, None)
    except ValueError as error:
        if skeleton is None or skeleton.whole is None:
            raise
        motions = (motion.joints(skeleton) for motion in _all(read, path, skeleton.whole))
        try:
            first = next(motions, None)
        except ValueError:
            raise error from None
    if first is not None:
        yield first
        yield from motions


def _all(read: Read, path: Path, skeleton: Skeleton | None) -> Iterator[Motion]:
    found = read(path, skeleton=skeleton)
    yield from (found,) if isinstance(found, Motion) else found


def read_motion(path: str | Path, *, skeleton: AnySkeleton | None = None) -> Motion:
    r"""The motion of a file that contains exactly one; arguments and errors of :func:`read_motions`."""
    motions = list(islice(read_motions(path, skeleton=skeleton), 2))
    if len(motions) != 1:
        raise ValueError(f"{path} contains {'several motions' if motions else 'no motion'}, expected one")
    return motions[0]


def is_readable(path: str | Path) -> bool:
    """Whether a file (or a folder of frames) is in one of the formats; it may still be damaged."""
    try:
        _format(Path(path))
    except (ValueError, OSError):
        return False
    return True


def _format(path: Path) -> Read:
    if path.is_dir():
        if not frame_files(path):
            raise ValueError(f"{path} is a folder, expected {FRAME_FILES} of OpenPose in it, or a file")
        return read_keypoints
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected {_expected()}")
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _json_format(path, read_json(path))
    if suffix == ".npz":
        return _npz_format(path)
    if suffix == ".csv" and not landmark_columns(path):
        raise ValueError(f"{path} has other columns, expected {FORMATS['.csv']}")
    if suffix == ".txt":
        return _txt_format(path)
    if suffix in _CONVERTED:
        raise ValueError(f"{path} cannot be read: {_CONVERTED[suffix]}")
    if suffix not in _BY_SUFFIX:
        raise ValueError(f"{path} ends in {suffix!r}, expected {_expected()}")
    return _BY_SUFFIX[suffix]


def _json_format(path: Path, document: Any) -> Read:
    keys = set(document) if isinstance(document, dict) else set()
    if "poses" in keys:
        return _named(read_motion_json) if document.get("skeleton") is not None else read_motion_json
    if "skeletons" in keys:
        return _named(read_nw_ucla)
    if "data" in keys:
        return _named(read_kinetics)
    if isinstance(document, list) or has_detections(document):
        return read_keypoints
    raise ValueError(f"{path} has {_listed(keys)}, expected {FORMATS['.json']}")


def _npz_format(path: Path) -> Read:
    with NpzFile(path) as file:
        names = set(file.names)
    if {"poses", "trans"} <= names and "skeleton" not in names:
        return _named(read_amass)
    if "positions_3d" in names:
        return read_videopose3d
    if "poses" in names:
        return _named(read_motion_npz) if "skeleton" in names else read_motion_npz
    if "x_train" in names:
        return read_feeder_arrays
    raise ValueError(f"{path} has {_listed(names)}, expected {FORMATS['.npz']}")


def _txt_format(path: Path) -> Read:
    first = next(iter(Lines(path)), "")
    if len(first.split()) == 4 and "," not in first:
        return read_msr
    num_values = first.count(",") + 1
    if num_values == SBU_VALUES:
        return _named(read_sbu)
    if num_values % 3 or num_values < 6:  # three per translation and per rotation
        raise ValueError(f"{path}, line 1 has {num_values} values, expected {FORMATS['.txt']}")

    def read(path: Path, *, skeleton: Skeleton | None) -> Motion:
        if skeleton is None:
            if num_values not in _EXPMAP_SKELETONS:
                raise ValueError(f"{path}, line 1 has {num_values} values, expected {FORMATS['.txt']}")
            skeleton = load_skeleton(_EXPMAP_SKELETONS[num_values])
        return read_expmap(path, skeleton=skeleton)

    return read


def _named(reader: Callable[[Path], Motion]) -> Read:
    """A reader that finds the requested joints by name, for a format with its own skeleton."""

    def read(path: Path, *, skeleton: Skeleton | None) -> Motion:
        motion = reader(path)
        if skeleton is None:
            return motion
        if skeleton.units != motion.skeleton.units:
            raise ValueError(
                f"{path}: its skeleton '{motion.skeleton.name}' is in {motion.skeleton.units!r}, "
                f"but '{skeleton.name}' is in {skeleton.units!r}, expected the same units"
            )
        try:
            return motion.joints(skeleton)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    return read


def _listed(keys: set[str]) -> str:
    return ", ".join(repr(key[:40]) for key in sorted(keys)[:8]) or "no named fields"


def _expected() -> str:
    return "one of " + "; ".join(f"{suffix} ({what})" for suffix, what in FORMATS.items())


_BY_SUFFIX: dict[str, Read] = {
    ".npy": read_keypoints,
    ".csv": read_landmark_csv,
    ".skeleton": _named(read_ntu),
    ".bvh": read_bvh,
    ".amc": read_amc,
    ".pkl": read_annotations,
    ".mat": _named(read_utd_mhad),
}
