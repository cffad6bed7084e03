r"""What is measured of a trained model: functions that make rows of numbers, and train nothing.

A measure shows the clips of a split to the model and leaves both as they were. Its numbers do not depend on
the batch size, nor on what torch's generator has been asked for before, and the generator is left as it was:
clip `n` is corrupted by the random numbers of the seed `n`, the same at every strength of the corruption.
Times (:func:`cost`) alone are another every time.

A clip of a class that training has not shown does not count for recognition, as in
:func:`~pyg_sybio.trained.evaluation.evaluate`; accuracies are shares from 0 to 1. :func:`recognition`,
:func:`motion` and the corruptions have no rows of a task that the model lacks; what is about one task alone
raises :class:`ValueError` then.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch_geometric.data import Batch, Dataset
from tqdm import tqdm

from pyg_sybio.data.datasets.clip_transforms import Transform
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.transforms import DropFrames, DropJoints, JitterJoints
from pyg_sybio.experiments.corruption import OtherRate, corrupted
from pyg_sybio.experiments.experiment import MeasuredModel
from pyg_sybio.experiments.rows import MEAN_OF_CLASSES, OF_ZERO_VELOCITY, Row
from pyg_sybio.metrics import (
    MILLIMETRES,
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
)
from pyg_sybio.trained.evaluation import Answers, Report, answers, numbered_clip, summary

SHORT_TERM_MS = 400  # the field's "short-term prediction" ends here

OBSERVATION_RATIOS = tuple(step / 10 for step in range(1, 11))
NOISE_DEVIATIONS = tuple(step / 100 for step in range(11))
MISSING_SHARES = tuple(step / 10 for step in range(6))
FRAME_RATES = (0.25, 0.5, 1.0, 2.0)  # times the model's

_PCK = "pck@0.05"
_MEASURED_MS, _MEASURED_RUNS, _WARM_UP_RUNS = 1000.0, 10, 3

# One pass serves all measures of uncorrupted clips; forgotten with the model.
_answers_of: "WeakKeyDictionary[MeasuredModel, Answers]" = WeakKeyDictionary()


# Clips as they are ------------------------------------------------------------------------------------------


def recognition(trained: MeasuredModel) -> list[Row]:
    """``top1``, ``top5`` (from five classes on), ``mean_class_accuracy``, and each class's ``recall``."""
    report = _report(trained)
    if "recognition" not in report:
        return []
    found = _with_clips(report["recognition"], trained)
    names = (name for name in ("top1", "top5", "mean_class_accuracy") if name in found)
    return [
        *(Row(name, "", None, found[name]) for name in names),
        *(Row("recall", name, None, recall) for name, recall in found["recall"].items()),
    ]


def motion(trained: MeasuredModel) -> list[Row]:
    """Every error of the data set by action and horizon (ms), and the mean of the classes.

    Zero velocity's are the metrics that end in `" of zero velocity"`. Where nothing was recorded is no row.
    """
    report, rows = _report(trained), []
    for name, errors in report.get("motion", {}).items():
        groups = {**errors["classes"], MEAN_OF_CLASSES: errors["mean_of_classes"]}
        for metric, predictor in ((name, "model"), (name + OF_ZERO_VELOCITY, "zero_velocity")):
            for group, row in groups.items():
                at_horizons = zip(report["horizons_ms"], row[predictor], strict=True)
                rows += [Row(metric, group, ms, error) for ms, error in at_horizons if error is not None]
    return rows


def pck(trained: MeasuredModel) -> list[Row]:
    r"""Share of the joints that are predicted closely enough, by future frame (from 1 on; Fig. 8).

    Of the model (``pck``) and of zero velocity (``pck of zero velocity``), the mean over all persons recorded
    in that frame; see :func:`~pyg_sybio.metrics.percentage_of_correct_keypoints` at 0.05.

    Raises:
        ValueError: If the poses are rotations, the model does not predict, or nothing was recorded.
    """
    dataset = _clips(trained)
    if dataset.skeleton.coordinates == "expmap":
        raise ValueError(
            f"'pck' measures distances, expected positions, but skeleton '{dataset.skeleton.name}' has "
            f"rotations (coordinates '{dataset.skeleton.coordinates}')"
        )
    errors = _answers(trained).errors
    if not errors:
        raise ValueError("'pck' measures predicted joints, but the model does not predict them")
    if _PCK not in errors:
        raise ValueError(
            f"{type(dataset).__name__} reports {', '.join(errors)}, expected '{_PCK}' among them"
        )
    rows = []
    for metric, predictor in (("pck", "model"), ("pck" + OF_ZERO_VELOCITY, "zero_velocity")):
        shares = errors[_PCK][predictor].means()["mean_of_clips"]  # [T]
        measured = (~shares.isnan()).nonzero().flatten().tolist()
        rows += [Row(metric, "", frame + 1, shares[frame].item()) for frame in measured]
    if not rows:
        raise ValueError(f"nothing of the future of the clips of '{trained.split}' was recorded")
    return rows


