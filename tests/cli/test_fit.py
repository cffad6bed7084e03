"""``sybio fit``: errors of recipes."""

import re
import shlex
from pathlib import Path

import pytest
from command_line import error_of
from tiny_recipe import fit_whole_clips

from pyg_sybio.cli.main import main
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions


def test_recipe_errors_are_usage_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("trainr: {max_epochs: 3}\n")
    assert "did you mean trainer.max_epochs" in error_of(capsys, "fit", str(recipe), code=2)
    assert "max_epoch" in error_of(capsys, "fit", "synthetic", "--trainer.max_epoch", "3", code=2)
    recipe.write_text("trainer: [\n")
    error_of(capsys, "fit", str(recipe), code=2)


def test_a_missing_or_unspecified_folder_of_recordings_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYG_SYBIO_DATA", raising=False)
    assert "set PYG_SYBIO_DATA or pass --data.root" in error_of(capsys, "fit", "cmu_mocap")
    line = error_of(capsys, "fit", "cmu_mocap", "--data.root", str(tmp_path))
    assert f"{tmp_path / 'cmu_mocap'} is not a folder" in line


def test_fit_prints_the_scores_and_the_command_that_evaluates_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = SyntheticMotions(num_clips=24, num_observed=12, num_future=9)
    splits = ("train", "train", "val", "test")
    # A model file does not contain a pattern, so the evaluation needs the settings of the run.
    pattern = ["--data.settings.pattern=(?P<label>\\d)\\d*\\.npz", "--data.settings.hold_out=0.3"]
    for number, settings in enumerate(([], pattern)):
        recordings, run = tmp_path / f"clips{number}", tmp_path / f"run{number}"
        fit_whole_clips(made, lambda index: splits[index % 4], recordings, run, settings)
        scores, best, last, command = capsys.readouterr().out.splitlines()[-4:]
        assert re.fullmatch(r"scores: val_accuracy [\d.]+, val_loss [\d.e+-]+, .*", scores)
        checkpoints = run / "version_0" / "checkpoints"
        assert re.fullmatch(rf"best checkpoint: {checkpoints / 'best.ckpt'} \(val_loss [\d.]+\)", best)
        assert last == f"last checkpoint: {checkpoints / 'last.ckpt'}"
        program, *argv = shlex.split(command.removeprefix("next: "))
        assert program == "sybio"
        assert main(argv) == 0
        assert f"report: {checkpoints / 'best.test.json'}" in capsys.readouterr().out
