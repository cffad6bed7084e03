"""Model files are self-contained, and every way to use a model gives the same results."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from live_models import NTU, OBSERVED, save_checkpoint, small_checkpoint, small_model
from tiny_recipe import TINY_MODEL, TINY_TRAINER
from torch import Tensor

from pyg_sybio import Trained, load_trained
from pyg_sybio.data.datasets.motion_folder import MotionFolder
from pyg_sybio.data.datasets.standardize import Normalisation, used_columns
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.reading import read_motion
from pyg_sybio.data.splits import Splits
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained.hub import FILES
from pyg_sybio.trained.views import Views
from pyg_sybio.training.recipes import fit

CENTER = {"name": "Center", "arguments": {"joint": "spine"}}
LIMIT = {"name": "LimitLength", "arguments": {"num_frames": 48}}
CMU, USED = load_skeleton("cmu38"), load_skeleton("cmu38:used")
VIEWS = Views(mirror="x", parts=((0.0, 0.8), (0.2, 1.0)))


def rotations(**settings: Any) -> Trained:
    """A model of exponential maps with statistics."""
    mean, deviation = torch.rand(2, 3 + 3 * CMU.num_joints, dtype=torch.float64) + 0.5
    used = used_columns(CMU, USED)
    normalisation = Normalisation(mean, deviation, used, used[5:])
    return small_checkpoint("CMUMocap", USED, normalisation=normalisation, frame_rate=25.0, **settings)


def walking(**settings: Any) -> Trained:
    return small_checkpoint(preprocess=[CENTER], padding="hold", **settings)


def same(one: Trained, other: Trained, recording: Any) -> None:
    """Check that two models give the same predictions."""
    expected, found = one.predict(recording), other.predict(recording)
    torch.testing.assert_close(found.probabilities, expected.probabilities, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.future, expected.future, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["folder", "ckpt"])
@pytest.mark.parametrize("make", [walking, rotations])
def test_a_saved_and_loaded_model_gives_the_same_predictions(make: Any, kind: str, tmp_path: Path) -> None:
    trained = replace(make(views=VIEWS, folder="walks"), seen_classes=(True, False, True))
    if kind == "folder":
        trained.save(path := tmp_path / "walks")
        assert sorted(each.name for each in path.iterdir()) == sorted(FILES)
    else:
        path = save_checkpoint(trained, tmp_path / "last.ckpt")
    found = load_trained(path)
    for name in ("class_names", "seen_classes", "views"):
        assert getattr(found, name) == getattr(trained, name)
    assert found.training == json.loads(json.dumps(trained.training))
    assert found.preparation.to_document() == trained.preparation.to_document()
    assert not found.model.training
    same(trained, found, torch.randn(60, found.preparation.skeleton.num_joints, 3))


def test_a_model_of_exponential_maps_predicts_without_its_training_recordings(tmp_path: Path) -> None:
    trained = rotations()
    trained.save(tmp_path / "rotations")
    frames = torch.randn(60, 3 + 3 * CMU.num_joints, dtype=torch.float64)
    lines = (",".join(map(repr, line)) for line in frames.tolist())
    (tmp_path / "new.txt").write_text("\n".join(lines))
    prepared = load_trained(tmp_path / "rotations").predict(tmp_path / "new.txt").prepared
    # Every second frame is kept, counted back from the last one, and each column is standardised.
    statistics = trained.preparation.preprocess[0].normalisation  # type: ignore[attr-defined]
    columns = list(statistics.used)
    kept = frames[1::2][-trained.preparation.num_observed :]
    scores = (kept[:, columns] - statistics.mean[columns]) / statistics.deviation[columns]
    torch.testing.assert_close(prepared.observed.poses[0].flatten(1), scores)
    (tmp_path / "short.txt").write_text("\n".join((tmp_path / "new.txt").read_text().splitlines()[:38]))
    with pytest.raises(
        ValueError, match=r"short\.txt has 38 frames, of which 19 are left at 25 Hz, expected at"
    ):
        trained.predict(tmp_path / "short.txt")


def test_a_recording_that_does_not_fit_the_model_is_refused(tmp_path: Path) -> None:
    poses = torch.randn(1, 40, 25, 3)
    write_motion(Motion(poses=poses, skeleton=load_skeleton("ntu25"), frame_rate=25.0), tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a\.npz: .*skeleton"):
        rotations().predict(tmp_path / "a.npz")


def test_a_model_file_contains_no_local_paths(tmp_path: Path) -> None:
    paths = {
        "skeleton": "/home/anna/rig.json",
        "cache": "/home/anna/cache",
        "labels": "/home/anna/clips.csv",
        "pattern": "(?P<label>.*)",
        "hold_out": {"file": ["/home/anna/x"]},
        "num_future": 5,
        "num_processes": 7,
    }
    described = Splits(MotionFolder, settings=paths, folder="/home/anna/walks").describe()
    trained = walking()
    trained = replace(trained, training={**trained.training, **described})
    trained.save(tmp_path / "walks")
    for each in (tmp_path / "walks").iterdir():
        assert b"/home/anna" not in each.read_bytes()
    found = load_trained(tmp_path / "walks").training
    assert found["settings"] == {"num_future": 5} and found["folder"] == ""
    assert found["only_in_recipe"] == ["hold_out", "labels", "pattern"]
    with pytest.raises(
        ValueError, match="does not contain the data settings 'hold_out', 'labels', 'pattern': expected"
    ):
        trained.splits()


# All ways to predict ---------------------------------------------------------------------------------------


def recording_for(trained: Trained, path: Path, num_frames: int) -> Path:
    """A file of a recording with gaps and a frame rate that differs from the model's."""
    skeleton = trained.preparation.skeleton
    if skeleton.coordinates == "expmap":
        frames = torch.randn(3 + 3 * skeleton.num_joints) + 0.03 * torch.randn(2 * num_frames, 117).cumsum(0)
        path = path.with_suffix(".txt")
        np.savetxt(path, frames.numpy(), delimiter=",")
        return path
    x = torch.randn(1, 1, skeleton.num_joints, 3) + 0.05 * torch.randn(1, num_frames, 25, 3).cumsum(1)
    motion = Motion(poses=x.double(), skeleton=skeleton, frame_rate=60.0, label="b")
    write_motion(motion, path)
    return path