def calibration(trained: MeasuredModel) -> list[Row]:
    """How far the probabilities are to be believed.

    ``ece``, ``nll`` and ``brier``, and by bin of confidence (from 1 on) the mean ``confidence``, the
    ``accuracy`` and the ``count`` of clips; an empty bin has its count alone. See :mod:`pyg_sybio.metrics`.

    Raises:
        ValueError: If the model does not recognise, or no clip is of a class that training has shown.
    """
    logits, y = _recognised(trained)
    bins = reliability_bins(logits, y)
    rows = [
        Row("ece", "", None, expected_calibration_error(logits, y).item()),
        Row("nll", "", None, negative_log_likelihood(logits, y).item()),
        Row("brier", "", None, brier_score(logits, y).item()),
    ]
    for metric, values in (("confidence", bins.confidence), ("accuracy", bins.accuracy)):
        held = zip(values.tolist(), bins.counts.tolist(), strict=True)
        rows += [Row(metric, "", number, value) for number, (value, count) in enumerate(held, 1) if count]
    return rows + [Row("count", "", number, count) for number, count in enumerate(bins.counts.tolist(), 1)]


def confusion(trained: MeasuredModel) -> list[Row]:
    """How many clips of each class were taken for which: groups ``true class -> predicted class``.

    A row, perhaps of zero, for every class that has clips and every class that training has shown.

    Raises:
        ValueError: As :func:`calibration`.
    """
    _recognised(trained)
    found, names = _report(trained)["recognition"]["confusion"], _clips(trained).class_names
    shown = [name for name, seen in zip(names, trained.seen_classes.tolist(), strict=True) if seen]
    return [
        Row("confusion", f"{true} -> {taken}", None, counts.get(taken, 0))
        for true, counts in found.items()
        for taken in dict.fromkeys([*shown, *counts])
    ]


