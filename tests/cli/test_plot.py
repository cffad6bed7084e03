"""``sybio plot``: every figure of a trained model, its content, and one-line errors."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from command_line import error_of
from live_models import small_checkpoint
from matplotlib.image import imread
from PIL import Image
from player_page import data_of
from tiny_recipe import fit_whole_clips
from torch_geometric.data import Batch

from pyg_sybio import SybioGNN
from pyg_sybio.cli.main import main
from pyg_sybio.data.datasets.cmu_mocap import CMUMocap
from pyg_sybio.data.datasets.standardize import frames_of
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained.digest import weights_digest
from pyg_sybio.trained.load import load_trained
from pyg_sybio.visualization import (
    actional_figure,
    confusion_figure,
    embedding_figure,
    line_figure,
    motion_figure,
    training_figure,
)
from pyg_sybio.visualization.model_forecast import forecast_clip


class Trained(NamedTuple):
    """A model that has been trained for two steps, and the folder of its recordings."""

    checkpoint: str
    recordings: Path

    @property
    def run(self) -> Path:
        return Path(self.checkpoint).parents[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    made = SyntheticMotions(num_clips=36, num_observed=24, num_future=12)
    folder = tmp_path_factory.mktemp("plot")
    # Every class has three clips; the third class has two of them in the test split.
    checkpoint = fit_whole_clips(
        made,
        lambda number: "train" if number < 12 else "val" if number < 16 else "test",
        folder / "clips",
        folder / "run",
    )
    return Trained(str(checkpoint), folder / "clips")


@pytest.fixture(autouse=True)
def _recordings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("real_data") is None:
        monkeypatch.setenv("PYG_SYBIO_DATA", str(request.getfixturevalue("trained").recordings))


def plot(*argv: object) -> None:
    assert main(["plot", *map(str, argv)]) == 0


def clips_of(trained: Trained) -> tuple[Any, Any]:
    loaded = load_trained(trained.checkpoint)
    return loaded, loaded.splits().clips("test")


def spied(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[tuple[tuple[Any, ...], dict]]:
    """Record the arguments with which a function is called; the function still runs."""
    calls: list[tuple[tuple[Any, ...], dict]] = []
    real = getattr(module, name)

    def spy(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, spy)
    return calls


@pytest.mark.parametrize(
    "action", ["", "actional", "embedding", "prediction", "confusion", "observation", "training"]
)
def test_every_plot_command_has_help(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["plot", *action.split(), "--help"])
    assert end.value.code == 0
    assert f"usage: sybio plot {action}".strip() in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        ["actional"],
        ["actional", "a", "--clip", "1", "--class", "b"],
        ["actional", "a", "--strongest", "0"],
        ["actional", "a", "--threshold", "x"],
        ["prediction", "a"],
        ["confusion", "a", "--sort", "b"],
        ["training"],
        ["training", "a", "--smoothing", "-1"],
    ],
)
def test_usage_errors_have_exit_code_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["plot", *argv])
    assert end.value.code == 2


# Actional graphs ------------------------------------------------------------------------------------------


def test_mean_graphs_of_classes_equal_a_loop_over_clips(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = spied(monkeypatch, actional_figure, "draw_actional")
    plot("actional", trained.checkpoint, "--output", tmp_path / "a.png")
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[1] > 900
    checkpoint, clips = clips_of(trained)
    ((_, shown, _), options) = calls[0]
    own: dict[str, list[torch.Tensor]] = {}
    last: dict[str, torch.Tensor] = {}
    for clip in clips:
        name = clips.class_names[int(clip.y)]
        with torch.no_grad():
            own.setdefault(name, []).append(checkpoint.model(Batch.from_data_list([clip])).actional[0])
        last.setdefault(name, clip.x[:, -1])
    assert shown.keys() == own.keys()
    assert {len(graphs) for graphs in own.values()} == {1, 2}
    for name, graphs in own.items():
        torch.testing.assert_close(shown[name], sum(graphs) / len(graphs))
        torch.testing.assert_close(options["poses"][name], last[name])
    assert "mean of 1 to 2 graphs of the test split per class" in options["title"]

    name = next(iter(own))
    plot("actional", trained.checkpoint, "--class", name, "--output", tmp_path / "b.svg")
    assert list(calls[1][0][1]) == [name]
    torch.testing.assert_close(calls[1][0][1][name], shown[name])


def test_actional_graphs_of_a_clip_and_of_a_file_equal_the_model(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = spied(monkeypatch, actional_figure, "draw_actional")
    plot("actional", trained.checkpoint, "--clip", 3, "--strongest", 5, "--output", tmp_path / "a.png")
    file = trained.recordings / "20.npz"
    output = ["--output", tmp_path / "b.pdf"]
    plot("actional", trained.checkpoint, "--file", file, "--threshold", 0.04, *output)
    checkpoint, clips = clips_of(trained)
    with torch.no_grad():
        expected = checkpoint.model(Batch.from_data_list([clips[3]])).actional[0]
        # The file is observed up to its end, and centred like the training clips.
        poses = torch.from_numpy(np.load(file)["poses"])[0]
        centre = checkpoint.model.skeleton.joint_index(checkpoint.model.skeleton.center)
        of_file = checkpoint.model((poses - poses[0, centre])[-12:][None]).actional[0]
    torch.testing.assert_close(next(iter(calls[0][0][1].values())), expected)
    torch.testing.assert_close(next(iter(calls[1][0][1].values())), of_file)
    assert (calls[0][1]["strongest"], calls[1][1]["threshold"]) == (5, 0.04)


def test_the_embedding_map_contains_the_graphs_of_all_clips(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = spied(monkeypatch, embedding_figure, "draw_embedding")
    for name, options in (("a", []), ("b", []), ("c", ["--clips", "9", "--perplexity", "3"])):
        plot("embedding", trained.checkpoint, "--seed", 4, *options, "--output", tmp_path / f"{name}.png")
    _, clips = clips_of(trained)
    (first, labels, names, _), options = calls[0]
    assert labels.tolist() == [int(clip.y) for clip in clips]
    assert tuple(names) == tuple(clips.class_names)
    np.testing.assert_array_equal(first, calls[1][0][0])  # the same seed gives the same map
    assert "20 actional graphs of all 20 clips of the test split" in options["title"]
    assert "(perplexity 3, seed 4)" in calls[2][1]["title"]
    assert "9 of 20 clips" in calls[2][1]["title"]
    assert "nearest other graph of the same class: " in capsys.readouterr().out
    chosen = [names[label] for label in sorted(set(labels.tolist()))[:4]]
    plot("embedding", trained.checkpoint, "--classes", *chosen, "--output", tmp_path / "d.png")
    (_, labels, names, _), options = calls[3]
    assert {names[label] for label in labels.tolist()} == set(chosen)
    assert "4 of 12 classes in all 20 clips" in options["title"]


# Predictions ----------------------------------------------------------------------------------------------


def test_forecasts_of_several_models_are_drawn_in_rows(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = spied(monkeypatch, motion_figure, "strip_figure")
    argv = ["prediction", trained.checkpoint, 2, "--times", 80, 320]
    plot(*argv, "--compare", "zero_velocity", trained.checkpoint, "--output", tmp_path / "a.png")
    plot(*argv, "--output", tmp_path / "b.png")
    ((scene, _, shown, rows), _), ((_, _, _, none), _) = calls
    assert none is None
    own, still, again = rows.values()
    first, second, third = rows
    assert (first, second) == (f"prediction of {third}", "zero velocity")
    assert own is scene
    np.testing.assert_array_equal(again.points, own.points)
    observed, _, predicted = still.points  # one person per body
    for frame in shown[-2:]:
        np.testing.assert_allclose(predicted[frame], observed[8])
    assert imread(tmp_path / "a.png").shape[0] > imread(tmp_path / "b.png").shape[0]


def test_predictions_are_drawn_in_every_file_type(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = spied(monkeypatch, motion_figure, "draw_forecast")
    for name, options in (("a.png", []), ("a.svg", ["--times", "40", "360"]), ("a.gif", []), ("a.html", [])):
        plot("prediction", trained.checkpoint, 2, *options, "--output", tmp_path / name)
    assert imread(tmp_path / "a.png").shape[1] > 900
    assert [options["times"] for _, options in calls[:2]] == [[80, 160, 320, 360], [40, 360]]
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 9 + 9
    checkpoint, clips = clips_of(trained)
    data, clip = data_of(tmp_path / "a.html"), clips[2]
    with torch.no_grad():
        out = checkpoint.model(Batch.from_data_list([clip]))
    named = clips.class_names[int(out.logits[0].argmax())]
    assert any(fact.startswith(f"recognised as {named} (") for fact in data["facts"])
    assert f"class {clips.class_names[int(clip.y)]}" in data["facts"]
    # The view rotates the bodies, so only the distances between joints are compared.
    for frame in (0, 8):
        body, true, guess = data["frames"][9 + frame]
        assert body == [None] * 25
        away = np.linalg.norm(np.array(true) - np.array(guess), axis=-1)
        expected = (out.future[0, frame] - clip.future[:, frame]).norm(dim=-1)
        np.testing.assert_allclose(away, expected.numpy(), atol=2e-3)


def test_the_model_does_not_see_the_end_of_the_file(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = trained.recordings / "30.npz"
    plot("prediction", trained.checkpoint, file, "--output", tmp_path / "a.html")
    data = data_of(tmp_path / "a.html")
    assert data["title"] == "30.npz"
    # As a clip of the test set, the same recording is split at the same frame, but it also has a label.
    plot("prediction", trained.checkpoint, 30 - 16, "--output", tmp_path / "b.html")
    clip = data_of(tmp_path / "b.html")
    assert len(data["frames"]) == len(clip["frames"])
    # Distances are the same in the coordinates of the recording and in centred coordinates.
    for in_file, in_clip in zip(data["frames"][9:], clip["frames"][9:], strict=True):
        away = [
            np.linalg.norm(np.array(true) - np.array(guess), axis=-1) for _, true, guess in (in_file, in_clip)
        ]
        np.testing.assert_allclose(*away, atol=3e-3)
    assert set(clip["facts"]) - set(data["facts"]) == {
        next(f for f in clip["facts"] if f.startswith("class "))
    }
    # At twice the frame rate, the file is resampled, which is reported.
    poses = torch.from_numpy(np.load(file)["poses"])
    motion = Motion(poses=poses, skeleton=load_skeleton("ntu25"), frame_rate=50.0)
    write_motion(motion, tmp_path / "fast.npz")
    plot("prediction", trained.checkpoint, tmp_path / "fast.npz", "--output", tmp_path / "c.html")
    assert "fast.npz is resampled from 50 Hz to 25 Hz" in capsys.readouterr().err


# Measurements ---------------------------------------------------------------------------------------------


def test_confusion_matrices_of_a_report_and_its_checkpoint_are_equal(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "report.json"
    assert main(["evaluate", trained.checkpoint, "--output", str(report)]) == 0
    calls = spied(monkeypatch, confusion_figure, "confusion_figure")
    plot("confusion", report, "--output", tmp_path / "a.png")
    plot("confusion", trained.checkpoint, "--sort", "name", "--counts", "--output", tmp_path / "b.png")
    cells = []
    for (counts, names, _), _ in calls:
        rows = zip(names, np.asarray(counts).tolist(), strict=True)
        cells.append(
            {(true, guess): n for true, row in rows for guess, n in zip(names, row, strict=True) if n}
        )
    confusion = json.loads(report.read_text())["recognition"]["confusion"]
    expected = {(true, guess): n for true, row in confusion.items() for guess, n in row.items()}
    assert cells == [expected, expected]
    assert list(calls[1][0][1]) == sorted(calls[1][0][1])
    right = sum(n for (true, guess), n in expected.items() if true == guess) / sum(expected.values())
    assert (
        f"on {sum(expected.values())} clips of the test split: accuracy {right:.1%}" in calls[0][1]["title"]
    )
    assert [options["written"] for _, options in calls] == ["percent", "clips"]


def test_plot_observation_draws_saved_results_and_model_accuracies(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyg_sybio.experiments.measures.OBSERVATION_RATIOS", (0.25, 1.0))
    header = "recipe,run,arm,seed,split,metric,group,at,value\n"
    rows = [
        f"r,{seed}x,all,{seed},test,top1,,{at},{at / 2 + seed / 10}\n" for seed in (0, 1) for at in (0.25, 1)
    ]
    results = tmp_path / "observation-r.csv"
    results.write_text(header + "".join(rows) + "r,0x,all,0,test,parameters,,,5\n")
    calls = spied(monkeypatch, line_figure, "line_figure")
    shared = tmp_path / "walk" / "model"
    shared.parent.mkdir()
    assert main(["export", "pretrained", trained.checkpoint, "--output", str(shared)]) == 0
    plot("observation", results, trained.checkpoint, shared, "--output", tmp_path / "a.png")
    series = calls[0][0][0]
    name = f"run/{trained.run.name}"
    assert list(series) == ["all", name, "walk/model"]  # a model folder is named by its path
    np.testing.assert_allclose(series["all"].x, [0.25, 1])
    np.testing.assert_allclose(series["all"].mean, [12.5 + 5, 50 + 5])
    np.testing.assert_allclose(series["all"].deviation, [10 / np.sqrt(2)] * 2)
    for ratio, accuracy in zip(series[name].x, series[name].mean, strict=True):
        report = tmp_path / "report.json"
        command = ["evaluate", trained.checkpoint, "--observation-ratio", str(ratio), "--output", str(report)]
        assert main(command) == 0
        assert 100 * json.loads(report.read_text())["recognition"]["top1"] == pytest.approx(accuracy)


def test_training_curves_show_the_logged_values(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = spied(monkeypatch, training_figure, "draw_training")
    plot("training", trained.run, "--smoothing", 0, "--output", tmp_path / "a.png")
    plot("training", trained.run, trained.run.parent, "--log", "--output", tmp_path / "b.png")
    assert "version_0 is drawn" in capsys.readouterr().err
    (curves,) = calls[0][0][0].values()
    # Lightning's CSV logger is independent and has the same values.
    lines = [line.split(",") for line in (trained.run / "metrics.csv").read_text().splitlines()]
    table = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    for name in ("train_loss", "val_loss", "val_accuracy"):
        expected = {int(row["step"]): float(row[name]) for row in table if row[name]}
        assert dict(
            zip(curves[name].steps.tolist(), curves[name].values.tolist(), strict=True)
        ) == pytest.approx(expected, rel=1e-5)
    folder = trained.run.parent.name
    assert list(calls[1][0][0]) == [f"{folder}/{trained.run.name}", folder]
    assert calls[1][1]["logarithmic"] is True


# Errors ---------------------------------------------------------------------------------------------------


def test_errors_are_a_single_line(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--output", tmp_path / "a.png"]
    path = trained.checkpoint

    def error(*argv: object, code: int = 1) -> str:
        return error_of(capsys, "plot", *argv, code=code)

    assert "there is no clip 20, expected 0 to 19" in error("actional", path, "--clip", 20, *out)
    assert "'--class' is 'flying', expected one of" in error("actional", path, "--class", "flying", *out)
    assert "'--classes' is 'flying'" in error("embedding", path, "--classes", "walking", "flying", *out)
    film = ["--output", tmp_path / "a.gif"]
    compared = "forecasts are compared in a strip of bodies"
    assert compared in error("prediction", path, 1, "--compare", "zero_velocity", *film)
    assert "'perplexity' is 20, expected above 0 and below the 20 graphs" in error(
        "embedding", path, "--perplexity", 20, *out
    )
    assert "there are 3 actional graphs, expected at least 5" in error("embedding", path, "--clips", 3, *out)
    assert "there is no clip 99, expected 0 to 19" in error("prediction", path, 99, *out)
    assert "no file absent.npz: expected one of .npz" in error("prediction", path, "absent.npz", *out)
    assert "has 1 motions, but motion 4 is requested" in error(
        "prediction", path, trained.recordings / "1.npz", "--entry", 4, *out
    )
    assert "400 ms is not within the future, expected 40 to 360 ms" in error(
        "prediction", path, 1, "--times", 400, *out
    )
    gone = ["--output", tmp_path / "absent" / "a.png"]
    assert "absent: no such folder; expected one in which to write a.png" in error("embedding", path, *gone)
    jpeg = ["--output", tmp_path / "a.jpg"]
    assert "expected a name that ends in .png, .svg or .pdf" in error("actional", path, *jpeg, code=2)
    assert ".svg, .pdf, .gif, .mp4 or .html" in error("prediction", path, 1, *jpeg, code=2)
    monkeypatch.setenv("PATH", str(tmp_path))
    film = ["--output", tmp_path / "a.mp4"]
    assert "no program ffmpeg, which an .mp4 needs; try .gif or .html" in error("prediction", path, 1, *film)

    report = tmp_path / "report.json"
    assert "no file" in error("confusion", report, *out)
    report.write_text("{")
    assert "report.json, line 1, column 2" in error("confusion", report, *out)
    report.write_text('{"motion": {}}')
    assert "report.json has no confusion matrix, expected a report of 'sybio evaluate'" in error(
        "confusion", report, *out
    )
    report.write_text('{"recognition": {"confusion": {"a": {"a": "many"}}}}')
    assert "has a malformed confusion matrix" in error("confusion", report, *out)

    results = tmp_path / "observation-r.csv"
    assert "no file" in error("observation", results, *out)
    results.write_text("recipe,run,arm,seed,split,metric,group,at,value\n")
    assert "has no accuracy by observation ratio" in error("observation", results, *out)
    with results.open("a") as file:
        file.writelines(f"r,{run},all,0,test,top1,,0.5,0.5\n" for run in "xy")
    assert "has several runs of 'all', seed 0, on test" in error("observation", results, *out)
    (tmp_path / "other.csv").write_text(results.read_text())
    assert "is not named observation-RECIPE.csv" in error("observation", tmp_path / "other.csv", *out)

    assert "no folder" in error("training", tmp_path / "absent", *out)
    assert "has no event file" in error("training", tmp_path, *out)
    assert "'smoothing' is 1, expected from 0 to below 1" in error(
        "training", trained.run, "--smoothing", 1, *out
    )
    assert not list(tmp_path.glob("a.*"))


@pytest.mark.parametrize(
    ("variant", "argv", "message"),
    [
        ({"actional": False}, ["actional"], "the model has no actional graphs"),
        ({"prediction": False}, ["prediction", "1"], "the model does not predict"),
        ({"recognition": False}, ["confusion"], "has no confusion matrix"),
        ({"recognition": False}, ["observation"], "the model does not recognise"),
    ],
)
def test_a_model_without_the_requested_output_is_refused(
    variant: dict[str, bool],
    argv: list[str],
    message: str,
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = torch.load(trained.checkpoint, weights_only=True)
    content["model_config"] |= variant
    own = SybioGNN.from_config(content["model_config"])
    content["state_dict"] = {f"model.{key}": value for key, value in own.state_dict().items()}
    document = json.loads(content["document"]) | {"digest": weights_digest(own.state_dict())}
    content["document"] = json.dumps(document)
    torch.save(content, tmp_path / "a.ckpt")
    said = error_of(capsys, "plot", argv[0], tmp_path / "a.ckpt", *argv[1:], "--output", tmp_path / "a.png")
    assert message in said
    assert not (tmp_path / "a.png").exists()


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_z_scores_are_converted_back_to_rotations(data_root: Path) -> None:
    clips = CMUMocap.from_settings(
        root=data_root / "cmu_mocap", split="test", validation_file=None, progress=False
    )
    model = SybioGNN.from_preset("realtime", skeleton=clips.skeleton, num_classes=8, num_future=25).eval()
    rotations = small_checkpoint(
        "CMUMocap",
        clips.skeleton,
        model=model,
        class_names=clips.class_names,
        normalisation=clips.normalisation,
        frame_rate=25.0,
    )
    forecast = forecast_clip(rotations, clips, 11, angles=True)
    raw = frames_of(clips.motion(11))[:, list(clips.normalisation.used)].unflatten(-1, (-1, 3))
    torch.testing.assert_close(forecast.observed.poses[0], raw[:50], atol=1e-5, rtol=0, check_dtype=False)
    torch.testing.assert_close(forecast.future.poses[0], raw[50:], atol=1e-5, rtol=0, check_dtype=False)
    with torch.no_grad():
        scores = model(Batch.from_data_list([clips[11]])).future
    predicted = clips.normalisation.restore(scores)[0][:, list(clips.normalisation.used)].unflatten(
        -1, (-1, 3)
    )
    torch.testing.assert_close(forecast.prediction.poses[0], predicted, atol=1e-5, rtol=0, check_dtype=False)
    # The errors of the body equal the errors that the data set reports.
    body = forecast_clip(rotations, clips, 11)
    assert (body.prediction.skeleton.coordinates, body.prediction.skeleton.units) == ("xyz", "mm")
    errors = clips.motion_errors(scores, clips[11].future.transpose(0, 1)[None])["mpjpe_mm"]
    np.testing.assert_allclose(body.errors.mean(axis=(0, 2)), errors[0], rtol=1e-6)
    assert body.zero_velocity().errors[0, 0].mean() < body.zero_velocity().errors[0, -1].mean()
