"""Training with several processes on the CPU, which also covers training on several GPUs."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_recipe import TINY

from pyg_sybio.trained.evaluation import answers
from pyg_sybio.trained.load import load_trained


@pytest.mark.slow
def test_two_processes_evaluate_the_saved_model_on_all_clips(tmp_path: Path) -> None:
    words = [
        *TINY,
        "--trainer.devices=2",
        "--trainer.strategy=ddp",
        "--trainer.precision=32-true",
        "--trainer.max_steps=2",
        "--trainer.val_check_interval=1.0",
        "--data.batch_size=6",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    command = [sys.executable, "-m", "pyg_sybio", "fit", "synthetic", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with next(tmp_path.rglob("metrics.csv")).open(newline="") as file:
        logged = {key: float(value) for row in csv.DictReader(file) for key, value in row.items() if value}

    trained = load_trained(next(tmp_path.rglob("last.ckpt")))
    found = answers(trained.model, trained.splits().clips("val"))
    assert found.logits is not None
    accuracy = (found.logits.argmax(1) == found.y).float().mean()
    errors = found.errors["mpjpe_mm"]["model"].means()["mean_of_classes"]
    assert logged["step"] == 1  # the second of two steps; the checkpoint was saved after it
    assert logged["val_accuracy"] == pytest.approx(float(accuracy), abs=1e-6)
    assert logged["val_mpjpe_mm"] == pytest.approx(float(errors.mean()), rel=1e-4)
