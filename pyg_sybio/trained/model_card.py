r"""The model card of a saved model: a README.md with a header for the hub."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.evaluation import PREDICTORS
from pyg_sybio.trained.report import format_report

CARD_FILE = "README.md"

_TEMPLATE = Template(Path(__file__).with_name("model_card_template.md").read_text(encoding="utf-8"))


def model_card(
    model: SybioGNN, document: Mapping[str, Any], report: Mapping[str, Any] | None, *, title: str
) -> str:
    r"""Describe a trained model, its abilities and its limits.

    Args:
        model: The model.
        document: The model's document; the settings of its data are copied unchanged.
        report: A report of ``sybio evaluate``. Without a report, the card says that the model was not
            evaluated.
        title: The name of the model.

    Returns:
        Markdown with a YAML header (between two lines ``---``), in which ``model-index`` contains the values
        of the report.

    Raises:
        ValueError: If the report is for another data set or for other classes.
    """
    if report is not None:
        _check_report(report, document)
    skeleton, training, config = model.skeleton, document["training"], model.config
    data, names = training["folder"] or training["dataset"], document["class_names"]
    observed, future = (
        _seconds(frames, document) for frames in (document["preparation"]["num_observed"], model.num_future)
    )
    tasks = [f"recognises which of {len(names)} actions is performed"] if config["recognition"] else []
    tasks += [f"predicts the next {future}"] if config["prediction"] else []
    size = f"{skeleton.num_joints} joints, `{skeleton.coordinates}`, {skeleton.units}"
    facts = {
        "skeleton": f"`{skeleton.name}`, {size}",
        "joints": _listed(skeleton.joints),
        "classes": _listed(names),
        "parameters": f"{sum(each.numel() for each in model.parameters()) / 1e6:.2f} million",
    }
    model_index = ""
    if report is not None and (results := list(_index(data, report))):
        # Every JSON value is YAML as well.
        model_index = f"model-index: {json.dumps([{'name': title, 'results': results}])}\n"
    shown = {key: training[key] for key in ("dataset", "settings", "train")}
    return _TEMPLATE.substitute(
        training,
        model_index=model_index,
        title=title,
        observed=observed,
        tasks=" and ".join(tasks),
        facts=_table(("", ""), facts.items()),
        num_joints=skeleton.num_joints,
        num_features=model.in_channels,
        results=_results(report, data),
        settings=json.dumps(shown, indent=2, ensure_ascii=False),
        limits="\n".join(f"- {limit}" for limit in _limits(model, document, report, observed, future)),
    )


def _check_report(report: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    try:
        given = report["dataset"]
        classes = {*report.get("recognition", {}).get("classes", ())}
        for errors in report.get("motion", {}).values():
            classes |= errors["classes"].keys()
        format_report(report)
        split = report["split"]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"'sybio evaluate' did not write the report: {type(error).__name__} {error}"
        ) from error
    expected = document["training"]["dataset"]
    if given != expected or not isinstance(split, str):
        raise ValueError(
            f"the report is of the data set {given!r}, but the model was trained on {expected!r}"
        )
    if unknown := sorted(classes - set(document["class_names"])):
        raise ValueError(f"the report has the class {unknown[0]!r}, which the model does not have")


def _index(data: str, report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the results of a report as entries of the ``model-index`` for data of this name."""
    dataset = {"name": data, "type": data.lower().replace(" ", "-"), "split": report["split"]}
    recognition = report.get("recognition", {})
    accuracies = {"top1": "Top-1", "top5": "Top-5", "mean_class_accuracy": "Mean class"}
    recognised = [
        {"type": "accuracy", "name": f"{shown} accuracy", "value": recognition[key]}
        for key, shown in accuracies.items()
        if key in recognition
    ]
    predicted = [
        {"type": error, "name": f"{error} at {horizon} ms ({key.replace('_', ' ')})", "value": value}
        for error, found in report.get("motion", {}).items()
        for key in PREDICTORS
        for horizon, value in zip(report["horizons_ms"], found["mean_of_classes"][key], strict=True)
        if value is not None
    ]
    for kind, name, metrics in (
        ("action-recognition", "Action recognition from skeletons", recognised),
        ("motion-prediction", "Prediction of human motion from skeletons", predicted),
    ):
        if metrics:
            yield {"task": {"type": kind, "name": name}, "dataset": dataset, "metrics": metrics}


def _results(report: Mapping[str, Any] | None, data: str) -> str:
    if report is None:
        return "The model was not evaluated."
    parts = [
        f"On the split `{report['split']}` of {data}. Zero velocity keeps the last observed pose. The ratio "
        "is the value of the model divided by the value of zero velocity: below 1 is better for errors, "
        "above 1 for the fraction of correct joints (pck).",
        format_report(report, by_class=False),
    ]
    if recall := report.get("recognition", {}).get("recall"):
        parts.append(
            _table(("class", "recall"), ((_cell(name), f"{each:.1%}") for name, each in recall.items()))
        )
    return "\n\n".join(parts)


def _limits(
    model: SybioGNN, document: Mapping[str, Any], report: Mapping[str, Any] | None, observed: str, future: str
) -> Iterator[str]:
    yield f"The model only supports the skeleton `{model.skeleton.name}`; other joints must be mapped to it."
    if model.config["recognition"]:
        yield "The model assigns one of its classes to every recording, even if it shows another action."
        names = zip(document["class_names"], document["seen_classes"], strict=True)
        if unseen := [name for name, seen in names if not seen]:
            yield f"These classes did not occur in training and are not reliable: {_listed(unseen)}."
    yield (
        f"The model was trained on {observed} per clip. It accepts shorter recordings, but was not tested on "
        "them."
    )
    if model.config["prediction"]:
        yield f"The model predicts one future of {future}, without alternatives."
    if report is not None:
        yield (
            "The results are for recordings of the same data set as in training: they do not show how well "
            "the model works for other people, cameras or trackers."
        )


def _seconds(num_frames: int, document: Mapping[str, Any]) -> str:
    rate = document["preparation"]["frame_rate"]
    return f"{num_frames / rate:.3g} s ({num_frames} frames at {rate:g} Hz)"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_cell, names))


def _cell(text: str) -> str:
    """Format a name for a table cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _table(header: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"| {left} | {right} |" for left, right in (header, ("---", "---"), *rows))
