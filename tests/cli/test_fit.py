"""``sybio fit``: errors of recipes."""

from pathlib import Path

import pytest
from command_line import error_of


def test_recipe_errors_are_usage_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("trainr: {max_epochs: 3}\n")
    assert "did you mean trainer.max_epochs" in error_of(capsys, "fit", str(recipe), code=2)
    assert "max_epoch" in error_of(capsys, "fit", "synthetic", "--trainer.max_epoch", "3", code=2)
    recipe.write_text("trainer: [\n")
    error_of(capsys, "fit", str(recipe), code=2)


def test_the_folder_of_recordings_must_be_given_and_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYG_SYBIO_DATA", raising=False)
    assert "set PYG_SYBIO_DATA or pass --data.root" in error_of(capsys, "fit", "cmu_mocap")
    line = error_of(capsys, "fit", "cmu_mocap", "--data.root", str(tmp_path))
    assert f"{tmp_path / 'cmu_mocap'} is not a folder" in line
