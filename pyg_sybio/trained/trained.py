r"""A trained model, read back without the recipe that made it: as it was trained, shared, or exported."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_geometric.data import Dataset

from pyg_sybio.data.datasets.expmap import Normalisation
from pyg_sybio.models.bounds import check_config_bounds, check_plain, read_document
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained import hub
from pyg_sybio.trained.document import DATA_FILE, Facts, from_document
from pyg_sybio.trained.views import Looks
from pyg_sybio.training.named_class import recipe_dataset

if TYPE_CHECKING:
    from pyg_sybio.streaming.motion_stream import MotionStream
    from pyg_sybio.trained.onnx_model import OnnxModel
    from pyg_sybio.trained.preparation import Preparation


@dataclass(frozen=True)
class Checkpoint:
    r"""What of a training outlives it.

    Args:
        model: The model with its (averaged) weights, in evaluation mode; exported as ONNX it is one that is
            called alike.
        data: Dataset class, settings, class names, frame rate (Hz) and observed frames, as
            :meth:`~pyg_sybio.training.data_module.ClipDataModule.describe` wrote them.
        seen_classes: Which classes training has shown [C].
        epoch: Epochs that were completed or begun.
        global_step: Optimiser steps taken.
        normalisation: The statistics of the z-scores that the model sees, where they were shared with it.
    """

    model: "SybioGNN | OnnxModel"
    data: dict[str, Any]
    seen_classes: Tensor
    epoch: int
    global_step: int
    normalisation: Normalisation | None = None

    def stream(self, *, root: str | None = None, **settings: Any) -> "MotionStream":
        """Answer live poses, prepared as the training clips were.

        Args:
            root: Folder of the training recordings, whose statistics normalise exponential maps. (default: as
                in training)
            **settings: Of :class:`~pyg_sybio.streaming.motion_stream.MotionStream`.
        """
        from pyg_sybio.streaming.motion_stream import MotionStream

        preparation = self.preparation(root=root)
        return MotionStream(self._fast, preparation, class_names=self.data["class_names"], **settings)

    def preparation(self, *, root: str | None = None) -> "Preparation":
        """What was done to the training clips before the model saw them
        (:func:`~pyg_sybio.trained.observation.preparation_of`), worked out once.
        """
        if root not in self._preparations:
            from pyg_sybio.trained.observation import preparation_of

            self._preparations[root] = preparation_of(self, root=root)
        return self._preparations[root]

    @property
    def looks(self) -> Looks:
        """How clips are looked at when the model is judged, and recordings when it is asked."""
        return Looks.from_settings(self.data.get("looks"))

    @cached_property
    def _preparations(self) -> dict[str | None, "Preparation"]:
        return {}

    @cached_property
    def _fast(self) -> Any:
        """The model as streams run it, which share it."""
        return self.model.folded() if isinstance(self.model, SybioGNN) else self.model


def load_checkpoint(path: str | Path) -> Checkpoint:
    r"""Read a trained model.

    Only tensors and plain values are read: a file from someone else cannot run code.

    Args:
        path: A checkpoint that ``sybio fit`` wrote, an ``.onnx`` file or a folder that ``sybio export``
            wrote, or the name of such a folder on the Hugging Face hub, ``owner/name`` (looked up there if no
            folder ``owner`` is here).

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it is something else.
    """
    path = Path(path)
    if path.is_dir():
        return _shared(path)
    if not path.is_file():
        return _shared(_on_the_hub(path))
    return _exported(path) if path.suffix.lower() == ".onnx" else _of_training(path)


def _of_training(path: Path) -> Checkpoint:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        weights = content["state_dict"]
        prefix = "model."
        check_config_bounds(content["model_config"], str(path), weights_file=path)
        model = SybioGNN.from_config(content["model_config"])
        check_plain(content["data"], str(path))
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


def _shared(folder: Path) -> Checkpoint:
    model = SybioGNN.from_pretrained(folder)
    if not (folder / DATA_FILE).is_file():
        raise FileNotFoundError(
            f"{folder}: the model is here, but not what it was trained on, expected the file {DATA_FILE}"
        )
    where = str(folder / DATA_FILE)
    return _with_facts(model, from_document(read_document(folder / DATA_FILE), where=where), where)


def _exported(path: Path) -> Checkpoint:
    from pyg_sybio.trained.onnx_model import OnnxModel

    model = OnnxModel.load(path)
    return _with_facts(model, from_document(model.about, where=str(path)), str(path))


def _with_facts(model: "SybioGNN | OnnxModel", facts: Facts, where: str) -> Checkpoint:
    # Not model.num_classes, which is 0 for a model without recognition.
    if (named := len(facts.data["class_names"])) != model.config["num_classes"]:
        raise ValueError(
            f"{where}: there are {named} class names, but the model has {model.config['num_classes']} classes"
        )
    return Checkpoint(model=model, **facts._asdict())


def _on_the_hub(path: Path) -> Path:
    """The folder of a model on the hub, on this machine.

    Raises:
        FileNotFoundError: If it has no such name, or there is none.
    """
    name = path.as_posix()
    # Where the first half is a folder, a wrong path is more likely than a name.
    if hub.is_hub_name(name) and not path.parent.exists() and hub.is_installed():
        return hub.pull(name)
    raise FileNotFoundError(
        f"no checkpoint at {path}: expected a .ckpt file that 'sybio fit' wrote, or an .onnx file or a "
        "folder that 'sybio export' wrote"
    )


def dataset_class(description: Mapping[str, Any]) -> type[Dataset]:
    """The dataset class that the data of a checkpoint names.

    Raises:
        ValueError: If it names something else: a checkpoint may come from someone else.
    """
    path = description["dataset"]
    return recipe_dataset(path, where="the checkpoint")
