r"""Base class of data sets that turn stored clips into samples for both tasks."""

import copy
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sybio.data.datasets.clip_transforms import (
    DEFAULT_TRANSFORMS,
    ClipTransforms,
    SomebodySeen,
    Transform,
    as_seen,
    composed,
)
from pyg_sybio.data.datasets.positions import PositionDataset
from pyg_sybio.data.datasets.sampling import Sampling, Span, spans_of
from pyg_sybio.data.datasets.settings import with_value_objects
from pyg_sybio.data.datasets.two_tasks import WHOLE, Part, check_part, split_tasks
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.text import few
from pyg_sybio.data.store.records import Read
from pyg_sybio.data.store.storage import Storage
from pyg_sybio.data.store.store import MotionStore, prepare
from pyg_sybio.data.transforms.fill_missing import FillMissing
from pyg_sybio.data.transforms.from_settings import steps_of
from pyg_sybio.data.transforms.resample import at_times
from pyg_sybio.data.transforms.resample_length import ResampleLength

# Clips whose body size differs from the median by more than this factor are left out.
_MAX_FACTOR = 100


class MotionDataset(PositionDataset):
    r"""Samples for both tasks, each made from a span of a stored clip.

    A span is read, augmented as a whole (so that observed and future frames are rotated together), and split
    (:func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`, which also documents the rule for short clips).
    Its observed part is corrupted and then filled. Persons are stacked; persons who are not seen in the
    observed part are left out. If nobody is seen in the observed part, the first person is kept, with zeros.

    Args:
        store: The prepared clips.
        class_names: Names of the classes. A clip's label is one of them; `y` is its index.
        sampling: How samples are cut out of the clips.
        clips: Indices of the clips to use. (default: all)
        spans: Fixed spans, such as the test windows of a benchmark. (default: whole clips or windows,
            according to `sampling`)
        frame_rate: Frame rate in Hz. (default: the frame rate of the clips)
        transforms: Transforms of the clips; `preprocess` has been applied when the store was made.

    Shapes:
        - **x:** `[P·M, T, D]`
        - **future:** `[P·M, T_future, D]`, zero where nothing was recorded
        - **future_mask:** `[P·M, T_future, 1]`, True where something was recorded
        - **y:** `[1]`

    Attributes:
        num_observed: Number of frames in `x`.
        num_future: Number of frames in `future`.
        spans: The span of each item.
        default_preprocess: Class attribute: the default of `transforms.preprocess`.
        default_fill: Class attribute: the default of `transforms.fill`.

    Raises:
        ValueError: If a clip has no label or an unknown one, the frame rates of the clips differ from each
            other or from `frame_rate`, there is no clip, or `sampling` reserves frames of windows.

    Note:
        A warning names the clips that were left out when the store was made, such as clips without any person
        (:class:`SomebodySeen`). Another warning names clips whose body size
        (:attr:`~pyg_sybio.data.motion.Motion.body_size`) differs from the median of the store by more than a
        factor of 100. They are left out, because one such clip would dominate the training statistics.
    """

    default_preprocess: ClassVar[tuple[Transform, ...]] = ()
    default_fill: ClassVar[tuple[Transform, ...]] = (FillMissing(),)

    def __init__(
        self,
        *,
        store: MotionStore,
        class_names: Sequence[str],
        sampling: Sampling,
        clips: Sequence[int] | None = None,
        spans: Sequence[Span] | None = None,
        frame_rate: float | None = None,
        transforms: ClipTransforms = DEFAULT_TRANSFORMS,
    ) -> None:
        super().__init__()
        self.store = store
        self.skeleton = store.skeleton
        self.class_names = tuple(class_names)
        self.sampling = sampling
        self.num_observed, self.num_future = sampling.num_observed, sampling.num_future
        self.augment = composed(transforms.augment)
        self.corrupt = composed(transforms.corrupt)
        self.fill = composed(self.default_fill if transforms.fill is None else transforms.fill)
        self._part = WHOLE
        if spans is None:
            spans = spans_of(store, range(len(store.clips)) if clips is None else clips, sampling)
        if not spans:
            raise ValueError("there is no clip to take samples from, expected one or more")
        if sampling.reserved is not None and any(span.split is not None for span in spans):
            raise ValueError(
                f"'reserved' is {sampling.reserved}, expected None: the future of a window begins at a fixed "
                "frame (without 'window_stride', samples are whole clips)"
            )
        outliers = self._outliers()
        self.spans = tuple(span for span in spans if span.clip not in outliers)
        if not self.spans:
            raise ValueError("the bodies of all clips have a wrong size, expected clips in the same unit")
        used = sorted({span.clip for span in self.spans})
        self._labels = _labels(store, used, self.class_names)
        own_tempo = any(isinstance(step, ResampleLength) for step in steps_of(transforms.preprocess))
        self.frame_rate = _frame_rate(store, used, frame_rate, own_tempo=own_tempo)
        if outliers:
            first = few(
                f"{store.clips[clip].source} ({factor:.3g} times)" for clip, factor in outliers.items()
            )
            warnings.warn(
                f"clips of another unit, or with wrong values, are left out; their body size is above "
                f"{_MAX_FACTOR} times the median, or below 1/{_MAX_FACTOR} of the median: {first}",
                stacklevel=2,
            )
        if store.skipped:
            first = few(f"{source} ({reason})" for source, reason in store.skipped)
            warnings.warn(f"{len(store.skipped)} clips are left out: {first}", stacklevel=2)

    @classmethod
    def from_settings(cls, **settings: Any) -> Self:
        """Build a data set from flat settings, as in recipes.

        Args:
            settings: The arguments of the class, with the fields of :class:`Sampling`,
                :class:`ClipTransforms` and :class:`~pyg_sybio.data.store.storage.Storage` instead of these
                objects.
        """
        return cls(**with_value_objects(cls, settings))

    @classmethod
    def preparation(cls, transforms: ClipTransforms) -> SomebodySeen:
        """The transform that prepares clips: `preprocess`, or the default of the class."""
        preprocess = transforms.preprocess
        return SomebodySeen(composed(cls.default_preprocess if preprocess is None else preprocess))

    @classmethod
    def prepared(
        cls,
        files: Sequence[Path],
        read: Read,
        root: Path,
        transforms: ClipTransforms,
        storage: Storage,
        **settings: Any,
    ) -> MotionStore:
        """The clips of files after :meth:`preparation` (:func:`~pyg_sybio.data.store.store.prepare`)."""
        preprocess = cls.preparation(transforms)
        return prepare(
            files=files, read=read, preprocess=preprocess, settings=settings, root=root, storage=storage
        )

    @property
    def num_classes(self) -> int:
        """Number of class names. (PyG would count the labels that occur, which depends on the files.)"""
        return len(self.class_names)

    def len(self) -> int:
        """Number of samples."""
        return len(self.spans)

    def motion(self, idx: int) -> Motion:
        """The recorded frames of item `idx`, before augmentation and splitting."""
        span = self.spans[self.indices()[idx]]
        return self.store.motion(span.clip, slice(span.start, span.stop))

    def get(self, idx: int) -> Data:
        """The sample `idx`."""
        span = self.spans[idx]
        motion = self._played(span)
        if self.augment is not None:
            motion = self.augment(motion)
            if span.split is not None and motion.num_frames != span.stop - span.start:
                raise ValueError(
                    f"'augment' changed a window of {span.stop - span.start} frames to {motion.num_frames}, "
                    "expected the same number: only whole clips (without 'window_stride') may change length"
                )
        sample = split_tasks(
            motion,
            num_observed=self.num_observed,
            num_future=self.num_future,
            reserved=self.sampling.reserved,
            observation_ratio=self.sampling.draw_ratio(),
            padding=self.sampling.padding,
            split=None if span.split is None else span.split - span.start,
            part=self._part,
        )
        observed = as_seen(sample.observed, self.corrupt, self.fill)
        persons = observed.present.flatten(1).any(1).nonzero().flatten().tolist() or [0]
        return Data(
            x=_stack(observed.poses, persons),
            future=_stack(sample.future.poses, persons),
            future_mask=_stack(sample.future.present.unsqueeze(-1), persons),
            y=torch.tensor([self._labels[span.clip]]),
        )

    def _played(self, span: Span) -> Motion:
        """The frames of a span; a window may be sped up or slowed down around its center."""
        steps, tempo = span.stop - span.start - 1, self.sampling.window_tempo
        if span.split is None or tempo == 1 or steps == 0:
            return self.store.motion(span.clip, slice(span.start, span.stop))
        last = self.store.clips[span.clip].num_frames - 1
        speed = min(tempo ** (2 * torch.rand(()).item() - 1), last / steps)
        start = span.start + steps * (1 - speed) / 2
        start = min(max(start, 0.0), last - speed * steps)
        first, beyond = math.floor(start), min(last, math.ceil(start + speed * steps)) + 1
        frames = self.store.motion(span.clip, slice(first, beyond))
        times = start - first + speed * torch.arange(steps + 1, dtype=torch.float64)
        return at_times(frames, times.clamp(max=frames.num_frames - 1))

    @property
    def labels(self) -> Tensor:
        """The class of each item, `[len]`."""
        return torch.tensor([self._labels[self.spans[index].clip] for index in self.indices()])

    @property
    def sample_weights(self) -> Tensor:
        r"""Probability `[len]` of each item when drawing a class, then a clip of the class, then its span.

        With :class:`torch.utils.data.WeightedRandomSampler`, neither large classes nor long clips dominate.
        """
        clips = [self.spans[index].clip for index in self.indices()]
        in_clip = Counter(clips)
        in_class = Counter(self._labels[clip] for clip in in_clip)
        weights = [1 / (len(in_class) * in_class[self._labels[clip]] * in_clip[clip]) for clip in clips]
        return torch.tensor(weights, dtype=torch.float64)

    def _outliers(self) -> dict[int, float]:
        """The clips whose body size is far from the median, with the ratio of their size to the median."""
        sizes = torch.tensor([clip.body_size for clip in self.store.clips], dtype=torch.float64)
        if not (sizes > 0).any():
            return {}
        factors = sizes / sizes[sizes > 0].median()
        wrong = (factors > _MAX_FACTOR) | (factors < 1 / _MAX_FACTOR) & (factors > 0)
        return {clip: float(factors[clip]) for clip in wrong.nonzero().flatten().tolist()}

    @property
    def clip_facts(self) -> dict[str, Any]:
        """Facts about the clips that model files contain, because predictions for recordings depend on them.

        ``interactions`` is whether most clips of any class have several persons, and ``clip_seconds`` is the
        duration that 95 % of the clips do not exceed, if their frame rates are known.
        """
        clips = {span.clip: self.store.clips[span.clip] for span in self.spans}
        crowds: dict[int, list[bool]] = {}
        for number, info in clips.items():
            crowds.setdefault(self._labels[number], []).append(info.num_persons > 1)
        facts: dict[str, Any] = {"interactions": any(2 * sum(each) > len(each) for each in crowds.values())}
        seconds = [info.num_frames / info.frame_rate for info in clips.values() if info.frame_rate]
        if len(seconds) == len(clips):
            facts["clip_seconds"] = float(torch.tensor(seconds).quantile(0.95))
        return facts

    def in_part(self, part: Part) -> Self:
        """The same clips with only a part of their observable frames; futures do not change.

        Args:
            part: The part of the observable frames that the model sees.

        Raises:
            ValueError: If the bounds of `part` are not from 0 to 1 in ascending order.
        """
        check_part(part)
        clips = copy.copy(self)
        clips._part = part
        return clips

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)}, skeleton={self.skeleton.name!r}, "
            f"classes={len(self.class_names)}, frames={self.num_observed}+{self.num_future} "
            f"at {self.frame_rate:g} Hz)"
        )


