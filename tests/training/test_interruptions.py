"""Runs that are interrupted, resumed, finished, or started at the same time."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_recipe import tiny
from torch_geometric.data import Batch

from pyg_sybio.cli.main import main
from pyg_sybio.trained.load import load_trained
from pyg_sybio.training.loggers import new_loggers
from pyg_sybio.training.module import SybioModule
from pyg_sybio.training.recipes import RunFinishedError, fit

STEADY = ["--trainer.precision=32-true", "--seed_everything=3", "--data.batch_size=8"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl+C raises KeyboardInterrupt, also in a background process, which ignores it otherwise."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def signal_in(monkeypatch: pytest.MonkeyPatch, method: str, number: int, step: int) -> None:
    """Send a signal to this process in a method of the module, once."""
    own, sent = getattr(SybioModule, method), []

    def interrupted(module: SybioModule, batch: Batch, batch_idx: int) -> Any:
        if module.global_step == step and not module.trainer.sanity_checking and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)
        return own(module, batch, batch_idx)

    monkeypatch.setattr(SybioModule, method, interrupted)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("method", "number", "step", "code"),
    [
        ("training_step", signal.SIGINT, 1, 130),  # steps before the signal, out of 3 in an epoch
        ("training_step", signal.SIGTERM, 2, 143),
        ("validation_step", signal.SIGTERM, 3, 143),
    ],
)
def test_a_run_stopped_by_a_signal_resumes_with_the_same_results(
    method: str, number: int, step: int, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = [*tiny(tmp_path / "run", steps=6), *STEADY]
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        signal_in(patch, method, number, step)
        assert main(["fit", "synthetic", *words]) == code
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    interrupted = load_trained(next(tmp_path.rglob("last.ckpt")))
    assert interrupted.training["global_step"] == (2 if step == 1 else 3)
    assert not list(tmp_path.rglob("*.part"))
    resumed = fit("synthetic", [*words, "--ckpt_path=last"])
    whole = fit("synthetic", [*tiny(tmp_path / "whole", steps=6), *STEADY])
    assert resumed.trainer.global_step == whole.trainer.global_step == 6
    weights = whole.model.state_dict()
    for name, weight in resumed.model.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    assert resumed.trainer.callback_metrics == whole.trainer.callback_metrics


def test_resuming_a_finished_run_explains_how_to_train_longer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*tiny(tmp_path, steps=-1), "--trainer.max_epochs=1"]
    fit("synthetic", words)
    path = next(tmp_path.rglob("last.ckpt"))
    with pytest.raises(RunFinishedError, match="finished: it has trained 1 of 1 epochs"):
        fit("synthetic", [*words, "--ckpt_path=last"])
    assert main(["fit", "synthetic", *words, f"--ckpt_path={path}"]) == 0
    said = capsys.readouterr()
    assert f"the run of {path} is finished" in said.err and "add --trainer.max_epochs 2" in said.err
    assert "version_1" not in said.out + said.err
    assert [each.name for each in tmp_path.iterdir()] == ["version_0"]
    longer = fit("synthetic", [*words, "--trainer.max_epochs=2", f"--ckpt_path={path}"])
    assert longer.trainer.current_epoch == 2
    with pytest.raises(RunFinishedError, match=r"2 of 2 steps; .* --trainer.max_steps 4"):
        fit("synthetic", [*tiny(tmp_path, steps=2), f"--ckpt_path={path}"])


def test_a_run_cannot_resume_from_a_damaged_file_or_from_another_type_of_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, other = tmp_path / "damaged.ckpt", tmp_path / "other.ckpt"
    damaged.write_bytes(bytes(1000))
    torch.save({"weights": torch.ones(2)}, other)
    for path, message in (
        (damaged, f"{damaged}: not a file that torch.save wrote: File is not a zip file; copy it again, or"),
        (other, f"{other} is not a checkpoint of a run: expected last.ckpt of 'sybio fit'"),
    ):
        assert main(["fit", "synthetic", *tiny(tmp_path, steps=1), f"--ckpt_path={path}"]) == 1
        assert f"sybio: error: {message}" in capsys.readouterr().err


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    (tmp_path / "version_3").mkdir()
    folders = [[logger.log_dir for logger in new_loggers(tmp_path)] for _ in range(2)]
    assert folders == [[str(tmp_path / f"version_{number}")] * 2 for number in (4, 5)]


def test_runs_that_start_at_the_same_time_have_different_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightning.pytorch.loggers.TensorBoardLogger._get_next_version", lambda _: 0)
    assert {new_loggers(tmp_path)[0].log_dir for _ in range(3)} == {
        str(tmp_path / f"version_{number}") for number in range(3)
    }
