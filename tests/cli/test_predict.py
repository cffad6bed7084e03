"""``sybio predict``: results for files and folders, compared with the model, and errors."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import error_of
from tiny_recipe import tiny

from pyg_sybio.cli.main import main
from pyg_sybio.data.datasets.cmu_mocap import BENCHMARK
from pyg_sybio.data.datasets.standardize import used_columns
from pyg_sybio.data.reading import read_motion
from pyg_sybio.trained.load import load_trained

USED_COLUMNS = used_columns(BENCHMARK.skeleton, BENCHMARK.used)


def write_clip(folder: Path, clip: np.ndarray) -> str:
    np.savez(folder / "clip.npz", poses=clip)
    return str(folder / "clip.npz")


def test_predict_writes_the_output_of_the_model(
    checkpoint: Path, clip: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.npz"
    clip = clip - clip[-1:, 20:21]  # recordings are centred on the chest in the last frame
    assert main(["predict", str(checkpoint), write_clip(tmp_path, clip), "--output", str(output)]) == 0
    with torch.no_grad():
        out = load_trained(checkpoint).model(torch.from_numpy(clip)[None])
    future = read_motion(output)
    np.testing.assert_allclose(future.poses[0], out.future[0], rtol=1e-5, atol=1e-6)
    assert (future.skeleton.name, future.frame_rate) == ("ntu25", 25.0)
    assert future.source == str(tmp_path / "clip.npz")
    with np.load(output) as written:
        np.testing.assert_allclose(written["probabilities"], out.logits[0].softmax(-1).numpy(), rtol=1e-5)
        names = written["class_names"].tolist()
    printed = capsys.readouterr()
    assert "clip.npz does not contain its frame rate: taken to be 25 Hz, as in training" in printed.err
    rows = [line.split() for line in printed.out.splitlines()[: len(names)]]
    shown = {name: float(probability) for name, probability in rows}
    assert list(shown.values()) == sorted(shown.values(), reverse=True)
    assert shown == pytest.approx(dict(zip(names, out.logits[0].softmax(-1).tolist(), strict=True)), abs=1e-4)


@pytest.mark.parametrize("frames", [1, 3])
def test_predict_accepts_clips_with_fewer_frames_and_with_two_persons(
    frames: int, checkpoint: Path, clip: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pair = np.stack([clip[:frames], 0.9 * clip[:frames]])
    assert main(["predict", str(checkpoint), write_clip(tmp_path, pair)]) == 0
    assert read_motion(tmp_path / "clip_future.npz").poses.shape == (2, 9, 25, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :20], "'poses' has shape [8, 20, 3], expected [T, 25, 3] or [P, T, 25, 3]"),
        (lambda x: x[..., :2], "'poses' has shape [8, 25, 2], expected [T, 25, 3] or [P, T, 25, 3]"),
        (lambda x: np.where(x == x.max(), np.nan, x), "'poses' is partly NaN for person 0, frame"),
        (lambda x: x * np.nan, "clip.npz contains no person"),
        (lambda x: x[:0], "expected at least one person and frame"),
        (lambda x: x[0], "'poses' has shape [25, 3]"),
        (lambda x: x.astype(str), "array 'poses' holds <U"),
    ],
    ids=["joints", "features", "half a joint", "nobody", "empty", "dimensions", "text"],
)
def test_predict_refuses_invalid_clips(
    change: object,
    message: str,
    checkpoint: Path,
    clip: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert callable(change)
    file = write_clip(tmp_path, change(clip))
    assert message in error_of(capsys, "predict", str(checkpoint), file)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.npz"]


def test_predict_prints_one_line_per_recording_of_a_folder_and_the_accuracy(
    checkpoint: Path, clip: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "clips", tmp_path / "futures"
    (folder / "b").mkdir(parents=True)
    for name, scale in (("a", 1), ("b/c", 2), ("d", -1), ("e", 3)):
        np.savez(folder / f"{name}.npz", poses=scale * clip)
    names = load_trained(checkpoint).class_names
    assert main(["predict", str(checkpoint), str(folder), "--output", str(output)]) == 0
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines()]
    assert [row[0] for row in rows[:4]] == ["a.npz", "b/c.npz", "d.npz", "e.npz"]
    assert printed.err.count("does not contain its frame rate") == 1
    assert read_motion(output / "b" / "c.npz_future.npz").num_frames == 9
    # The predictions are right, wrong, for a class that the model does not have, and right.
    said = [rows[0][1], next(name for name in names if name != rows[1][1]), "other", rows[3][1]]
    table = "file,label\n" + "".join(f"{row[0]},{label}\n" for row, label in zip(rows, said, strict=False))
    (folder / "clips.csv").write_text(table)
    assert main(["predict", str(checkpoint), str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[:4]] == said
    assert lines[4:] == [
        "accuracy (no split; may include training clips): 66.67% of 3 clips with a known label"
    ]


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_predict_of_a_recording_of_cmu_mocap_equals_numpy_preprocessing(
    data_root: Path, tmp_path: Path
) -> None:
    small = [override for override in tiny(tmp_path, steps=1) if "--data." not in override]
    data = [f"--data.root={data_root}", "--data.train.window_stride=100", "--data.val.window_stride=100"]
    assert main(["fit", "cmu_mocap", *small, *data]) == 0
    checkpoint = tmp_path / "version_0" / "checkpoints" / "last.ckpt"
    recording = data_root / "cmu_mocap" / "test" / "walking" / "walking_1.txt"
    output = tmp_path / "out.npz"
    assert main(["predict", str(checkpoint), str(recording), "--output", str(output)]) == 0
    values = np.concatenate(
        [
            np.loadtxt(file, delimiter=",")
            for file in sorted((data_root / "cmu_mocap" / "train").glob("*/*.txt"))
        ]
    )
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    used = list(USED_COLUMNS)
    varying = [column for column in used if deviation[column] > 1e-4]
    # The observed frames are the last 50 of every second frame, as z-scores of the used columns.
    observed = np.loadtxt(recording, delimiter=",")[::-2][:50][::-1] - mean
    observed[:, varying] /= deviation[varying]
    x = torch.from_numpy(observed[:, used]).view(50, 26, 3).float()
    trained = load_trained(checkpoint)
    clips = trained.splits(data_root).clips("test")
    with torch.no_grad():
        of_image = trained.model(clips.mirrored(x, "x")[None]).future[0]
        future = (trained.model(x[None]).future[0] + clips.mirrored(of_image, "x")) / 2
    scores = future.reshape(25, -1).numpy()
    # Columns of the recording: columns that vary in training are predicted, other columns are at their means.
    expected = np.tile(mean, (25, 1))
    expected[:, varying] += scores[:, [used.index(column) for column in varying]] * deviation[varying]
    with np.load(output) as written:
        frames = written["future_frames"]
    np.testing.assert_allclose(frames, expected, atol=1e-3)
    future = read_motion(output)
    assert future.skeleton.name == "cmu38" and future.frame_rate == 25.0
    assert np.array_equal(future.translation[0], frames[:, :3])
    assert np.array_equal(future.poses[0], frames[:, 3:].reshape(25, 38, 3))
    assert (
        main(["evaluate", str(checkpoint), "--actions", "walking,running", "--data-root", str(data_root)])
        == 0
    )
    report = json.loads(checkpoint.with_suffix(".test.json").read_text())
    # The error of zero velocity at 80 ms is 0.407 over all columns. Columns that are constant in training are
    # left out, which lowers the error slightly.
    row = report["motion"]["angle_mae"]["classes"]["walking"]["zero_velocity"]
    assert 0.98 * 0.407 < row[0] <= 0.407
