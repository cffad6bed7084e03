r"""Recordings in files: what is done in them, and what comes next."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sybio.data.datasets.clip_table import match_clip_pattern
from pyg_sybio.data.datasets.motion_folder import describe_files, find_motion_files
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.files import write_whole
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.observation import Observation, observe
from pyg_sybio.trained.trained import Checkpoint


@dataclass(frozen=True)
class Prediction:
    r"""What a model says of one clip.

    Args:
        probabilities: Of the classes [C]; None from a model without recognition.
        future: Poses after the clip [(P,) T_future, M, D], in the space of the training clips; None from a
            model without prediction.
        class_names: Of the classes, in the order of `probabilities`.
        frame_rate: Of `future`, Hz.
    """

    probabilities: Tensor | None
    future: Tensor | None
    class_names: tuple[str, ...]
    frame_rate: float

    def ranked(self) -> list[tuple[str, float]]:
        """Class names with their probabilities, the likeliest first."""
        if self.probabilities is None:
            return []
        pairs = zip(self.class_names, self.probabilities.tolist(), strict=True)
        return sorted(pairs, key=lambda pair: -pair[1])


@dataclass(frozen=True)
class PredictedClip:
    """A clip of a folder and what a model says of it.

    Args:
        name: Its file, relative to the folder, and its number there if the file has several.
        label: Its class, where that is known.
        observation: What the model has seen.
        prediction: What it says.
    """

    name: str
    label: str | None
    observation: Observation
    prediction: Prediction


def predict(checkpoint: Checkpoint, x: Tensor) -> Prediction:
    r"""Recognise and forecast one clip.

    Args:
        checkpoint: The trained model.
        x: Observed poses in the space of the training clips. The last frames count, as many as the model was
            trained on; fewer will do.

    Shapes:
        - **x:** `[T, M, D]` or `[P, T, M, D]`

    Raises:
        ValueError: If `x` does not fit the model's skeleton, or has no frame, or a value is not finite.
    """
    _check_clip(x, checkpoint.model.skeleton)
    observed = x[..., -checkpoint.data["num_observed"] :, :, :].float()
    # A person who stands at the origin throughout is a person all the same.
    present = torch.ones(1, len(observed), dtype=torch.bool) if observed.dim() == 4 else None
    with torch.no_grad():
        out = checkpoint.model(observed[None], present=present)
    return _prediction(checkpoint, out.logits, None if out.future is None else out.future[0])


def predict_recording(
    checkpoint: Checkpoint, observation: Observation, *, root: str | None = None
) -> Prediction:
    r"""Recognise and forecast a recording, with all the looks that the model's recipe takes at a clip.

    Args:
        checkpoint: The trained model.
        observation: What it is to see (:func:`~pyg_sybio.trained.observation.observe`).
        root: Folder of the training recordings, whose statistics normalise exponential maps. (default: as in
            training)

    Returns:
        The prediction, its future `[P, T_future, M, D]`.
    """
    looks, preparation = checkpoint.looks, checkpoint.preparation(root=root)
    versions = [
        Data(x=each.poses.float().transpose(1, 2).flatten(0, 1))
        for each in (observation.observed, *observation.parts)
    ]
    with torch.no_grad():
        out = looks.answer(checkpoint.model, preparation, versions)
    num_persons, future = observation.observed.num_persons, out.future
    return _prediction(
        checkpoint, out.logits, future[0] if num_persons > 1 and future is not None else future
    )


def _prediction(checkpoint: Checkpoint, logits: Tensor | None, future: Tensor | None) -> Prediction:
    return Prediction(
        probabilities=None if logits is None else logits[0].softmax(-1),
        future=future,
        class_names=tuple(checkpoint.data["class_names"]),
        frame_rate=checkpoint.data["frame_rate"],
    )


def predict_folder(
    checkpoint: Checkpoint, folder: str | Path, *, labels: str = "clips.csv", root: str | None = None
) -> Iterator[PredictedClip]:
    r"""Recognise and forecast every clip of the files below a folder.

    Labels are those of the CSV file `labels` in the folder, if it is there
    (:func:`~pyg_sybio.data.datasets.clip_table.read_clip_table`); else those in the names of files that
    match the
    pattern of the model's recipe, if it has one; else those in the files.

    Raises:
        FileNotFoundError: If there is no such folder, or nothing in it that can be read.
        ValueError: If the CSV file or a motion file is wrong, or a motion does not fit the model.
    """
    folder = Path(folder)
    # The skeleton's file may lie among the recordings, as in training.
    skeleton = checkpoint.data["settings"].get("skeleton")
    files = find_motion_files(folder, besides=(folder / labels, *([Path(skeleton)] if skeleton else [])))
    entries = describe_files(files, folder, labels=labels, pattern=None)
    pattern = checkpoint.data["settings"].get("pattern")
    if not entries and pattern is not None:
        names = [path.relative_to(folder).as_posix() for path in files]
        entries = match_clip_pattern(pattern, [name for name in names if re.fullmatch(pattern, name)])
    for path in files:
        name = path.relative_to(folder).as_posix()
        for number, observation in enumerate(observe(path, checkpoint, root=root)):
            said = entries[name].label if name in entries else None
            yield PredictedClip(
                name=f"{name}: {number}" if number else name,
                label=observation.recorded.label if said is None else said,
                observation=observation,
                prediction=predict_recording(checkpoint, observation, root=root),
            )


def write_prediction(prediction: Prediction, observation: Observation, path: str | Path) -> None:
    r"""Write the future as a motion, with what the model says of the class beside it.

    The file is one that :func:`~pyg_sybio.data.reading.read_motion` reads: ``poses`` are the future poses, in
    the recording's own coordinates wherever the preparation has a way back (see
    :attr:`Observation.notices <pyg_sybio.trained.observation.Observation>`), at the frame rate of the model.
    Beside it are ``probabilities`` and ``class_names``. For a recording of exponential maps, there is also
    ``future_frames``, the future as lines of such a file.

    From a model that only recognises, there is no motion, but an ``.npz`` file of the other two.

    Raises:
        ValueError: If `path` does not end in ``.npz`` or ``.json``.
    """
    extra = {"class_names": np.array(prediction.class_names)}
    if prediction.probabilities is not None:
        extra["probabilities"] = prediction.probabilities.numpy()
    if prediction.future is None:
        write_whole(path, lambda file: np.savez(file, allow_pickle=False, **extra))
        return
    future = future_motion(prediction, observation)
    if future.translation is not None:
        frames = torch.cat([future.translation, future.poses.flatten(-2)], dim=-1)
        extra["future_frames"] = frames[0].numpy()
    write_motion(future, path, **extra)


def future_motion(prediction: Prediction, observation: Observation) -> Motion:
    """The predicted future as a motion in the recording's own coordinates.

    Raises:
        ValueError: If the model does not predict.
    """
    if prediction.future is None:
        raise ValueError("the model has no future to write: it was trained without prediction")
    recorded, observed = observation.recorded, observation.observed
    future = Motion(
        poses=prediction.future.to(observed.poses),  # a recording may be in double precision
        skeleton=observed.skeleton,
        frame_rate=prediction.frame_rate,
        ids=recorded.ids,
        tracks=observed.tracks,
        source=recorded.source,
    )
    return observation.to_recording(future)


def _check_clip(x: Tensor, skeleton: Skeleton) -> None:
    if x.dim() not in (3, 4):
        raise ValueError(f"'x' has shape {list(x.shape)}, expected [T, M, D] or [P, T, M, D]")
    if x.shape[-2] != skeleton.num_joints:
        raise ValueError(
            f"'x' has {x.shape[-2]} joints, but skeleton '{skeleton.name}' has {skeleton.num_joints}"
        )
    if x.shape[-1] != skeleton.num_features:
        raise ValueError(
            f"'x' has {x.shape[-1]} features a joint, but skeleton '{skeleton.name}' "
            f"({skeleton.coordinates}) has {skeleton.num_features}"
        )
    if x.numel() == 0:
        raise ValueError(f"'x' has shape {list(x.shape)}: expected at least one frame of one person")
    if not x.isfinite().all():
        raise ValueError(f"'x' has {int((~x.isfinite()).sum())} values that are not finite numbers")
