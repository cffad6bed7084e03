"""Kinetics-Skeleton: 400 classes of actions in videos from the web, with the poses that OpenPose finds."""

import warnings
from collections.abc import Mapping
from pathlib import Path

from pyg_sybio.data.datasets.clip_transforms import DEFAULT_TRANSFORMS, ClipTransforms
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.protocols import check_split_name, select
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.readers.kinetics import FRAME_RATE, KineticsLabel, read_kinetics, read_kinetics_labels
from pyg_sybio.data.readers.text import few
from pyg_sybio.data.store.storage import DEFAULT_STORAGE, Storage
from pyg_sybio.data.transforms import FillMissing, SelectByConfidence, Shift

# The two parts of the benchmark; published results are measured on "val".
TRAINING, TESTING = "kinetics_train", "kinetics_val"


class KineticsSkeleton(MotionDataset):
    r"""Kinetics-Skeleton, from its JSON files and lists of labels.

    One person per clip. A joint is `x, y, score`. The coordinates are fractions of the image size, relative
    to the image centre; a joint that was not found is zero. A clip has 300 frames; the last 10 are the
    future. Its label is its `label_index`, regardless of the files that exist.

    * **train**, **val**: `kinetics_train`, divided by `validation`;
    * **test**: `kinetics_val`, on which published results are measured.

    Args:
        root: The folder that contains `kinetics_train`, `kinetics_train_label.json`, `kinetics_val` and
            `kinetics_val_label.json`.
        split: `"train"`, `"val"` or `"test"`.
        validation: The fraction of the training clips of each class that is held out as `"val"`. None trains
            on all clips.
        sampling: How samples are cut out of the clips (:class:`~pyg_sybio.data.datasets.sampling.Sampling`).
            (default: 290 observed and 10 future frames of whole clips)
        transforms: Transforms of the clips
            (:class:`~pyg_sybio.data.datasets.clip_transforms.ClipTransforms`).
        storage: Where prepared clips are stored (:class:`~pyg_sybio.data.store.storage.Storage`).

    Attributes:
        missing: Names of the listed clips that have no file; a warning gives their number.

    Raises:
        FileNotFoundError: If a folder or a list of labels is missing, or no listed clip has a file.
        ValueError: If an argument is wrong, a file is damaged, or a file has another class than its entry in
            the list.

    Note:
        Clips that have no skeleton according to the list are left out, and so are clips in which no person is
        found. A class without clips in the lists is named by its number.

    Source: Yan et al., "Spatial Temporal Graph Convolutional Networks for Skeleton-Based Action Recognition"
    (2018).
    """

    default_preprocess = (SelectByConfidence(num_bodies=1), Shift(offset=(-0.5, -0.5)))
    """The paper's preparation: the person with the highest mean score, relative to the image's centre."""
    default_fill = (FillMissing(mode="mask"),)
    """The benchmark leaves missing joints at zero; their score is zero."""
    default_sampling = Sampling(num_observed=290, num_future=10)

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        validation: float | None = 0.02,
        sampling: Sampling = default_sampling,
        transforms: ClipTransforms = DEFAULT_TRANSFORMS,
        storage: Storage = DEFAULT_STORAGE,
    ) -> None:
        check_split_name(split)
        root, part = Path(root), TESTING if split == "test" else TRAINING
        lists = _read_lists(root, part)
        labels = lists[part]
        files, self.missing = _find_files(root / part, labels)
        store = self.prepared(files, read_kinetics, root / part, transforms, storage)
        for clip in store.clips:
            if clip.label != (listed := labels[Path(clip.source).stem].label):
                where = root / f"{part}_label.json"
                raise ValueError(f"{clip.source} has label {clip.label!r}, but {where} has {listed!r} for it")
        names = {label.label_index: label.label for each in lists.values() for label in each.values()}
        self.split = split
        super().__init__(
            store=store,
            clips=select(store.clips, None, split, validation=validation),
            class_names=[names.get(index, f"class {index}") for index in range(max(names) + 1)],
            frame_rate=FRAME_RATE,
            sampling=sampling,
            transforms=transforms,
        )


def _read_lists(root: Path, part: str) -> dict[str, dict[str, KineticsLabel]]:
    """The labels of both parts. The list of the other part may be absent; it only names further classes."""
    layout = "expected kinetics_train, kinetics_val and their lists kinetics_train_label.json, ... there"
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder, {layout}")
    for path in (root / part, root / f"{part}_label.json"):
        if not path.exists():
            raise FileNotFoundError(f"{root} has no {path.name}, {layout}")
    paths = {name: root / f"{name}_label.json" for name in (TRAINING, TESTING)}
    return {name: read_kinetics_labels(path) for name, path in paths.items() if path.is_file()}


def _find_files(folder: Path, labels: Mapping[str, KineticsLabel]) -> tuple[list[Path], tuple[str, ...]]:
    """The files of the clips that have a skeleton, and the names of the clips without a file."""
    there = {path.name for path in folder.iterdir()}
    names = sorted(name for name, label in labels.items() if label.has_skeleton)
    missing = tuple(name for name in names if f"{name}.json" not in there)
    if len(missing) == len(names):
        raise FileNotFoundError(f"{folder} has none of the {len(names)} files of its list of labels")
    if missing:
        lacks = f"{len(missing)} of {len(names)} listed clips are missing: {few(missing)}"
        warnings.warn(f"{folder}: {lacks}", stacklevel=3)
    return [folder / f"{name}.json" for name in names if f"{name}.json" in there], missing
