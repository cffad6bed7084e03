r"""The model card of a saved model: a README.md with a header for the hub."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.report import format_report

CARD_FILE = "README.md"

_TAGS = (
    "skeleton",
    "action-recognition",
    "motion-prediction",
    "graph-neural-network",
    "pytorch-geometric",
    "safetensors",
)


def model_card(
    model: SybioGNN, document: Mapping[str, Any], report: Mapping[str, Any] | None, *, title: str
) -> str:
    r"""Describe a trained model, its abilities and its limits.

    Args:
        model: The model.
        document: Its document; the settings of its data are copied unchanged.
        report: A report of ``sybio evaluate``. Without one the card says that the model was not evaluated.
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
    shown = {key: training[key] for key in ("dataset", "settings", "train")}
    # Every JSON value is YAML as well.
    header: dict[str, Any] = {"library_name": "pyg_sybio", "tags": list(_TAGS)}
    if report is not None and (results := list(_index(data, report))):
        header["model-index"] = [{"name": title, "results": results}]
    header_lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in header.items())
    limits = "\n".join(f"- {limit}" for limit in _limits(model, document, report, observed, future))
    return f"""\
---
{header_lines}
---

# {title}

A symbiotic graph neural network (Sybio-GNN). From {observed} of a skeleton sequence it {" and ".join(tasks)}.

{_table(("", ""), facts.items())}

## Use

```python
from pyg_sybio import load_trained

trained = load_trained("FOLDER")  # this folder, or its name on the hub, owner/name
prediction = trained.predict("FILE")  # a recording in any format that the package reads
print(prediction.ranked()[:3])
```

`sybio predict FOLDER FILE` does the same on the command line. `SybioGNN.from_pretrained("FOLDER")` is only
the network; it takes poses `[N, T, {skeleton.num_joints}, {model.in_channels}]`, prepared as in training
(`data.json`).

## Results

{_results(report, data)}

## Training

{training["global_step"]} steps (epoch {training["epoch"]}) with batches of {training["batch_size"]} clips.

```json
{json.dumps(shown, indent=2, ensure_ascii=False)}
```

## Limits

{limits}
"""


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
            f"the report is not one of 'sybio evaluate': {type(error).__name__} {error}"
        ) from error
    expected = document["training"]["dataset"]
    if given != expected or not isinstance(split, str):
        raise ValueError(
            f"the report is of the data set {given!r}, but the model was trained on {expected!r}"
        )
    if unknown := sorted(classes - set(document["class_names"])):
        raise ValueError(f"the report has the class {unknown[0]!r}, which the model does not know")


def _index(name: str, report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the results of a report as entries of the hub's ``model-index``; `name` is the data set's."""
    dataset = {"name": name, "type": name.lower().replace(" ", "-"), "split": report["split"]}
    recognition = report.get("recognition", {})
    accuracies = {
        "Top-1 accuracy": "top1",
        "Top-5 accuracy": "top5",
        "Mean class accuracy": "mean_class_accuracy",
    }
    metrics = [
        {"type": "accuracy", "name": shown, "value": recognition[key]}
        for shown, key in accuracies.items()
        if key in recognition
    ]
    if metrics:
        task = {"type": "action-recognition", "name": "Action recognition from skeletons"}
        yield {"task": task, "dataset": dataset, "metrics": metrics}
    metrics = [
        {"type": error, "name": f"{error} at {horizon} ms ({who})", "value": value}
        for error, found in report.get("motion", {}).items()
        for who, key in (("model", "model"), ("zero velocity", "zero_velocity"))
        for horizon, value in zip(report["horizons_ms"], found["mean_of_classes"][key], strict=True)
        if value is not None
    ]
    if metrics:
        task = {"type": "motion-prediction", "name": "Prediction of human motion from skeletons"}
        yield {"task": task, "dataset": dataset, "metrics": metrics}


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
    yield f"The model only knows the skeleton `{model.skeleton.name}`; other joints have to be mapped to it."
    if model.config["recognition"]:
        yield "It names one of its classes for every recording; there is no class for anything else."
        names = zip(document["class_names"], document["seen_classes"], strict=True)
        if unseen := [name for name, seen in names if not seen]:
            yield f"Classes that did not occur in training, and are not reliable: {_listed(unseen)}."
    yield (
        f"It was trained on {observed} per clip; it accepts shorter recordings, but the results do not show "
        "how well they work."
    )
    if model.config["prediction"]:
        yield f"It predicts one future of {future}, without alternatives."
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