@pytest.mark.parametrize("exported", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["exponential maps", "several views", "motion folder"])
def test_all_ways_to_predict_give_the_same_results(
    kind: str, exported: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pyg_sybio.cli.main import main
    from pyg_sybio.visualization.model_forecast import forecast_file

    # The models have a single block, which takes less time to export.
    model, of_rotations = (
        small_model(skeleton, channels=[8], strides=[2], fusions=[], bones=False) for skeleton in (NTU, USED)
    )
    trained = {
        "exponential maps": lambda: rotations(views=Views(mirror="x"), model=of_rotations),
        "several views": lambda: small_checkpoint(
            "NWUCLA", preprocess=[CENTER, LIMIT], views=VIEWS, model=model
        ),
        "motion folder": lambda: walking(model=model),
    }[kind]()
    checkpoint = save_checkpoint(trained, tmp_path / "last.ckpt")
    recording = (
        recording_for(trained, tmp_path / "clips" / "a.npz", 70) if kind != "exponential maps" else None
    )
    if recording is None:
        (tmp_path / "clips").mkdir()
        recording = recording_for(trained, tmp_path / "clips" / "a.npz", 70)
    expected = trained.predict(recording)
    assert expected.probabilities is not None

    def check(probabilities: Tensor, future: Tensor) -> None:
        torch.testing.assert_close(probabilities.float(), expected.probabilities, rtol=0, atol=1e-5)
        torch.testing.assert_close(
            future.float(), expected.future_motion.poses.float()[: len(future)], rtol=0, atol=1e-5
        )

    # Predict a file and a folder, each with the checkpoint, the model folder and the ONNX file.
    folder, onnx = tmp_path / "model", tmp_path / "model.onnx"
    assert main(["export", "pretrained", str(checkpoint), "--output", str(folder)]) == 0
    if exported:
        assert main(["export", "onnx", str(checkpoint), "--output", str(onnx)]) == 0
    for path in (checkpoint, folder, *([onnx] if exported else [])):
        output = tmp_path / "futures"
        assert main(["predict", str(path), str(recording), "--output", str(output / "one.npz")]) == 0
        assert main(["predict", str(path), str(recording.parent), "--output", str(output)]) == 0
        for written in (output / "one.npz", output / f"{recording.name}_future.npz"):
            with np.load(written) as arrays:
                check(torch.from_numpy(arrays["probabilities"]), read_motion(written).poses)
        shutil.rmtree(output)

    # Run the example of the model card.
    card = (folder / "README.md").read_text()
    example = card.split("```python\n")[1].split("```")[0]
    example = example.replace("FOLDER", str(folder)).replace("FILE", str(recording))
    names: dict[str, Any] = {}
    exec(example, names)
    assert str(names["prediction"].ranked()[:3]) in capsys.readouterr().out
    check(names["prediction"].probabilities, names["prediction"].future_motion.poses)

    # Predict as for the figure of a forecast, from a recording that continues after the observed frames.
    recorded = trained.read(recording)
    last = recorded.poses[:, -1:].expand(-1, 40, -1, -1)
    longer = recorded.replace(
        poses=torch.cat([recorded.poses, last + 1], dim=1),
        present=None,
        translation=None if recorded.translation is None else torch.zeros(1, recorded.num_frames + 40, 3),
    )
    step = round(recorded.frame_rate / trained.preparation.frame_rate)
    count = recorded.num_frames + step * trained.model.num_future
    write_motion(longer.frames(slice(0, count)), tmp_path / "longer.npz")
    forecast, _ = forecast_file(trained, tmp_path / "longer.npz", angles=True)
    future = forecast.prediction.joints(trained.model.skeleton)
    torch.testing.assert_close(
        future.poses.float(),
        expected.future_motion.joints(trained.model.skeleton).poses.float(),
        rtol=0,
        atol=1e-5,
    )
    action = expected.persons[-1].segments[-1]
    assert forecast.remarks[-1].endswith(f"recognised as {action.label} ({action.probability:.0%})")

    # Predict with a stream, which has one view and only sees its window.
    window = step * (OBSERVED - 1) + 1
    single = trained.predict(recorded.frames(slice(-window, None)), one_view=True)
    stream = load_trained(folder).stream(fps=recorded.frame_rate)
    for pose in recorded.poses[0]:
        out = stream.update(pose)
    torch.testing.assert_close(out.probabilities, single.probabilities, rtol=0, atol=1e-5)
    torch.testing.assert_close(out.future.float(), single.future_motion.poses[0].float(), rtol=0, atol=1e-5)


# Without the packages of training -------------------------------------------------------------------------

BLOCKED = """
import sys
for name in ("lightning", "torchmetrics", "jsonargparse", "tensorboard", "matplotlib", "onnx", "onnxruntime",
             "huggingface_hub"):
    sys.modules[name] = None
import torch
from pyg_sybio import load_trained
for path in sys.argv[1:]:
    trained = load_trained(path)
    poses = torch.randn(30, 25, 3)
    print(trained.predict(poses).label)
    print(trained.stream().update(poses[0]).label)
    trained.save(path + ".copy")
"""


def test_inference_does_not_need_lightning_torchmetrics_or_jsonargparse(tmp_path: Path) -> None:
    trained = walking()
    trained.save(tmp_path / "model")
    paths = [str(tmp_path / "model"), str(save_checkpoint(trained, tmp_path / "last.ckpt"))]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, *paths], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 4


