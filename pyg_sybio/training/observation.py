r"""A recording as a trained model wants to see it, and the way back to the recording's own space."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Dataset
from torch_geometric.transforms import Compose

from pyg_sybio.data.expmap import ExpmapDataset
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.motion_dataset import MotionDataset, Transform, composed
from pyg_sybio.data.motion_folder import SAME_RATE
from pyg_sybio.data.reading import read_motions
from pyg_sybio.data.transforms import (
    Center,
    Crop,
    FillMissing,
    FillNullFrames,
    InvertibleTransform,
    JoinTracks,
    Pad,
    SelectBodies,
    SelectByConfidence,
    TrimNullFrames,
)
from pyg_sybio.data.transforms.resample import at_times
from pyg_sybio.data.two_tasks import split_tasks
from pyg_sybio.training.checkpoint import Checkpoint, dataset_class
from pyg_sybio.training.recipe_transforms import build_transforms

# Transforms that choose or repeat persons and frames, and leave every coordinate where it is.
_KEEP_COORDINATES = (
    Crop, FillMissing, FillNullFrames, JoinTracks, Pad, SelectBodies, SelectByConfidence, TrimNullFrames,
)  # fmt: skip


@dataclass(frozen=True)
class Observation:
    r"""What a model is to see of a recording.

    Args:
        recorded: The recording, as its file has it.
        observed: The observed frames, prepared as those of the training clips were.
        to_recording: Takes a motion in the space of `observed` back to the recording's.
        notices: What a user should know of the way there, beginning with a verb: a changed frame rate, a
            step that has no way back.
    """

    recorded: Motion
    observed: Motion
    to_recording: Callable[[Motion], Motion]
    notices: tuple[str, ...] = ()

    @property
    def x(self) -> Tensor:
        """The poses `[P, T, M, D]` of the persons who are seen."""
        return self.observed.poses.float()


def observe(path: str | Path, checkpoint: Checkpoint, *, root: str | None = None) -> Iterator[Observation]:
    r"""The recordings in a file, each prepared as the training clips of a model were.

    Joints are found by their names where the file has some, and else have to be those of the model's
    skeleton, in its order. A recording of another frame rate is resampled, from its last frame backwards.
    Then comes the preparation of the data set, or of the recipe. Of the result, the last frames are observed,
    and filled if they are too few.

    Args:
        path: Any file that :func:`~pyg_sybio.data.reading.read_motions` reads; for a model of exponential
            maps, a text file of the benchmark.
        checkpoint: The trained model.
        root: Folder of the training recordings, whose statistics normalise exponential maps. (default: as in
            training)

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read, does not fit the model, or shows nobody.
    """
    path = Path(path)
    dataset = dataset_class(checkpoint.data)
    if issubclass(dataset, ExpmapDataset):
        yield _observe_expmaps(path, checkpoint, root)
        return
    for recorded in read_motions(path, skeleton=checkpoint.model.skeleton):
        yield _observe(recorded, checkpoint, dataset)


def observe_one(path: str | Path, checkpoint: Checkpoint, *, root: str | None = None) -> Observation:
    """The recording of a file that holds one; arguments and errors of :func:`observe`."""
    found = list(islice(observe(path, checkpoint, root=root), 2))
    if len(found) != 1:
        raise ValueError(f"{path} holds {'several motions' if found else 'no motion'}, expected one")
    return found[0]


def _observe(recorded: Motion, checkpoint: Checkpoint, dataset: type[Dataset]) -> Observation:
    settings = checkpoint.data["settings"]
    motion, notices = _at_rate(recorded, checkpoint.data["frame_rate"])
    undo: list[tuple[InvertibleTransform, Tensor]] = []
    if (preprocess := _transform("preprocess", settings, dataset)) is not None:
        motion, lossy = _apply(preprocess, motion, undo)
        notices += [
            f"has its future in the space that {name} makes, as that has no way back" for name in lossy
        ]
    if issubclass(dataset, MotionDataset):
        observed = split_tasks(
            motion,
            num_observed=checkpoint.data["num_observed"],
            num_future=1,
            padding=settings.get("padding", "repeat"),
            split=motion.num_frames,
        ).observed
    else:
        observed = motion.frames(slice(-checkpoint.data["num_observed"], None))
    if (fill := _transform("fill", settings, dataset)) is not None:
        observed = fill(observed)
    seen = observed.present.flatten(1).any(1).nonzero().flatten().tolist()
    if not seen:
        raise ValueError(
            f"{recorded.source} shows nobody in its last {observed.num_frames} frames, expected somebody"
        )

    def to_recording(future: Motion) -> Motion:
        for transform, parameters in reversed(undo):
            future = transform.invert(future, parameters)
        return future

    return Observation(recorded, observed.persons(seen), to_recording, tuple(notices))


def _transform(name: str, settings: Mapping[str, Any], dataset: type[Dataset]) -> Transform | None:
    """The transforms of a setting, or else those that the dataset class has by default."""
    if settings.get(name) is not None:
        return composed(build_transforms(settings[name], f"data.settings.{name}"))
    return composed(getattr(dataset, f"default_{name}", None))


def _at_rate(motion: Motion, frame_rate: float) -> tuple[Motion, list[str]]:
    """The motion at the model's rate; its last frame stays, as that is where the prediction goes on."""
    rate = motion.frame_rate
    if rate is None:
        notice = f"does not say its frame rate: taken for {frame_rate:g} Hz, as in training"
        return motion.replace(frame_rate=frame_rate), [notice]
    if abs(rate - frame_rate) <= SAME_RATE * frame_rate:
        return motion, []
    step = rate / frame_rate
    last = motion.num_frames - 1
    times = last - step * torch.arange(int(last / step) + 1, dtype=torch.float64).flip(0)
    resampled = at_times(motion, times.clamp(min=0)).replace(frame_rate=frame_rate)
    return resampled, [f"is resampled from {rate:g} Hz to {frame_rate:g} Hz"]


