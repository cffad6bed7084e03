"""A shared folder is all that a model needs; what a folder from someone else may hold is checked."""

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from live_models import small_checkpoint
from torch import Tensor

from pyg_sybio.data.datasets.expmap import Normalisation, Standardize, used_columns
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained.document import from_document
from pyg_sybio.trained.hub import FILES
from pyg_sybio.trained.observation import observe_one, preparation_of
from pyg_sybio.trained.prediction import predict
from pyg_sybio.trained.sharing import share
from pyg_sybio.trained.trained import Checkpoint, load_checkpoint

CENTER = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}
CMU, USED = load_skeleton("cmu38"), load_skeleton("cmu38:used")
EDITS = Callable[[dict[str, Any]], Any]


def trained(**settings: Any) -> Checkpoint:
    """What is read from a .ckpt file: with the folders of the machine that trained it."""
    checkpoint = small_checkpoint(**settings)
    data = {"train": {}, "val": {}, "test": {}, "root": "/home/anna", "folder": "walks", "batch_size": 8}
    return replace(
        checkpoint, data={**checkpoint.data, **data}, seen_classes=torch.tensor([True, False, True])
    )


def rotations() -> Checkpoint:
    """One of exponential maps, whose statistics it was shared with."""
    columns = 3 + 3 * CMU.num_joints
    used = used_columns(CMU, USED)
    mean, deviation = torch.rand(2, columns, dtype=torch.float64) + 0.5
    checkpoint = trained(dataset="cmu_mocap.CMUMocap", skeleton=USED)
    data = checkpoint.data | {"frame_rate": 25.0}
    return replace(checkpoint, data=data, normalisation=Normalisation(mean, deviation, used, used[5:]))


def report(**changes: Any) -> dict[str, Any]:
    """Some of what `sybio evaluate` writes."""
    row = {"model": [1.0, 2.0], "zero_velocity": [2.0, None], "ratio": [0.5, None]}
    recognition = {"clips": 9, "classes": ["a", "b"], "top1": 0.75, "mean_class_accuracy": 0.5}
    recognition["recall"] = {"a": 1.0, "b": 0.25}
    return {
        "checkpoint": "last.ckpt",
        "split": "test",
        "dataset": "MotionFolder",
        "clips": 9,
        "recognition": recognition,
        "horizons_ms": [80, 160],
        "motion": {"mpjpe_mm": {"classes": {"a": row}, "mean_of_classes": row}},
        **changes,
    }


def test_comes_back_whole(tmp_path: Path) -> None:
    checkpoint = trained(preprocess=[CENTER], padding="hold")
    share(checkpoint, tmp_path / "walks")
    assert sorted(each.name for each in (tmp_path / "walks").iterdir()) == sorted(FILES)
    came = load_checkpoint(tmp_path / "walks")
    assert came.data == checkpoint.data | {"root": None, "shuffled_futures": 0.0}
    assert torch.equal(came.seen_classes, checkpoint.seen_classes)
    assert (came.epoch, came.global_step) == (checkpoint.epoch, checkpoint.global_step)
    assert came.normalisation is None
    assert not came.model.training
    x = torch.randn(20, 25, 3)
    expected, said = predict(checkpoint, x), predict(came, x)
    assert expected.probabilities is not None
    assert said.ranked() == expected.ranked()
    torch.testing.assert_close(said.future, expected.future, atol=0, rtol=0)


def test_needs_no_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnx", "onnxruntime", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("sharing", "model_card", "checkpoint"):
        monkeypatch.delitem(sys.modules, f"pyg_sybio.training.{name}", raising=False)
    for name in ("export", "onnx_model", "hub"):
        monkeypatch.delitem(sys.modules, f"pyg_sybio.inference.{name}", raising=False)
    sharing = importlib.import_module("pyg_sybio.trained.sharing")
    sharing.share(trained(), tmp_path / "walks")
    reading = importlib.import_module("pyg_sybio.trained.trained")
    assert reading.load_checkpoint(tmp_path / "walks").global_step == 1


def test_says_nothing_of_the_machine_that_trained_it(tmp_path: Path) -> None:
    checkpoint = trained()
    paths = {"skeleton": "/home/anna/rig.json", "cache": "/home/anna/cache", "num_future": 5}
    checkpoint = replace(checkpoint, data=checkpoint.data | {"settings": paths})
    share(checkpoint, tmp_path / "walks")
    for each in (tmp_path / "walks").iterdir():
        assert b"/home/anna" not in each.read_bytes()
    assert load_checkpoint(tmp_path / "walks").data["settings"] == {"skeleton": "rig.json", "num_future": 5}


