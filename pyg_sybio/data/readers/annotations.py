r"""Annotation pickles, a common format for skeletons extracted from whole video data sets.

A file is ``{"split": {name: [ids]}, "annotations": [...]}``, or only the list of annotations, as the tools
that extract skeletons from videos write it. An annotation is a dictionary with ``frame_dir`` (the id of the
clip), ``total_frames``, usually ``label`` (a number), ``keypoint`` `[P, T, M, C]` and usually
``keypoint_score`` `[P, T, M]`. Other entries (``img_shape``, ...) are not used. With ``frame_inds`` `[N]`, as
for Kinetics, ``keypoint`` is a list of people `[N, M, 3]` (x, y, score), who are matched by distance. Frames
are counted from 0, or from 1 if a frame has the number ``total_frames``.
"""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.nested import entry_of, shown, single_precision
from pyg_sybio.data.readers.ntu import ids_from_name
from pyg_sybio.data.readers.people import listed_motion
from pyg_sybio.data.readers.plain_pickle import PickledArray, load_plain_pickle
from pyg_sybio.data.readers.reading_of import reading_of
from pyg_sybio.skeleton import Skeleton, load_skeleton

MAX_EMPTY = 2**26
"""Largest number of values of a clip without persons, which takes no space in the file."""

# The default skeletons: (coordinates per joint, joints) -> skeleton.
_SKELETONS = {(3, 25): "ntu25", (2, 17): "coco17", (2, 18): "openpose18"}

# Names of splits: train, val; xsub_train, xsub_val for several protocols; train1, test1 for several folds.
_SPLIT_NAME = re.compile(r"(?:(?P<protocol>.+)_)?(?P<part>train|val|test)(?P<fold>\d*)")


@dataclass(frozen=True, eq=False)
class AnnotationFile:
    r"""An annotation pickle, whose arrays stay in the file until a clip is requested.

    Args:
        path: The file.
        splits: Ids of the clips of each split, such as ``xsub_train``; empty for a list of annotations.
        annotations: The annotations by id, in the order of the file.
    """

    path: Path
    splits: Mapping[str, tuple[str, ...]]
    annotations: Mapping[str, Mapping[str, Any]]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.annotations)

    def motions(self, *, skeleton: Skeleton | None = None) -> Iterator[Motion]:
        """The clips in the order of the file, as :func:`read_annotations` describes them."""
        parts = self._parts()
        for index, (name, annotation) in enumerate(self.annotations.items()):
            where = f"{self.path}, annotation {index} ({shown(name)})"
            try:
                motion = _motion(annotation, skeleton, source=f"{self.path}: {name}")
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            yield motion.replace(ids={**motion.ids, **parts.get(name, {})})

    def _parts(self) -> dict[str, dict[str, str]]:
        """The part (train, val or test) of each clip in each protocol."""
        parts: dict[str, dict[str, str]] = {}
        for split, names in self.splits.items():
            if (found := _SPLIT_NAME.fullmatch(split)) is None:
                continue
            protocol = (found["protocol"] or "split") + found["fold"]
            for name in names:
                other = parts.setdefault(name, {}).setdefault(protocol, found["part"])
                if other != found["part"]:
                    where = f"{self.path}, split {shown(split)}"
                    raise ValueError(f"{where} has the id {shown(name)}, which is also in {other}")
        return parts


def load_annotations(path: str | Path) -> AnnotationFile:
    r"""Clips and splits of an annotation pickle.

    The file may come from anyone: it is read as data, and nothing in it is executed
    (:mod:`pyg_sybio.data.readers.plain_pickle`).

    Raises:
        ValueError: If the file is damaged, contains anything but arrays and plain values, or has an id twice.
        FileNotFoundError: If there is no such file.

    Note:
        Published splits name clips in which no skeleton was found. Ids without an annotation are therefore
        left out of the splits, and a warning gives their number.
    """
    path = Path(path)
    document = load_plain_pickle(path)
    if isinstance(document, list):
        document = {"split": {}, "annotations": document}
    if not isinstance(document, dict):
        raise ValueError(f"{path} holds {shown(document)}, expected a dictionary or a list of annotations")
    annotations: dict[str, Mapping[str, Any]] = {}
    for index, annotation in enumerate(entry_of(document, "annotations", list, str(path))):
        where = f"{path}, annotation {index}"
        name = entry_of(annotation, "frame_dir", str, where)
        if name in annotations:
            raise ValueError(f"{where} has the 'frame_dir' {shown(name)} of an earlier one, expected it once")
        annotations[name] = annotation
    if not annotations:
        raise ValueError(f"{path} has no annotations, expected one or more")
    splits = {
        _text(name, f"{path}, a name in 'split'"): _split(ids, annotations, f"{path}, split {shown(name)}")
        for name, ids in entry_of(document, "split", dict, str(path)).items()
    }
    return AnnotationFile(path, splits, annotations)


