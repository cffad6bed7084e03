r"""Forecasts beside what really came: of a clip of the data, or of a recording whose end is kept back."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import Dataset

from pyg_sybio.data.datasets.expmap import ExpmapDataset, Normalisation, Standardize
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.two_tasks import split_tasks
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.reading import read_motions
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.evaluation import numbered_clip
from pyg_sybio.trained.prediction import Prediction, predict
from pyg_sybio.trained.preparation import Preparation, at_rate, rate_notice
from pyg_sybio.trained.trained import Checkpoint
from pyg_sybio.visualization.forecast import Forecast


def forecast_clip(checkpoint: Checkpoint, dataset: Dataset, number: int) -> Forecast:
    r"""What a model predicts of a clip, beside what came; z-scores of rotations become rotations again.

    Args:
        checkpoint: The trained model.
        dataset: Clips as the model was trained on.
        number: Which clip, from 0.

    Raises:
        ValueError: If there is no such clip, the model does not predict, or nothing of the clip's future was
            recorded.
    """
    clip = numbered_clip(dataset, checked_number(number, dataset))
    skeleton = dataset.skeleton
    observed, future, recorded = (
        _persons_first(clip[key], skeleton) if key in clip else None for key in ("x", "future", "future_mask")
    )
    assert observed is not None
    assert future is not None
    given = predict(checkpoint, observed)
    normalisation = dataset.normalisation if isinstance(dataset, ExpmapDataset) else None
    return _forecast(
        _motion(observed, skeleton, dataset.frame_rate),
        _motion(future, skeleton, dataset.frame_rate, None if recorded is None else recorded[..., 0].bool()),
        given,
        normalisation=normalisation,
        title=_title_of(dataset, number),
        label=dataset.class_names[int(clip.y)],
    )


def forecast_file(
    checkpoint: Checkpoint, path: str | Path, *, root: str | None = None, entry: int = 0
) -> tuple[Forecast, tuple[str, ...]]:
    r"""What a model predicts of the end of a recording, which it is not shown, beside that end.

    The recording is prepared as the training clips were, and split as they were: its last frames, as many as
    the model predicts, are its future (of a short one the second half).

    Args:
        checkpoint: The trained model.
        path: Any file of motions with the joints of the model.
        root: Folder of the training recordings, whose statistics normalise exponential maps. (default: as in
            training)
        entry: Which motion of the file.

    Returns:
        The forecast, and what a user should know of it, beginning with a verb.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read, has no such motion, does not fit the model or shows nobody, or
            the model does not predict.
    """
    path, num_future = Path(path), checkpoint.model.num_future
    preparation = checkpoint.preparation(root=root)
    recorded = _entry(path, entry, preparation.skeleton)
    if recorded.num_frames < 2:
        raise ValueError(f"{recorded.source} has one frame, expected one to observe and one to compare with")
    # All of it, prepared as one: then observed and future are in one space.
    motion = at_rate(recorded, preparation.frame_rate)
    for step in preparation.preprocess:
        motion = step(motion)
    sample = split_tasks(
        motion,
        num_observed=preparation.num_observed,
        num_future=num_future,
        padding=preparation.padding or "repeat",
    )
    observed = sample.observed
    for step in preparation.fill:
        observed = step(observed)
    seen = observed.present.flatten(1).any(1).nonzero().flatten().tolist()
    if not seen:
        raise ValueError(f"{recorded.source} shows nobody in the frames that are observed, expected somebody")
    observed, future = observed.persons(seen), sample.future.persons(seen)
    notice = rate_notice(recorded.frame_rate, preparation.frame_rate)
    forecast = _forecast(
        observed,
        future,
        predict(checkpoint, observed.poses),
        normalisation=_normalisation(preparation),
        title=Path(recorded.source).name,
        label=recorded.label,
    )
    return forecast, () if notice is None else (notice,)


def checked_number(number: int, dataset: Dataset) -> int:
    """The number of a clip.

    Raises:
        ValueError: If there is no such clip.
    """
    if not 0 <= number < len(dataset):
        raise ValueError(f"there is no clip {number}, expected 0 to {len(dataset) - 1}")
    return number


def _forecast(
    observed: Motion,
    future: Motion,
    given: Prediction,
    *,
    normalisation: Normalisation | None,
    title: str,
    label: str | None,
) -> Forecast:
    if given.future is None:
        raise ValueError("the model does not predict: it was trained without prediction")
    said = [] if label is None else [f"class {label}"]
    for name, probability in islice(given.ranked(), 1):
        said.append(f"recognised as {name} ({probability:.0%})")
    predicted = future.replace(
        poses=given.future.to(future.poses), present=None, confidence=None, translation=None
    )
    if normalisation is not None:
        observed, future = (
            _rotations(motion, normalisation, keep_constant=True) for motion in (observed, future)
        )
        predicted = _rotations(predicted, normalisation, keep_constant=False)
    return Forecast(observed, future, predicted, title=title, remarks=tuple(said))


def _rotations(motion: Motion, normalisation: Normalisation, *, keep_constant: bool) -> Motion:
    """z-scores as exponential maps again; what a model has nothing to say about takes its training mean."""
    frames = normalisation.restore(motion.poses, keep_constant=keep_constant)
    poses = frames[..., list(normalisation.used)].unflatten(-1, (-1, 3))
    return motion.replace(poses=poses * motion.present[..., None])


def _normalisation(preparation: Preparation) -> Normalisation | None:
    steps: Sequence[object] = preparation.preprocess
    return next((step.normalisation for step in steps if isinstance(step, Standardize)), None)


def _persons_first(nodes: Tensor, skeleton: Skeleton) -> Tensor:
    """Node values `[P·M, T, D]` as `[P, T, M, D]`."""
    return nodes.unflatten(0, (-1, skeleton.num_joints)).transpose(1, 2)


def _motion(poses: Tensor, skeleton: Skeleton, frame_rate: float, present: Tensor | None = None) -> Motion:
    if present is None:
        scored = skeleton.coordinates == "xy+score"
        present = poses[..., 2] > 0 if scored else torch.ones(poses.shape[:-1], dtype=torch.bool)
    return Motion(
        poses=poses * present[..., None], skeleton=skeleton, present=present, frame_rate=float(frame_rate)
    )


def _title_of(dataset: Dataset, number: int) -> str:
    if not isinstance(dataset, MotionDataset):
        return f"clip {number}"
    return f"clip {number}: {Path(dataset.motion(number).source).name}"


def _entry(path: Path, entry: int, skeleton: Skeleton) -> Motion:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected a recording")
    found = list(islice(read_motions(path, skeleton=skeleton), entry + 1))
    if len(found) <= entry:
        raise ValueError(f"{path} has {len(found)} motions, but motion {entry} is asked for, counted from 0")
    return found[entry]
