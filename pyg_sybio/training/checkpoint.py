r"""A checkpoint of ``sybio fit``, read back without the recipe that made it."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_geometric.data import Dataset

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.training.named_class import named_class

if TYPE_CHECKING:
    from pyg_sybio.inference.preparation import Preparation
    from pyg_sybio.inference.streaming import MotionStream


@dataclass(frozen=True)
class Checkpoint:
    r"""What a checkpoint file holds that outlives training.

    Args:
        model: The model with its (averaged) weights, in evaluation mode.
        data: Dataset class, settings, class names, frame rate (Hz) and observed frames, as
            :meth:`~pyg_sybio.training.data_module.ClipDataModule.describe` wrote them.
        seen_classes: Which classes training has shown [C].
        epoch: Epochs that were completed or begun.
        global_step: Optimiser steps taken.
    """

    model: SybioGNN
    data: dict[str, Any]
    seen_classes: Tensor
    epoch: int
    global_step: int

    def stream(self, *, root: str | None = None, **settings: Any) -> "MotionStream":
        """Answer live poses, prepared as the training clips were.

        Args:
            root: Folder of the training recordings, whose statistics normalise exponential maps. (default: as
                in training)
            **settings: Of :class:`~pyg_sybio.inference.streaming.MotionStream`.
        """
        from pyg_sybio.inference.streaming import MotionStream

        preparation = self.preparation(root=root)
        return MotionStream(self._fast, preparation, class_names=self.data["class_names"], **settings)

    def preparation(self, *, root: str | None = None) -> "Preparation":
        """What was done to the training clips before the model saw them
        (:func:`~pyg_sybio.training.observation.preparation_of`), worked out once.
        """
        if root not in self._preparations:
            from pyg_sybio.training.observation import preparation_of

            self._preparations[root] = preparation_of(self, root=root)
        return self._preparations[root]

    @cached_property
    def _preparations(self) -> dict[str | None, "Preparation"]:
        return {}

    @cached_property
    def _fast(self) -> Any:
        """The model as streams run it, which share it."""
        return self.model.folded() if isinstance(self.model, SybioGNN) else self.model


def load_checkpoint(path: str | Path) -> Checkpoint:
    r"""Read a checkpoint that ``sybio fit`` wrote.

    Only tensors and plain values are read: a file from someone else cannot run code.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of ``sybio fit``.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}: expected a .ckpt file that 'sybio fit' wrote")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        weights = content["state_dict"]
        prefix = "model."
        model = SybioGNN.from_config(content["model_config"])
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        model.load_weights(own, where=str(path))
        return Checkpoint(
            model=model.eval(),
            data=content["data"],
            seen_classes=weights["seen_classes"],
            epoch=content["epoch"],
            global_step=content["global_step"],
        )
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a checkpoint that 'sybio fit' wrote") from error


def dataset_class(description: Mapping[str, Any]) -> type[Dataset]:
    """The dataset class that the data of a checkpoint names.

    Raises:
        ValueError: If it names something else: a checkpoint may come from someone else.
    """
    path = description["dataset"]
    return named_class(path, Dataset, where="the checkpoint", expected="dataset class")
