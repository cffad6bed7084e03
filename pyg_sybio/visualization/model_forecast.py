r"""Forecasts of a model, compared with the true future of a clip or of a recording."""

import copy
import math
from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import Batch, Dataset

from pyg_sybio.data.datasets.expmap import ExpmapDataset
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import hide
from pyg_sybio.data.transforms.resample import at_times
from pyg_sybio.trained.evaluation import numbered_clip
from pyg_sybio.trained.preparation import CHOOSE_PERSONS, at_rate, rate_notices
from pyg_sybio.trained.trained import Trained
from pyg_sybio.visualization.bodies import body_of
from pyg_sybio.visualization.forecast import Forecast, padded


def forecast_clip(trained: Trained, dataset: Dataset, number: int, *, angles: bool = False) -> Forecast:
    r"""Predict the future of a clip and compare it with the true future.

    Z-scored joint angles are converted to positions if the skeleton has bone offsets, or else to rotations.

    Args:
        trained: The model.
        dataset: Clips prepared like the training clips.
        number: Index of the clip.
        angles: Always convert joint angles to rotations.

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
    clip = clips[0]
    observed = _motion(clip.x, dataset, _seen(dataset, number))
    future = _motion(clip.future, dataset, clip.future_mask if "future_mask" in clip else None)
    # Clips of one person have no person dimension.
    predicted = future.replace(poses=out.future.view_as(future.poses).to(future.poses), present=None)
    predicted = hide(predicted, ~observed.present.any(1, keepdim=True))
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
    r"""Predict the end of a recording from its start and compare it with the true end.

    The end has as many frames as the model predicts, but at most half of the frames of the recording. All
    earlier frames are passed to :meth:`Trained.predict <pyg_sybio.trained.trained.Trained.predict>`. The true
    and the predicted end are in the coordinates of the recording.

    Args:
        trained: The model.
        path: A motion file with the joints of the model.
        entry: Index of the motion in the file.
        angles: Keep rotations even if the skeleton has bone offsets, instead of converting them to positions.

    Returns:
        The forecast, with the last action of each person's timeline as a remark, and notices for the user,
        each of which begins with a verb.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read, has no such motion, does not fit the model or contains no
            person, or if the model does not predict, or its preparation cannot be inverted.
    """
    preparation = trained.preparation
    if preparation.notices:
        raise ValueError(f"{path} cannot be compared with its forecast, which {preparation.notices[0]}")
    recorded = trained.read(path, entry)
    source = recorded.source or str(path)
    if recorded.num_frames < 2:
        raise ValueError(f"{source} has one frame, expected one to observe and one to compare with")
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
    # Predicted frames may be further apart than recorded ones if the preparation limits their number.
    step_size = (motion.frame_rate or preparation.frame_rate) / prediction.frame_rate
    count = prediction.prepared.observed.num_frames
    past = split - 1 - step_size * torch.arange(count - 1, -1, -1, dtype=torch.float64)
    observed = at_times(whole, past[past >= 0])
    coming = split - 1 + step_size * torch.arange(1, num_future + 1, dtype=torch.float64)
    known = coming[coming < whole.num_frames - 1 + 1e-6].clamp(max=whole.num_frames - 1)
    future = padded(at_times(whole, known), 0, num_future - len(known))
    observed, future, predicted = (
        ((None if angles else body_of(each)) or each.joints(trained.model.skeleton)).replace(
            translation=None, confidence=None, frame_rate=prediction.frame_rate
        )
        for each in (observed, future, predicted)
    )
    remarks = [] if recorded.label is None else [f"class {recorded.label}"]
    for person in prediction.persons:
        if person.track is None or person.track in tracks:
            which = "" if len(prediction.persons) == 1 else f"person {person.track} "
            last = person.segments[-1]
            remarks.append(which + _recognised(last.label, last.probability))
    forecast = Forecast(observed, future, predicted, title=Path(source).name, remarks=tuple(remarks))
    return forecast, rate_notices(recorded.frame_rate, preparation.frame_rate)


def _recognised(name: str, probability: float) -> str:
    return f"recognised as {name} ({probability:.0%})"


def _restored(motion: Motion, dataset: ExpmapDataset, angles: bool, *, keep_constant: bool) -> Motion:
    """Convert z-scores to positions or exponential maps; columns that are not predicted get their mean."""
    normalisation = dataset.normalisation
    frames = normalisation.restore(motion.poses, keep_constant=keep_constant)
    rotations = frames[..., 3:].unflatten(-1, (-1, 3))
    whole = motion.replace(poses=rotations, present=None, skeleton=dataset.benchmark.skeleton)
    if not angles and (body := body_of(whole)) is not None:
        return body
    return whole.joints(motion.skeleton)


def _seen(dataset: Dataset, number: int) -> Tensor | None:
    """Mask `[P·M, T, 1]` of the joints that a clip had before filling; None if no joint was missing."""
    if not isinstance(dataset, MotionDataset):
        return None
    marked = copy.copy(dataset)
    marked.fill = _mark
    return numbered_clip(marked, number).x[..., :1]


def _mark(motion: Motion) -> Motion:
    """Replace the features of joints by 1 where they are present."""
    return motion.replace(poses=motion.present[..., None].to(motion.poses).expand_as(motion.poses))


def _motion(nodes: Tensor, dataset: Dataset, mask: Tensor | None = None) -> Motion:
    """Convert node features `[P·M, T, D]` to a motion; the mask `[P·M, T, 1]` is 0 for unrecorded joints."""
    skeleton = dataset.skeleton
    mask = torch.ones_like(nodes[..., :1]) if mask is None else mask
    if skeleton.coordinates == "xy+score":
        mask = mask * (nodes[..., 2:3] > 0)
    poses, present = (
        values.unflatten(0, (-1, skeleton.num_joints)).transpose(1, 2) for values in (nodes * mask, mask)
    )
    rate = float(dataset.frame_rate)
    return Motion(poses=poses, skeleton=skeleton, present=present[..., 0].bool(), frame_rate=rate)
