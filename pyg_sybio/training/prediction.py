r"""One clip from a file: what is done, and what comes next."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.cmu_mocap import CMUMocap
from pyg_sybio.files import write_whole
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class ReadClip:
    r"""Poses read from a file.

    Args:
        x: The poses, [T, M, D] or [P, T, M, D], in the space of the training clips.
        to_frames: Turns poses of that space into frames of the file's own values, where the file is a
            recording; None where the file is in the space of the training clips.
    """

    x: Tensor
    to_frames: Callable[[Tensor], Tensor] | None = None


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


def predict(checkpoint: Checkpoint, x: Tensor) -> Prediction:
    r"""Recognise and forecast one clip.

    Args:
        checkpoint: The trained model.
        x: Observed poses. The last frames count, as many as the model was trained on; fewer will do.

    Shapes:
        - **x:** `[T, M, D]` or `[P, T, M, D]`

    Raises:
        ValueError: If `x` does not fit the model's skeleton, or has no frame, or a value is not finite.
    """
    check_clip(x, checkpoint.model.skeleton)
    observed = x[..., -checkpoint.data["num_observed"] :, :, :]
    with torch.no_grad():
        out = checkpoint.model(observed[None].float())
    return Prediction(
        probabilities=None if out.logits is None else out.logits[0].softmax(-1),
        future=None if out.future is None else out.future[0],
        class_names=tuple(checkpoint.data["class_names"]),
        frame_rate=checkpoint.data["frame_rate"],
    )


def check_clip(x: Tensor, skeleton: Skeleton, where: str = "'x'") -> None:
    """Raise a :class:`ValueError` unless `x` is a clip [(P,) T, M, D] of the skeleton."""
    if x.dim() not in (3, 4):
        raise ValueError(f"{where} has shape {list(x.shape)}, expected [T, M, D] or [P, T, M, D]")
    if x.shape[-2] != skeleton.num_joints:
        raise ValueError(
            f"{where} has {x.shape[-2]} joints, but skeleton '{skeleton.name}' has {skeleton.num_joints}"
        )
    if x.shape[-1] != skeleton.num_features:
        raise ValueError(
            f"{where} has {x.shape[-1]} features a joint, but skeleton '{skeleton.name}' "
            f"({skeleton.coordinates}) has {skeleton.num_features}"
        )
    if x.numel() == 0:
        raise ValueError(f"{where} has shape {list(x.shape)}: expected at least one frame of one person")
    if not x.isfinite().all():
        raise ValueError(f"{where} has {int((~x.isfinite()).sum())} values that are not finite numbers")


def read_clip(path: str | Path, checkpoint: Checkpoint, *, root: str | None = None) -> ReadClip:
    r"""The poses in a file.

    Args:
        path: An ``.npz`` file with the array ``x`` in one of these shapes, in the space of the training
            clips; or, for a model of CMU Mocap, a recording's ``.txt`` file.
        checkpoint: The trained model that is to see the poses.
        root: Folder of the recordings, whose statistics a ``.txt`` file is normalised with. (default: as in
            training)

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is of neither kind, or does not fit the skeleton.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected an .npz file with the array 'x'")
    recording = path.suffix == ".txt"
    clip = _read_recording(path, checkpoint, root) if recording else ReadClip(_read_arrays(path))
    check_clip(clip.x, checkpoint.model.skeleton, where=f"{path}: 'x'")
    return clip


def write_prediction(prediction: Prediction, clip: ReadClip, path: str | Path) -> None:
    """Write an ``.npz`` file with ``future``, ``probabilities``, ``class_names`` and ``frame_rate``.

    For a recording there is also ``future_frames``, the future in the values that its file has.
    """
    arrays: dict[str, np.ndarray] = {
        "class_names": np.array(prediction.class_names),
        "frame_rate": np.array(prediction.frame_rate),
    }
    if prediction.future is not None:
        arrays["future"] = prediction.future.numpy()
        if clip.to_frames is not None:
            arrays["future_frames"] = clip.to_frames(prediction.future).numpy()
    if prediction.probabilities is not None:
        arrays["probabilities"] = prediction.probabilities.numpy()
    write_whole(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def _read_arrays(path: Path) -> Tensor:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x = arrays["x"]
    # TypeError and IndexError: a lone .npy array has neither a name nor an end to be read to.
    except (ValueError, EOFError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not an .npz file with a numeric array 'x'") from error
    if not np.issubdtype(x.dtype, np.number):
        raise ValueError(f"{path} is not an .npz file with a numeric array 'x'")
    return torch.from_numpy(x)


def _read_recording(path: Path, checkpoint: Checkpoint, root: str | None) -> ReadClip:
    # Imported here: an .npz file is predicted from without Lightning.
    from pyg_sybio.training.data_module import ClipDataModule

    clips = ClipDataModule.from_description(checkpoint.data, root=root).clips("train")
    if not isinstance(clips, CMUMocap):
        raise ValueError(f"{path} is a .txt file, but only models of CMU Mocap read those: expected .npz")
    return ReadClip(clips.read_clip(path).transpose(0, 1), clips.to_frames)  # frames first
