r"""The clips of a recipe as batches: any dataset class of the package or of the user."""

import inspect
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import WeightedRandomSampler
from torch_geometric.data import Dataset
from torch_geometric.loader import DataLoader

from pyg_sybio.arguments import check_known, check_value
from pyg_sybio.data.datasets.settings import flat_parameters, with_value_objects
from pyg_sybio.data.datasets.shuffled_futures import ShuffledFutures, check_share
from pyg_sybio.data.transforms.from_settings import build_transforms
from pyg_sybio.data.transforms.random_mirror import RandomMirror
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.trained import dataset_class
from pyg_sybio.trained.views import Looks
from pyg_sybio.training.named_class import recipe_transform

DATA_ROOT_VARIABLE = "PYG_SYBIO_DATA"
SPLITS = ("train", "val", "test")
# Arguments of a dataset that are transforms, and those that change clips at random.
TRANSFORMS = ("preprocess", "augment", "corrupt", "fill")
RANDOM = ("augment", "corrupt", "window_tempo")


class ClipDataModule(L.LightningDataModule):
    r"""Training, validation and test clips of one dataset class, each built when it is first used.

    A split's dataset is ``dataset(**settings, **split)``: what all splits share is said once. Transforms (the
    arguments ``preprocess``, ``augment``, ``corrupt`` and ``fill``) are written as
    ``{class_path: pyg_sybio.data.transforms.Center, init_args: {joint: spine}}``, or as a list of these.

    Args:
        dataset: Dataset class, taking keyword arguments; an item is a :class:`~torch_geometric.data.Data`
            with ``x`` [M, T, D], ``future`` [M, T_future, D] and ``y`` [1], and, where not all of the future
            was recorded, ``future_mask`` [M, T_future, 1].
        settings: Arguments that all three splits share.
        train: Arguments of the training split alone.
        val: Arguments of the validation split alone.
        test: Arguments of the test split alone.
        root: Folder of all recordings, for a dataset class with an argument ``root``. Without it the
            environment variable ``PYG_SYBIO_DATA`` names the folder.
        folder: The folder of this dataset's recordings in `root`.
        batch_size: Clips in a batch.
        num_workers: Processes that prepare batches beside the training process.
        weighted_sampling: Draw training clips with the weights of the dataset's attribute
            ``sample_weights`` (with replacement, as many clips an epoch as there are) instead of
            shuffling them.
        shuffled_futures: The share of the training clips that have the future of another one among them, the
            same ones in every run (:class:`~pyg_sybio.data.datasets.shuffled_futures.ShuffledFutures`):
            noise in what
            prediction is taught, as in the paper's Table 8. :meth:`clips` has the clips as they are.
        views: Test-time augmentation, as ``{mirror: x, parts: [[0.2, 1.0]]}``
            (:class:`~pyg_sybio.trained.views.Looks`). (default: none)

    Raises:
        ValueError: If a split has an argument that the dataset class does not know, a transform is wrong, or
            clips other than training clips are to be augmented, corrupted, or observed to a random share
            (a range as ``observation_ratio``), ``shuffled_futures`` is not between 0 and 1, ``views`` are
            wrong, or no folder of recordings is named and the dataset class needs one.
    """

    def __init__(
        self,
        dataset: type[Dataset],
        settings: dict[str, Any] | None = None,
        train: dict[str, Any] | None = None,
        val: dict[str, Any] | None = None,
        test: dict[str, Any] | None = None,
        root: str | None = None,
        folder: str = "",
        batch_size: int = 32,
        num_workers: int = 0,
        weighted_sampling: bool = False,
        shuffled_futures: float = 0.0,
        views: dict[str, Any] | None = None,
    ) -> None:
        check_share(shuffled_futures)
        super().__init__()
        self.dataset = dataset
        self.settings = _plain(settings or {})
        self.splits = {"train": _plain(train or {}), "val": _plain(val or {}), "test": _plain(test or {})}
        self.root = root
        self.folder = folder
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.weighted_sampling = weighted_sampling
        self.shuffled_futures = shuffled_futures
        self._view_settings = _plain(views)
        self._built: dict[str, Dataset] = {}
        self._arguments = {split: self._dataset_arguments(split) for split in SPLITS}
        self.views = Looks.from_settings(self._view_settings)

    def clips(self, split: str) -> Dataset:
        """The dataset of one split (``train``, ``val`` or ``test``)."""
        if split not in self._built:
            arguments = self._arguments[split]
            if self._needs_root:
                arguments = {"root": str(Path(self._root()) / self.folder)} | arguments
            self._built[split] = self.dataset(**with_value_objects(self.dataset, arguments))
        return self._built[split]

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the training clips."""
        return self.clips("train").skeleton

    @property
    def num_classes(self) -> int:
        """How many classes the training clips may have."""
        return len(self.clips("train").class_names)

    @property
    def num_future(self) -> int:
        """How many frames follow the observed ones in a training clip."""
        return self.clips("train").num_future

    @property
    def mirror_axis(self) -> str | None:
        """The axis across which training clips are mirrored at random; None if they are not."""
        augment = self._arguments["train"].get("augment") or []
        transforms = augment if isinstance(augment, list) else [augment]
        return next((each.axis for each in transforms if isinstance(each, RandomMirror)), None)

    @property
    def feature_scale(self) -> Tensor:
        """What 1 in a feature of the poses is in the unit of the recordings [M, D].

        It is 1 unless the dataset class says otherwise, as those with z-scores do.
        """
        clips = self.clips("train")
        scale = getattr(clips, "feature_scale", None)
        return torch.ones(clips.skeleton.num_joints, clips.skeleton.num_features) if scale is None else scale

    def train_dataloader(self) -> DataLoader:
        """Training clips, shuffled or drawn by weight; a share of them with the futures of others."""
        clips = self.clips("train")
        dataset = ShuffledFutures(clips, self.shuffled_futures) if self.shuffled_futures else clips
        if not self.weighted_sampling:
            return self._loader(dataset, shuffle=True)
        weights = torch.as_tensor(clips.sample_weights, dtype=torch.double)
        return self._loader(dataset, sampler=WeightedRandomSampler(weights.tolist(), len(clips)))

    def val_dataloader(self) -> DataLoader:
        """Validation clips in their order."""
        return self._loader(self.clips("val"))

    def test_dataloader(self) -> DataLoader:
        """Test clips in their order."""
        return self._loader(self.clips("test"))

    def describe(self) -> dict[str, Any]:
        """All that a checkpoint has to hold of the data: plain values, read by :meth:`from_description`."""
        clips = self.clips("train")
        return {
            "dataset": f"{self.dataset.__module__}.{self.dataset.__qualname__}",
            "settings": _found_anywhere(self.settings),
            **{split: _found_anywhere(settings) for split, settings in self.splits.items()},
            "root": str(Path(self._root()).resolve()) if self._needs_root else None,
            "folder": self.folder,
            "batch_size": self.batch_size,
            "shuffled_futures": self.shuffled_futures,
            "looks": self._view_settings,
            "class_names": list(clips.class_names),
            "frame_rate": float(clips.frame_rate),
            "num_observed": int(clips.num_observed),
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any], *, root: str | None = None) -> "ClipDataModule":
        """The data that a checkpoint was trained on, in the folder ``root`` if it has moved."""
        splits = {split: description[split] for split in SPLITS}
        return cls(
            dataset_class(description),
            settings=description["settings"],
            root=root or description["root"],
            folder=description["folder"],
            batch_size=description["batch_size"],
            # Not in checkpoints of before there were these choices.
            shuffled_futures=description.get("shuffled_futures", 0.0),
            views=description.get("looks"),
            **splits,
        )

    def _loader(self, dataset: Dataset, **order: Any) -> DataLoader:
        workers = {"num_workers": self.num_workers, "persistent_workers": self.num_workers > 0}
        return DataLoader(dataset, batch_size=self.batch_size, **workers, **order)

    @property
    def _needs_root(self) -> bool:
        return "root" in inspect.signature(self.dataset).parameters

    def _root(self) -> str:
        root = self.root or os.environ.get(DATA_ROOT_VARIABLE)
        if not root:
            raise ValueError(
                f"{self.dataset.__name__} needs the folder of the recordings: "
                f"set {DATA_ROOT_VARIABLE} or pass --data.root (sybio fit) or --data-root (sybio evaluate)"
            )
        return root

    def _dataset_arguments(self, split: str) -> dict[str, Any]:
        """The arguments of a split's dataset, its transforms made."""
        known = flat_parameters(self.dataset)
        arguments: dict[str, Any] = {}
        for place, values in (("settings", self.settings), (split, self.splits[split])):
            for key, value in values.items():
                check_known(key, known, place=f"'data.{place}'", of=self.dataset.__name__)
                if key in RANDOM and place != "train":
                    raise ValueError(
                        f"'data.{place}' has {key!r}, expected it in 'data.train' alone: "
                        "what a model is judged on is not changed at random"
                    )
                if key == "observation_ratio" and isinstance(value, list) and place != "train":
                    raise ValueError(
                        f"'data.{place}' has the range {value} as 'observation_ratio', expected a number: "
                        "a range belongs in 'data.train' alone, as each sample draws from it at random"
                    )
                if key in TRANSFORMS and value is not None:
                    value = build_transforms(value, f"data.{place}.{key}", recipe_transform)
                check_value(value, known[key].annotation, name=f"'data.{place}.{key}'")
                arguments[key] = value
        return arguments


def _found_anywhere(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings whose skeleton, if it is a file (perhaps with a subset), is found from any working folder."""
    skeleton = settings.get("skeleton")
    if isinstance(skeleton, str) and ".json" in skeleton:
        return settings | {"skeleton": str(Path(skeleton).absolute())}
    return settings


def _plain(value: Any) -> Any:
    """A setting as plain values: the command line makes a namespace of whatever names a class."""
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
