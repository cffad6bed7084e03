"""Kinetics-Skeleton: 400 classes of actions in videos of the street and the sofa, as OpenPose sees them."""

import warnings
from collections.abc import Mapping
from pathlib import Path

from pyg_sybio.data.datasets.motion_dataset import MotionDataset, Transforms
from pyg_sybio.data.datasets.protocols import check_split_name, hold_out
from pyg_sybio.data.datasets.two_tasks import ObservationRatio
from pyg_sybio.data.readers.kinetics import FRAME_RATE, KineticsLabel, read_kinetics, read_kinetics_labels
from pyg_sybio.data.store.store import MotionStore, prepare
from pyg_sybio.data.transforms import SelectByConfidence, Shift

# The benchmark's own two parts; its "val" is what all figures are published on.
TRAINING, TESTING = "kinetics_train", "kinetics_val"


class KineticsSkeleton(MotionDataset):
    r"""Kinetics-Skeleton, from its JSON files and lists of labels.

    One person a clip; a joint is `x, y, score` in image fractions about the middle, zero where it was not
    found; 300 frames, the last 10 to be predicted. The label of a clip is its `label_index`, whichever files
    exist.

    * **train**, **val**: `kinetics_train`, divided by `validation`;
    * **test**: `kinetics_val`, on which the field reports.

    Args:
        root: The folder that contains `kinetics_train`, `kinetics_train_label.json`, `kinetics_val` and
            `kinetics_val_label.json`.
        split: `"train"`, `"val"` or `"test"`.
        validation: The share of the training clips of each class that is held out as `"val"`; None trains on
            all.
        num_observed: Frames in `x`.
        num_future: Frames in `future`.
        window_stride: Frames from one window to the next. (default: a clip is one sample)
        preprocess: What is done to a clip once. (default: `default_preprocess`; an empty list does nothing)
        augment: What changes a clip before it is split.
        corrupt: What changes the observed frames.
        fill: What fills the observed frames. (default: nothing, as the field leaves missing joints zero)
        reserved: Frames at the end of a whole clip that are never observed. (default: `num_future`)
        observation_ratio: The share of what could be observed that is, or a range of shares
            (:class:`~pyg_sybio.data.datasets.motion_dataset.MotionDataset`).
        padding: How too few observed frames are filled: `"repeat"` or `"hold"`.
        cache: Where prepared clips are kept (:func:`~pyg_sybio.data.store.store.prepare`).
        num_processes: How many processes prepare.
        progress: Whether to show the progress.

    Attributes:
        missing: Clips of the list of labels whose files are not there; a warning says how many.

    Raises:
        FileNotFoundError: If a folder or a list of labels is missing, or no file of a list is there.
        ValueError: If an argument is wrong, a file is damaged, or a file and the list disagree on its class.

    Note:
        Clips that the list says have no skeleton are left out, as are those in which nobody is ever found. A
        class that neither list names, since its clips are not listed, is called by its number.

    Source: Yan et al., "Spatial Temporal Graph Convolutional Networks for Skeleton-Based Action Recognition"
    (2018).
    """

    default_preprocess = (SelectByConfidence(num_bodies=1), Shift(offset=(-0.5, -0.5)))
    """The paper's preparation: the person with the highest mean score, about the image's middle."""

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        validation: float | None = 0.02,
        num_observed: int = 290,
        num_future: int = 10,
        window_stride: int | None = None,
        preprocess: Transforms | None = None,
        augment: Transforms | None = None,
        corrupt: Transforms | None = None,
        fill: Transforms | None = None,
        reserved: int | None = None,
        observation_ratio: ObservationRatio = 1.0,
        padding: str = "repeat",
        cache: str | None = None,
        num_processes: int | None = None,
        progress: bool = True,
    ) -> None:
        check_split_name(split)
        if split == "val" and validation is None:
            raise ValueError("'validation' is None, expected a share of the training clips for split 'val'")
        root, part = Path(root), TESTING if split == "test" else TRAINING
        lists = _read_lists(root, part)
        labels = lists[part]
        files, self.missing = _find_files(root / part, labels)
        store = prepare(
            files=files,
            read=read_kinetics,
            preprocess=self.preparation(preprocess),
            settings={},
            root=root / part,
            cache=cache,
            num_processes=num_processes,
            progress=progress,
        )
        _check_labels(store, labels, root / f"{part}_label.json")
        clips = list(range(len(store)))
        if split != "test" and validation is not None:
            train, val = hold_out(store.clips, clips, validation)
            clips = val if split == "val" else train
        self.split = split
        super().__init__(
            store=store,
            clips=clips,
            class_names=_class_names(lists),
            num_observed=num_observed,
            num_future=num_future,
            window_stride=window_stride,
            frame_rate=FRAME_RATE,
            augment=augment,
            corrupt=corrupt,
            fill=fill,
            reserved=reserved,
            observation_ratio=observation_ratio,
            padding=padding,
        )


def _read_lists(root: Path, part: str) -> dict[str, dict[str, KineticsLabel]]:
    """The lists of labels: that of the part, and the other one if it is there, for the names of classes."""
    layout = "expected kinetics_train, kinetics_val and their lists kinetics_train_label.json, ... there"
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder, {layout}")
    for path in (root / part, root / f"{part}_label.json"):
        if not path.exists():
            raise FileNotFoundError(f"{root} has no {path.name}, {layout}")
    paths = {name: root / f"{name}_label.json" for name in (TRAINING, TESTING)}
    return {name: read_kinetics_labels(path) for name, path in paths.items() if path.is_file()}


def _find_files(folder: Path, labels: Mapping[str, KineticsLabel]) -> tuple[list[Path], tuple[str, ...]]:
    """The files of the clips that have a skeleton, and the names of those that are not there."""
    there = {path.name for path in folder.iterdir()}
    names = sorted(name for name, label in labels.items() if label.has_skeleton)
    missing = tuple(name for name in names if f"{name}.json" not in there)
    if len(missing) == len(names):
        raise FileNotFoundError(f"{folder} has no file of its list of labels, expected {len(names)} of them")
    if missing:
        first = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        warnings.warn(
            f"{folder}: {len(missing)} of {len(names)} listed clips are missing: {first}", stacklevel=3
        )
    return [folder / f"{name}.json" for name in names if f"{name}.json" in there], missing


def _check_labels(store: MotionStore, labels: Mapping[str, KineticsLabel], where: Path) -> None:
    for clip in store.clips:
        listed = labels[Path(clip.source).stem].label
        if clip.label != listed:
            raise ValueError(f"{clip.source} has label {clip.label!r}, but {where} has {listed!r} for it")


def _class_names(lists: Mapping[str, Mapping[str, KineticsLabel]]) -> list[str]:
    names = {label.label_index: label.label for labels in lists.values() for label in labels.values()}
    return [names.get(index, f"class {index}") for index in range(max(names) + 1)]
