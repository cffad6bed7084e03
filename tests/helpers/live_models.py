"""Small models for tests of live poses, and one that answers with what it was shown."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import randomize
from pyg_sybio.trained.trained import Checkpoint

NTU = load_skeleton("ntu25")
FUTURE, OBSERVED = 5, 20


class Echo:
    """A model whose forecast is the first frames of what it was shown, and which counts its calls."""

    num_classes = 0
    num_future = 3

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, batch: Tensor) -> SybioOutput:
        self.seen.append(batch.clone())
        present = torch.ones(len(batch), 1, dtype=torch.bool)
        return SybioOutput(None, batch[:, : self.num_future], None, None, present)


def small_model(skeleton: Skeleton = NTU, **variant: Any) -> SybioGNN:
    """A model of three classes whose weights are random, but keep a signal's size."""
    model = SybioGNN.from_preset(
        "demo",
        skeleton=skeleton,
        num_classes=3,
        num_future=FUTURE,
        channels=[8, 8],
        strides=[2, 2],
        fusions=[1],
        head_channels=8,
        actional_channels=8,
        **variant,
    )
    randomize(model)
    return model.eval()


def small_checkpoint(
    dataset: str = "datasets.motion_folder.MotionFolder", skeleton: Skeleton = NTU, **settings: Any
) -> Checkpoint:
    """What `sybio fit` would have left of a small model, with some settings of its data."""
    data = {
        "dataset": f"pyg_sybio.data.{dataset}",
        "settings": settings,
        "class_names": ["a", "b", "c"],
        "frame_rate": 30.0,
        "num_observed": OBSERVED,
    }
    return Checkpoint(small_model(skeleton), data, torch.ones(3, dtype=torch.bool), epoch=1, global_step=1)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> Path:
    """Write it as `sybio fit` does."""
    weights = {f"model.{key}": value for key, value in checkpoint.model.state_dict().items()}
    content = {
        "state_dict": {**weights, "seen_classes": checkpoint.seen_classes},
        "model_config": checkpoint.model.config,
        "data": checkpoint.data,
        "epoch": checkpoint.epoch,
        "global_step": checkpoint.global_step,
    }
    torch.save(content, path)
    return path
