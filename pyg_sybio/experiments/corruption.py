r"""Data sets with corrupted observed frames."""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch_geometric.data import Data, Dataset
from torch_geometric.transforms import Compose

from pyg_sybio.data.datasets.clip_transforms import Transform
from pyg_sybio.data.datasets.two_tasks import split_tasks
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.resample import at_times


def corrupted(dataset: Dataset, corrupt: Transform) -> Dataset:
    """Copy a data set and corrupt its observed frames.

    In a data set with the attributes `corrupt` and `fill`, the transform replaces `corrupt`, and `fill` fills
    missing joints. The samples of any other data set are assumed to be complete, and joints that the
    transform removes remain zero.

    Args:
        dataset: The clips, which are not modified.
        corrupt: Transform of the observed frames that keeps their number and the persons.
    """
    clips = copy.copy(dataset)
    if hasattr(dataset, "corrupt"):
        clips.corrupt = corrupt
    else:
        before: list[Callable[[Data], Data]] = [] if dataset.transform is None else [dataset.transform]
        clips.transform = Compose([*before, _OfSample(corrupt, dataset)])
    return clips


@dataclass(frozen=True)
class _OfSample:
    """Apply a transform of motions to the observed frames of a sample."""

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
    r"""Observe the motion with a camera of another frame rate, and keep the number of frames.

    A camera with `rate` times the frame rate records a frame every :math:`1 / rate` frames of the motion;
    both end with the same frame. If the camera has too many frames, the last frames are used. If it has too
    few frames, they are padded at the front, as in a short clip
    (:func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`).

    Args:
        rate: Frame rate of the camera relative to the frame rate of the motion.
        resampled: Whether to resample the frames of the camera to the frame rate of the motion.
        padding: How short clips are padded: `"repeat"` or `"hold"`.

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
        """Replace the frames of a motion by the frames of the camera."""
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
    """Sample a pose every `step` frames, counted back from the last frame.

    Rotations are also interpolated component by component, because samples of exponential maps are z-scores.
    """
    last = motion.num_frames - 1
    times = last - step * torch.arange(int(last / step) + 1, dtype=torch.float64).flip(0)
    if motion.num_spatial:
        return at_times(motion, times)
    numbers = dataclasses.replace(motion.skeleton, coordinates="xyz")
    return at_times(motion.replace(skeleton=numbers), times).replace(skeleton=motion.skeleton)