def test_statistics_come_along(tmp_path: Path) -> None:
    checkpoint = rotations()
    assert checkpoint.normalisation is not None
    share(checkpoint, tmp_path / "rotations")
    came = load_checkpoint(tmp_path / "rotations").normalisation
    assert came is not None
    assert torch.equal(came.mean, checkpoint.normalisation.mean)
    assert torch.equal(came.deviation, checkpoint.normalisation.deviation)
    assert (came.used, came.varying) == (checkpoint.normalisation.used, checkpoint.normalisation.varying)


def test_predicts_without_the_recordings_of_the_training(tmp_path: Path) -> None:
    share(rotations(), tmp_path / "rotations")
    checkpoint = load_checkpoint(tmp_path / "rotations")
    frames = torch.randn(60, 3 + 3 * CMU.num_joints, dtype=torch.float64)
    lines = (",".join(map(repr, line)) for line in frames.tolist())
    (tmp_path / "new.txt").write_text("\n".join(lines))
    seen = observe_one(tmp_path / "new.txt", checkpoint).x
    # The last of every second frame, column by column.
    statistics = checkpoint.normalisation
    assert statistics is not None
    kept = frames[1::2][-checkpoint.data["num_observed"] :]
    columns = list(statistics.used)
    scores = (kept[:, columns] - statistics.mean[columns]) / statistics.deviation[columns]
    torch.testing.assert_close(seen[0].flatten(1), scores.float())


def test_statistics_of_other_joints_are_refused() -> None:
    checkpoint = rotations()
    brought = checkpoint.normalisation
    assert brought is not None
    for wrong in (replace(brought, used=brought.used[::-1]), replace(brought, mean=brought.mean[:-1])):
        with pytest.raises(
            ValueError, match=r"the model's statistics are of 78 of 11\d columns, expected 78 of 117"
        ):
            preparation_of(replace(checkpoint, normalisation=wrong))
    assert any(isinstance(step, Standardize) for step in preparation_of(checkpoint).preprocess)


# The card -------------------------------------------------------------------------------------------------


def card_of(folder: Path) -> ModelCard:
    """The card as the hub reads it."""
    return ModelCard.load(folder / "README.md")


def test_the_card_has_the_report(tmp_path: Path) -> None:
    share(trained(), tmp_path / "walks", report=report(), title='Walks: "a" | b')
    card = card_of(tmp_path / "walks")
    assert card.data.library_name == "pyg_sybio"
    assert card.data.model_name == 'Walks: "a" | b'
    results = [
        (each.task_type, each.dataset_name, each.dataset_split, each.metric_name, each.metric_value)
        for each in card.data.eval_results
    ]
    prediction = ("motion-prediction", "walks", "test")
    assert results == [
        ("action-recognition", "walks", "test", "Top-1 accuracy", 0.75),
        ("action-recognition", "walks", "test", "Mean class accuracy", 0.5),
        (*prediction, "mpjpe_mm at 80 ms (model)", 1.0),
        (*prediction, "mpjpe_mm at 160 ms (model)", 2.0),
        (*prediction, "mpjpe_mm at 80 ms (zero velocity)", 2.0),
    ]
    text = card.text
    assert "| mean of classes    | zero velocity |   2.000 |       – |" in text
    assert "| b | 25.0% |" in text
    assert "`ntu25`, 25 joints, `xyz`, m" in text
    assert "Never shown in training, and so never to be relied on: b." in text
    assert "the next 0.167 s (5 frames at 30 Hz)" in text


