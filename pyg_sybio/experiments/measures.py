r"""Measures of a trained model: functions that return rows of measured values.

A measure evaluates the model on the clips of a split, without modifying them. Its values do not depend on the
batch size or on the state of torch's random generator, which is restored afterwards. Clip `n` is corrupted
with random numbers of seed `n`, which are the same at every strength of the corruption. Only timings vary
between runs (:func:`cost`).

Recognition ignores clips of classes that did not occur in training, as in
:func:`~pyg_sybio.trained.evaluation.evaluate`. Accuracies are fractions from 0 to 1. If the model does not
have a task, :func:`recognition`, :func:`motion` and the corruption measures return no rows for this task, and
measures of only this task raise :class:`ValueError`.
"""

import statistics
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor
from torch.utils.benchmark import Timer
from torch_geometric.data import Batch
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
from pyg_sybio.trained.evaluation import Report, nominal_horizons, numbered_clip

SHORT_TERM_MS = 400  # limit of "short-term prediction" in the literature

OBSERVATION_RATIOS = tuple(step / 10 for step in range(1, 11))
NOISE_DEVIATIONS = tuple(step / 100 for step in range(11))
MISSING_SHARES = tuple(step / 10 for step in range(6))
FRAME_RATES = (0.25, 0.5, 1.0, 2.0)  # relative to the frame rate of the model
TIMER_SECONDS = 20.0  # time limit for the median of repeated runs

_PCK = "pck@0.05"


# Unchanged clips ------------------------------------------------------------------------------------------


def recognition(trained: MeasuredModel) -> list[Row]:
    """Measure ``top1``, ``top5`` (if there are at least five classes), ``mean_class_accuracy``, and
    ``recall`` by class.
    """
    report = trained.report()
    if "recognition" not in report:
        return []
    found = _recognised(report, trained)
    names = (name for name in ("top1", "top5", "mean_class_accuracy") if name in found)
    return [
        *(Row(name, "", None, found[name]) for name in names),
        *(Row("recall", name, None, recall) for name, recall in found["recall"].items()),
    ]


def motion(trained: MeasuredModel) -> list[Row]:
    """Measure every error of the data set by action and horizon (ms), and its mean over actions.

    The names of metrics of the zero-velocity baseline end in `" of zero velocity"`. Horizons without recorded
    joints have no rows.
    """
    return _motion_rows(trained.report())


def pck(trained: MeasuredModel) -> list[Row]:
    r"""Measure the percentage of correct keypoints, as a fraction, by future frame, counted from 1 (Fig. 8).

    The rows are means over all persons recorded in the frame, for the model (``pck``) and for zero velocity
    (``pck of zero velocity``); see :func:`~pyg_sybio.metrics.percentage_of_correct_keypoints` with a
    threshold of 0.05.

    Raises:
        ValueError: If the poses are rotations, the model does not predict, or nothing was recorded.
    """
    coordinates = trained.clips.skeleton.coordinates
    if coordinates == "expmap":
        raise ValueError(f"'pck' measures distances, expected positions, got coordinates '{coordinates}'")
    errors = trained.answers.errors
    if not errors:
        raise ValueError("'pck' measures predicted joints, but the model does not predict")
    if _PCK not in errors:
        raise ValueError(
            f"{type(trained.clips).__name__} reports {', '.join(errors)}, expected '{_PCK}' among them"
        )
    rows = []
    for metric, predictor in (("pck", "model"), ("pck" + OF_ZERO_VELOCITY, "zero_velocity")):
        fractions = errors[_PCK][predictor].means()["mean_of_clips"]  # [T]
        measured = (~fractions.isnan()).nonzero().flatten().tolist()
        rows += [Row(metric, "", frame + 1, fractions[frame].item()) for frame in measured]
    if not rows:
        raise ValueError(f"the clips of '{trained.split}' have no recorded future")
    return rows


def calibration(trained: MeasuredModel) -> list[Row]:
    """Measure the calibration of the probabilities; see :mod:`pyg_sybio.metrics`.

    The rows are ``ece``, ``nll`` and ``brier``, and for each bin of confidence, counted from 1, the mean
    ``confidence``, the ``accuracy`` and the ``count`` of clips; an empty bin only has its count.

    Raises:
        ValueError: If the model does not recognise, or no clip is of a class that occurred in training.
    """
    logits, y = _counted(trained)
    bins = reliability_bins(logits, y)
    rows = [
        Row("ece", "", None, expected_calibration_error(logits, y).item()),
        Row("nll", "", None, negative_log_likelihood(logits, y).item()),
        Row("brier", "", None, brier_score(logits, y).item()),
    ]
    for number, (confidence, accuracy, count) in enumerate(zip(*map(Tensor.tolist, bins), strict=True), 1):
        rows.append(Row("count", "", number, count))
        if count:
            rows += [Row("confidence", "", number, confidence), Row("accuracy", "", number, accuracy)]
    return rows


