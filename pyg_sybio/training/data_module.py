r"""Lightning data module for any data set class of the package or of the user."""

import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from torch import Tensor
from torch.utils.data import WeightedRandomSampler
from torch_geometric.data import Dataset

from pyg_sybio.data.datasets.expmap import ExpmapDataset
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.shuffled_futures import ShuffledFutures, check_share
from pyg_sybio.data.datasets.standardize import Standardize
from pyg_sybio.data.splits import Splits
from pyg_sybio.data.transforms.from_settings import steps_of
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.evaluation import numbered_clip
from pyg_sybio.trained.preparation import Preparation
from pyg_sybio.trained.views import Views
from pyg_sybio.training.named_class import recipe_dataset, recipe_transform
from pyg_sybio.training.resumable_loader import ResumableLoader

# Number of clips from which the body size is estimated.
_SIZED_CLIPS = 200


class ClipDataModule(L.LightningDataModule):
    r"""Training, validation and test clips of one data set class, each built when it is first used.

    The data set of a split is ``dataset(**settings, **split)``, so arguments that all splits share are given
    once. Transforms (the arguments ``preprocess``, ``augment``, ``corrupt`` and ``fill``) are written as
    ``{class_path: Center, init_args: {joint: spine}}``, or as a list of such entries. A recipe may name any
    class by its path, and registered classes by their names. Recipes can therefore run any code.

    Args:
        dataset: Data set class, its registered name (``NWUCLA``), or its path. Its constructor has keyword
            arguments. An item is a :class:`~torch_geometric.data.Data` with ``x`` [M, T, D], ``future`` [M,
            T_future, D], ``y`` [1], and ``future_mask`` [M, T_future, 1] if the future is incomplete.
        settings: Arguments that all three splits share.
        train: Arguments of the training split.
        val: Arguments of the validation split.
        test: Arguments of the test split.
        root: Folder of all recordings, for a data set class with an argument ``root``. (default: the
            environment variable ``PYG_SYBIO_DATA``)
        folder: The folder of this data set's recordings in `root`.
        batch_size: The number of clips in a batch.
        num_workers: The number of processes that prepare batches.
        weighted_sampling: Instead of shuffling the training clips, draw them with replacement and with the
            weights in the attribute ``sample_weights`` of the data set. An epoch keeps its number of clips.
        shuffled_futures: The fraction of training clips that exchange their futures, as noise in the
            prediction targets (Table 8 of the paper). Every run selects the same clips
            (:class:`~pyg_sybio.data.datasets.shuffled_futures.ShuffledFutures`). :meth:`clips` is not
            affected.
        views: Test-time augmentation of the trained model, ``{mirror: x, parts: [[0.2, 1.0]]}``
            (:class:`~pyg_sybio.trained.views.Views`). (default: none)

    Raises:
        ValueError: If a setting is unknown or wrong, or no folder of recordings is given and the data set
            class needs one.
    """

    def __init__(
        self,
        dataset: type[Dataset] | str,
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
        self.splits = Splits(
            recipe_dataset(dataset) if isinstance(dataset, str) else dataset,
            settings=_plain(settings),
            train=_plain(train),
            val=_plain(val),
            test=_plain(test),
            root=root,
            folder=folder,
            resolve=recipe_transform,
        )
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.weighted_sampling = weighted_sampling
        self.shuffled_futures = shuffled_futures
        self.views = Views.from_settings(_plain(views))

    def clips(self, split: str) -> Dataset:
        """The data set of one split (``train``, ``val`` or ``test``)."""
        return self.splits.clips(split)

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the training clips."""
        return self.clips("train").skeleton

    @property
    def num_classes(self) -> int:
        """The number of classes of the training clips."""
        return len(self.class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes of the training clips."""
        return tuple(self.clips("train").class_names)

    @property
    def num_future(self) -> int:
        """The number of future frames of a training clip."""
        return self.clips("train").num_future

    @property
    def feature_scale(self) -> Tensor:
        """Factors `[M, D]` that convert differences of poses to the unit of the loss ``joint``.

        For rotations, the factors are the standard deviations of the z-scores, so the loss is in radians. For
        positions, the loss is in body sizes. The body size is the root mean square distance of the joints
        from their mean, over a sample of the training clips. The balance of the losses therefore does not
        depend on the unit of the data.
        """
        clips = self.clips("train")
        if (scale := getattr(clips, "feature_scale", None)) is not None:
            return scale
        skeleton = clips.skeleton
        factors = torch.ones(skeleton.num_joints, skeleton.num_features)  # 1 for scores, which have no unit
        factors[:, : skeleton.num_spatial] /= _body_size(clips)
        return factors

    def class_weights(self, weights: Sequence[float] | Literal["balanced"] | None) -> Tensor | None:
        r"""Weights of the classes in the recognition loss, `[C]`.

        Args:
            weights: A positive number for each class, or ``"balanced"``, which weights class :math:`c` by
                :math:`N / (C N_c)` for :math:`N_c` of :math:`N` training samples. (None: equal weights)

        Raises:
            ValueError: If the weights are not one positive number per class.
        """
        if weights is None:
            return None
        if weights == "balanced":
            clips = self.clips("train")
            labels = getattr(clips, "labels", None)
            if not isinstance(labels, Tensor):
                labels = torch.cat([clips[index].y for index in range(len(clips))])
            counts = torch.bincount(labels, minlength=self.num_classes)
            # The weight of a class without training samples has no effect on the training.
            return len(labels) / (self.num_classes * counts.clamp(min=1)).float()
        if len(weights) == self.num_classes and all(0 < float(weight) < math.inf for weight in weights):
            return torch.tensor(weights, dtype=torch.float32)
        raise ValueError(
            f"'class_weights' is {list(weights)}, expected one positive number for each of the "
            f"{self.num_classes} classes {', '.join(self.class_names)}"
        )

    @property
    def preparation(self) -> Preparation:
        """Preprocessing of recordings for a model trained on this data, including the statistics."""
        clips, arguments = self.clips("train"), self.splits.arguments("train")

        def steps(name: str) -> tuple[Any, ...]:
            given = arguments.get(name)
            return steps_of(getattr(clips, f"default_{name}", None) if given is None else given)

        skeleton, preprocess = clips.skeleton, steps("preprocess")
        if isinstance(clips, ExpmapDataset):
            skeleton = clips.benchmark.skeleton
            preprocess = (Standardize(clips.normalisation, clips.skeleton),)
        preparation = Preparation(
            skeleton=skeleton,
            num_observed=int(clips.num_observed),
            frame_rate=float(clips.frame_rate),
            preprocess=preprocess,
            fill=steps("fill"),
            padding=clips.sampling.padding if isinstance(clips, MotionDataset) else None,
        )
        if preparation.fills:
            return preparation
        # Without a transform that fills missing joints, the model receives zeros for them.
        return preparation.filled("mask" if hasattr(clips, "fill") else "interpolate")

    def train_dataloader(self) -> ResumableLoader:
        """Training clips, shuffled or drawn by weight, optionally with shuffled futures."""
        clips = self.clips("train")
        dataset = ShuffledFutures(clips, self.shuffled_futures) if self.shuffled_futures else clips
        if not self.weighted_sampling:
            return self._loader(dataset, shuffle=True)
        weights = torch.as_tensor(clips.sample_weights, dtype=torch.double)
        return self._loader(dataset, sampler=WeightedRandomSampler(weights.tolist(), len(clips)))

    def val_dataloader(self) -> ResumableLoader:
        """Validation clips, not shuffled."""
        return self._in_order(self.clips("val"))

    def test_dataloader(self) -> ResumableLoader:
        """Test clips, not shuffled."""
        return self._in_order(self.clips("test"))

    def _in_order(self, clips: Dataset) -> ResumableLoader:
        """All clips, or the part of them for this process, so that each clip is counted once."""
        trainer = self.trainer
        if trainer is None or trainer.world_size == 1:
            return self._loader(clips)
        if len(clips) < trainer.world_size:
            raise ValueError(
                f"{trainer.world_size} processes cannot share {len(clips)} clips: expected at least one clip "
                "per process"
            )
        share = {"num_replicas": trainer.world_size, "rank": trainer.global_rank}
        return self._loader(clips, sampler=UnrepeatedDistributedSampler(clips, shuffle=False, **share))

    def _loader(self, dataset: Dataset, **order: Any) -> ResumableLoader:
        workers = {"num_workers": self.num_workers, "persistent_workers": self.num_workers > 0}
        return ResumableLoader(dataset, batch_size=self.batch_size, **workers, **order)


def _body_size(clips: Dataset) -> float:
    """Return the root mean square distance of the joints from their mean, over a sample of clips."""
    skeleton, squares = clips.skeleton, []
    for number in torch.linspace(0, len(clips) - 1, min(len(clips), _SIZED_CLIPS)).long().tolist():
        poses = numbered_clip(clips, number).x[..., : skeleton.num_spatial].double()  # [P * M, T, S]
        persons = poses.unflatten(0, (-1, skeleton.num_joints))
        squares.append((persons - persons.mean(1, keepdim=True)).square().sum(-1).mean())
    found = torch.stack(squares)
    # An outlier, such as a clip in another unit, must not determine the scale of the loss.
    size = float(found[found <= 1e4 * found.median()].mean().sqrt())
    return size if size > 0 else 1.0


def _plain(value: Any) -> Any:
    """Convert namespaces, which the command line creates from class settings, to plain values."""
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