def read_annotations(path: str | Path, *, skeleton: Skeleton | None = None) -> Iterator[Motion]:
    r"""The clips of an annotation pickle, one at a time.

    Args:
        path: The file.
        skeleton: The skeleton of the joints. (default: ``ntu25`` for 25 joints in space, ``coco17`` and
            ``openpose18`` for 17 and 18 in an image)

    Returns:
        Motions whose `label` is the number of the class as text, or None for annotations without a label. An
        id such as ``S001C001P001R001A001`` also gives the ids of NTU RGB+D: `setup`, `view`, `subject`,
        `repetition`. A split named ``train``, ``val`` or ``test`` gives its clips the id `split`; for several
        protocols or folds, ``xsub_train`` gives `xsub: train`, and ``test1`` gives `split1: test`; other
        names give no ids. Coordinates are as in the file (metres, or pixels), in single precision.

    Raises:
        ValueError: If the file, or an annotation in it, is wrong, or a clip is in two parts of a protocol;
            the message names file, number and id.
        FileNotFoundError: If there is no such file.

    Note:
        With scores, a joint is present if its score is above 0. Otherwise its confidence is 0. (The peak of a
        heat map may be negative.) Without scores, a joint in an image is present unless all its coordinates
        are 0, because detectors write zeros for joints that they did not find. If the skeleton has scores,
        the score of each present joint is 1. In space, the origin is a valid position (centred clips have a
        joint there in every frame), so a person is present with all joints unless all of them are 0. Persons
        who are never present are left out. The tracks are the indices of the persons in the file. A clip
        without any person becomes one person who is never present.
    """
    yield from load_annotations(path).motions(skeleton=skeleton)


def _motion(annotation: Mapping[str, Any], skeleton: Skeleton | None, source: str) -> Motion:
    if "frame_inds" in annotation:
        return _listed(annotation, skeleton, source)
    keypoints = _numbers(annotation, "keypoint", 4)
    persons, num_frames, num_joints, num_coordinates = keypoints.shape
    label = str(_integer(annotation, "label", least=0)) if "label" in annotation else None
    if (total := _integer(annotation, "total_frames", least=1)) != num_frames:
        raise ValueError(f"'total_frames' is {total}, but 'keypoint' has {num_frames} frames")
    if skeleton is None:
        if (name := _SKELETONS.get((num_coordinates, num_joints))) is None:
            known = ", ".join(f"{joints} of {size}" for size, joints in _SKELETONS)
            found = f"'keypoint' has {num_joints} joints of {num_coordinates} coordinates"
            raise ValueError(f"{found}, expected {known}, or a skeleton for other joints")
        skeleton = load_skeleton(name)
    if num_coordinates != _num_coordinates(skeleton) or num_joints != skeleton.num_joints:
        raise ValueError(
            f"'keypoint' has {num_joints} joints of {num_coordinates} coordinates, but skeleton "
            f"'{skeleton.name}' has {skeleton.num_joints} of {_num_coordinates(skeleton)}"
        )
    scores = None
    if annotation.get("keypoint_score") is not None:
        scores = _numbers(annotation, "keypoint_score", 3)
        if scores.shape != keypoints.shape[:3]:
            shape = list(keypoints.shape[:3])
            raise ValueError(f"'keypoint_score' has shape {list(scores.shape)}, expected {shape}")
        # A score from the peak of a heat map may be slightly negative, which means that nothing was seen.
        scores = scores.clip(min=0)
    if not persons:
        # Without this check, a small file could request huge arrays.
        if num_frames * num_joints * skeleton.num_features > MAX_EMPTY:
            raise ValueError(f"'keypoint' has {num_frames} frames without any person")
        keypoints = np.zeros((1, *keypoints.shape[1:]), np.float32)
        scores = None if scores is None else np.zeros((1, *scores.shape[1:]), np.float32)
    present = _present(keypoints, scores)
    seen = np.flatnonzero(present.any((1, 2))).tolist() or [0]
    features = keypoints * present[..., None]
    if skeleton.coordinates == "xy+score":
        features = np.concatenate([features, (present if scores is None else scores)[..., None]], axis=-1)
    return Motion(
        poses=torch.from_numpy(features[seen].astype(np.float32)),
        present=torch.from_numpy(present[seen]),
        confidence=None if scores is None else torch.from_numpy(scores[seen]),
        skeleton=skeleton,
        label=label,
        ids=ids_from_name(annotation["frame_dir"]),
        tracks=tuple(seen),
        source=source,
    )


