r"""A recording as a trained model wants to see it, and the way back to the recording's own space."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from torch import Tensor

from pyg_sybio.data.datasets.expmap import (
    DOWNSAMPLING,
    ExpmapDataset,
    Normalisation,
    Standardize,
    used_columns,
)
from pyg_sybio.data.datasets.motion_dataset import MotionDataset, Transform, composed
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.reading import read_motions
from pyg_sybio.data.transforms.from_settings import build_transforms, steps_of
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.preparation import Preparation, rate_notice
from pyg_sybio.trained.trained import Checkpoint, dataset_class


@dataclass(frozen=True)
class Observation:
    r"""What a model is to see of a recording.

    Args:
        recorded: The recording, as its file has it.
        observed: The observed frames, prepared as those of the training clips were.
        parts: What is seen in a look at each part of it (:attr:`Checkpoint.looks
            <pyg_sybio.trained.trained.Checkpoint.looks>`).
        to_recording: Takes a motion in the space of `observed` back to the recording's.
        notices: What a user should know of the way there, beginning with a verb: a changed frame rate, a
            step that has no way back.
    """

    recorded: Motion
    observed: Motion
    parts: tuple[Motion, ...]
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
    of_rotations = issubclass(dataset_class(checkpoint.data), ExpmapDataset)
    if of_rotations and path.suffix.lower() != ".txt":
        raise ValueError(
            f"{path} is no .txt file, expected one of exponential maps, as the model was trained on"
        )
    preparation = checkpoint.preparation(root=root)
    for recorded in read_motions(path, skeleton=preparation.skeleton):
        if of_rotations:
            _check_length(recorded, preparation.num_observed)
        yield _observe(recorded, preparation, checkpoint.looks.parts)


def observe_one(path: str | Path, checkpoint: Checkpoint, *, root: str | None = None) -> Observation:
    """The recording of a file that holds one; arguments and errors of :func:`observe`."""
    found = list(islice(observe(path, checkpoint, root=root), 2))
    if len(found) != 1:
        raise ValueError(f"{path} holds {'several motions' if found else 'no motion'}, expected one")
    return found[0]


def preparation_of(checkpoint: Checkpoint, *, root: str | None = None) -> Preparation:
    r"""What was done to the training clips of a model before it saw them.

    Args:
        checkpoint: The trained model.
        root: Folder of the training recordings, whose statistics normalise exponential maps, where the
            checkpoint does not bring them. (default: as in training)

    Raises:
        ValueError: If the checkpoint describes it wrongly, or statistics are needed that are not there.
        FileNotFoundError: If the recordings that they are taken from are not there.
    """
    data, settings = checkpoint.data, checkpoint.data["settings"]
    dataset = dataset_class(data)
    if issubclass(dataset, ExpmapDataset):
        skeleton = dataset.benchmark.skeleton
        normalisation = _normalisation(checkpoint, skeleton, root)
        preprocess: tuple[Transform, ...] = (Standardize(normalisation, checkpoint.model.skeleton),)
    else:
        skeleton, preprocess = checkpoint.model.skeleton, _transforms("preprocess", checkpoint)
    return Preparation(
        skeleton=skeleton,
        num_observed=data["num_observed"],
        frame_rate=data["frame_rate"],
        preprocess=preprocess,
        fill=_transforms("fill", checkpoint),
        padding=settings.get("padding", "repeat") if issubclass(dataset, MotionDataset) else None,
    )


def _normalisation(checkpoint: Checkpoint, skeleton: Skeleton, root: str | None) -> Normalisation:
    """The statistics that a shared model brings along, or else those of the training recordings."""
    if (brought := checkpoint.normalisation) is not None:
        used = used_columns(skeleton, checkpoint.model.skeleton)
        if brought.used != used or len(brought.mean) != 3 + 3 * skeleton.num_joints:
            raise ValueError(
                f"the model's statistics are of {len(brought.used)} of {len(brought.mean)} columns, expected "
                f"{len(used)} of {3 + 3 * skeleton.num_joints}, those of the joints that it sees"
            )
        return brought
    # Imported here: other models are used without Lightning.
    from pyg_sybio.training.data_module import ClipDataModule

    normalisation: Normalisation = (
        ClipDataModule.from_description(checkpoint.data, root=root).clips("train").normalisation
    )
    return normalisation


def _transforms(name: str, checkpoint: Checkpoint) -> tuple[Transform, ...]:
    """The transforms of a setting, or else those that the dataset class has by default."""
    plain = checkpoint.data["settings"].get(name)
    if plain is not None:
        return steps_of(composed(build_transforms(plain, f"data.settings.{name}")))
    return steps_of(composed(getattr(dataset_class(checkpoint.data), f"default_{name}", None)))


def _observe(recorded: Motion, preparation: Preparation, parts: Sequence[tuple[float, float]]) -> Observation:
    notice = rate_notice(recorded.frame_rate, preparation.frame_rate)
    notices = (() if notice is None else (notice,)) + preparation.notices
    prepared = preparation(recorded)
    observed = prepared.observed
    if not observed.present.any():
        raise ValueError(
            f"{recorded.source} shows nobody in its last {observed.num_frames} frames, expected somebody"
        )
    looks = tuple(_seen(preparation(recorded, part=part).observed) for part in parts)
    return Observation(recorded, _seen(observed), looks, prepared.to_recording, notices)


def _seen(observed: Motion) -> Motion:
    """The persons who are ever seen in it; of a part without anybody the first, as data sets have it."""
    return observed.persons(observed.present.flatten(1).any(1).nonzero().flatten().tolist() or [0])


def _check_length(recorded: Motion, num_observed: int) -> None:
    needed = DOWNSAMPLING * (num_observed - 1) + 1
    if recorded.num_frames < needed:
        raise ValueError(
            f"{recorded.source} has {recorded.num_frames} frames, expected at least {needed} "
            f"to observe {num_observed}"
        )
