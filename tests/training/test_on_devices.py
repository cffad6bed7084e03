"""A training by Lightning on every device: steps, validation, and a checkpoint that the CPU reads."""

from functools import partial
from pathlib import Path

import pytest
import torch
from marks import DEVICES

from pyg_sybio.data.synthetic.synthetic import SyntheticMotions


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("device", DEVICES)
def test_a_device_trains_and_the_cpu_reads_its_checkpoint(
    device: str, compiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("lightning", "jsonschema"):  # skipped if only the dependencies of the model are installed
        pytest.importorskip(package)
    import lightning as L

    from pyg_sybio.trained.load import load_trained
    from pyg_sybio.training.data_module import ClipDataModule
    from pyg_sybio.training.module import SybioModule

    data = ClipDataModule(
        SyntheticMotions,
        settings={"num_observed": 8, "num_future": 9},
        train={"num_clips": 24},
        val={"num_clips": 12},
        test={"num_clips": 12},
        batch_size=12,
        views={"mirror": "x"},
    )
    small = {"channels": [8, 8], "strides": [2, 2], "fusions": [1], "head_channels": 8}
    if compiled and device == "cpu":  # generating code for the machine would take minutes
        monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    module = SybioModule(
        data.skeleton,
        data.class_names,
        data.num_future,
        data.feature_scale,
        preset="demo",
        variant={**small, "actional_channels": 8},
        compile=compiled,
    )
    trainer = L.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        precision="bf16-mixed" if device == "cuda" else "32-true",
        max_steps=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, datamodule=data)
    assert trainer.strategy.root_device.type == device
    assert {"train_loss", "val_loss", "val_accuracy", "val_mpjpe_mm"} <= trainer.callback_metrics.keys()
    assert all(value.isfinite() for value in trainer.callback_metrics.values())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    trained = load_trained(tmp_path / "last.ckpt")
    assert trained.seen_classes == (True,) * 12
    assert next(trained.on_device().parameters()).device.type == device
    report = trained.evaluate(data.clips("test"))
    assert report["recognition"]["clips"] == 12
