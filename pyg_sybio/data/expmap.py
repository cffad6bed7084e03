r"""What the angle-space benchmarks share (CMU Mocap, Human3.6M): files, normalisation, windows, test clips.

A frame is a row of `V = 3 + 3·joints` values: the translation of the root, then an exponential map (rotation
axis times angle, radians) for every joint.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, Dataset

from pyg_sybio.metrics import angle_error
from pyg_sybio.skeleton import Skeleton

# A column varies if its standard deviation over all training frames is at least this (the benchmarks' value).
MIN_DEVIATION = 1e-4
# Every published table draws its test clips with this seed, anew for each action.
TEST_SEED = 1234567890


def read_expmap_file(path: str | Path, num_values: int) -> Tensor:
    r"""The frames of a comma separated file of exponential maps.

    Args:
        path: The file.
        num_values: Expected values a frame.

    Shapes:
        - **output:** `[T, num_values]`, double precision

    Raises:
        ValueError: If a line has another number of values, or something that is not a finite number; the
            message names the file and the line.
        FileNotFoundError: If there is no such file.
    """
    # Bytes that are no text become characters that are no numbers, and are then reported with their line.
    lines = Path(path).read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    if not lines:
        raise ValueError(f"{path} has no frames, expected lines of {num_values} comma separated values")
    return torch.tensor(
        np.array([_parse_line(path, number, line, num_values) for number, line in enumerate(lines, start=1)])
    )


def _parse_line(path: str | Path, number: int, line: str, num_values: int) -> list[float]:
    fields = line.split(",")
    if len(fields) != num_values:
        raise ValueError(f"{path}, line {number} has {len(fields)} values, expected {num_values}")
    try:
        values = list(map(float, fields))
    except ValueError:
        wrong = next(field for field in fields if not _is_number(field))
        raise ValueError(f"{path}, line {number} has {wrong!r}, expected a number") from None
    if not all(map(isfinite, values)):
        wrong = next(field for field in fields if not isfinite(float(field)))
        raise ValueError(f"{path}, line {number} has {wrong.strip()!r}, expected a finite number")
    return values


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class Normalisation:
    r"""z-scores of the used columns, and the way back to all columns.

    Args:
        mean: Mean of each column over the training frames.
        deviation: Standard deviation of each column over them, 1 where the column is constant (the rotations
            of a hinge have constant columns).
        used: Columns that a model sees, three for each of its joints.
        varying: Those of the used columns that vary in training.

    Shapes:
        - **mean, deviation:** `[V]`
    """

    mean: Tensor
    deviation: Tensor
    used: tuple[int, ...]
    varying: tuple[int, ...]

    @classmethod
    def fit(cls, files: Sequence[Tensor], used: Sequence[int]) -> "Normalisation":
        r"""The statistics of training files `[T, V]`, over all their frames together."""
        num_frames = sum(len(frames) for frames in files)
        mean = torch.stack([frames.sum(0) for frames in files]).sum(0) / num_frames
        square = torch.stack([(frames - mean).square().sum(0) for frames in files]).sum(0) / num_frames
        deviation = square.sqrt()
        constant = deviation < MIN_DEVIATION
        varying = tuple(column for column in used if not constant[column])
        return cls(mean, deviation.masked_fill(constant, 1.0), tuple(used), varying)

    def normalise(self, frames: Tensor) -> Tensor:
        r"""Raw frames `[..., T, V]` as the z-scores of the used joints, `[..., T, M, 3]`."""
        scores = (frames - self.mean) / self.deviation
        return scores[..., list(self.used)].unflatten(-1, (-1, 3))

    def restore(self, scores: Tensor, *, keep_constant: bool = False) -> Tensor:
        r"""z-scores `[..., T, M, 3]` as raw frames `[..., T, V]`, in double precision.

        Columns that are not used take their mean over the training frames. So do the used columns that are
        constant in training, as a model has nothing to say about them, unless `keep_constant` asks for what
        the scores hold (right for a recorded target).
        """
        mean, deviation = self.mean.to(scores.device), self.deviation.to(scores.device)
        frames = mean.expand(*scores.shape[:-2], -1).clone()
        columns = list(self.used)
        frames[..., columns] += scores.flatten(-2).double() * deviation[columns]
        if not keep_constant:
            constant = sorted(set(self.used) - set(self.varying))
            frames[..., constant] = mean[constant]
        return frames


class Recording(NamedTuple):
    """One recorded motion: raw frames `[T, V]` at the frame rate of the data set, and its class."""

    path: Path
    label: int
    frames: Tensor


class Clip(NamedTuple):
    """A window of a recording: which one, and the first observed frame."""

    recording: int
    start: int


def sliding_clips(recordings: Sequence[Recording], length: int, stride: int) -> list[Clip]:
    r"""All windows of `length` frames that begin at a multiple of `stride`; none in a shorter recording."""
    return [
        Clip(index, start)
        for index, recording in enumerate(recordings)
        for start in range(0, len(recording.frames) - length + 1, stride)
    ]


def seeded_starts(bounds: Sequence[tuple[int, int]], num_clips: int = 8) -> list[int]:
    r"""First frames of the fixed test clips of one action.

    Args:
        bounds: Lowest start and end (exclusive) of the starts for each file of the action; the files take
            turns.
        num_clips: How many clips.

    Raises:
        ValueError: If a file leaves no room.
    """
    for low, high in bounds:
        if low >= high:
            raise ValueError(f"'bounds' has {(low, high)}, expected a start below the end")
    # The legacy generator is the protocol: another one would draw other clips.
    generator = np.random.RandomState(TEST_SEED)
    return [int(generator.randint(*bounds[clip % len(bounds)])) for clip in range(num_clips)]


class ExpmapDataset(Dataset):
    r"""Clips of joint angles, z-scored, with what leads back to the file's own values.

    An item is a :class:`~torch_geometric.data.Data` with `x` `[M, T, 3]`, `future` `[M, T_future, 3]` and `y`
    `[1]`.

    Args:
        root: Folder of the data set.
        recordings: The motions.
        clips: Windows of `num_observed + num_future` frames of them, one for each item.
        normalisation: Statistics of the training files.
        skeleton: The joints of the used columns.
        class_names: Name of each label.
        num_observed: Frames in `x`.
        num_future: Frames in `future`.
        frame_rate: In Hz.

    Raises:
        ValueError: If the skeleton does not have the joints of the used columns.
    """

    def __init__(
        self,
        *,
        root: Path,
        recordings: Sequence[Recording],
        clips: Sequence[Clip],
        normalisation: Normalisation,
        skeleton: Skeleton,
        class_names: tuple[str, ...],
        num_observed: int,
        num_future: int,
        frame_rate: float,
    ) -> None:
        super().__init__(str(root))
        if 3 * skeleton.num_joints != len(normalisation.used):
            raise ValueError(
                f"'skeleton' {skeleton.name!r} has {skeleton.num_joints} joints, "
                f"expected {len(normalisation.used) // 3}"
            )
        self.recordings = tuple(recordings)
        self.clips = tuple(clips)
        self.normalisation = normalisation
        self.skeleton = skeleton
        self.class_names = class_names
        self.num_observed = num_observed
        self.num_future = num_future
        self.frame_rate = frame_rate
        self._scores = [normalisation.normalise(recording.frames).float() for recording in recordings]

    @property
    def num_classes(self) -> int:
        """Number of class names; PyG would count the labels that occur, which depend on the files."""
        return len(self.class_names)

    def len(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def get(self, idx: int) -> Data:
        """The clip `idx`."""
        clip = self.clips[idx]
        end = clip.start + self.num_observed + self.num_future
        scores = self._scores[clip.recording][clip.start : end].transpose(0, 1)  # [M, T + T_future, 3]
        x, future = scores.split((self.num_observed, self.num_future), dim=1)
        label = self.recordings[clip.recording].label
        return Data(x=x.contiguous(), future=future.contiguous(), y=torch.tensor([label]))

    def frames(self, idx: int) -> Tensor:
        r"""The raw frames `[T + T_future, V]` of item `idx`, in double precision."""
        clip = self.clips[self.indices()[idx]]
        return self.recordings[clip.recording].frames[clip.start :][: self.num_observed + self.num_future]

    @property
    def sample_weights(self) -> Tensor:
        r"""Probability of each item `[len]` if actions are drawn evenly, and in an action its recordings.

        With :class:`torch.utils.data.WeightedRandomSampler` the long recordings no longer crowd out the rest.
        """
        clips = [self.clips[index] for index in self.indices()]
        labels = [self.recordings[clip.recording].label for clip in clips]
        in_recording = Counter(clip.recording for clip in clips)
        in_action = Counter(self.recordings[recording].label for recording in in_recording)
        return torch.tensor(
            [
                1 / (len(in_action) * in_action[label] * in_recording[clip.recording])
                for clip, label in zip(clips, labels, strict=True)
            ],
            dtype=torch.float64,
        )

    def to_frames(self, normalised: Tensor) -> Tensor:
        r"""Predicted z-scores `[..., T, M, 3]` as raw frames `[..., T, V]` in the file's own values.

        What a model does not predict (root, unused joints, columns that are constant in training) takes its
        mean over the training frames.
        """
        self._check_joints("normalised", normalised)
        return self.normalisation.restore(normalised)

    def motion_errors(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        r"""The benchmark's angle error of normalised futures (:func:`~pyg_sybio.metrics.angle_error`).

        Args:
            prediction: Predicted z-scores.
            target: Recorded z-scores, an item's `future` with frames first.

        Shapes:
            - **prediction, target:** `[N, T, M, 3]`
            - **output:** `{"angle_mae": [N, T]}`, radians

        Raises:
            ValueError: If a shape does not fit.

        Note:
            Only the z-scores of the used joints are needed, and yet the result is what the raw files give:
            the Euler angles of a joint depend on its own three columns alone, a used joint has all three (the
            constant ones have deviation 1 and keep their own value), and the columns of all other joints and
            of the root never count in the error.
        """
        self._check_joints("prediction", prediction)
        self._check_joints("target", target)
        predicted = self.normalisation.restore(prediction)
        recorded = self.normalisation.restore(target, keep_constant=True)
        return {"angle_mae": angle_error(predicted, recorded, self.normalisation.varying)}

    def _check_joints(self, name: str, value: Tensor) -> None:
        num_joints = self.skeleton.num_joints
        if value.dim() < 3 or tuple(value.shape[-2:]) != (num_joints, 3):
            raise ValueError(f"'{name}' has shape {list(value.shape)}, expected [..., T, {num_joints}, 3]")