def test_the_card_says_that_there_is_no_report(tmp_path: Path) -> None:
    share(trained(), tmp_path / "walks")
    card = card_of(tmp_path / "walks")
    assert card.data.eval_results is None
    assert card.text.lstrip().startswith("# walks")
    assert "It was not evaluated." in card.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "CMUMocap"}, "the report is of the data set 'CMUMocap', .* trained on 'MotionFolder'"),
        (
            {"recognition": {**report()["recognition"], "classes": ["z"]}},
            "has the class 'z', which the model",
        ),
        ({"motion": {"mpjpe_mm": {}}}, "the report is not one of 'sybio evaluate': KeyError"),
        ({"motion": 3}, "the report is not one of 'sybio evaluate': AttributeError"),
        ({"recognition": [1]}, "the report is not one of 'sybio evaluate'"),
    ],
)
def test_a_report_of_another_model(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        share(trained(), tmp_path / "walks", report=report(**changes))
    assert not (tmp_path / "walks").exists()


# Folders from others --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("shared")
    share(rotations(), folder)
    return (folder / "data.json").read_text()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d["data"].update(looks=[]), r"'data\.looks': .*; expected an object, or null"),
        (lambda d: d.update(format=2), "'format': .*; expected format 1"),
        (lambda d: d.pop("epoch"), "'epoch' is a required property; expected a document with format, data"),
        (lambda d: d.update(more=1), r"\('more' was unexpected\)"),
        (lambda d: d.update(epoch=True), "'epoch': True is not of type 'integer'; expected a whole number"),
        (lambda d: d["data"].update(dataset=3), r"'data\.dataset': .*; expected the path of a dataset class"),
        (lambda d: d["data"].update(settings=[]), r"'data\.settings': .*; expected an object"),
        (lambda d: d["data"].update(root="/etc"), "'root' was unexpected"),
        (lambda d: d["data"].update(frame_rate=0), r"'data\.frame_rate': .*; expected a frame rate in Hz"),
        (lambda d: d["data"].update(frame_rate=1e999), r"'data\.frame_rate': .*; expected a frame rate"),
        (lambda d: d["data"].update(num_observed=0), r"'data\.num_observed': .*; expected a whole number"),
        (
            lambda d: d["data"].update(num_observed=10**9),
            r"'data\.num_observed': .*; expected a whole number",
        ),
        (lambda d: d["data"].update(class_names=["a", "a", "b"]), r"'data\.class_names': .*different names"),
        (lambda d: d.update(seen_classes=[True]), "'seen_classes' has 1 entries, expected 3"),
        (
            lambda d: d["normalisation"].pop("mean"),
            "'normalisation': 'mean' is a required property; expected statistics with mean",
        ),
        (lambda d: d["normalisation"]["mean"].pop(), "'normalisation' has 116 means and 117 deviations"),
        (lambda d: d["normalisation"]["used"].append(117), "'normalisation' has 117 means"),
        (lambda d: d["normalisation"]["deviation"].append("1"), "'normalisation"),
        (lambda d: d["normalisation"]["deviation"].__setitem__(3, 0.0), "has 0.0, expected numbers above 0"),
    ],
)
def test_wrong_facts(edit: EDITS, message: str, document: str) -> None:
    facts = json.loads(document)
    edit(facts)
    with pytest.raises(ValueError, match=f"^their.json: .*{message}"):
        from_document(facts, where="their.json")


def test_looks_come_along_and_earlier_versions_wrote_none(document: str) -> None:
    facts = json.loads(document)
    assert "looks" not in facts["data"] and "looks" not in from_document(facts, where="old.json").data
    for looks in (None, {"mirror": "x"}):
        facts["data"]["looks"] = looks
        assert from_document(facts, where="new.json").data["looks"] == looks


def test_wrong_folders(tmp_path: Path) -> None:
    folder = tmp_path / "walks"
    share(trained(), folder)
    good = (folder / "data.json").read_text()

    def assert_refused(text: str, message: str) -> None:
        (folder / "data.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            load_checkpoint(folder)

    assert_refused("{", r"data\.json, line 1, column 2: .*expected JSON")
    assert_refused(good.replace("30.0", "NaN"), r"data\.json: NaN is not JSON")
    fewer = json.loads(good)
    fewer["data"]["class_names"], fewer["seen_classes"] = ["a", "b"], [True, True]
    assert_refused(json.dumps(fewer), r"data\.json: there are 2 class names, but the model has 3 classes")
    (folder / "data.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"not what it was trained on, expected the file data\.json"):
        load_checkpoint(folder)


def test_names_no_class_but_of_data_and_transforms(tmp_path: Path) -> None:
    folder = tmp_path / "walks"
    share(trained(preprocess=[CENTER]), folder)
    good = (folder / "data.json").read_text()
    for honest, evil, what in (
        ("pyg_sybio.data.datasets.motion_folder.MotionFolder", "subprocess.Popen", "data set class"),
        ("pyg_sybio.data.transforms.Center", "subprocess.Popen", "registered transform"),
    ):
        (folder / "data.json").write_text(good.replace(honest, evil))
        checkpoint = load_checkpoint(folder)  # a name until it is used
        with pytest.raises(ValueError, match=f"names 'subprocess.Popen', which is not a {what}"):
            preparation_of(checkpoint)


def test_an_exported_model_is_not_shared(tmp_path: Path) -> None:
    class Exported(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    checkpoint = replace(trained(), model=Exported())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the model was exported already"):
        share(checkpoint, tmp_path / "walks")
