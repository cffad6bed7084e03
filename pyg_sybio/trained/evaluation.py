r"""Accuracy and motion errors of a model and of the zero-velocity baseline, from one pass over a data set."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, Dataset
from tqdm import tqdm

from pyg_sybio.metrics import confusion_matrix, expected_calibration_error, top_k_accuracy
from pyg_sybio.models.baselines import ZeroVelocity
from pyg_sybio.models.persons import persons_of_data
from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.trained.liveness import Liveness, MeanLiveness, actional_of
from pyg_sybio.trained.metrics import ErrorByHorizon
from pyg_sybio.trained.views import ONE_VIEW, Views

# The usual horizons of motion errors, in milliseconds.
HORIZONS_MS = (80, 160, 320, 400, 560, 1000)
PREDICTORS = ("model", "zero_velocity")

Report = dict[str, Any]


class Motions(NamedTuple):
    r"""Predicted and recorded futures of single persons.

    Args:
        model: The model's prediction.
        zero_velocity: The last observed pose in every frame.
        target: The recorded future.
        recorded: Mask of the recorded joints of `target`; None if all joints were recorded.
        y: The class of each person's clip.

    Shapes:
        - **model, zero_velocity, target:** `[n, T, M, D]`
        - **recorded:** `[n, T, M]`
        - **y:** `[n]`
    """

    model: Tensor
    zero_velocity: Tensor
    target: Tensor
    recorded: Tensor | None
    y: Tensor


def dense(batch: Data, key: str, num_joints: int) -> Tensor:
    """A node attribute of a batch as ``[N, (P,) T, M, D]``, as models return poses."""
    persons = persons_of_data(batch, num_joints, key)
    return persons.dense(persons.x)


def motions(out: SybioOutput, batch: Batch) -> Motions:
    """The futures of all present persons of a batch."""
    assert out.future is not None
    num_joints = out.future.size(-2)
    target, observed = dense(batch, "future", num_joints), dense(batch, "x", num_joints)
    still, recorded = ZeroVelocity()(observed, target.shape[-3]), future_mask(batch, num_joints)
    if out.future.dim() == 4:
        return Motions(out.future, still, target, recorded, batch.y)
    clip, person = out.present.nonzero(as_tuple=True)
    predicted, still, target = (future[clip, person] for future in (out.future, still, target))
    recorded = None if recorded is None else recorded[clip, person]
    return Motions(predicted, still, target, recorded, batch.y[clip])


def future_mask(batch: Batch, num_joints: int) -> Tensor | None:
    """Mask of the recorded joints of the future `[N, (P,) T, M]`; None if the data set has no mask."""
    return dense(batch, "future_mask", num_joints).squeeze(-1) if "future_mask" in batch else None


def motion_errors(
    dataset: Dataset, prediction: Tensor, target: Tensor, recorded: Tensor | None
) -> dict[str, Tensor]:
    """The errors `[n, T]` of predictions as defined by a data set, NaN in a frame without a recorded joint.

    If a prediction is NaN, its error is infinite, which distinguishes it from a frame without a recording.
    """
    if recorded is None:  # data sets whose clips are complete need not handle masks
        measured = torch.ones(target.shape[:2], dtype=torch.bool, device=target.device)
        errors = dataset.motion_errors(prediction, target)
    else:
        measured = recorded.any(-1)
        errors = dataset.motion_errors(prediction, target, recorded)
    return {name: error.masked_fill(error.isnan() & measured, torch.inf) for name, error in errors.items()}


class Answers(NamedTuple):
    r"""The predictions of a model for every clip of a data set, from one pass.

    Args:
        y: The class of each clip.
        logits: The model's logits; None from a model without recognition.
        errors: Error name -> predictor (:data:`PREDICTORS`) -> means of the error; empty from a model without
            prediction.
        liveness: Liveness of the actional graphs of the networks (``"joints"``, ``"bones"``) for whole clips;
            empty from a model without such graphs.

    Shapes:
        - **y:** `[N]`
        - **logits:** `[N, C]`
    """

    y: Tensor
    logits: Tensor | None
    errors: Mapping[str, Mapping[str, ErrorByHorizon]]
    liveness: Mapping[str, Liveness]


def answers(
    model: Any,
    dataset: Dataset,
    *,
    batch_size: int = 32,
    progress: bool = False,
    views: Views = ONE_VIEW,
) -> Answers:
    r"""Run a model on every clip of a data set.

    Random transforms of a clip only depend on its index, and the state of torch's generator is restored.

    Args:
        model: The model on the device to use, which may be folded or exported; it is left in evaluation mode.
        dataset: Clips with labels and futures.
        batch_size: The number of clips in a batch; it does not change the result.
        progress: Show a progress bar on stderr.
        views: Test-time augmentation. (default: none)

    Raises:
        ValueError: If the skeleton or the classes of the data differ from the model's, or the data set lacks
            a view (:meth:`~pyg_sybio.trained.views.Views.versions`).
    """
    _check_fit(model, dataset)
    errors: dict[str, dict[str, ErrorByHorizon]] = {}
    logits, labels = [], []
    liveness: dict[str, MeanLiveness] = {}
    for _, batch, out in batches(model, dataset, batch_size=batch_size, progress=progress, views=views):
        labels.append(batch.y.cpu())
        if out.logits is not None:
            logits.append(out.logits.cpu())
        if out.future is not None:
            _add_motion_errors(errors, dataset, motions(out, batch), len(dataset.class_names))
        for network, graphs in actional_of(out).items():
            liveness.setdefault(network, MeanLiveness()).update(graphs)
    return Answers(
        torch.cat(labels),
        torch.cat(logits) if logits else None,
        errors,
        {network: mean.value for network, mean in liveness.items()},
    )


def numbered_clip(dataset: Dataset, number: int) -> Data:
    """Return a clip whose random transforms only depend on its index; torch's generator is not affected.

    Raises:
        ValueError: If there is no such clip.
    """
    if not 0 <= number < len(dataset):
        raise ValueError(f"there is no clip {number}, expected 0 to {len(dataset) - 1}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(number)
        return dataset[number]


def horizon_frames(frame_rate: float, num_future: int) -> dict[int, int]:
    """Horizon in milliseconds -> index of the predicted frame.

    The frames are the ones nearest to :data:`HORIZONS_MS` within the future, and the last one. A horizon is
    the time from the last observed frame to the predicted one: at 30 Hz, the frame nearest to 80 ms is at 67
    ms.
    """
    nearest = {round(ms / 1000 * frame_rate) - 1 for ms in HORIZONS_MS} | {num_future - 1}
    return {
        round(1000 * (frame + 1) / frame_rate): frame for frame in sorted(nearest) if 0 <= frame < num_future
    }


def nominal_horizons(report: Report) -> dict[int, int]:
    """Horizon of :data:`HORIZONS_MS` -> position of the nearest frame in the horizons of a report.

    Publications name a horizon 80 ms also where the nearest frame is at 67 ms.
    """
    period = report["horizons_ms"][-1] / report["horizon_frames"][-1]
    position = {frame: index for index, frame in enumerate(report["horizon_frames"])}
    nearest = {ms: round(ms / period) for ms in HORIZONS_MS}
    return {ms: position[frame] for ms, frame in nearest.items() if frame in position}


def evaluate(
    model: Any,
    dataset: Dataset,
    *,
    seen_classes: Tensor | None = None,
    batch_size: int = 32,
    actions: Sequence[str] | None = None,
    views: Views = ONE_VIEW,
    progress: bool = True,
) -> Report:
    r"""Accuracy and motion errors over a data set.

    Args:
        model: The model on the device to use, as in :func:`answers`.
        dataset: Clips with labels and futures.
        seen_classes: Which classes occurred in training [C]: clips of other classes do not count for
            recognition, because a model cannot recognise a class without training clips. (default: all)
        batch_size: The number of clips in a batch; it does not change the result.
        actions: Names of the classes whose clips are evaluated. (default: all)
        views: Test-time augmentation. (default: none)
        progress: Show a progress bar on a terminal.

    Returns:
        Plain values, ready for JSON (:func:`summary`), with the number of ``views`` and whether half of them
        are ``mirrored``.

    Raises:
        ValueError: If the skeleton or the classes of the data differ from the model's, or no class has a name
            in `actions`.
    """
    _chosen_classes(list(dataset.class_names), actions)  # report wrong names before the model runs
    found = answers(model, dataset, batch_size=batch_size, views=views, progress=progress)
    report = summary(found, dataset, seen_classes=seen_classes, actions=actions)
    return {"views": views.count, "mirrored": views.mirror is not None} | report


def summary(
    found: Answers,
    dataset: Dataset,
    *,
    seen_classes: Tensor | None = None,
    actions: Sequence[str] | None = None,
) -> Report:
    r"""Accuracy and motion errors from a model's predictions; see :func:`evaluate` for the other arguments.

    Returns:
        Plain values, ready for JSON. ``recognition`` has the number of clips and their classes. If there is a
        clip, it also has ``top1``, ``top5`` (for five classes and more), ``mean_class_accuracy``, ``ece``
        (:func:`~pyg_sybio.metrics.expected_calibration_error`), the ``recall`` of each class, and
        ``confusion``, the number of clips per class and predicted class. ``motion`` has every error that the
        data set reports, per horizon, for each class and as the unweighted mean over classes: the error of
        the model, the error of zero velocity, and their ratio. It is empty if no future was recorded.
        ``actional_graphs`` has the :class:`~pyg_sybio.trained.liveness.Liveness` over all clips of each
        network with actional graphs, and whether its graphs are ``dead``, that is, have equal rows.

    Raises:
        ValueError: If no class, or no clip, has a name in `actions`.
    """
    class_names = list(dataset.class_names)
    chosen = _chosen_classes(class_names, actions)
    seen = torch.ones(len(class_names), dtype=torch.bool) if seen_classes is None else seen_classes.cpu()
    report: Report = {"dataset": type(dataset).__name__, **_counts(dataset, chosen[found.y])}
    if not report["clips"]:
        raise ValueError(f"no clip has one of the actions {', '.join(actions or class_names)}")
    if found.logits is not None:
        counted = chosen & seen
        recognition = _recognition(found.logits, found.y, counted, class_names)
        report["recognition"] = _counts(dataset, counted[found.y]) | recognition
        if unseen := found.y[(chosen & ~seen)[found.y]].unique().tolist():
            report["recognition"]["not_in_training"] = {
                class_names[i]: _counts(dataset, found.y == i)["clips"] for i in unseen
            }
    if found.errors:
        frames = horizon_frames(dataset.frame_rate, dataset.num_future)
        report["horizons_ms"] = list(frames)
        report["horizon_frames"] = [frame + 1 for frame in frames.values()]
        report["motion"] = {
            name: _motion(by_predictor, list(frames.values()), chosen, class_names)
            for name, by_predictor in found.errors.items()
            if by_predictor["model"].count[chosen].any()
        }
    if found.liveness:
        report["actional_graphs"] = {
            network: each._asdict() | {"dead": each.is_dead} for network, each in found.liveness.items()
        }
    return report


@torch.no_grad()
def batches(
    model: Any,
    dataset: Dataset,
    numbers: Tensor | None = None,
    *,
    batch_size: int,
    progress: bool,
    views: Views = ONE_VIEW,
) -> Iterator[tuple[Tensor, Batch, SybioOutput]]:
    """Yield the indices of clips (by default all), their batch, and the output of the model."""
    model.eval()
    # An exported model has no torch parameters, and its inputs are on the CPU.
    device = next((each.device for each in model.parameters()), torch.device("cpu"))
    versions = views.versions(dataset)
    numbers = torch.arange(len(dataset)) if numbers is None else numbers
    # A DataLoader is not used, because it draws from torch's generator even without shuffling.
    hidden = None if progress else True  # None shows the bar on terminals only
    for part in tqdm(numbers.split(batch_size), unit="batch", disable=hidden, leave=False):
        seen = [
            Batch.from_data_list([numbered_clip(each, number) for number in part.tolist()]).to(device)
            for each in versions
        ]
        yield part, seen[0], views.answer(model, dataset, seen)


def _check_fit(model: Any, dataset: Dataset) -> None:
    if dataset.skeleton != model.skeleton:
        raise ValueError(
            f"the model has skeleton '{model.skeleton.name}', but the data has '{dataset.skeleton.name}'"
        )
    # A model without recognition has 0 classes.
    if model.num_classes not in (0, len(dataset.class_names)):
        raise ValueError(
            f"the model has {model.num_classes} classes, but the data has {len(dataset.class_names)}"
        )


def _chosen_classes(class_names: list[str], actions: Sequence[str] | None) -> Tensor:
    for action in actions or ():
        if action not in class_names:
            raise ValueError(f"'actions' has {action!r}, expected some of {', '.join(class_names)}")
    return torch.tensor([actions is None or name in actions for name in class_names])


def _counts(dataset: Dataset, counted: Tensor) -> dict[str, int]:
    """The number of clips among some samples `[N]` of a data set, and of windows if samples are windows."""
    spans = getattr(dataset, "spans", ())
    if all(span.split is None for span in spans):
        return {"clips": int(counted.sum())}
    indices = [index for index, each in zip(dataset.indices(), counted.tolist(), strict=True) if each]
    return {"clips": len({spans[index].clip for index in indices}), "windows": len(indices)}


def _recognition(logits: Tensor, y: Tensor, counted: Tensor, class_names: list[str]) -> Report:
    logits, y = logits[counted[y]], y[counted[y]]
    names = [class_names[i] for i in y.unique().tolist()]
    result: Report = {"classes": names}
    if not len(y):
        return result
    result["top1"] = float(top_k_accuracy(logits, y))
    if len(class_names) >= 5:
        result["top5"] = float(top_k_accuracy(logits, y, k=5))
    counts = confusion_matrix(logits, y).tolist()
    confusion = {
        name: {guess: count for guess, count in zip(class_names, row, strict=True) if count}
        for name, row in zip(class_names, counts, strict=True)
        if any(row)
    }
    recall = {name: row.get(name, 0) / sum(row.values()) for name, row in confusion.items()}
    result["mean_class_accuracy"] = sum(recall.values()) / len(recall)
    result["ece"] = float(expected_calibration_error(logits, y))
    return result | {"recall": recall, "confusion": confusion}


def _add_motion_errors(
    errors: dict[str, dict[str, ErrorByHorizon]], dataset: Dataset, clips: Motions, num_classes: int
) -> None:
    for predictor in PREDICTORS:
        prediction = getattr(clips, predictor)
        for name, error in motion_errors(dataset, prediction, clips.target, clips.recorded).items():
            by_predictor = errors.setdefault(
                name, {p: ErrorByHorizon(error.shape[1], num_classes) for p in PREDICTORS}
            )
            by_predictor[predictor].update(error, clips.y)


def _motion(
    by_predictor: Mapping[str, ErrorByHorizon], frames: list[int], chosen: Tensor, class_names: list[str]
) -> Report:
    means = {predictor: metric.means() for predictor, metric in by_predictor.items()}
    count = means["model"]["count"]
    present = ((count > 0) & chosen).nonzero().flatten().tolist()
    by_class = {predictor: mean["by_class"][present][:, frames] for predictor, mean in means.items()}
    classes = {
        class_names[i]: _row({p: errors[row] for p, errors in by_class.items()}) | {"futures": int(count[i])}
        for row, i in enumerate(present)
    }
    return {
        "classes": classes,
        "mean_of_classes": _row({p: errors.nanmean(0) for p, errors in by_class.items()}),
    }


def _row(errors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Errors of both predictors at each horizon, and their ratio.

    Values are None if nothing was recorded. The ratio is also None if the error of zero velocity is 0.
    """
    rows = dict(errors) | {"ratio": errors["model"] / errors["zero_velocity"]}
    return {
        name: [
            None if math.isnan(value) or (name == "ratio" and math.isinf(value)) else value for value in row
        ]
        for name, row in ((name, row.tolist()) for name, row in rows.items())
    }