def _stack(values: Tensor, persons: list[int]) -> Tensor:
    """Values `[P, T, M, D]` of some persons with nodes first, `[P·M, T, D]`; single precision."""
    chosen = values if len(persons) == len(values) else values[persons]
    stacked = chosen.transpose(1, 2).flatten(0, 1)
    return stacked.float() if stacked.is_floating_point() else stacked


def _labels(store: MotionStore, clips: Sequence[int], class_names: Sequence[str]) -> dict[int, int]:
    """Map each clip to the index of its class."""
    index = {name: place for place, name in enumerate(class_names)}
    if len(index) != len(class_names):
        twice = next(name for name, count in Counter(class_names).items() if count > 1)
        raise ValueError(f"'class_names' has {twice!r} twice, expected each class once")
    result = {}
    for clip in clips:
        info = store.clips[clip]
        if info.label not in index:
            came = "no label" if info.label is None else f"the label {info.label!r}"
            raise ValueError(f"{info.source} has {came}, expected one of {few(class_names, 5)}")
        result[clip] = index[info.label]
    return result


def _frame_rate(
    store: MotionStore, clips: Sequence[int], expected: float | None, *, own_tempo: bool
) -> float:
    """The common frame rate of the clips; clips resampled to a fixed length may have different rates."""
    if own_tempo and expected is None:
        reason = "since preprocessing resamples each clip to a number of frames"
        raise ValueError(f"'frame_rate' is None, expected the frame rate of the recordings, {reason}")
    for clip in () if own_tempo else clips:
        info = store.clips[clip]
        if expected is None:
            expected = info.frame_rate
        # Files round the frame time: 0.033333 s is 30 Hz.
        elif info.frame_rate is not None and abs(info.frame_rate - expected) > 1e-3 * expected:
            raise ValueError(f"{info.source} has {info.frame_rate:g} Hz, expected {expected:g} Hz")
    if expected is None:
        remedy = "expected a frame rate in Hz, such as --data.settings.frame_rate 30"
        raise ValueError(f"'frame_rate' is None, and no clip has one: {remedy}")
    return float(expected)
