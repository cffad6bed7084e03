"""The command line: what it writes, its exit codes, and a one-line error for each thing that goes wrong."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_recipe import fit_whole_clips, tiny

from pyg_sybio.cli import main as cli
from pyg_sybio.data.datasets.cmu_mocap import USED_COLUMNS
from pyg_sybio.data.datasets.two_tasks import split_tasks
from pyg_sybio.data.reading import read_motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.trained.trained import load_checkpoint
from pyg_sybio.training.data_module import ClipDataModule


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert cli.main(["fit", "synthetic", *tiny(folder, steps=2)]) == 0
    return folder / "version_0" / "checkpoints" / "last.ckpt"


@pytest.fixture
def clip() -> np.ndarray:
    """Observed frames first, [T, M, D]."""
    return SyntheticMotions(num_clips=1, num_observed=8, num_future=1)[0].x.transpose(0, 1).numpy()


def write_clip(folder: Path, clip: np.ndarray) -> str:
    np.savez(folder / "clip.npz", poses=clip)
    return str(folder / "clip.npz")


def error_of(capsys: pytest.CaptureFixture[str], argv: list[str], code: int = 1) -> str:
    """The error of a command: the last thing on stderr, and the only line that speaks of one."""
    assert cli.main(argv) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert [line for line in lines if line.startswith("sybio: error: ")] == lines[-1:]
    assert not any("Traceback" in line for line in lines)
    return lines[-1]


def test_python_dash_m() -> None:
    done = subprocess.run([sys.executable, "-m", "pyg_sybio", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for command in ("demo", "fit", "evaluate", "predict", "skeleton"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "argv",
    [["demo"], ["fit"], ["evaluate"], ["predict"], ["skeleton"], ["skeleton", "list"], ["skeleton", "show"]],
)
def test_help_everywhere(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([*argv, "--help"])
    assert end.value.code == 0
    assert f"usage: sybio {' '.join(argv)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [[], ["fly"], ["fit"], ["evaluate"], ["evaluate", "a.ckpt", "--spilt", "test"], ["skeleton", "show"]],
)
def test_wrong_usage_is_code_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(argv)
    assert end.value.code == 2


def test_evaluate_saves_what_it_prints(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", str(checkpoint)]) == 0
    printed = capsys.readouterr().out
    report = json.loads(checkpoint.with_suffix(".test.json").read_text())
    assert report["clips"] == 24
    assert f"top-1 {report['recognition']['top1']:.2%}" in printed
    for errors in report["motion"].values():
        for row in (*errors["classes"].values(), errors["mean_of_classes"]):
            for predictor in ("model", "zero_velocity"):
                for value in row[predictor]:
                    assert f"{value:.3f}" in printed


def test_evaluate_another_split_and_actions(checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    argv = [
        "evaluate",
        str(checkpoint),
        "--split",
        "val",
        "--actions",
        "walking,kicking",
        "--output",
        str(output),
    ]
    assert cli.main(argv) == 0
    report = json.loads(output.read_text())
    assert list(report["motion"]["mpjpe_mm"]["classes"]) == ["walking", "kicking"]
    assert report["split"] == "val"
    assert report["clips"] == 2  # twelve validation clips have each class once


def test_evaluate_what_only_a_share_was_observed_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = SyntheticMotions(num_clips=24, num_observed=24, num_future=12)
    path = fit_whole_clips(
        made,
        lambda number: "train" if number < 12 else "val" if number < 18 else "test",
        tmp_path / "clips",
        tmp_path / "run",
    )
    capsys.readouterr()

    assert cli.main(["evaluate", str(path), "--observation-ratio", "0.25"]) == 0
    assert "6 clips, of which the first 25% was observed" in capsys.readouterr().out
    report = json.loads(path.with_suffix(".test-0.25.json").read_text())
    assert report["observation_ratio"] == 0.25
    checkpoint = load_checkpoint(path)
    data = ClipDataModule.from_description(checkpoint.data)
    folder = data.clips("test")
    shares = [split_tasks(folder.motion(i), num_observed=12, num_future=9, split=7) for i in range(6)]
    observed = torch.stack([share.observed.poses[0] for share in shares])
    with torch.no_grad():
        out = checkpoint.model(observed)
    target = torch.stack([share.future.poses[0] for share in shares])
    y = torch.tensor([int(clip.y) for clip in folder])
    assert report["recognition"]["clips"] == int(checkpoint.seen_classes[y].sum())
    right = (out.logits.argmax(-1) == y)[checkpoint.seen_classes[y]]
    assert report["recognition"]["top1"] == pytest.approx(right.float().mean().item())
    errors = 1000 * (out.future - target).norm(dim=-1).mean(-1)[:, [1, 3, 7]]  # 80, 160 and 320 ms
    means = torch.stack([errors[y == label].mean(0) for label in y.unique()]).mean(0)
    assert report["motion"]["mpjpe_mm"]["mean_of_classes"]["model"] == pytest.approx(means.tolist(), rel=1e-3)


def test_a_share_that_cannot_be_observed(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for share in ("0", "1.5", "half"):
        with pytest.raises(SystemExit) as end:
            cli.main(["evaluate", str(checkpoint), "--observation-ratio", share])
        assert end.value.code == 2
        assert f"expected a number above 0 and at most 1, got '{share}'" in capsys.readouterr().err
    line = error_of(capsys, ["evaluate", str(checkpoint), "--observation-ratio", "0.5"])
    assert "unknown key 'observation_ratio': SyntheticMotions knows" in line


def test_mirror_images_are_for_models_that_have_seen_some(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = error_of(capsys, ["evaluate", str(checkpoint), "--mirror"])
    assert "was trained without RandomMirror, which '--mirror' is for" in line


def test_clips_are_looked_at_as_the_recipe_says_or_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirrors = "{class_path: pyg_sybio.data.transforms.RandomMirror, init_args: {axis: x}}"
    wanted = [f"--data.train.augment={mirrors}", "--data.looks={mirror: x}"]
    made = SyntheticMotions(num_clips=24, num_observed=8, num_future=9)
    clips, run = tmp_path / "clips", tmp_path / "run"
    path = fit_whole_clips(made, lambda number: ("train", "val", "test")[number % 3], clips, run, wanted)
    capsys.readouterr()
    shown = {}
    for option in ([], ["--one-look"], ["--mirror"]):
        assert cli.main(["evaluate", str(path), *option]) == 0
        shown[" ".join(option)] = capsys.readouterr().out
    of_both = ", the mean of 2 looks at each (half of them at its mirror image)"
    assert of_both in shown[""] and of_both in shown["--mirror"] and "looks" not in shown["--one-look"]
    reports = [
        json.loads(path.with_suffix(f".{name}.json").read_text())
        for name in ("test", "test-one-look", "test-mirror")
    ]
    assert [(each["looks"], each["mirrored"]) for each in reports] == [(2, True), (1, False), (2, True)]
    assert reports[0]["motion"] == reports[2]["motion"] != reports[1]["motion"]
    with pytest.raises(SystemExit) as end:
        cli.main(["evaluate", str(path), "--one-look", "--mirror"])
    assert end.value.code == 2


def test_predict_writes_what_the_model_says(
    checkpoint: Path, clip: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.npz"
    # Frames before the observed ones do not count.
    longer = np.concatenate([np.ones_like(clip), clip])
    assert cli.main(["predict", str(checkpoint), write_clip(tmp_path, longer), "--output", str(output)]) == 0
    with torch.no_grad():
        out = load_checkpoint(checkpoint).model(torch.from_numpy(clip)[None])
    future = read_motion(output)
    np.testing.assert_allclose(future.poses[0], out.future[0], rtol=1e-5, atol=1e-6)
    assert (future.skeleton.name, future.frame_rate) == ("ntu25", 25.0)
    assert future.source == str(tmp_path / "clip.npz")
    with np.load(output) as written:
        np.testing.assert_allclose(written["probabilities"], out.logits[0].softmax(-1).numpy(), rtol=1e-5)
        names = written["class_names"].tolist()
    printed = capsys.readouterr()
    assert "clip.npz does not say its frame rate: taken for 25 Hz, as in training" in printed.err
    rows = [line.split() for line in printed.out.splitlines()[: len(names)]]
    shown = {name: float(probability) for name, probability in rows}
    assert list(shown.values()) == sorted(shown.values(), reverse=True)
    assert shown == pytest.approx(dict(zip(names, out.logits[0].softmax(-1).tolist(), strict=True)), abs=1e-4)


@pytest.mark.parametrize("frames", [1, 3])
def test_predict_takes_fewer_frames_and_persons(
    frames: int, checkpoint: Path, clip: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pair = np.stack([clip[:frames], 0.9 * clip[:frames]])
    assert cli.main(["predict", str(checkpoint), write_clip(tmp_path, pair)]) == 0
    assert read_motion(tmp_path / "clip_future.npz").poses.shape == (2, 9, 25, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :20], "'poses' has shape [8, 20, 3], expected [T, 25, 3] or [P, T, 25, 3]"),
        (lambda x: x[..., :2], "'poses' has shape [8, 25, 2], expected [T, 25, 3] or [P, T, 25, 3]"),
        (lambda x: np.where(x == x.max(), np.nan, x), "'poses' is NaN in a part of person 0, frame"),
        (lambda x: x * np.nan, "clip.npz shows nobody in its last 8 frames"),
        (lambda x: x[:0], "expected a person and a frame"),
        (lambda x: x[0], "'poses' has shape [25, 3]"),
        (lambda x: x.astype(str), "array 'poses' holds <U"),
    ],
    ids=["joints", "features", "half a joint", "nobody", "empty", "dimensions", "text"],
)
def test_predict_turns_wrong_clips_away(
    change: object,
    message: str,
    checkpoint: Path,
    clip: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert callable(change)
    file = write_clip(tmp_path, change(clip))
    assert message in error_of(capsys, ["predict", str(checkpoint), file])
    assert [path.name for path in tmp_path.iterdir()] == ["clip.npz"]


def test_predict_a_folder(
    checkpoint: Path, clip: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "clips", tmp_path / "futures"
    (folder / "b").mkdir(parents=True)
    for name, scale in (("a", 1), ("b/c", 2), ("d", -1), ("e", 3)):
        np.savez(folder / f"{name}.npz", poses=scale * clip)
    names = load_checkpoint(checkpoint).data["class_names"]
    assert cli.main(["predict", str(checkpoint), str(folder), "--output", str(output)]) == 0
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines()]
    assert [row[0] for row in rows[:4]] == ["a.npz", "b/c.npz", "d.npz", "e.npz"]
    assert printed.err.count("does not say its frame rate") == 1
    assert read_motion(output / "b" / "c.npz_future.npz").num_frames == 9
    # One right, one wrong, one of a class that the model does not know, one right.
    said = [rows[0][1], next(name for name in names if name != rows[1][1]), "other", rows[3][1]]
    table = "file,label\n" + "".join(f"{row[0]},{label}\n" for row, label in zip(rows, said, strict=False))
    (folder / "clips.csv").write_text(table)
    assert cli.main(["predict", str(checkpoint), str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[:4]] == said
    assert lines[4:] == ["accuracy: 66.67% of 3 clips with a known label"]


def test_files_that_are_not_there_or_not_what_they_should_be(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junk, missing = tmp_path / "junk", tmp_path / "missing"
    junk.write_text("hello")
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    for argv, message in (
        (["evaluate", str(missing)], "no checkpoint at"),
        (["evaluate", str(junk)], "is not a checkpoint that 'sybio fit' wrote"),
        (["evaluate", str(tmp_path / "other.ckpt")], "is not a checkpoint that 'sybio fit' wrote"),
        (["predict", str(checkpoint), str(missing)], "no file"),
        (["predict", str(checkpoint), str(junk)], "ends in '', expected one of .npz ("),
        (["skeleton", "validate", str(missing)], "no file"),
        (["skeleton", "validate", str(junk)], "not JSON"),
        (["skeleton", "show", "ntu99"], "no skeleton 'ntu99'"),
        (["fit", "nope"], "no recipe 'nope': expected one of bandai2, cmu_mocap, "),
    ):
        assert message in error_of(capsys, argv)


def test_checkpoint_of_another_skeleton(
    checkpoint: Path, clip: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    content["data"]["settings"]["skeleton"] = "smpl24"
    torch.save(content, tmp_path / "other.ckpt")
    message = "the model has skeleton 'ntu25', but the data has 'smpl24'"
    assert message in error_of(capsys, ["evaluate", str(tmp_path / "other.ckpt")])
    assert not list(tmp_path.glob("*.json"))


def test_recipe_errors_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("trainr: {max_epochs: 3}\n")
    assert "did you mean trainer.max_epochs" in error_of(capsys, ["fit", str(recipe)], code=2)
    assert "max_epoch" in error_of(capsys, ["fit", "synthetic", "--trainer.max_epoch", "3"], code=2)
    recipe.write_text("trainer: [\n")
    error_of(capsys, ["fit", str(recipe)], code=2)


def test_recordings_have_to_be_named_and_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYG_SYBIO_DATA", raising=False)
    assert "set PYG_SYBIO_DATA or pass --data.root" in error_of(capsys, ["fit", "cmu_mocap"])
    line = error_of(capsys, ["fit", "cmu_mocap", "--data.root", str(tmp_path)])
    assert f"{tmp_path / 'cmu_mocap'} is not a folder" in line


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["skeleton", "show", "ntu99", "--debug"]) == 1
    error = capsys.readouterr().err
    assert "Traceback (most recent call last)" in error
    assert error.splitlines()[-1].startswith("sybio: error: no skeleton 'ntu99'")


def test_interrupted_is_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pyg_sybio.skeleton.available_skeletons", interrupt)
    assert cli.main(["skeleton", "list"]) == 130
    assert capsys.readouterr().err == "sybio: interrupted\n"


@pytest.mark.parametrize(("package", "extra"), [("lightning", "train"), ("matplotlib", "viz")])
def test_a_missing_extra_is_named(
    package: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*args: object) -> None:
        raise ModuleNotFoundError(f"No module named '{package}.pyplot'", name=f"{package}.pyplot")

    monkeypatch.setattr("pyg_sybio.skeleton.load_skeleton", missing)
    line = error_of(capsys, ["skeleton", "show", "ntu25"])
    assert line == f'sybio: error: this command needs {package}: pip install "pyg_sybio[{extra}]"'


def test_skeleton_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["skeleton", "list"]) == 0
    rows = {line.split()[0]: line.split()[1:5] for line in capsys.readouterr().out.splitlines()}
    assert rows["ntu25"] == ["25", "24", "10", "xyz"]
    assert rows["cmu38:used"][0] == "26"
    picture = tmp_path / "skeleton.png"
    assert cli.main(["skeleton", "show", "coco17", "--output", str(picture)]) == 0
    assert capsys.readouterr().out == f"{picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    mine = tmp_path / "mine.json"
    cli_skeletons = __import__("pyg_sybio.skeleton", fromlist=["load_skeleton"])
    cli_skeletons.load_skeleton("hand21").save(mine)
    assert cli.main(["skeleton", "validate", str(mine)]) == 0
    assert capsys.readouterr().out.startswith("OK: hand21, 21 joints")


@pytest.mark.real_data
def test_a_recording_of_cmu_mocap_is_predicted_on(data_root: Path, tmp_path: Path) -> None:
    small = [override for override in tiny(tmp_path, steps=1) if "--data." not in override]
    data = [f"--data.root={data_root}", "--data.train.window_stride=100", "--data.val.window_stride=100"]
    assert cli.main(["fit", "cmu_mocap", *small, *data]) == 0
    checkpoint = tmp_path / "version_0" / "checkpoints" / "last.ckpt"
    recording = data_root / "cmu_mocap" / "test" / "walking" / "walking_1.txt"
    output = tmp_path / "out.npz"
    assert cli.main(["predict", str(checkpoint), str(recording), "--output", str(output)]) == 0
    values = np.concatenate(
        [
            np.loadtxt(file, delimiter=",")
            for file in sorted((data_root / "cmu_mocap" / "train").glob("*/*.txt"))
        ]
    )
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    used = list(USED_COLUMNS)
    varying = [column for column in used if deviation[column] > 1e-4]
    # The last 50 frames of every second one are observed, as z-scores of the columns in use.
    observed = np.loadtxt(recording, delimiter=",")[::-2][:50][::-1] - mean
    observed[:, varying] /= deviation[varying]
    x = torch.from_numpy(observed[:, used]).view(50, 26, 3).float()
    trained = load_checkpoint(checkpoint)
    clips = ClipDataModule.from_description(trained.data).clips("test")
    with torch.no_grad():
        of_image = trained.model(clips.mirrored(x, "x")[None]).future[0]
        future = (trained.model(x[None]).future[0] + clips.mirrored(of_image, "x")) / 2
    scores = future.reshape(25, -1).numpy()
    # The recording's own columns: those that vary in training as predicted, the rest at their means.
    expected = np.tile(mean, (25, 1))
    expected[:, varying] += scores[:, [used.index(column) for column in varying]] * deviation[varying]
    with np.load(output) as written:
        frames = written["future_frames"]
    np.testing.assert_allclose(frames, expected, atol=1e-3)
    future = read_motion(output)
    assert future.skeleton.name == "cmu38" and future.frame_rate == 25.0
    assert np.array_equal(future.translation[0], frames[:, :3])
    assert np.array_equal(future.poses[0], frames[:, 3:].reshape(25, 38, 3))
    assert cli.main(["evaluate", str(checkpoint), "--actions", "walking,running"]) == 0
    report = json.loads(checkpoint.with_suffix(".test.json").read_text())
    # Zero velocity at 80 ms is 0.407 over all columns; those that never vary in training are left out, which
    # can only lower it, and there is little in them.
    row = report["motion"]["angle_mae"]["classes"]["walking"]["zero_velocity"]
    assert 0.98 * 0.407 < row[0] <= 0.407