def cost(trained: MeasuredModel) -> list[Row]:
    r"""Size and speed on this machine, with torch's present number of threads.

    ``parameters``; ``ms_per_clip``, the median time of the model for one clip; and, from a model that
    predicts, ``frames_per_20ms``: how many future frames it makes in 20 ms when it predicts 400 ms (Fig. 9).
    """
    model, dataset = trained.model, _clips(trained)
    device = next(model.parameters()).device
    batch = Batch.from_data_list([numbered_clip(dataset, 0)]).to(device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    rows = [
        Row("parameters", "", None, parameters),
        Row("ms_per_clip", "", None, _median_ms(lambda: model(batch), device)),
    ]
    with torch.no_grad():
        predicts = model(batch).future is not None
    if predicts:
        frames = max(1, round(SHORT_TERM_MS / 1000 * dataset.frame_rate))
        milliseconds = _median_ms(lambda: model(batch, num_future=frames), device)
        rows.append(Row("frames_per_20ms", "", None, 20 * frames / milliseconds))
    return rows


# Less of the clips, and worse -------------------------------------------------------------------------------


def observation_ratios(trained: MeasuredModel) -> list[Row]:
    """``top1`` where only a share of what could be observed has been (Fig. 10).

    Raises:
        ValueError: As :func:`calibration`, or if the data set has no ``observation_ratio``.
    """
    if not trained.model.num_classes:
        raise ValueError("'observation_ratios' measures recognition, but the model does not recognise")
    rows = []
    for ratio in tqdm(OBSERVATION_RATIOS, unit="ratio", disable=None, leave=False):  # on a terminal alone
        report = _report_on(trained, _observed_to(trained, ratio))
        rows.append(Row("top1", "", ratio, _with_clips(report["recognition"], trained)["top1"]))
    return rows


def noise(trained: MeasuredModel) -> list[Row]:
    r"""Accuracy and errors with noise :math:`\mathcal N(0, \sigma^2)` on the observed frames (Fig. 15).

    The deviation :math:`\sigma`, from 0 to 0.1, is in metres where the recordings have a metric unit, and
    else in the unit in which the model sees them: of joint angles, in deviations of the training data
    (z-scores). The group is ``noise``; for the rows see :func:`missing_joints`.
    """
    dataset = _clips(trained)
    units = dataset.skeleton.units if isinstance(dataset, MotionDataset) else ""
    scale = MILLIMETRES["m"] / MILLIMETRES[units] if units in MILLIMETRES else 1.0
    transforms = {sigma: JitterJoints(std=scale * sigma) if sigma else None for sigma in NOISE_DEVIATIONS}
    return _corruption(trained, "noise", transforms)


def missing_joints(trained: MeasuredModel) -> list[Row]:
    r"""Accuracy and errors where a share of the joints is not seen in any observed frame.

    The rows of a corruption are, for each of its strengths, ``top1``, and the mean of every error of the data
    set over the horizons up to 400 ms and over the classes, of the model and of zero velocity (which repeats
    the last observed pose, corrupted as it is). The recorded future is never corrupted. The group is
    ``missing joints``.

    What is missing is filled as in training, by the `fill` of the data set, and is zero without one: in
    z-scores of joint angles that is the mean pose.
    """
    transforms = {share: DropJoints(p=share) if share else None for share in MISSING_SHARES}
    return _corruption(trained, "missing joints", transforms)


def dropped_frames(trained: MeasuredModel) -> list[Row]:
    """Accuracy and errors where a share of the observed frames is lost.

    The group is ``dropped frames``; for the rows see :func:`missing_joints`.
    """
    transforms = {share: DropFrames(p=share) if share else None for share in MISSING_SHARES}
    return _corruption(trained, "dropped frames", transforms)


def frame_rates(trained: MeasuredModel) -> list[Row]:
    """Accuracy and errors where the observed frames come at another rate than the model's.

    `at` is the rate in multiples of the model's. The group ``as it comes`` feeds the frames as if they were
    at the model's rate; ``resampled`` brings them back to it first, counted from the last frame, as ``sybio
    predict`` does. Both fill too few frames as the data set fills short clips. For the rows see
    :func:`missing_joints`.

    Note:
        The rate changes in the frames that the model would have seen, those included that fill a short clip.
        At twice the rate, fed as they come, the model sees half the time.
    """
    padding = getattr(_clips(trained), "padding", "repeat")
    rows = []
    for group, resampled in (("as it comes", False), ("resampled", True)):
        transforms = {
            rate: None if rate == 1 else OtherRate(rate, resampled=resampled, padding=padding)
            for rate in FRAME_RATES
        }
        rows += _corruption(trained, group, transforms)
    return rows


def _corruption(
    trained: MeasuredModel, group: str, transforms: Mapping[float, Transform | None]
) -> list[Row]:
    """Accuracy and short-term errors under each transform of the observed frames; None leaves them."""
    rows = []
    for strength, transform in transforms.items():
        if transform is None:
            report = _report(trained)
        else:
            report = _report_on(trained, corrupted(_clips(trained), transform))
        if "recognition" in report:
            rows.append(Row("top1", group, strength, _with_clips(report["recognition"], trained)["top1"]))
        for name, errors in report.get("motion", {}).items():
            for metric, predictor in ((name, "model"), (name + OF_ZERO_VELOCITY, "zero_velocity")):
                by_horizon = zip(report["horizons_ms"], errors["mean_of_classes"][predictor], strict=True)
                short = [error for ms, error in by_horizon if ms <= SHORT_TERM_MS and error is not None]
                if short:
                    rows.append(Row(metric, group, strength, statistics.fmean(short)))
    return rows


# Passes -----------------------------------------------------------------------------------------------------


def _clips(trained: MeasuredModel) -> Dataset:
    return trained.data.clips(trained.split)


def _answers(trained: MeasuredModel) -> Answers:
    if trained not in _answers_of:
        _answers_of[trained] = _answers_on(trained, _clips(trained))
    return _answers_of[trained]


def _report(trained: MeasuredModel) -> Report:
    return summary(_answers(trained), _clips(trained), seen_classes=trained.seen_classes)


def _answers_on(trained: MeasuredModel, dataset: Dataset) -> Answers:
    return answers(trained.model, dataset, batch_size=trained.batch_size, views=trained.views)


def _report_on(trained: MeasuredModel, dataset: Dataset) -> Report:
    found = _answers_on(trained, dataset)
    return summary(found, dataset, seen_classes=trained.seen_classes)


def _with_clips(recognised: Report, trained: MeasuredModel) -> Report:
    """What is said of recognition, if there is something to be said."""
    if not recognised["clips"]:
        raise ValueError(f"no clip of '{trained.split}' is of a class that training has shown")
    return recognised


def _recognised(trained: MeasuredModel) -> tuple[Tensor, Tensor]:
    """Logits `[n, C]` and classes `[n]` of the clips that count for recognition."""
    found = _answers(trained)
    if found.logits is None:
        raise ValueError("recognition is to be measured, but the model does not recognise")
    _with_clips(_report(trained)["recognition"], trained)
    counted = trained.seen_classes.cpu()[found.y]
    return found.logits[counted], found.y[counted]


def _median_ms(run: Callable[[], object], device: torch.device) -> float:
    """Median time of a run in milliseconds, after some that do not count."""
    times: list[float] = []
    with torch.no_grad():
        for _ in range(_WARM_UP_RUNS):
            run()
        while len(times) < _MEASURED_RUNS or sum(times) < _MEASURED_MS:
            _wait_for(device)
            start = time.perf_counter()
            run()
            _wait_for(device)
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _observed_to(trained: MeasuredModel, ratio: float) -> Dataset:
    """The split with another observation ratio."""
    return trained.data.changed(trained.split, observation_ratio=ratio).clips(trained.split)
