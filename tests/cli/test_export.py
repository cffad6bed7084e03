"""``sybio export``: exported models behave like the checkpoint."""

import json
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from live_models import save_checkpoint, small_checkpoint

from pyg_sybio.cli import main as cli
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import randomize
from pyg_sybio.trained.load import load_trained
from pyg_sybio.trained.onnx_model import OnnxModel

SETTINGS = {"num_observed": 20, "num_future": 3, "frame_rate": 25.0, "num_clips": 24}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .ckpt file of a small model trained on synthetic motions."""
    names = list(SyntheticMotions(num_clips=12).class_names)
    torch.manual_seed(0)
    model = SybioGNN.from_preset(
        "realtime",
        skeleton=load_skeleton("ntu25"),
        num_classes=len(names),
        num_future=3,
        channels=[8],
        strides=[2],
        fusions=[],
        hops=1,
        head_channels=8,
        actional_channels=8,
    )
    randomize(model)
    whole = small_checkpoint("SyntheticMotions", model=model.eval(), class_names=names, **SETTINGS)
    return save_checkpoint(whole, tmp_path_factory.mktemp("run") / "last.ckpt")


@pytest.fixture(scope="session")
def exported(checkpoint: Path) -> Path:
    path = checkpoint.with_name("model.onnx")
    assert cli.main(["export", "onnx", str(checkpoint), "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def shared(checkpoint: Path) -> Path:
    folder = checkpoint.with_name("shared")
    assert cli.main(["export", "pretrained", str(checkpoint), "--output", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("kind", ["exported", "shared"])
def test_exported_models_give_the_same_predictions(
    kind: str,
    checkpoint: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other: Path = request.getfixturevalue(kind)
    clip = tmp_path / "clip.npz"
    write_motion(
        Motion(poses=torch.randn(1, 30, 25, 3), skeleton=load_skeleton("ntu25"), frame_rate=25.0), clip
    )
    capsys.readouterr()
    said, futures = [], []
    for path in (checkpoint, other):
        output = tmp_path / f"{path.stem}.npz"
        assert cli.main(["predict", str(path), str(clip), "--output", str(output)]) == 0
        said.append(capsys.readouterr().out.replace(str(output), ""))
        futures.append(np.load(output))
    assert said[0] == said[1]
    np.testing.assert_allclose(futures[0]["poses"], futures[1]["poses"], atol=1e-4)
    np.testing.assert_allclose(futures[0]["probabilities"], futures[1]["probabilities"], atol=1e-5)


@pytest.mark.parametrize("kind", ["exported", "shared"])
def test_exported_models_have_the_same_scores(
    kind: str, checkpoint: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    other: Path = request.getfixturevalue(kind)
    reports = []
    for path in (checkpoint, other):
        output = tmp_path / f"{path.stem}.json"
        assert cli.main(["evaluate", str(path), "--output", str(output)]) == 0
        reports.append(json.loads(output.read_text()))
    assert reports[0]["recognition"]["confusion"] == reports[1]["recognition"]["confusion"]
    for name, errors in reports[0]["motion"].items():
        came = reports[1]["motion"][name]["mean_of_classes"]
        assert came["model"] == pytest.approx(errors["mean_of_classes"]["model"], rel=1e-4)


def test_exported_models_keep_their_metadata(checkpoint: Path, exported: Path, shared: Path) -> None:
    trained = load_trained(checkpoint)
    for path in (exported, shared):
        found = load_trained(path)
        for name in ("class_names", "seen_classes", "views", "training"):
            assert getattr(found, name) == getattr(trained, name)
        assert found.preparation.to_document() == trained.preparation.to_document()


def test_export_prints_what_it_wrote(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.onnx"
    argv = ["export", "onnx", str(checkpoint), "--output", str(path), "--task", "recognition", "--persons"]
    assert cli.main(argv) == 0
    size = path.stat().st_size / 1e6
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("logits       largest difference from PyTorch ")
    assert shown[1:] == ["outputs: probabilities, logits", f"model: {path} ({size:.1f} MB)"]
    assert OnnxModel.load(path).persons


def test_the_model_card_contains_the_report(checkpoint: Path, tmp_path: Path) -> None:
    report, folder = tmp_path / "report.json", tmp_path / "shared"
    assert cli.main(["evaluate", str(checkpoint), "--output", str(report)]) == 0
    argv = ["export", "pretrained", str(checkpoint), "--output", str(folder), "--report", str(report)]
    assert cli.main([*argv, "--title", "Twelve actions"]) == 0
    card = huggingface_hub.ModelCard.load(folder / "README.md")
    assert card.data.model_name == "Twelve actions"
    top1 = json.loads(report.read_text())["recognition"]["top1"]
    assert card.data.eval_results[0].metric_value == top1


def test_a_folder_is_uploaded_to_the_hub(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pyg_sybio.trained import hub

    asked = []
    monkeypatch.setattr(hub, "push_to_hub", lambda *args, **kwargs: asked.append((args, kwargs)) or "there")
    assert cli.main(["export", "hub", str(shared), "anna/walks"]) == 0
    assert cli.main(["export", "hub", str(shared), "anna/walks", "--private"]) == 0
    assert asked == [((shared, "anna/walks"), {"private": None}), ((shared, "anna/walks"), {"private": True})]
    assert capsys.readouterr().out == "there\nthere\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["onnx", "CKPT", "--output", "model.pt"],
            "--output is model.pt, expected a name that ends in .onnx",
        ),
        (
            ["onnx", "none.ckpt", "--output", "model.onnx"],
            "no model at none.ckpt: expected a .ckpt file",
        ),
        (["onnx", "ONNX", "--output", "again.onnx"], "the model is from an ONNX file"),
        (["pretrained", "ONNX", "--output", "again"], "the model is from an ONNX file"),
        (["pretrained", "CKPT", "--output", "new", "--report", "CKPT"], "not UTF-8 text, expected JSON"),
        (["hub", "none", "anna/walks"], "none lacks the file config.json"),
        (["hub", "none", "walks"], "'name' is 'walks', expected the name of a repository on the hub"),
    ],
)
def test_errors_name_the_cause(
    argv: list[str],
    message: str,
    checkpoint: Path,
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"CKPT": str(checkpoint), "ONNX": str(exported)}
    capsys.readouterr()
    assert cli.main(["export", *(places.get(word, word) for word in argv)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "argv",
    [
        ["onnx"],
        ["onnx", "a.ckpt"],
        ["onnx", "a.ckpt", "--output", "b.onnx", "--num-future", "0"],
        ["tar"],
    ],
)
def test_invalid_options_are_usage_errors(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["export", *argv])
    assert end.value.code == 2
