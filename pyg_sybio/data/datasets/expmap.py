r"""The angle-space benchmarks (CMU Mocap, Human3.6M): clips, test windows, and the error.

The files have 50 frames per second; both benchmarks take every second frame.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.datasets.clip_transforms import ClipTransforms
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.protocols import check_split_name
from pyg_sybio.data.datasets.sampling import Sampling, Span, spans_of
from pyg_sybio.data.datasets.standardize import Normalisation, Standardize, frames_of, used_columns
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.expmap import read_expmap
from pyg_sybio.data.store.storage import Storage
from pyg_sybio.data.store.store import MotionStore, prepare
from pyg_sybio.data.transforms.from_settings import steps_of
from pyg_sybio.kinematics import bone_offsets, expmap_positions
from pyg_sybio.metrics import angle_error
from pyg_sybio.skeleton import Skeleton

DOWNSAMPLING = 2
FRAME_RATE = 25.0  # in Hz, after downsampling
# In all published tables, the test windows of each action are drawn with this seed.
TEST_SEED = 1234567890
NUM_TEST_CLIPS = 8  # per action
TEST_OBSERVED = 50  # observed frames before the published targets


def read_phases(path: Path, *, skeleton: Skeleton, label: str, ids: Mapping[str, str]) -> Iterator[Motion]:
    r"""The even and the odd frames of a file, both at 25 Hz, with the id `phase` `"0"` and `"1"`."""
    motion = read_expmap(path, skeleton=skeleton)
    for phase in range(min(DOWNSAMPLING, motion.num_frames)):
        fields = {"frame_rate": FRAME_RATE, "label": label, "ids": {**ids, "phase": str(phase)}}
        yield motion.frames(slice(phase, None, DOWNSAMPLING)).replace(**fields, check_values=False)


def seeded_starts(bounds: Sequence[tuple[int, int]]) -> list[int]:
    r"""First frames of the fixed test windows of one action.

    Args:
        bounds: For each file of the action, the lowest start and the end (exclusive) of the possible starts.
            Windows are drawn from the files alternately.

    Raises:
        ValueError: If a file is too short.
    """
    for low, high in bounds:
        if low >= high:
            raise ValueError(f"'bounds' has {(low, high)}, expected a start below the end")
    # The protocol requires the legacy generator, because another generator would draw other windows.
    generator = np.random.RandomState(TEST_SEED)
    return [int(generator.randint(*bounds[clip % len(bounds)])) for clip in range(NUM_TEST_CLIPS)]


@dataclass(frozen=True)
class Benchmark:
    r"""Files and protocol of an angle-space benchmark.

    Args:
        layout: Description of the files below the folder, for error messages.
        train: Names of the training files.
        test: Names of the test files, by action. Test windows come from the files of an action alternately.
        skeleton: All joints of a file.
        used: The joints that a model sees.
        read: Returns the phases of a file, with its action as label and the ids `split` (`"train"` or
            `"test"`), `phase`, and `validation_id`.
        validation_id: The id by which files are held out for validation.
        validation_choices: The values of `validation_id` in the training files.
        first_start: The lowest start of a test window.
        test_future: Number of frames that a file must have after the observed frames of a test window.
        cut_to_varying: Whether the error excludes columns that are constant in training.
    """

    layout: str
    train: tuple[str, ...]
    test: Mapping[str, tuple[str, ...]]
    skeleton: Skeleton
    used: Skeleton
    read: Callable[[Path], Iterator[Motion]]
    validation_id: str
    validation_choices: tuple[int, ...]
    first_start: int
    test_future: int
    cut_to_varying: bool

    def find(self, root: Path, part: str) -> tuple[list[Path], list[str]]:
        """The existing files of `"train"` or `"test"`, and the names of those that are missing."""
        names = self.train if part == "train" else [name for names in self.test.values() for name in names]
        if not root.is_dir():
            raise FileNotFoundError(f"{root} is not a folder, expected {self.layout} there")
        missing = [name for name in names if not (root / name).is_file()]
        return [root / name for name in names if name not in missing], missing


class ExpmapDataset(MotionDataset):
    r"""A benchmark in angle space: z-scores of joint angles, which can be converted back to angles.

    Args:
        root: Folder of the files.
        split: `"train"`, `"val"` or `"test"`.
        validation: The value of the benchmark's `validation_id` whose training files form `"val"`. With
            `None`, `"train"` has all files.
        actions: The actions to take clips from.
        sampling: How samples are cut out of the clips (:class:`~pyg_sybio.data.datasets.sampling.Sampling`).
        transforms: Transforms of the clips
            (:class:`~pyg_sybio.data.datasets.clip_transforms.ClipTransforms`): `augment` changes all joints
            of a file, in radians, before they become z-scores; `corrupt` and `fill` change observed z-scores.
            There is no `preprocess`.
        storage: Where prepared clips are stored (:class:`~pyg_sybio.data.store.storage.Storage`).

    Attributes:
        benchmark: Class attribute: files and protocol.
        missing: Files of the benchmark that do not exist, relative to `root`.
        normalisation: Statistics of the training files.

    Raises:
        FileNotFoundError: If `root` does not exist, has no training file, or (for the test split) has no test
            file.
        ValueError: If an argument is out of its range, a file is damaged, or a test file is too short.
    """

    benchmark: ClassVar[Benchmark]
    default_sampling = Sampling(num_observed=50, num_future=25, window_stride=5)

    def __init__(
        self,
        root: str | Path,
        split: str,
        validation: int | None,
        actions: Sequence[str],
        sampling: Sampling,
        transforms: ClipTransforms,
        storage: Storage,
    ) -> None:
        benchmark = self.benchmark
        self._check_arguments(split, validation, actions, sampling, transforms)
        root, length = Path(root), sampling.length
        self.split = split
        train, missing = benchmark.find(root, "train")
        test, missing_test = benchmark.find(root, "test")
        for part, files in (("train", train), ("test", test)):
            if not files and part in ("train", split):
                lacks = f"{root} has no file of the benchmark for {part!r}"
                raise FileNotFoundError(f"{lacks}, expected {benchmark.layout} there")
        self.missing = tuple(missing + missing_test if split == "test" else missing)
        store = prepare(files=train + test, read=benchmark.read, settings={}, root=root, storage=storage)
        training = [index for index, clip in enumerate(store.clips) if clip.ids["split"] == "train"]
        recorded = (frames_of(store.motion(index)) for index in training)
        self.normalisation = Normalisation.fit(recorded, used_columns(benchmark.skeleton, benchmark.used))
        too_short: list[str] = []
        if split == "test":
            spans = _test_spans(store, benchmark, actions, sampling)
        else:
            # Like the test clips, validation clips consist only of the even frames.
            chosen = [
                index
                for index, clip in ((index, store.clips[index]) for index in training)
                if clip.label in actions
                and (clip.ids[benchmark.validation_id] == str(validation)) == (split == "val")
                and (split == "train" or clip.ids["phase"] == "0")
            ]
            fit = [index for index in chosen if store.clips[index].num_frames >= length]
            too_short = [store.clips[index].source for index in sorted(set(chosen) - set(fit))]
            spans = spans_of(store, fit, sampling)
        _warn(root, self.missing, too_short, length)
        if not spans:
            wanted = f"split {split!r} and actions {', '.join(actions)}"
            raise ValueError(f"{root} has no clip of {length} frames for {wanted}")
        standardize = Standardize(self.normalisation, benchmark.used)
        super().__init__(
            store=store,
            spans=spans,
            class_names=tuple(benchmark.test),
            frame_rate=FRAME_RATE,
            sampling=sampling,
            transforms=replace(transforms, augment=[*steps_of(transforms.augment), standardize]),
        )
        self.skeleton = benchmark.used

    def _check_arguments(
        self,
        split: str,
        validation: int | None,
        actions: Sequence[str],
        sampling: Sampling,
        transforms: ClipTransforms,
    ) -> None:
        check_split_name(split)
        name, choices = f"validation_{self.benchmark.validation_id}", self.benchmark.validation_choices
        if validation is not None and validation not in choices:
            raise ValueError(f"'{name}' is {validation}, expected one of {choices} or None")
        if split == "val" and validation is None:
            raise ValueError(f"'{name}' is None, expected a number for split 'val'")
        if sampling.window_stride is None:
            raise ValueError("'window_stride' is None, expected at least 1: the benchmark has windows")
        if transforms.preprocess is not None:
            raise ValueError(
                f"'preprocess' is {transforms.preprocess!r}, expected none: the benchmark's statistics are "
                "computed from the original files ('augment' changes clips)"
            )
        known = self.benchmark.test
        if unknown := sorted(set(actions) - set(known)):
            raise ValueError(f"'actions' has {unknown[0]!r}, expected some of {', '.join(known)}")

    @property
    def feature_scale(self) -> Tensor:
        r"""The angle of a z-score of 1, in radians, `[M, 3]`; 0 for columns that are constant in training."""
        normalisation = self.normalisation
        varying = torch.tensor([column in normalisation.varying for column in normalisation.used])
        scale = normalisation.deviation[list(normalisation.used)] * varying
        return scale.unflatten(0, (-1, 3)).float()

    def mirrored(self, poses: Tensor, axis: str) -> Tensor:
        """z-scores `[..., T, M, 3]` of the mirror image (:class:`~pyg_sybio.data.transforms.Mirror`)."""
        self._check_joints("poses", poses)
        return Standardize(self.normalisation, self.skeleton).mirrored(poses, axis)

    def motion_errors(
        self, prediction: Tensor, target: Tensor, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        r"""The errors of normalised futures, in angles and in positions.

        ``angle_mae`` is the benchmark's angle error (:func:`~pyg_sybio.metrics.angle_error`). ``mpjpe_mm`` is
        the mean distance between predicted and true joints in millimetres, over all joints of a file, if the
        skeleton has bone offsets (:func:`~pyg_sybio.kinematics.bone_offsets`). Both poses are placed at the
        same root position.

        Args:
            prediction: Predicted z-scores.
            target: Recorded z-scores, an item's `future` with frames first.
            mask: Which joints were recorded; it must be True everywhere, as in all clips of these benchmarks.

        Shapes:
            - **prediction, target:** `[N, T, M, 3]`
            - **mask:** `[N, T, M]`
            - **output:** `{"angle_mae": [N, T], "mpjpe_mm": [N, T]}`, radians and millimetres

        Raises:
            ValueError: If a shape does not fit, or the target is incomplete. (The error includes only the
                columns that vary, and only a complete target shows which columns vary.)

        Note:
            The z-scores of the used joints determine the benchmark's error exactly. The Euler angles of a
            joint depend only on its own three columns, and a used joint has all three (constant columns have
            deviation 1 and keep their value). The error never includes the root or an unused joint.
        """
        self._check_joints("prediction", prediction)
        self._check_joints("target", target)
        if mask is not None and not mask.all():
            raise ValueError("'mask' has joints that were not recorded, expected complete targets")
        predicted = self.normalisation.restore(prediction)
        recorded = self.normalisation.restore(target, keep_constant=True)
        columns = self.normalisation.varying if self.benchmark.cut_to_varying else None
        errors = {"angle_mae": angle_error(predicted, recorded, columns)}
        skeleton = self.benchmark.skeleton
        if (offsets := bone_offsets(skeleton)) is not None:
            angles = (frames[..., 3:].unflatten(-1, (-1, 3)) for frames in (predicted, recorded))
            predicted, recorded = (expmap_positions(each, skeleton, offsets) for each in angles)
            errors["mpjpe_mm"] = (predicted - recorded).norm(dim=-1).mean(dim=-1)
        return errors

    def _check_joints(self, name: str, value: Tensor) -> None:
        num_joints = self.skeleton.num_joints
        if value.dim() < 3 or tuple(value.shape[-2:]) != (num_joints, 3):
            raise ValueError(f"'{name}' has shape {list(value.shape)}, expected [..., T, {num_joints}, 3]")


def _test_spans(
    store: MotionStore, benchmark: Benchmark, actions: Sequence[str], sampling: Sampling
) -> list[Span]:
    """The eight fixed windows of each action, from the even frames of its test files alternately.

    If windows are longer than the published ones, their starts are drawn such that the longer windows fit
    into the files. Shorter windows are cut out of the published ones, so that `future` begins at the same
    frame.
    """
    observed, future = sampling.num_observed, sampling.num_future
    length = max(observed, TEST_OBSERVED), max(future, benchmark.test_future)
    spans = []
    for action in benchmark.test:
        own = {"split": "test", "phase": "0"}.items()
        places = enumerate(store.clips)
        clips = [place for place, clip in places if clip.label == action and own <= clip.ids.items()]
        # Windows come from the files of an action alternately: if one file is missing, all windows change.
        if action not in actions or len(clips) < len(benchmark.test[action]):
            continue
        ends = [store.clips[index].num_frames - sum(length) for index in clips]
        for index, end in zip(clips, ends, strict=True):
            if end <= benchmark.first_start:
                clip, least = store.clips[index], benchmark.first_start + sum(length)
                found = f"{clip.source} has {clip.num_frames} frames at {FRAME_RATE:g} Hz"
                raise ValueError(f"{found}, expected more than {least} for test windows")
        for turn, start in enumerate(seeded_starts([(benchmark.first_start, end) for end in ends])):
            split = start + length[0]
            spans.append(Span(clips[turn % len(clips)], split - observed, split + future, split))
    return spans


def _warn(root: Path, missing: Sequence[str], too_short: Sequence[str], length: int) -> None:
    parts = []
    if missing:
        parts.append(f"{len(missing)} files of the benchmark are missing: {', '.join(missing)}")
    if too_short:
        names = sorted({str(Path(source).relative_to(root)) for source in too_short})
        parts.append(f"too short for {length} frames at {FRAME_RATE:g} Hz: {', '.join(names)}")
    if parts:
        # Point the warning at the line that constructs the data set.
        warnings.warn(f"{root}: {'; '.join(parts)}", stacklevel=4)
