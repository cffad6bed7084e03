r"""The model card of a shared model: a README.md for people, and its head for the hub."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyg_sybio.trained.evaluation import format_report
from pyg_sybio.trained.trained import Checkpoint

_TAGS = (
    "skeleton",
    "action-recognition",
    "motion-prediction",
    "graph-neural-network",
    "pytorch-geometric",
    "safetensors",
)


def model_card(checkpoint: Checkpoint, report: Mapping[str, Any] | None, *, title: str) -> str:
    r"""What a trained model is, can do, and cannot.

    Args:
        checkpoint: The model; the settings of its data are shown as they are.
        report: What ``sybio evaluate`` found (:func:`~pyg_sybio.trained.evaluation.summary`). Without one
            the card says that it was not evaluated.
        title: The name of the model.

    Returns:
        Markdown, whose head (between two lines ``---``) is YAML: ``model-index`` holds the report's figures.

    Raises:
        ValueError: If the report is of another data set or of other classes.
    """
    if report is not None:
        _check_report(report, checkpoint)
    sections = [
        *_head(checkpoint, report, title),
        f"# {title}",
        _summary(checkpoint),
        _facts(checkpoint),
        "## Use",
        _usage(checkpoint),
        "## Results",
        *_results(report, checkpoint),
        "## Training",
        *_training(checkpoint),
        "## Limits",
        "\n".join(f"- {limit}" for limit in _limits(checkpoint, report)),
    ]
    return "\n\n".join(sections) + "\n"


def _check_report(report: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    try:
        came = report["dataset"]
        classes = {*report.get("recognition", {}).get("classes", ())}
        for errors in report.get("motion", {}).values():
            classes |= errors["classes"].keys()
        format_report(report)
        split = report["split"]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"the report is not one of 'sybio evaluate': {type(error).__name__} {error}"
        ) from error
    expected = checkpoint.data["dataset"].rpartition(".")[2]
    if came != expected or not isinstance(split, str):
        raise ValueError(f"the report is of the data set {came!r}, but the model was trained on {expected!r}")
    if unknown := sorted(classes - set(checkpoint.data["class_names"])):
        raise ValueError(f"the report has the class {unknown[0]!r}, which the model does not know")


def _head(checkpoint: Checkpoint, report: Mapping[str, Any] | None, title: str) -> Iterator[str]:
    # A text or a list in JSON is one in YAML.
    head: dict[str, Any] = {"library_name": "pyg_sybio", "tags": list(_TAGS)}
    if report is not None and (results := list(_index(checkpoint, report))):
        head["model-index"] = [{"name": title, "results": results}]
    lines = (f"{key}: {json.dumps(value)}" for key, value in head.items())
    yield "\n".join(["---", *lines, "---"])


def _index(checkpoint: Checkpoint, report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The results as the hub reads them."""
    name = _data_name(checkpoint)
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


def _summary(checkpoint: Checkpoint) -> str:
    model, data = checkpoint.model, checkpoint.data
    tasks = []
    if model.config["recognition"]:
        tasks.append(f"says which of {len(data['class_names'])} actions is done")
    if model.config["prediction"]:
        tasks.append(f"predicts the next {_seconds(model.num_future, data)}")
    return (
        f"A symbiotic graph neural network (Sybio-GNN). From {_seconds(data['num_observed'], data)} of a "
        f"skeleton sequence it {' and '.join(tasks)}."
    )


def _seconds(num_frames: int, data: Mapping[str, Any]) -> str:
    return f"{num_frames / data['frame_rate']:.3g} s ({num_frames} frames at {data['frame_rate']:g} Hz)"


def _facts(checkpoint: Checkpoint) -> str:
    model, data = checkpoint.model, checkpoint.data
    skeleton = model.skeleton
    units = f", {skeleton.units}" if skeleton.units else ""
    parameters = sum(each.numel() for each in model.parameters())
    rows = {
        "skeleton": f"`{skeleton.name}`, {skeleton.num_joints} joints, `{skeleton.coordinates}`{units}",
        "joints": _listed(skeleton.joints),
        "classes": _listed(data["class_names"]),
        "parameters": f"{parameters / 1e6:.2f} million",
    }
    return _table(("", ""), rows.items())


def _usage(checkpoint: Checkpoint) -> str:
    shown = "a recording, in any format that the package reads"
    joints, features = checkpoint.model.skeleton.num_joints, checkpoint.model.in_channels
    return f"""\
```python
from pyg_sybio.trained.trained import load_checkpoint
from pyg_sybio.trained.observation import observe_one
from pyg_sybio.trained.prediction import predict

checkpoint = load_checkpoint("FOLDER")  # this folder, or its name on the hub, owner/name
said = predict(checkpoint, observe_one("FILE", checkpoint).x)  # {shown}
print(said.ranked()[:3], None if said.future is None else said.future.shape)
```

`sybio predict FOLDER FILE` does the same on the command line. `SybioGNN.from_pretrained("FOLDER")` is the
model alone; it takes poses `[N, T, {joints}, {features}]`, prepared as in training (below)."""


def _results(report: Mapping[str, Any] | None, checkpoint: Checkpoint) -> Iterator[str]:
    if report is None:
        yield "It was not evaluated."
        return
    yield (
        f"On the split `{report['split']}` of {_data_name(checkpoint)}. Zero velocity stays at the last "
        "observed pose; the ratio is the model's figure over its: of an error, below 1 is better, of a share "
        "of correct joints (pck), above 1."
    )
    yield format_report(report, by_class=False)
    if recall := report.get("recognition", {}).get("recall"):
        rows = ((_cell(name), f"{value:.1%}") for name, value in recall.items())
        yield _table(("class", "recall"), rows)


def _training(checkpoint: Checkpoint) -> Iterator[str]:
    data = checkpoint.data
    yield f"{checkpoint.global_step} steps (epoch {checkpoint.epoch}) of {data['batch_size']} clips."
    shown = {key: data[key] for key in ("dataset", "settings", "train")}
    yield f"```json\n{json.dumps(shown, indent=2, ensure_ascii=False)}\n```"


def _limits(checkpoint: Checkpoint, report: Mapping[str, Any] | None) -> Iterator[str]:
    model, data = checkpoint.model, checkpoint.data
    yield f"It knows the skeleton `{model.skeleton.name}` alone; other joints have to be mapped to its own."
    if model.config["recognition"]:
        yield "Whatever is shown, it names one of its classes; there is none for anything else."
        unseen = [
            name
            for name, seen in zip(data["class_names"], checkpoint.seen_classes.tolist(), strict=True)
            if not seen
        ]
        if unseen:
            yield f"Never shown in training, and so never to be relied on: {_listed(unseen)}."
    yield (
        f"It has seen {_seconds(data['num_observed'], data)} a clip; it answers to less as well, but the "
        "results do not tell how well."
    )
    if model.config["prediction"]:
        yield f"It predicts one future, the likeliest as it takes it, {_seconds(model.num_future, data)} far."
    if report is not None:
        yield (
            "The results are of recordings of the same data set as the training's: they do not tell about "
            "other people, cameras or trackers than are in it."
        )


def _data_name(checkpoint: Checkpoint) -> str:
    """The folder of the recordings, or else the class that reads them."""
    return checkpoint.data["folder"] or checkpoint.data["dataset"].rpartition(".")[2]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_cell, names))


def _cell(text: str) -> str:
    """A name as text of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _table(header: tuple[str, str], rows: Any) -> str:
    lines = [header, ("---", "---"), *rows]
    return "\n".join(f"| {left} | {right} |" for left, right in lines)
