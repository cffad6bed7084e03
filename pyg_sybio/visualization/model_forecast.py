r"""Forecasts of a model compared with the recorded future of a clip or of a recording."""

import math
from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import Batch, Dataset

from pyg_sybio.data.datasets.expmap import ExpmapDataset
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.resample import at_times
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.evaluation import numbered_clip
from pyg_sybio.trained.preparation import CHOOSE_PERSONS, at_rate, rate_notices
from pyg_sybio.trained.trained import Trained
from pyg_sybio.visualization.bodies import body_of
from pyg_sybio.visualization.forecast import Forecast


def forecast_clip(trained: Trained, dataset: Dataset, number: int, *, angles: bool = False) -> Forecast:
    r"""The prediction for a clip and its recorded future; z-scores are converted to bodies or rotations.

    Args:
        trained: The model.
        dataset: Clips as the model was trained on.
        number: The number of the clip, from 0.
        angles: Keep rotations even if the skeleton has bone offsets, instead of converting them to positions.

    Raises:
        ValueError: If there is no such clip, the model does not predict, or the clip's future was not
            recorded.
    """
    views = trained.views
    clips = [numbered_clip(each, number) for each in views.versions(dataset)]
    with torch.no_grad():
        out = views.answer(trained.fast, dataset, [Batch.from_data_list([clip]) for clip in clips])
    if out.future is None:
        raise ValueError("the model does not predict: it was trained without prediction")
    clip, skeleton, rate = clips[0], dataset.skeleton, float(dataset.frame_rate)
    recorded = _persons_first(clip.future_mask, skeleton)[..., 0].bool() if "future_mask" in clip else None
    observed = _motion(_persons_first(clip.x, skeleton), skeleton, rate)
    future = _motion(_persons_first(clip.future, skeleton), skeleton, rate, recorded)
    # Clips of one person have no person dimension.
    predicted = future.replace(poses=out.future.view_as(future.poses).to(future.poses), present=None)
    if isinstance(dataset, ExpmapDataset):
        observed, future = (_restored(m, dataset, angles, keep_constant=True) for m in (observed, future))
        predicted = _restored(predicted, dataset, angles, keep_constant=False)
    remarks = [f"class {dataset.class_names[int(clip.y)]}"]
    if out.logits is not None:
        probabilities = out.logits[0].softmax(-1)
        remarks.append(
            _recognised(trained.class_names[int(probabilities.argmax())], float(probabilities.max()))
        )
    title = f"clip {number}"
    if isinstance(dataset, MotionDataset):
        title += f": {Path(dataset.motion(number).source).name}"
    return Forecast(observed, future, predicted, title=title, remarks=tuple(remarks))


def forecast_file(
    trained: Trained, path: str | Path, *, entry: int = 0, angles: bool = False
) -> tuple[Forecast, tuple[str, ...]]:
    r"""The prediction for a recording whose end is hidden from the model, compared with that end.

    The future consists of the last frames, as many as the model predicts, or of the second half of a short
    recording. All earlier frames are passed to :meth:`Trained.predict
    <pyg_sybio.trained.trained.Trained.predict>`. Both are in the coordinates of the recording.

    Args:
        trained: The model.
        path: Any file of motions with the joints of the model.
        entry: The number of the motion in the file.
        angles: Keep rotations, as in :func:`forecast_clip`.

    Returns:
        The forecast, and remarks for the user, each beginning with a verb.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read, has no such motion, does not fit the model or contains no
            person, or if the model does not predict, or its preparation cannot be inverted.
    """
    preparation = trained.preparation
    if preparation.notices:
        raise ValueError(f"a forecast of {path} cannot be compared with it: it {preparation.notices[0]}")
    recorded = trained.read(path, entry)
    if recorded.num_frames < 2:
        raise ValueError(f"{recorded.source} has one frame, expected one to observe and one to compare with")
    motion, num_future = at_rate(recorded, preparation.frame_rate), trained.model.num_future
    split = max(motion.num_frames - num_future, math.ceil(motion.num_frames / 2))
    prediction = trained.predict(motion.frames(slice(0, split)))
    for step in preparation.preprocess:
        if isinstance(step, CHOOSE_PERSONS):
            motion = step(motion)
    predicted = prediction.future_motion
    tracks = [track for track in predicted.tracks if track in motion.tracks]
    predicted = predicted.persons([predicted.tracks.index(track) for track in tracks])
    whole = motion.persons([motion.tracks.index(track) for track in tracks])
    # A predicted frame may be longer than a recorded one if the preparation limits the number of frames.
    step_size = (motion.frame_rate or preparation.frame_rate) / prediction.frame_rate
    count = prediction.prepared.observed.num_frames
    past = split - 1 - step_size * torch.arange(count - 1, -1, -1, dtype=torch.float64)
    observed = at_times(whole, past[past >= 0])
    coming = split - 1 + step_size * torch.arange(1, num_future + 1, dtype=torch.float64)
    known = coming[coming < whole.num_frames - 1 + 1e-6].clamp(max=whole.num_frames - 1)
    future = _lengthened(at_times(whole, known), num_future)
    observed, future, predicted = (
        ((None if angles else body_of(each)) or each.joints(trained.model.skeleton)).replace(
            translation=None, confidence=None, frame_rate=prediction.frame_rate
        )
        for each in (observed, future, predicted)
    )
    remarks = [] if recorded.label is None else [f"class {recorded.label}"]
    if prediction.label is not None:
        remarks.append(_recognised(*prediction.ranked()[0]))
    forecast = Forecast(observed, future, predicted, title=Path(recorded.source).name, remarks=tuple(remarks))
    return forecast, rate_notices(recorded.frame_rate, preparation.frame_rate)


def _lengthened(motion: Motion, num_frames: int) -> Motion:
    """The motion with frames at its end in which nothing was recorded."""
    missing = num_frames - motion.num_frames
    poses = torch.nn.functional.pad(motion.poses, (0, 0, 0, 0, 0, missing))
    present = torch.nn.functional.pad(motion.present, (0, 0, 0, missing))
    return motion.replace(poses=poses, present=present, translation=None, confidence=None)


def _recognised(name: str, probability: float) -> str:
    return f"recognised as {name} ({probability:.0%})"


def _restored(motion: Motion, dataset: ExpmapDataset, angles: bool, *, keep_constant: bool) -> Motion:
    """Convert z-scores to positions or exponential maps; unpredicted columns have their training mean."""
    normalisation = dataset.normalisation
    frames = normalisation.restore(motion.poses, keep_constant=keep_constant)
    rotations = frames[..., 3:].unflatten(-1, (-1, 3))
    whole = motion.replace(poses=rotations, present=None, skeleton=dataset.benchmark.skeleton)
    if not angles and (body := body_of(whole)) is not None:
        return body
    return whole.joints(motion.skeleton)


def _persons_first(nodes: Tensor, skeleton: Skeleton) -> Tensor:
    """Node values `[P·M, T, D]` as `[P, T, M, D]`."""
    return nodes.unflatten(0, (-1, skeleton.num_joints)).transpose(1, 2)


def _motion(poses: Tensor, skeleton: Skeleton, frame_rate: float, present: Tensor | None = None) -> Motion:
    if present is None:
        scored = skeleton.coordinates == "xy+score"
        present = poses[..., 2] > 0 if scored else torch.ones(poses.shape[:-1], dtype=torch.bool)
    return Motion(poses=poses * present[..., None], skeleton=skeleton, present=present, frame_rate=frame_rate)
