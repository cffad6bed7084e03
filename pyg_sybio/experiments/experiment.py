r"""What an experiment is: models that differ in a few settings, what is measured of each, how it is shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from pyg_sybio.experiments.layouts import Layout
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.training.data_module import ClipDataModule


class Row(NamedTuple):
    """One measured number of one trained model.

    Args:
        metric: What was measured: ``"top1"``, ``"parameters"``, ``"mpjpe_mm"``, ...
        group: Of what: an action, a corruption; empty where there is nothing to say.
        at: At which horizon (ms), frame, observation ratio, noise, ...; None where there is none.
        value: The number.
    """

    metric: str
    group: str
    at: float | None
    value: float


@dataclass(frozen=True)
class Arm:
    """One line of a table: a model whose settings differ from the recipe's.

    Args:
        name: What the table calls it.
        overrides: The settings, as ``sybio fit`` takes them: ``("--model.variant.bones", "false")``. In one
            of them, ``{num_observed}`` stands for the recipe's own number of observed frames.
    """

    name: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Trained:
    """What a measure is told of a trained model.

    Args:
        model: The model in evaluation mode, on the device to use.
        data: The data of its run.
        seen_classes: Which classes training has shown [C].
        split: What is measured: ``"test"`` or ``"val"``.
    """

    model: SybioGNN
    data: ClipDataModule
    seen_classes: Tensor
    split: str


Measure = Callable[[Trained], list[Row]]


@dataclass(frozen=True)
class Experiment:
    """A table or a figure of the paper, or one that it lacks, as something that can be run.

    Args:
        name: What the command calls it.
        title: What the page calls it.
        paper: Where the paper has it; empty if it has not.
        arms: The models to train.
        measures: What is measured of each; each is a function of :mod:`pyg_sybio.experiments.measures`.
        layout: How the numbers become a table and a picture, with the paper's own figures.
        needs: What data it needs: ``"classes"`` (two or more), ``"positions"`` (poses that are coordinates).
        note: What a reader of the table has to know.
    """

    name: str
    title: str
    paper: str
    arms: tuple[Arm, ...]
    measures: tuple[Measure, ...]
    layout: Layout
    needs: tuple[str, ...] = ()
    note: str = ""

    def measure(self, trained: Trained) -> list[Row]:
        """All that is measured of a trained model."""
        return [row for measure in self.measures for row in measure(trained)]

    def refusal(self, data: ClipDataModule) -> str | None:
        """Why this data cannot have the experiment; None if it can."""
        if "classes" in self.needs and data.num_classes < 2:
            return f"'{self.name}' recognises classes, expected two or more, but the data has one"
        if "positions" in self.needs and data.skeleton.coordinates == "expmap":
            return (
                f"'{self.name}' measures distances, expected poses in coordinates, but those of "
                f"skeleton '{data.skeleton.name}' are exponential maps"
            )
        return None


def arm_names(arms: Sequence[Arm]) -> list[str]:
    """The names of arms in their order."""
    return [arm.name for arm in arms]
