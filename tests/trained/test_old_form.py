"""Model files of version 0.1 (`tests/fixtures/old_form`) can be loaded and give the same predictions."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_up_expmaps import write_cmu_files

from pyg_sybio.cli.main import main
from pyg_sybio.trained.load import load_trained
from pyg_sybio.trained.trained import Trained

OLD = Path(__file__).parents[1] / "fixtures" / "old_form"


def check(trained: Trained, kind: str, recording: str = "recording.npz") -> None:
    """Compare a prediction with the file written by version 0.1."""
    # Version 0.1 prepared the whole recording, and recognised its end.
    prediction = trained.predict(OLD / kind / recording, together=True, window=60.0)
    future = prediction.future_motion
    with np.load(OLD / kind / "expected.npz") as expected:
        assert list(trained.class_names) == expected["class_names"].tolist()
        torch.testing.assert_close(
            prediction.persons[0].windows[-1], torch.from_numpy(expected["probabilities"]), rtol=0, atol=1e-5
        )
        torch.testing.assert_close(
            future.poses.float(), torch.from_numpy(expected["poses"]).float(), rtol=0, atol=1e-5
        )
        if future.translation is not None:
            frames = torch.cat([future.translation, future.poses.flatten(-2)], dim=-1)[0]
            torch.testing.assert_close(frames, torch.from_numpy(expected["future_frames"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("file", ["last.ckpt", "shared", "model.onnx"])
def test_an_old_model_of_a_motion_folder_gives_the_same_predictions(file: str) -> None:
    trained = load_trained(OLD / "motion_folder" / file)
    check(trained, "motion_folder")
    assert trained.views.count == 4  # the clip, a part, and their mirror images
    assert (trained.training["dataset"], trained.training["folder"]) == ("MotionFolder", "")
    assert trained.training["settings"]["hold_out"] == {"subject": ["2"]}
    assert not {"pattern", "skeleton", "labels"} & set(trained.training["settings"])
    with pytest.raises(ValueError, match="does not contain the data settings 'pattern': expected"):
        trained.splits()


@pytest.mark.parametrize("file", ["last.ckpt", "shared"])
def test_an_old_model_of_synthetic_motions_gives_the_same_predictions(file: str) -> None:
    trained = load_trained(OLD / "synthetic" / file)
    check(trained, "synthetic")
    assert trained.training["dataset"] == "SyntheticMotions"
    assert trained.evaluate(progress=False)["clips"] == 12


def test_saving_an_old_model_converts_it(tmp_path: Path) -> None:
    load_trained(OLD / "motion_folder" / "last.ckpt").save(tmp_path / "new")
    document = json.loads((tmp_path / "new" / "data.json").read_text())
    assert document["format"] == 2
    check(load_trained(tmp_path / "new"), "motion_folder")


def test_an_old_folder_of_exponential_maps_gives_the_same_predictions() -> None:
    check(load_trained(OLD / "exponential_maps" / "shared"), "exponential_maps", "new.txt")


@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_a_checkpoint_without_statistics_is_completed_by_an_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = OLD / "exponential_maps" / "last.ckpt"
    message = "lacks the statistics of its training data: complete it with 'sybio export"
    assert main(["predict", str(path), str(OLD / "exponential_maps" / "new.txt")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0]
    write_cmu_files(tmp_path / "data" / "cmu_mocap")
    complete = ["export", "pretrained", str(path), "--data-root", str(tmp_path / "data")]
    assert main([*complete, "--output", str(tmp_path / "whole")]) == 0
    shutil.rmtree(tmp_path / "data")
    check(load_trained(tmp_path / "whole"), "exponential_maps", "new.txt")


Edit = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d["settings"].update(cache="/tmp/x"), "the settings have 'cache', expected no paths"),
        (lambda d: d["train"].update(root="/etc"), "the settings have 'root', expected no paths"),
        (lambda d: d["settings"].update(pattern="(a+)+b"), r"the pattern '\(a\+\)\+b' repeats a repetition"),
        (lambda d: d["settings"].update(pattern=["x"]), "repeats a repetition, expected no nested"),
        (lambda d: d.update(dataset="torch_geometric.datasets.TUDataset"), "'TUDataset', which is not a reg"),
        (lambda d: d.update(dataset=3), "not a model file of version 0.1: AttributeError"),
        (lambda d: d.pop("settings"), "not a model file of version 0.1: KeyError 'settings'"),
        (
            lambda d: d.update(num_observed=10**9),
            "'preparation.num_observed': .*expected an integer from 1 to",
        ),
        (lambda d: d.update(frame_rate=1e300), "'frame_rate': a number .* too large"),
        (lambda d: d.update(frame_rate=1e18), "'preparation.frame_rate': .*expected a frame rate"),
        (
            lambda d: d["settings"]["preprocess"][0].update(class_path="subprocess.Popen"),
            "names 'Popen', which is not a registered transform",
        ),
        (
            lambda d: d["settings"].update(url="http://example.org/x"),
            "'training.settings.url': .*strings have no slashes",
        ),
        (lambda d: d.update(looks={"parts": [[0.5, 0.1]]}), "'part' is .*expected two fractions"),
    ],
)
def test_invalid_values_in_old_files_are_refused(edit: Edit, message: str, tmp_path: Path) -> None:
    shutil.copytree(OLD / "motion_folder" / "shared", tmp_path / "old")
    path = tmp_path / "old" / "data.json"
    document = json.loads(path.read_text())
    edit(document["data"])
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message) as error:
        load_trained(tmp_path / "old")
    assert str(tmp_path / "old") in str(error.value)


def test_only_a_plain_folder_name_is_read_from_old_files(tmp_path: Path) -> None:
    content = torch.load(OLD / "motion_folder" / "last.ckpt", weights_only=True)
    assert content["data"]["root"]
    for folder, kept in (("../x", ""), ("a/b", ""), ("ucla", "ucla")):
        content["data"]["folder"] = folder
        torch.save(content, tmp_path / "old.ckpt")
        assert load_trained(tmp_path / "old.ckpt").training["folder"] == kept
