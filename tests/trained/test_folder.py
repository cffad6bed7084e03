"""Predictions for folders: resumed runs, several processes, and files that cannot be predicted."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from live_models import NTU, save_checkpoint, small_checkpoint

from pyg_sybio.cli.main import main
from pyg_sybio.data import processes
from pyg_sybio.data.datasets.clip_table import read_clip_table
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.trained import folder as folder_module
from pyg_sybio.trained.folder import ClipFolder, PredictFile, Row, predict_files

NAMES = ["a.npz", "b.npz", "c/d.npz", "e.npz"]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder of four recordings of two seconds."""
    for number, name in enumerate(NAMES):
        poses = torch.randn(1, 60, 25, 3, generator=torch.Generator().manual_seed(number))
        write_motion(Motion(poses=poses, skeleton=NTU, frame_rate=30.0), tmp_path / "clips" / name)
    return tmp_path / "clips"


def task_of(clips: Path, output: Path | None, **settings: Any) -> PredictFile:
    found = ClipFolder.find(clips, labels="clips.csv", pattern=None)
    torch.manual_seed(0)  # so that all models have the same weights
    return PredictFile(found, small_checkpoint().reader(), output, settings)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the first number of each recording that is predicted from now on."""
    calls: list[float] = []
    original = folder_module.predict_recording

    def predict(reader: Any, recorded: Motion) -> Any:
        calls.append(float(recorded.poses.flatten()[0]))
        return original(reader, recorded)

    monkeypatch.setattr(folder_module, "predict_recording", predict)
    return calls


def test_an_interrupted_run_continues_and_predicts_every_recording_once(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list(predict_files(task_of(clips, None)))
    calls = counted(monkeypatch)
    run = predict_files(task_of(clips, tmp_path / "out"))
    rows = [next(run), next(run)]
    run.close()
    rows = list(predict_files(task_of(clips, tmp_path / "out")))
    assert len(calls) == len(set(calls)) == 4
    without_files = [{key: value for key, value in row.items() if key != "future"} for row in rows]
    assert without_files == json.loads(json.dumps(expected))
    assert all((tmp_path / "out" / row["future"]).is_file() for row in rows)
    # A result is not reused if its file is damaged, the recording has changed, or the settings differ.
    calls.clear()
    (tmp_path / "out" / "a.npz.result.json").write_text('{"of": ')
    write_motion(Motion(poses=torch.ones(1, 9, 25, 3), skeleton=NTU, frame_rate=30.0), clips / "e.npz")
    list(predict_files(task_of(clips, tmp_path / "out")))
    assert len(calls) == 2 and calls[1] == 1.0
    list(predict_files(task_of(clips, tmp_path / "out", window=9)))
    assert len(calls) == 6


def test_several_processes_give_the_same_rows(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: list[Row] = list(predict_files(task_of(clips, None)))
    monkeypatch.setattr(processes, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(processes, "START_UP_SECONDS", 0.0)
    found = list(predict_files(task_of(clips, tmp_path / "out"), num_processes=2))
    assert [row["name"] for row in found] == NAMES
    for row, other in zip(found, expected, strict=True):
        assert row["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


def test_a_file_that_cannot_be_predicted_is_named_and_the_exit_code_is_3(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = save_checkpoint(small_checkpoint(), tmp_path / "last.ckpt")
    (clips / "b.npz").write_bytes(b"PK")
    split = {"a.npz": "train", "b.npz": "test", "c/d.npz": "test", "e.npz": "test"}
    lines = "".join(f"{name},a,{split[name]}\n" for name in NAMES)
    (clips / "clips.csv").write_text(f"file,label,split\n{lines}")
    table = tmp_path / "timeline.csv"
    command = ["predict", str(checkpoint), str(clips), "--output", str(tmp_path / "out")]
    assert main([*command, "--timeline", str(table)]) == 3
    printed = capsys.readouterr()
    assert "warning: b.npz is left out: " in printed.err
    assert "error: 1 of 4 clips could not be predicted, the first: " in printed.err
    accuracies = [line for line in printed.out.splitlines() if line.startswith("accuracy")]
    assert [line.partition(":")[0] for line in accuracies] == [
        "accuracy (split test)",
        "accuracy (split train)",
    ]
    assert accuracies[0].endswith("of 2 clips with a known label")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {*NAMES} - {"b.npz"}
    ends = [float(row["end"]) for row in rows if row["file"] == "a.npz"]
    assert ends == sorted(ends) and ends[-1] == 2.0
    # The table is a valid table of labels.
    entries = read_clip_table(table, [name for name in NAMES if name != "b.npz"])
    assert entries["a.npz"][0].seconds and entries["a.npz"][-1].end == 2.0
    (clips / "b.npz").unlink()
    (clips / "clips.csv").unlink()
    assert main([*command, "--timeline", str(tmp_path / "timeline.json")]) == 0
    written = json.loads((tmp_path / "timeline.json").read_text())
    assert [row["name"] for row in written] == ["a.npz", "c/d.npz", "e.npz"]
    assert written[0]["persons"][0]["windows"] > 10
