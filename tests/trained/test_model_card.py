"""The model card with and without a report, as parsed by the hub."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from live_models import small_checkpoint

from pyg_sybio import Trained


def trained() -> Trained:
    return replace(small_checkpoint(folder="walks"), seen_classes=(True, False, True))


def report(**changes: Any) -> dict[str, Any]:
    """Some entries of a report of `sybio evaluate`."""
    row = {"model": [1.0, 2.0], "zero_velocity": [2.0, None], "ratio": [0.5, None]}
    recognition = {"clips": 9, "classes": ["a", "b"], "top1": 0.75, "mean_class_accuracy": 0.5}
    recognition["recall"] = {"a": 1.0, "b": 0.25}
    return {
        "model": "last.ckpt",
        "split": "test",
        "dataset": "MotionFolder",
        "clips": 9,
        "recognition": recognition,
        "horizons_ms": [80, 160],
        "motion": {"mpjpe_mm": {"classes": {"a": row}, "mean_of_classes": row}},
        **changes,
    }


def card_of(folder: Path) -> ModelCard:
    """The card as parsed by the hub."""
    return ModelCard.load(folder / "README.md")


def test_the_card_contains_the_values_of_the_report(tmp_path: Path) -> None:
    trained().save(tmp_path / "walks", report=report(), title='Walks: "a" | b')
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
    assert "These classes did not occur in training and are not reliable: b." in text
    assert "the next 0.167 s (5 frames at 30 Hz)" in text


def test_the_card_says_that_there_is_no_report(tmp_path: Path) -> None:
    trained().save(tmp_path / "walks")
    card = card_of(tmp_path / "walks")
    assert card.data.eval_results is None
    assert card.text.lstrip().startswith("# walks")
    assert "The model was not evaluated." in card.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "CMUMocap"}, "the report is of the data set 'CMUMocap', .* trained on 'MotionFolder'"),
        (
            {"recognition": {**report()["recognition"], "classes": ["z"]}},
            "has the class 'z', which the model",
        ),
        ({"motion": {"mpjpe_mm": {}}}, "'sybio evaluate' did not write the report: KeyError"),
        ({"motion": 3}, "'sybio evaluate' did not write the report: AttributeError"),
        ({"recognition": [1]}, "'sybio evaluate' did not write the report"),
    ],
)
def test_a_report_for_another_model_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        trained().save(tmp_path / "walks", report=report(**changes))
    assert not (tmp_path / "walks").exists()