def _listed(annotation: Mapping[str, Any], skeleton: Skeleton | None, source: str) -> Motion:
    """The motion of a list of people (x, y, score) with the frame of each, as in the pickles of Kinetics."""
    keypoints, total = _numbers(annotation, "keypoint", 3), _integer(annotation, "total_frames", least=1)
    frames = _numbers(annotation, "frame_inds", 1).astype(np.int64)
    frames = frames - int(frames.max(initial=0) == total and frames.min(initial=1) > 0)
    if len(frames) != len(keypoints) or not ((frames >= 0) & (frames < total)).all():
        expected = f"{len(keypoints)} from 0 to {total - 1}, one per pose in 'keypoint'"
        raise ValueError(f"'frame_inds' has {len(frames)} frames, expected {expected}")
    keypoints[..., 2:] = keypoints[..., 2:].clip(min=0)
    order = np.argsort(frames, kind="stable")
    return listed_motion(
        keypoints[order],
        frames[order].tolist(),
        num_frames=total,
        reading=reading_of(keypoints, "'keypoint'", skeleton=skeleton, columns="xys"),
        where=source,
        label=str(_integer(annotation, "label", least=0)) if "label" in annotation else None,
        ids=(),
    ).replace(ids=ids_from_name(annotation["frame_dir"]))


def _present(keypoints: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
    """Which joints are present, `[P, T, M]`."""
    if scores is not None:
        return scores > 0
    present = (keypoints != 0).any(-1)
    if keypoints.shape[-1] == 3:
        present[:] = present.any(-1, keepdims=True)
    return present


def _num_coordinates(skeleton: Skeleton) -> int:
    return skeleton.num_features - (skeleton.coordinates == "xy+score")


def _numbers(annotation: Mapping[str, Any], key: str, dimensions: int) -> np.ndarray:
    """A copy of an array of finite numbers, in single precision."""
    array = entry_of(annotation, key, PickledArray, "it").values
    if array is None or array.dtype.kind not in "fiu":
        found = "nothing" if array is None else array.dtype
        raise ValueError(f"'{key}' is an array of {found}, expected numbers")
    if array.ndim != dimensions:
        raise ValueError(f"'{key}' has shape {list(array.shape)}, expected {dimensions} dimensions")
    return single_precision(array, f"'{key}'")


def _integer(annotation: Mapping[str, Any], key: str, *, least: int) -> int:
    value = entry_of(annotation, key, int, "it")
    if value < least:
        raise ValueError(f"'{key}' is {value}, expected an integer of at least {least}")
    return value


def _split(ids: Any, annotations: Mapping[str, Any], where: str) -> tuple[str, ...]:
    if isinstance(ids, PickledArray) and ids.values is not None:
        ids = ids.values.tolist()
    if not isinstance(ids, Sequence) or isinstance(ids, str | memoryview):
        raise ValueError(f"{where} is {shown(ids)}, expected a list of ids")
    named: set[str] = set()
    for name in ids:
        if _text(name, f"{where}, an id") in named:
            raise ValueError(f"{where} has the id {shown(name)} twice, expected it once")
        named.add(name)
    without = [name for name in ids if name not in annotations]
    if without:
        warnings.warn(
            f"{where}: {len(without)} of {len(named)} ids have no annotation and are left out, "
            f"such as {shown(without[0])}",
            stacklevel=4,
        )
    return tuple(name for name in ids if name in annotations)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} is {shown(value)}, expected a string")
    return value
