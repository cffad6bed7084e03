r"""Data sets whose observed frames are worse than they were recorded, as those of a bad sensor are."""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch_geometric.data import Data, Dataset
from torch_geometric.transforms import Compose

from pyg_sybio.data.datasets.motion_dataset import MotionDataset, Transform
from pyg_sybio.data.datasets.two_tasks import split_tasks
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.resample import at_times


def corrupted(dataset: Dataset, corrupt: Transform) -> Dataset:
    """The same clips, their observed frames changed.

    Of a :class:`~pyg_sybio.data.datasets.motion_dataset.MotionDataset`, this takes the place of `corrupt`:
    what is
    missing then is filled by its `fill`. The samples of any other dataset are taken to lack nothing, and what
    the transform takes away from them stays zero.

    Args:
        dataset: The clips; it is left as it was.
        corrupt: What changes the observed frames, and neither their number nor the persons.
    """
    clips = copy.copy(dataset)
    if isinstance(dataset, MotionDataset):
        clips.corrupt = corrupt
    else:
        before: list[Callable[[Data], Data]] = [] if dataset.transform is None else [dataset.transform]
        clips.transform = Compose([*before, _OfSample(corrupt, dataset)])
    return clips


@dataclass(frozen=True)
class _OfSample:
    """A transform of motions as one of the observed frames of a sample."""

    transform: Transform
    dataset: Dataset

    def __call__(self, data: Data) -> Data:
        skeleton = self.dataset.skeleton
        poses = data.x.unflatten(0, (-1, skeleton.num_joints)).transpose(1, 2)  # [P, T, M, D]
        observed = self.transform(Motion(poses=poses, skeleton=skeleton, frame_rate=self.dataset.frame_rate))
        changed = copy.copy(data)
        changed.x = observed.poses.transpose(1, 2).flatten(0, 1)
        return changed


@dataclass(frozen=True)
class OtherRate:
    r"""The observed frames as a camera of another rate would give them, in as many frames.

    A camera of `rate` times the rate takes a frame every :math:`1 / rate` frames, the last one at the same
    moment. Of too many frames the last ones count; too few are filled at the front, as those of a short clip
    are (:func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`).

    Args:
        rate: In multiples of the rate of the motion.
        resampled: Whether the camera's frames are brought back to the rate of the motion, or fed as if they
            had it.
        padding: How too few frames are filled: `"repeat"` or `"hold"`.

    Raises:
        ValueError: If `rate` is not positive.
    """

    rate: float
    resampled: bool
    padding: str = "repeat"

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(f"'rate' is {self.rate}, expected a positive number")

    def __call__(self, motion: Motion) -> Motion:
        """The frames of the camera in place of those of the motion."""
        seen = _every(motion, 1 / self.rate)
        if self.resampled:
            seen = _every(seen, self.rate)
        return split_tasks(
            seen,
            num_observed=motion.num_frames,
            num_future=1,
            padding=self.padding,
            split=seen.num_frames,
        ).observed


def _every(motion: Motion, step: float) -> Motion:
    """A moment every `step` frames, counted from the last frame as far back as the motion reaches.

    Exponential maps are interpolated as numbers: data sets of joint angles have made z-scores of them.
    """
    last = motion.num_frames - 1
    times = last - step * torch.arange(int(last / step) + 1, dtype=torch.float64).flip(0)
    if motion.num_spatial:
        return at_times(motion, times)
    numbers = dataclasses.replace(motion.skeleton, coordinates="xyz")
    return at_times(motion.replace(skeleton=numbers), times).replace(skeleton=motion.skeleton)