def confusion(trained: MeasuredModel) -> list[Row]:
    """Count the clips by true and predicted class, in groups ``true class -> predicted class``.

    There is a row for every class with clips and every class that occurred in training, even if its count is
    zero.

    Raises:
        ValueError: In the same cases as :func:`calibration`.
    """
    _counted(trained)
    found, names = trained.report()["recognition"]["confusion"], trained.clips.class_names
    shown = [name for name, seen in zip(names, trained.seen_classes.tolist(), strict=True) if seen]
    return [
        Row("confusion", f"{true} -> {taken}", None, counts.get(taken, 0))
        for true, counts in found.items()
        for taken in dict.fromkeys([*shown, *counts])
    ]


def cost(trained: MeasuredModel) -> list[Row]:
    r"""Measure the size and speed of the model on this machine, with torch's current number of threads.

    The metrics are ``parameters``, and ``ms_per_clip``, the median time of the model for one clip. If the
    model predicts, ``frames_per_20ms`` is the number of frames that it predicts in 20 ms of computing time,
    for a future of 400 ms (Fig. 9).
    """
    model, dataset = trained.model, trained.clips
    batch = Batch.from_data_list([numbered_clip(dataset, 0)]).to(next(model.parameters()).device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    rows = [
        Row("parameters", "", None, parameters),
        Row("ms_per_clip", "", None, _median_ms(lambda: model(batch))),
    ]
    with torch.no_grad():
        predicts = model(batch).future is not None
    if predicts:
        frames = max(1, round(SHORT_TERM_MS / 1000 * dataset.frame_rate))
        milliseconds = _median_ms(lambda: model(batch, num_future=frames))
        rows.append(Row("frames_per_20ms", "", None, 20 * frames / milliseconds))
    return rows


# Corrupted clips ------------------------------------------------------------------------------------------


def observation_ratios(trained: MeasuredModel) -> list[Row]:
    """Measure ``top1`` if only a fraction of the observable frames is observed (Fig. 10).

    Raises:
        ValueError: In the same cases as :func:`calibration`, or if the data set has no ``observation_ratio``.
    """
    if not trained.model.num_classes:
        raise ValueError("'observation_ratios' measures recognition, but the model does not recognise")
    rows = []
    # The progress bar is only shown on terminals.
    for ratio in tqdm(OBSERVATION_RATIOS, unit="ratio", disable=None, leave=False):
        clips = trained.data.changed(trained.split, observation_ratio=ratio).clips(trained.split)
        rows.append(Row("top1", "", ratio, _recognised(trained.report(clips), trained)["top1"]))
    return rows


def noise(trained: MeasuredModel) -> list[Row]:
    r"""Measure accuracy and errors with noise :math:`\mathcal N(0, \sigma^2)` on the observed frames (Fig.
    15).

    The standard deviation :math:`\sigma` is from 0 to 0.1. It is in metres if the recordings have a metric
    unit, and otherwise in the unit of the model's input, which is the z-score for joint angles. The group is
    ``noise``; :func:`missing_joints` describes the rows.
    """
    dataset = trained.clips
    units = dataset.skeleton.units if isinstance(dataset, MotionDataset) else ""
    scale = MILLIMETRES["m"] / MILLIMETRES[units] if units in MILLIMETRES else 1.0
    return _corruption(trained, "noise", NOISE_DEVIATIONS, lambda sigma: JitterJoints(std=scale * sigma))


def missing_joints(trained: MeasuredModel) -> list[Row]:
    r"""Measure accuracy and errors if a fraction of the joints is missing in each observed frame.

    Each strength of the corruption has a row ``top1``, and a row for each error of the data set, averaged
    over classes and over horizons up to 400 ms. The errors are measured for the model and for the
    zero-velocity baseline, which repeats the last observed pose with its corruption. The true future is never
    corrupted. The group is ``missing joints``.

    Missing joints are filled as in training, by the argument `fill` of the data set. Without `fill`, they are
    zero; for z-scores of joint angles, this is the mean pose.
    """
    return _corruption(trained, "missing joints", MISSING_SHARES, lambda share: DropJoints(p=share))


def dropped_frames(trained: MeasuredModel) -> list[Row]:
    """Measure accuracy and errors if a fraction of the observed frames is missing.

    The group is ``dropped frames``; :func:`missing_joints` describes the rows.
    """
    return _corruption(trained, "dropped frames", MISSING_SHARES, lambda share: DropFrames(p=share))


def frame_rates(trained: MeasuredModel) -> list[Row]:
    """Measure accuracy and errors if the frame rate of the observed frames differs from the model's frame
    rate.

    `at` is the frame rate relative to the model's frame rate. In the group ``as it comes``, the frames are
    used as if they had the model's frame rate. In the group ``resampled``, they are first resampled to the
    model's frame rate, backwards from the last frame, as in ``sybio predict``. In both groups, missing frames
    are padded as in short clips. :func:`missing_joints` describes the rows.

    Note:
        The frame rate is changed after a short clip has been padded, so it also applies to the padding.
        Without resampling, at twice the frame rate, the model observes half the duration.
    """
    padding = getattr(trained.clips, "padding", "repeat")
    as_it_comes, resampled = (
        partial(OtherRate, resampled=resampled, padding=padding) for resampled in (False, True)
    )
    return [
        *_corruption(trained, "as it comes", FRAME_RATES, as_it_comes, unchanged=1.0),
        *_corruption(trained, "resampled", FRAME_RATES, resampled, unchanged=1.0),
    ]


def _corruption(
    trained: MeasuredModel,
    group: str,
    strengths: Iterable[float],
    transform: Callable[[float], Transform],
    *,
    unchanged: float = 0.0,
) -> list[Row]:
    """Measure accuracy and short-term errors at each strength of a transform of the observed frames."""
    rows = []
    for strength in strengths:
        clips = None if strength == unchanged else corrupted(trained.clips, transform(strength))
        report = trained.report(clips)
        if "recognition" in report:
            rows.append(Row("top1", group, strength, _recognised(report, trained)["top1"]))
        short: dict[str, list[float]] = {}
        for row in _motion_rows(report):
            if row.group == MEAN_OF_CLASSES and row.at is not None and row.at <= SHORT_TERM_MS:
                short.setdefault(row.metric, []).append(row.value)
        rows += [Row(metric, group, strength, statistics.fmean(errors)) for metric, errors in short.items()]
    return rows


# Reports --------------------------------------------------------------------------------------------------


def _motion_rows(report: Report) -> list[Row]:
    rows = []
    horizons = nominal_horizons(report) if "motion" in report else {}
    for name, errors in report.get("motion", {}).items():
        groups = {**errors["classes"], MEAN_OF_CLASSES: errors["mean_of_classes"]}
        for metric, predictor in ((name, "model"), (name + OF_ZERO_VELOCITY, "zero_velocity")):
            for group, by_predictor in groups.items():
                at_horizons = {ms: by_predictor[predictor][index] for ms, index in horizons.items()}
                rows += [
                    Row(metric, group, ms, error) for ms, error in at_horizons.items() if error is not None
                ]
    return rows


def _recognised(report: Report, trained: MeasuredModel) -> Report:
    """The recognition results of a report.

    Raises:
        ValueError: If no clip is of a class that occurred in training.
    """
    if not report["recognition"]["clips"]:
        raise ValueError(f"no clip of '{trained.split}' is of a class that occurred in training")
    return report["recognition"]


def _counted(trained: MeasuredModel) -> tuple[Tensor, Tensor]:
    """Return the logits `[n, C]` and classes `[n]` of the clips whose class occurred in training."""
    found = trained.answers
    if found.logits is None:
        raise ValueError("the measure is about recognition, but the model does not recognise")
    _recognised(trained.report(), trained)
    counted = trained.seen_classes.cpu()[found.y]
    return found.logits[counted], found.y[counted]


def _median_ms(run: Callable[[], object]) -> float:
    """Return the median time in ms; the run is repeated until the times agree or the time limit is
    reached.
    """
    timer = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
    with torch.no_grad():
        return (
            1000
            * timer.adaptive_autorange(threshold=0.05, min_run_time=0.2, max_run_time=TIMER_SECONDS).median
        )
