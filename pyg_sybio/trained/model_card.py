r"""The model card of a saved model: a README.md for people, with a header for the hub."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.evaluation import format_report

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
    r"""What a trained model is, what it can do, and what it cannot.

    Args:
        model: The model.
        document: Its document; the settings of its data are shown as they are.
        report: A report of ``sybio evaluate``. Without one the card says that the model was not evaluated.
        title: The name of the model.

    Returns:
        Markdown with a YAML header (between two lines ``---``), in which ``model-index`` holds the figures of
        the report.

    Raises:
        ValueError: If the report is of another data set or of other classes.
    """
    if report is not None:
        _check_report(report, document)
    sections = [
        *_header(document, report, title),
        f"# {title}",
        _summary(model, document),
        _facts(model, document),
        "## Use",
        _usage(model),
        "## Results",
        *_results(report, document),
        "## Training",
        *_training(document),
        "## Limits",
        "\n".join(f"- {limit}" for limit in _limits(model, document, report)),
    ]
    return "\n\n".join(sections) + "\n"


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


def _header(document: Mapping[str, Any], report: Mapping[str, Any] | None, title: str) -> Iterator[str]:
    # Every JSON value is YAML as well.
    header: dict[str, Any] = {"library_name": "pyg_sybio", "tags": list(_TAGS)}
    if report is not None and (results := list(_index(document, report))):
        header["model-index"] = [{"name": title, "results": results}]
    lines = (f"{key}: {json.dumps(value)}" for key, value in header.items())
    yield "\n".join(["---", *lines, "---"])


def _index(document: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The results in the form of the hub."""
    name = _data_name(document)
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


def _summary(model: SybioGNN, document: Mapping[str, Any]) -> str:
    tasks = []
    if model.config["recognition"]:
        tasks.append(f"recognises which of {len(document['class_names'])} actions is performed")
    if model.config["prediction"]:
        tasks.append(f"predicts the next {_seconds(model.num_future, document)}")
    observed = _seconds(document["preparation"]["num_observed"], document)
    return (
        f"A symbiotic graph neural network (Sybio-GNN). From {observed} of a skeleton sequence it "
        f"{' and '.join(tasks)}."
    )


def _seconds(num_frames: int, document: Mapping[str, Any]) -> str:
    rate = document["preparation"]["frame_rate"]
    return f"{num_frames / rate:.3g} s ({num_frames} frames at {rate:g} Hz)"


def _facts(model: SybioGNN, document: Mapping[str, Any]) -> str:
    skeleton = model.skeleton
    units = f", {skeleton.units}" if skeleton.units else ""
    parameters = sum(each.numel() for each in model.parameters())
    rows = {
        "skeleton": f"`{skeleton.name}`, {skeleton.num_joints} joints, `{skeleton.coordinates}`{units}",
        "joints": _listed(skeleton.joints),
        "classes": _listed(document["class_names"]),
        "parameters": f"{parameters / 1e6:.2f} million",
    }
    return _table(("", ""), rows.items())


def _usage(model: SybioGNN) -> str:
    joints, features = model.skeleton.num_joints, model.in_channels
    return f"""\
```python
from pyg_sybio import load_trained

trained = load_trained("FOLDER")  # this folder, or its name on the hub, owner/name
prediction = trained.predict("FILE")  # a recording in any format that the package reads
print(prediction.ranked()[:3])
```

`sybio predict FOLDER FILE` does the same on the command line. `SybioGNN.from_pretrained("FOLDER")` is only
the network; it takes poses `[N, T, {joints}, {features}]`, prepared as in training (`data.json`)."""


def _results(report: Mapping[str, Any] | None, document: Mapping[str, Any]) -> Iterator[str]:
    if report is None:
        yield "The model was not evaluated."
        return
    yield (
        f"On the split `{report['split']}` of {_data_name(document)}. Zero velocity keeps the last observed "
        "pose. The ratio is the model's figure divided by that of zero velocity: below 1 is better for "
        "errors, above 1 for the share of correct joints (pck)."
    )
    yield format_report(report, by_class=False)
    if recall := report.get("recognition", {}).get("recall"):
        rows = ((_cell(name), f"{value:.1%}") for name, value in recall.items())
        yield _table(("class", "recall"), rows)


def _training(document: Mapping[str, Any]) -> Iterator[str]:
    training = document["training"]
    yield (
        f"{training['global_step']} steps (epoch {training['epoch']}) with batches of "
        f"{training['batch_size']} clips."
    )
    shown = {key: training[key] for key in ("dataset", "settings", "train")}
    yield f"```json\n{json.dumps(shown, indent=2, ensure_ascii=False)}\n```"


def _limits(model: SybioGNN, document: Mapping[str, Any], report: Mapping[str, Any] | None) -> Iterator[str]:
    yield f"The model only knows the skeleton `{model.skeleton.name}`; other joints have to be mapped to it."
    if model.config["recognition"]:
        yield "It names one of its classes for every recording; there is no class for anything else."
        names = zip(document["class_names"], document["seen_classes"], strict=True)
        if unseen := [name for name, seen in names if not seen]:
            yield f"Classes that did not occur in training, and are not reliable: {_listed(unseen)}."
    yield (
        f"It was trained on {_seconds(document['preparation']['num_observed'], document)} per clip; it "
        "accepts shorter recordings, but the results do not show how well they work."
    )
    if model.config["prediction"]:
        yield f"It predicts one future of {_seconds(model.num_future, document)}, without alternatives."
    if report is not None:
        yield (
            "The results are of recordings of the same data set as in training: they do not show how the "
            "model works for other people, cameras or trackers."
        )


def _data_name(document: Mapping[str, Any]) -> str:
    """The folder of the recordings, or the class that reads them."""
    training = document["training"]
    name: str = training["folder"] or training["dataset"]
    return name


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_cell, names))


def _cell(text: str) -> str:
    """A name as text of a table cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _table(header: tuple[str, str], rows: Any) -> str:
    lines = [header, ("---", "---"), *rows]
    return "\n".join(f"| {left} | {right} |" for left, right in lines)
