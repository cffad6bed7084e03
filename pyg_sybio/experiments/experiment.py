r"""Experiments: models that differ in a few settings, measures, and the layout of the results."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import Dataset

from pyg_sybio.data.splits import Splits
from pyg_sybio.experiments.layouts import Layout
from pyg_sybio.experiments.rows import Row
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.evaluation import Answers, Report, answers, summary
from pyg_sybio.trained.trained import Trained
from pyg_sybio.trained.views import ONE_VIEW, Views
from pyg_sybio.training.data_module import ClipDataModule


@dataclass(frozen=True)
class Arm:
    """A variant of the model that an experiment trains; a row of the experiment's table.

    Args:
        name: Name in the table.
        overrides: Options of ``sybio fit`` that differ from the recipe, such as ``("--model.variant.bones",
            "false")``. The text ``{num_frames}`` is replaced by the largest number of frames that can be
            predicted.
    """

    name: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class MeasuredModel:
    """A trained model and its data, as the input of measures.

    Args:
        model: The model in evaluation mode, on the device to use.
        data: The splits of the data set.
        seen_classes: Mask of the classes that occurred in training `[C]`.
        split: The split to measure on: ``"test"`` or ``"val"``.
        views: Test-time augmentation.
        batch_size: Number of clips per batch.
        loss: Function that computes the training loss. (default: :obj:`None`, unknown)
    """

    model: SybioGNN
    data: Splits
    seen_classes: Tensor
    split: str
    views: Views = ONE_VIEW
    batch_size: int = 32
    loss: Callable[[], SymbioticLoss] | None = None

    @cached_property
    def clips(self) -> Dataset:
        """The clips of the split."""
        return self.data.clips(self.split)

    @cached_property
    def answers(self) -> Answers:
        """The outputs of the model for the clips of the split, which are computed once for all measures."""
        return self._answers(self.clips)

    def report(self, clips: Dataset | None = None) -> Report:
        """The evaluation of the model. (default: on the clips of the split)"""
        found, clips = (self.answers, self.clips) if clips is None else (self._answers(clips), clips)
        return summary(found, clips, seen_classes=self.seen_classes)

    def _answers(self, clips: Dataset) -> Answers:
        return answers(self.model, clips, batch_size=self.batch_size, views=self.views)

    @classmethod
    def of(
        cls, trained: Trained, data: Splits, split: str, loss: Callable[[], SymbioticLoss] | None = None
    ) -> "MeasuredModel":
        """Move a trained model to the GPU, if there is one, and combine it with its data."""
        return cls(
            trained.model.to("cuda" if torch.cuda.is_available() else "cpu"),
            data,
            torch.tensor(trained.seen_classes),
            split,
            trained.views,
            trained.training["batch_size"],
            loss,
        )


Measure = Callable[[MeasuredModel], list[Row]]


@dataclass(frozen=True)
class Experiment:
    """An experiment that produces a table and figures, which may reproduce a table or figure of the paper.

    Args:
        name: Name on the command line.
        title: Title of the table.
        arms: The models to train.
        measures: Functions of :mod:`pyg_sybio.experiments.measures`.
        layout: Layout of the table and the figures.
        paper: The tables or figures of the paper that are reproduced. (default: none)
        needs: Requirements on the data: ``"classes"`` for at least two classes, and ``"positions"`` for joint
            positions instead of rotations.
        note: Additional text for the caption.
    """

    name: str
    title: str
    arms: tuple[Arm, ...]
    measures: tuple[Measure, ...]
    layout: Layout
    paper: str = ""
    needs: tuple[str, ...] = ()
    note: str = ""

    @property
    def arm_names(self) -> list[str]:
        """The names of the arms, in the order of the table."""
        return [arm.name for arm in self.arms]

    def refusal(self, data: ClipDataModule) -> str | None:
        """The reason why the experiment cannot be run on this data, or None if it can be run."""
        if "classes" in self.needs and data.num_classes < 2:
            return f"'{self.name}' measures recognition, expected two or more classes, but the data has one"
        if "positions" in self.needs and data.skeleton.coordinates == "expmap":
            return f"'{self.name}' measures distances, expected positions, but the data has exponential maps"
        return None