# Evaluation -----------------------------------------------------------------------------------------------


def test_a_model_is_evaluated_on_the_data_set_of_its_training() -> None:
    made = SyntheticMotions(num_clips=12, num_observed=20, num_future=5)
    settings = {"num_clips": 12, "num_observed": 20, "num_future": 5}
    model_of_twelve = small_checkpoint("SyntheticMotions", class_names=made.class_names, **settings)
    report = model_of_twelve.evaluate(progress=False)
    again = model_of_twelve.evaluate(made, progress=False)
    assert report == again and report["clips"] == 12 and report["views"] == 1


def test_data_whose_statistics_differ_from_training_are_refused() -> None:
    one, other = rotations(), rotations()

    class Clips:
        normalisation = other.preparation.preprocess[0].normalisation  # type: ignore[attr-defined]

    with pytest.raises(
        ValueError, match="the means of the data's training files differ from the means with which"
    ):
        one.evaluate(Clips())  # type: ignore[arg-type]


# Invalid model files --------------------------------------------------------------------------------------


def test_damaged_weights_are_detected(tmp_path: Path) -> None:
    trained = walking()
    trained.save(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    path = save_checkpoint(trained, tmp_path / "last.ckpt")
    whole = torch.load(path, weights_only=True)
    first = next(iter(whole["state_dict"].values())).view(torch.int32)
    first.view(-1)[0] ^= 1
    torch.save(whole, tmp_path / "last.ckpt")
    for damaged in (tmp_path / "model", path):
        with pytest.raises(ValueError, match=r"^.*(model|last\.ckpt): the weights are damaged"):
            load_trained(damaged)


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    trained = walking()
    trained.save(tmp_path / "model")
    data = tmp_path / "model" / "data.json"
    good = data.read_text()

    def assert_refused(text: str, message: str) -> None:
        data.write_text(text)
        with pytest.raises(ValueError, match=message) as error:
            load_trained(tmp_path / "model")
        assert str(tmp_path / "model") in str(error.value)

    assert_refused("{", r"data\.json, line 1, column 2: .*expected JSON")
    assert_refused(good.replace("30.0", "NaN"), r"data\.json: NaN is not JSON")
    fewer = json.loads(good)
    fewer["class_names"], fewer["seen_classes"] = ["a", "b"], [True, True]
    assert_refused(json.dumps(fewer), "there are 2 class names, but the model has 3 classes")
    data.unlink()
    with pytest.raises(FileNotFoundError, match=r"no trained model here, expected the file data\.json"):
        load_trained(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match=r"no model at .*nothing: expected a \.ckpt file"):
        load_trained(tmp_path / "nothing")
    (tmp_path / "junk").write_text("hello")
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    torch.save({"state_dict": {}, "model_config": {}}, tmp_path / "third.ckpt")
    torch.save([1], tmp_path / "list.ckpt")
    for name in ("other.ckpt", "third.ckpt", "list.ckpt"):
        with pytest.raises(ValueError, match=f"{name}:? (is )?not a checkpoint that 'sybio fit' wrote"):
            load_trained(tmp_path / name)
    with pytest.raises(ValueError, match=r"junk: not a file that torch\.save wrote"):
        load_trained(tmp_path / "junk")


def test_an_exported_model_is_not_exported_again(tmp_path: Path) -> None:
    class Exported(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    exported = replace(walking(), model=Exported())
    with pytest.raises(ValueError, match="the model is from an ONNX file"):
        exported.save(tmp_path / "walks")
    with pytest.raises(ValueError, match="the model is from an ONNX file"):
        exported.export_onnx(tmp_path / "walks.onnx")


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
@pytest.mark.parametrize(
    ("recipe", "recording"),
    [("cmu_mocap", "cmu_mocap/test/walking/walking_1.txt"), ("nw_ucla", "nw_ucla/a01_s01_e00_v01.json")],
)
def test_a_model_trained_on_real_recordings_predicts_without_them(
    recipe: str, recording: str, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [
        "--trainer.max_steps=1",
        "--trainer.limit_val_batches=0",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    fit(
        recipe,
        [*TINY_MODEL, *TINY_TRAINER, *steps, f"--data.root={data_root}", "--trainer.precision=32-true"],
    )
    monkeypatch.delenv("PYG_SYBIO_DATA", raising=False)
    trained = load_trained(next(tmp_path.rglob("last.ckpt")))
    assert trained.views.count > 1
    clips = tmp_path / "clips"
    clips.mkdir()
    copy = shutil.copy(data_root / recording, clips)
    trained.save(tmp_path / "model")
    expected, found = trained.predict(copy), load_trained(tmp_path / "model").predict(copy)
    (clip,) = trained.predict_folder(clips)
    for other in (found, clip.prediction):
        torch.testing.assert_close(other.probabilities, expected.probabilities, rtol=0, atol=1e-5)
        torch.testing.assert_close(other.future_motion.poses, expected.future_motion.poses, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_damaged_weights_of_an_onnx_file_are_detected(tmp_path: Path) -> None:
    model = small_model(channels=[8], strides=[2], fusions=[], bones=False)
    path = tmp_path / "model.onnx"
    walking(model=model).export_onnx(path, task="recognition")
    content = onnx.load_model_from_string(path.read_bytes())
    weights = max(content.graph.initializer, key=lambda each: len(each.raw_data))
    weights.raw_data = bytes([weights.raw_data[0] ^ 1]) + weights.raw_data[1:]
    path.write_bytes(content.SerializeToString())
    with pytest.raises(ValueError, match=r"model\.onnx: the weights are damaged"):
        load_trained(path)
