"""Small models for tests of live poses, and one that returns its input."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pyg_sybio.data.datasets.expmap import ExpmapDataset
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.standardize import Normalisation, Standardize
from pyg_sybio.data.registry import dataset_named
from pyg_sybio.data.splits import Splits
from pyg_sybio.data.transforms.from_settings import build_transforms, steps_of
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import randomize
from pyg_sybio.trained.digest import weights_digest
from pyg_sybio.trained.preparation import Preparation
from pyg_sybio.trained.trained import Trained
from pyg_sybio.trained.views import ONE_VIEW, Views

NTU = load_skeleton("ntu25")
FUTURE, OBSERVED = 5, 20
_SIZE = {"channels": [8, 8], "strides": [2, 2], "fusions": [1], "head_channels": 8, "actional_channels": 8}


class Echo:
    """A model that forecasts the first frames of its input and counts its calls."""

    num_classes = 0
    num_future = 3

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, batch: Tensor) -> SybioOutput:
        self.seen.append(batch.clone())
        present = torch.ones(len(batch), 1, dtype=torch.bool)
        return SybioOutput(None, batch[:, : self.num_future], None, None, present)


def small_model(skeleton: Skeleton = NTU, num_classes: int = 3, **variant: Any) -> SybioGNN:
    """A model with random weights that keep the scale of the signal."""
    model = SybioGNN.from_preset(
        "demo",
        skeleton=skeleton,
        num_classes=num_classes,
        num_future=FUTURE,
        **{**_SIZE, **variant},
    )
    randomize(model)
    return model.eval()


def small_checkpoint(
    dataset: str = "MotionFolder",
    skeleton: Skeleton = NTU,
    *,
    model: Any = None,
    class_names: Sequence[str] = ("a", "b", "c"),
    views: Views = ONE_VIEW,
    normalisation: Normalisation | None = None,
    frame_rate: float = 30.0,
    folder: str = "",
    **settings: Any,
) -> Trained:
    """A small model as saved by `sybio fit`, with given settings of its data."""
    cls = dataset_named(dataset)
    steps = {
        name: steps_of(
            getattr(cls, f"default_{name}", ())
            if settings.get(name) is None
            else build_transforms(settings[name], name)
        )
        for name in ("preprocess", "fill")
    }
    recorded = skeleton
    if normalisation is not None:
        assert issubclass(cls, ExpmapDataset)
        recorded = cls.benchmark.skeleton
        steps["preprocess"] = (Standardize(normalisation, skeleton),)
    return Trained(
        model=small_model(skeleton, len(class_names)) if model is None else model,
        preparation=Preparation(
            recorded,
            OBSERVED,
            frame_rate,
            **steps,
            padding=settings.get("padding", "repeat") if issubclass(cls, MotionDataset) else None,
        ),
        class_names=tuple(class_names),
        seen_classes=(True,) * len(class_names),
        views=views,
        training={
            "epoch": 1,
            "global_step": 1,
            "batch_size": 8,
            **Splits(cls, settings=settings, folder=folder).describe(),
        },
    )


def save_checkpoint(trained: Trained, path: Path) -> Path:
    """Write a checkpoint like `sybio fit`."""
    weights = trained.model.state_dict()
    content = {
        "state_dict": {f"model.{key}": value for key, value in weights.items()},
        "model_config": trained.model.config,
        "document": json.dumps(trained.document(weights_digest(weights))),
        "epoch": 1,
        "global_step": 1,
    }
    torch.save(content, path)
    return path
