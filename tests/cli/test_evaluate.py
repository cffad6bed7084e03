"""``sybio evaluate``: the report that it writes and prints, and its errors."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from command_line import error_of
from tiny_recipe import fit_whole_clips

from pyg_sybio.cli.main import main
from pyg_sybio.data.datasets.two_tasks import split_tasks
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.trained.load import load_trained


def test_evaluate_saves_the_report_that_it_prints(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(checkpoint)]) == 0
    printed = capsys.readouterr().out
    report = json.loads(checkpoint.with_suffix(".test.json").read_text())
    assert report["clips"] == 24
    assert f"top-1 {report['recognition']['top1']:.2%}" in printed
    for errors in report["motion"].values():
        for row in (*errors["classes"].values(), errors["mean_of_classes"]):
            for predictor in ("model", "zero_velocity"):
                for value in row[predictor]:
                    assert f"{value:.3f}" in printed


def test_evaluate_selects_a_split_and_actions(checkpoint: Path, tmp_path: Path) -> None:
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
    assert main(argv) == 0
    report = json.loads(output.read_text())
    assert list(report["motion"]["mpjpe_mm"]["classes"]) == ["walking", "kicking"]
    assert report["split"] == "val"
    assert report["clips"] == 2  # the twelve validation clips contain each class once


def test_evaluate_observes_only_the_start_of_clips(
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

    data = ["--data-root", str(tmp_path / "clips")]
    assert main(["evaluate", str(path), "--observation-ratio", "0.25", *data]) == 0
    assert "6 clips, of which the first 25% was observed" in capsys.readouterr().out
    report = json.loads(path.with_suffix(".test-0.25.json").read_text())
    assert report["observation_ratio"] == 0.25
    trained = load_trained(path)
    folder, seen = trained.splits(tmp_path / "clips").clips("test"), torch.tensor(trained.seen_classes)
    shares = [split_tasks(folder.motion(i), num_observed=12, num_future=9, split=7) for i in range(6)]
    observed = torch.stack([share.observed.poses[0] for share in shares])
    with torch.no_grad():
        out = trained.model(observed)
    target = torch.stack([share.future.poses[0] for share in shares])
    y = torch.tensor([int(clip.y) for clip in folder])
    assert report["recognition"]["clips"] == int(seen[y].sum())
    right = (out.logits.argmax(-1) == y)[seen[y]]
    assert report["recognition"]["top1"] == pytest.approx(right.float().mean().item())
    errors = 1000 * (out.future - target).norm(dim=-1).mean(-1)[:, [1, 3, 7, 8]]  # 80, 160, 320 and 360 ms
    means = torch.stack([errors[y == label].mean(0) for label in y.unique()]).mean(0)
    assert report["motion"]["mpjpe_mm"]["mean_of_classes"]["model"] == pytest.approx(means.tolist(), rel=1e-3)


def test_observation_ratios_out_of_range_are_usage_errors(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for share in ("0", "1.5", "half"):
        with pytest.raises(SystemExit) as end:
            main(["evaluate", str(checkpoint), "--observation-ratio", share])
        assert end.value.code == 2
        assert f"expected a number above 0 and at most 1, got '{share}'" in capsys.readouterr().err


def test_synthetic_clips_are_observed_in_part(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(checkpoint), "--observation-ratio", "0.5"]) == 0
    report = json.loads(checkpoint.with_name(f"{checkpoint.stem}.test-0.5.json").read_text())
    assert report["observation_ratio"] == 0.5
    assert "report: " in capsys.readouterr().out


def test_mirroring_requires_a_model_trained_with_mirror_images(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = error_of(capsys, "evaluate", str(checkpoint), "--mirror")
    assert "was trained without RandomMirror, which '--mirror' requires" in line


def test_evaluation_uses_the_views_of_the_recipe_or_a_single_view(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirrors = "{class_path: pyg_sybio.data.transforms.RandomMirror, init_args: {axis: x}}"
    wanted = [f"--data.train.augment={mirrors}", "--data.views={mirror: x}"]
    made = SyntheticMotions(num_clips=24, num_observed=8, num_future=9)
    clips, run = tmp_path / "clips", tmp_path / "run"
    path = fit_whole_clips(made, lambda number: ("train", "val", "test")[number % 3], clips, run, wanted)
    capsys.readouterr()
    shown = {}
    for option in ([], ["--one-view"], ["--mirror"]):
        assert main(["evaluate", str(path), "--data-root", str(clips), *option]) == 0
        shown[" ".join(option)] = capsys.readouterr().out
    of_both = ", averaged over 2 views of each (half of them mirrored)"
    assert of_both in shown[""] and of_both in shown["--mirror"] and "averaged" not in shown["--one-view"]
    reports = [
        json.loads(path.with_suffix(f".{name}.json").read_text())
        for name in ("test", "test-one-view", "test-mirror")
    ]
    assert [(each["views"], each["mirrored"]) for each in reports] == [(2, True), (1, False), (2, True)]
    assert reports[0]["motion"] == reports[2]["motion"] != reports[1]["motion"]
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(path), "--one-view", "--mirror"])
    assert end.value.code == 2


def test_data_of_another_skeleton_is_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "other.yaml"
    recipe.write_text("base: synthetic\ndata: {settings: {skeleton: smpl24}, test: {num_clips: 12}}\n")
    message = "the model has skeleton 'ntu25', but the data has 'smpl24'"
    assert message in error_of(capsys, "evaluate", str(checkpoint), "--recipe", str(recipe))
    assert not list(tmp_path.glob("*.json"))


def test_clips_of_a_recipe_are_evaluated_instead_of_the_clips_of_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = SyntheticMotions(num_clips=36, num_observed=8, num_future=9)
    settings = {"pattern": r"(?P<label>\d)\d*\.npz", "hold_out": 0.3, "validation": 0.3}
    overrides = [f"--data.settings.{name}={value}" for name, value in settings.items()]
    clips = tmp_path / "clips"
    path = fit_whole_clips(made, lambda number: "test", clips, tmp_path / "run", overrides)
    line = error_of(capsys, "evaluate", path, "--data-root", clips)
    assert "the model file does not contain the data settings 'pattern': expected the training recipe" in line
    recipe = tmp_path / "mine.yaml"
    settings |= {"num_observed": 12, "num_future": 9}
    data = {"settings": settings, "test": {"split": "test"}}
    recipe.write_text(yaml.safe_dump({"base": "motion_folder", "data": data}))
    assert main(["evaluate", str(path), "--recipe", str(recipe), "--data-root", str(clips)]) == 0
    report = json.loads(path.with_suffix(".test.json").read_text())
    assert 1 < report["clips"] < 20 and set(report["recognition"]["confusion"]) <= set("0123456789")
