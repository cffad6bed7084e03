r"""z-scores of joint angles, as the angle-space benchmarks use them (CMU Mocap, Human3.6M).

A frame is a row of `V = 3 + 3·joints` values: the translation of the root, then an exponential map (rotation
axis times angle, radians) per joint.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.mirror import mirrored_poses
from pyg_sybio.skeleton import Skeleton

# A column varies if its standard deviation over all training frames is at least this (the benchmarks' value).
MIN_DEVIATION = 1e-4


def frames_of(motion: Motion) -> Tensor:
    r"""The rows of a file `[T, V]`: translation and rotations of the first person."""
    assert motion.translation is not None
    return torch.cat([motion.translation[0], motion.poses[0].flatten(1)], dim=-1)


def used_columns(skeleton: Skeleton, used: Skeleton) -> tuple[int, ...]:
    """Columns of the `used` joints in a file with all joints of `skeleton`; joints are found by name."""
    joints = [skeleton.joint_index(name) for name in used.joints]
    return tuple(3 + 3 * joint + axis for joint in joints for axis in range(3))


@dataclass(frozen=True, eq=False)
class Normalisation:
    r"""Conversion of raw columns to z-scores of the used columns, and back.

    Args:
        mean: Mean of each column over the training frames.
        deviation: Standard deviation of each column over the training frames; 1 for constant columns (such as
            the fixed axes of a hinge joint).
        used: Columns that a model sees, three for each of its joints.
        varying: The used columns that vary in training.

    Shapes:
        - **mean, deviation:** `[V]`
    """

    mean: Tensor
    deviation: Tensor
    used: tuple[int, ...]
    varying: tuple[int, ...]

    def __repr__(self) -> str:
        size = f"{len(self.used)} of {len(self.mean)} columns, {len(self.varying)} vary"
        return f"Normalisation({size}, mean={self.mean.mean():.4g}, deviation={self.deviation.mean():.4g})"

    def to_dict(self) -> dict[str, list[Any]]:
        """The statistics as plain values."""
        mean, deviation = self.mean.tolist(), self.deviation.tolist()
        return {"mean": mean, "deviation": deviation, "used": [*self.used], "varying": [*self.varying]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "normalisation") -> "Normalisation":
        r"""Rebuild the statistics from the result of :meth:`to_dict`.

        Args:
            document: The plain values, which may come from an untrusted source.
            where: Name of the statistics in error messages.

        Raises:
            ValueError: If a list is missing, or the lists do not fit each other.
        """
        keys = ("mean", "deviation", "used", "varying")
        if set(document) != set(keys) or not all(isinstance(document[key], list) for key in keys):
            found = ", ".join(map(repr, document))
            raise ValueError(f"{where}: expected the lists {', '.join(keys)}, got {found}")
        mean, deviation, used, varying = (document[key] for key in keys)
        numbers, columns = [*mean, *deviation], [*used, *varying]
        if not all(isinstance(each, int | float) and math.isfinite(each) for each in numbers):
            raise ValueError(f"{where}: expected finite numbers in 'mean' and 'deviation'")
        if not all(type(each) is int and 0 <= each < len(mean) for each in columns) or not used:
            raise ValueError(f"{where}: expected columns from 0 to {len(mean) - 1} in 'used' and 'varying'")
        if len(mean) != len(deviation) or len({*used}) != len(used) or not {*varying} <= {*used}:
            raise ValueError(
                f"{where}: {len(mean)} means, {len(deviation)} deviations, {len(used)} used columns; "
                "expected as many deviations as means, different 'used' columns, and 'varying' among them"
            )
        if min(deviation) <= 0:
            raise ValueError(f"{where}: 'deviation' has {min(deviation)}, expected numbers above 0")
        mean, deviation = (torch.tensor(each, dtype=torch.float64) for each in (mean, deviation))
        return cls(mean, deviation, tuple(used), tuple(varying))

    @cached_property
    def _of_used(self) -> tuple[Tensor, Tensor, Tensor]:
        columns = torch.tensor(self.used)
        return columns, self.mean[columns], self.deviation[columns]

    @classmethod
    def fit(cls, files: Iterable[Tensor], used: Sequence[int]) -> "Normalisation":
        r"""The statistics of training files `[T, V]`, over the frames of all files.

        The files are processed one by one. For two sets of :math:`n` and :math:`k` frames, their common mean
        :math:`m` and the sum :math:`S` of squared deviations from it follow from the values of each set:

        .. math::
            m = m_n + \tfrac{k}{n + k} (m_k - m_n), \qquad
            S = S_n + S_k + \tfrac{n k}{n + k} (m_k - m_n)^2.
        """
        count, mean, square = 0, torch.zeros(()), torch.zeros(())
        for frames in files:
            here, total = frames.mean(0), count + len(frames)
            step = here - mean
            square = square + (frames - here).square().sum(0) + step.square() * (count * len(frames) / total)
            mean = mean + step * (len(frames) / total)
            count = total
        deviation = (square / count).sqrt()
        constant = deviation < MIN_DEVIATION
        varying = tuple(column for column in used if not constant[column])
        return cls(mean, deviation.masked_fill(constant, 1.0), tuple(used), varying)

    def normalise(self, frames: Tensor) -> Tensor:
        r"""Raw frames `[..., T, V]` as the z-scores of the used joints, `[..., T, M, 3]`."""
        columns, mean, deviation = (of_used.to(frames.device) for of_used in self._of_used)
        return ((frames.index_select(-1, columns) - mean) / deviation).unflatten(-1, (-1, 3))

    def restore(self, scores: Tensor, *, keep_constant: bool = False) -> Tensor:
        r"""z-scores `[..., T, M, 3]` as raw frames `[..., T, V]`, in double precision.

        Columns that are not used take their mean over the training frames. Used columns that are constant in
        training do the same, because a model cannot predict them. With `keep_constant=True`, as a recorded
        target requires, these columns keep their values.
        """
        mean, deviation = self.mean.to(scores.device), self.deviation.to(scores.device)
        frames = mean.expand(*scores.shape[:-2], -1).clone()
        columns = list(self.used)
        frames[..., columns] += scores.flatten(-2).double() * deviation[columns]
        if not keep_constant:
            constant = sorted(set(self.used) - set(self.varying))
            frames[..., constant] = mean[constant]
        return frames


class Standardize(BaseTransform):
    r"""Replace rotations by z-scores of the joints that a model sees; the translation is left out.

    Args:
        normalisation: Statistics of the training files.
        skeleton: The joints of the used columns. Joints that are not present stay zero, which is the mean.

    Raises:
        ValueError: If the skeleton does not have the joints of the used columns.
    """

    def __init__(self, normalisation: Normalisation, skeleton: Skeleton) -> None:
        if 3 * skeleton.num_joints != len(normalisation.used):
            expected = len(normalisation.used) // 3
            found = f"'skeleton' {skeleton.name!r} has {skeleton.num_joints} joints"
            raise ValueError(f"{found}, expected {expected}")
        self.normalisation = normalisation
        self.skeleton = skeleton

    def __repr__(self) -> str:
        return f"Standardize({self.skeleton.name!r}, {self.normalisation})"

    def forward(self, motion: Motion) -> Motion:
        """z-scores of a motion of all joints."""
        chosen = motion.joints(self.skeleton)
        # The translation may be unknown; it is not a used column, so it is replaced by zeros.
        frames = torch.nn.functional.pad(motion.poses.flatten(2), (3, 0))
        scores = self.normalisation.normalise(frames)
        poses = scores.masked_fill(~chosen.present[..., None], 0.0)
        return chosen.replace(poses=poses, translation=None, check_values=False)

    def mirrored(self, scores: Tensor, axis: str) -> Tensor:
        """z-scores `[..., T, M, 3]` of the mirror image (:class:`~pyg_sybio.data.transforms.Mirror`)."""
        frames = self.normalisation.restore(scores, keep_constant=True)
        columns = list(self.normalisation.used)
        rotations = frames[..., columns].unflatten(-1, (-1, 3))
        frames[..., columns] = mirrored_poses(rotations, self.skeleton, axis).flatten(-2)
        return self.normalisation.normalise(frames).to(scores)

    def invert(self, motion: Motion, skeleton: Skeleton) -> Motion:
        """The motion of all joints of `skeleton`; values without z-scores take their mean in training."""
        frames = self.normalisation.restore(motion.poses)  # [P, T, V]
        tensors = {"poses": frames[..., 3:].unflatten(-1, (-1, 3)), "translation": frames[..., :3]}
        return motion.replace(**tensors, present=None, confidence=None, skeleton=skeleton)