def _apply(
    transform: Transform, motion: Motion, undo: list[tuple[InvertibleTransform, Tensor]]
) -> tuple[Motion, list[str]]:
    """The transformed motion, and the names of steps that have no way back; `undo` gets those that have."""
    if isinstance(transform, Compose):
        lossy: list[str] = []
        for step in transform.transforms:
            motion, names = _apply(step, motion, undo)
            lossy += names
        return motion, lossy
    if isinstance(transform, _KEEP_COORDINATES) or not isinstance(transform, InvertibleTransform):
        kept = isinstance(transform, _KEEP_COORDINATES)
        return transform(motion), [] if kept else [type(transform).__name__]
    motion, parameters = transform.apply(motion)
    if isinstance(transform, Center):
        # Centred frame by frame, a motion has no path: the future stays where the last frame was.
        parameters = parameters[-1:]
    undo.append((transform, parameters))
    return motion, []


def _observe_expmaps(path: Path, checkpoint: Checkpoint, root: str | None) -> Observation:
    # Imported here: other files are predicted from without Lightning.
    from pyg_sybio.training.data_module import ClipDataModule

    if path.suffix.lower() != ".txt":
        raise ValueError(
            f"{path} is no .txt file, expected one of exponential maps, as the model was trained on"
        )
    clips = ClipDataModule.from_description(checkpoint.data, root=root).clips("train")
    scores = clips.read_clip(path).transpose(0, 1)[None]  # [1, T, M, 3]
    (recorded,) = read_motions(path)
    whole = recorded.skeleton

    def to_recording(future: Motion) -> Motion:
        frames = clips.to_frames(future.poses)  # [1, T, 3 + 3 M]
        return future.replace(
            poses=frames[..., 3:].unflatten(-1, (-1, 3)),
            present=None,
            translation=frames[..., :3],
            skeleton=whole,
        )

    observed = Motion(
        poses=scores, skeleton=clips.skeleton, frame_rate=clips.frame_rate, source=recorded.source
    )
    return Observation(recorded, observed, to_recording)
