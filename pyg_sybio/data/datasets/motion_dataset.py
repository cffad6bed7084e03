r"""Clips of a store as samples for both tasks: what the dataset classes of the benchmarks have in common."""

import copy
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor
from torch_geometric.data import Data, Dataset
from torch_geometric.transforms import Compose

from pyg_sybio.data.datasets.two_tasks import (
    WHOLE,
    ObservationRatio,
    check_part,
    check_split,
    ratio_range,
    split_tasks,
)
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.store.store import MotionStore
from pyg_sybio.data.transforms.mirror import mirrored_poses
from pyg_sybio.data.transforms.resample import at_times
from pyg_sybio.metrics import position_errors

Transform = Callable[[Motion], Motion]
Transforms = Transform | Sequence[Transform]

_NUM_SPATIAL = {"xyz": 3, "xy": 2, "xy+score": 2}


def composed(transforms: Transforms | None) -> Transform | None:
    """One transform, or several one after the other, as one; None if there is nothing to do."""
    if not isinstance(transforms, Sequence):
        return transforms
    return Compose(list(transforms)) if transforms else None


@dataclass(frozen=True)
class SomebodySeen:
    r"""Preparation of a clip that leaves it out if nobody is ever seen in it, since it cannot teach anything.

    Args:
        transform: What else is done, before one looks. (default: nothing)

    Returns:
        The transformed clip; None if nobody is seen in any frame.
    """

    transform: Transform | None = None

    def __call__(self, motion: Motion) -> Motion | None:
        """Transform a clip, or leave it out."""
        if motion.present.any() and self.transform is not None:
            motion = self.transform(motion)
        return motion if motion.present.any() else None


class Span(NamedTuple):
    """Some frames of a clip, from which one sample is made.

    Args:
        clip: Which clip of the store.
        start: Its first frame.
        stop: The frame after its last.
        split: The frame of the clip where the future begins. (default: by the rule of
            :func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`)
    """

    clip: int
    start: int
    stop: int
    split: int | None = None


def whole_clips(store: MotionStore, clips: Iterable[int]) -> list[Span]:
    """One span a clip, which is all of it."""
    return [Span(clip, 0, store.clips[clip].num_frames) for clip in clips]


def windows(
    store: MotionStore, clips: Iterable[int], *, num_observed: int, num_future: int, stride: int
) -> list[Span]:
    r"""All windows of `num_observed + num_future` frames that begin at a multiple of `stride`.

    A clip shorter than a window is one span, split by the rule for whole clips: it is never dropped.
    """
    if stride < 1:
        raise ValueError(f"'window_stride' is {stride}, expected at least 1")
    length = num_observed + num_future
    spans: list[Span] = []
    for clip in clips:
        num_frames = store.clips[clip].num_frames
        if num_frames < length:
            spans.append(Span(clip, 0, num_frames))
        starts = range(0, num_frames - length + 1, stride)
        spans += [Span(clip, start, start + length, start + num_observed) for start in starts]
    return spans


class MotionDataset(Dataset):
    r"""Samples for both tasks, each made from a span of a stored clip.

    A span is read, augmented as a whole (observed and future frames turn together), split
    (:func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`, which has the rule for short clips), and the
    observed part
    alone is corrupted, and then filled. Persons are stacked; one who is seen nowhere in the observed part is
    left out, and if nobody is seen there, the first stays, as zeros.

    Args:
        store: The prepared clips.
        clips: Which clips of the store, by index. (default: all)
        spans: The spans, where they are fixed, as the test clips of a benchmark are. (default: whole clips,
            or windows with `window_stride`)
        window_stride: Frames from one window to the next. (default: a clip is one sample)
        class_names: Name of each class, as the clips have it for a label; `y` is its place among them.
        num_observed: Frames in `x`.
        num_future: Frames in `future`.
        frame_rate: In Hz. (default: that of the clips)
        reserved: Frames at the end of a whole clip that are never observed; with 0 a clip is observed to its
            end, and nothing of its future was recorded. (default: `num_future`)
        observation_ratio: The share of what could be observed that is, or a range of shares from which every
            sample draws its own, anew each time, with torch's generator.
        padding: How too few observed frames are filled: `"repeat"` or `"hold"`.
        window_tempo: How much faster or slower windows are played: the frames of a window are those of its
            clip at distances of :math:`v` frames about the window's middle, where :math:`v` is drawn for each
            sample anew, on a logarithmic scale from `1 / window_tempo` to `window_tempo`, or as fast as the
            clip is long enough for. (default: 1, as recorded)
        augment: A transform, or several, that change a clip before it is split; a window keeps its length.
        corrupt: Those that change the observed frames alone, as a bad sensor does.
        fill: Those that fill what is missing in the observed frames, after `corrupt`; an empty list fills
            nothing. Filled before it is split, a clip would have targets that nobody recorded. (default:
            `default_fill`)

    Shapes:
        - **x:** `[P·M, T, D]`
        - **future:** `[P·M, T_future, D]`, zero where nothing was recorded
        - **future_mask:** `[P·M, T_future, 1]`, True where something was
        - **y:** `[1]`

    Attributes:
        spans: The span of each item.
        default_preprocess: Class attribute: what is done to a clip before it is stored, if nothing else is
            asked for.
        default_fill: Class attribute: what fills the observed frames then.

    Raises:
        ValueError: If an argument is out of its range, a clip has no label or an unknown one, the frame rates
            of the clips differ from each other or from `frame_rate`, there is no clip, or frames of windows
            are to be `reserved`.

    Note:
        Clips that preparation has left out of the store (:class:`SomebodySeen` leaves out those in which
        nobody is ever seen) are named in a warning.
    """

    default_preprocess: ClassVar[tuple[Transform, ...]] = ()
    default_fill: ClassVar[tuple[Transform, ...]] = ()

    def __init__(
        self,
        *,
        store: MotionStore,
        class_names: Sequence[str],
        num_observed: int,
        num_future: int,
        clips: Sequence[int] | None = None,
        spans: Sequence[Span] | None = None,
        window_stride: int | None = None,
        frame_rate: float | None = None,
        reserved: int | None = None,
        observation_ratio: ObservationRatio = 1.0,
        padding: str = "repeat",
        window_tempo: float = 1.0,
        augment: Transforms | None = None,
        corrupt: Transforms | None = None,
        fill: Transforms | None = None,
    ) -> None:
        if not 1 <= window_tempo < math.inf:
            raise ValueError(f"'window_tempo' is {window_tempo}, expected a factor of at least 1")
        self._ratios = ratio_range(observation_ratio)
        check_split(num_observed, num_future, reserved, self._ratios[0], padding)
        super().__init__()
        self.store = store
        self.skeleton = store.skeleton
        self.class_names = tuple(class_names)
        self.num_observed = num_observed
        self.num_future = num_future
        self.reserved = reserved
        self.observation_ratio = observation_ratio
        self.padding = padding
        self.window_tempo = window_tempo
        self._part = WHOLE
        self.augment = composed(augment)
        self.corrupt = composed(corrupt)
        self.fill = composed(self.default_fill if fill is None else fill)
        if window_tempo != 1 and spans is None and window_stride is None:
            raise ValueError(
                f"'window_tempo' is {window_tempo}, expected 1: whole clips are no windows ('window_stride')"
            )
        if spans is None:
            chosen = range(len(store.clips)) if clips is None else clips
            if window_stride is None:
                spans = whole_clips(store, chosen)
            else:
                spans = windows(
                    store, chosen, num_observed=num_observed, num_future=num_future, stride=window_stride
                )
        if not spans:
            raise ValueError("there is no clip to take samples from, expected one or more")
        if reserved is not None and any(span.split is not None for span in spans):
            raise ValueError(
                f"'reserved' is {reserved}, expected none: the future of a window begins at a fixed frame "
                "(whole clips are those without 'window_stride')"
            )
        self.spans = tuple(spans)
        used = sorted({span.clip for span in self.spans})
        self._labels = _labels(store, used, self.class_names)
        self.frame_rate = _frame_rate(store, used, frame_rate)
        _warn(store)

    @classmethod
    def preparation(cls, preprocess: Transforms | None) -> SomebodySeen:
        """What :func:`~pyg_sybio.data.store.store.prepare` does to a clip: the transforms, or else the
        class's."""
        return SomebodySeen(composed(cls.default_preprocess if preprocess is None else preprocess))

    @property
    def num_classes(self) -> int:
        """Number of class names; PyG would count the labels that occur, which depend on the files."""
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
                    f"'augment' made {motion.num_frames} of the {span.stop - span.start} frames of a window, "
                    "whose future begins at a fixed one, expected as many: only whole clips (without "
                    "'window_stride') may change their length"
                )
        sample = split_tasks(
            motion,
            num_observed=self.num_observed,
            num_future=self.num_future,
            reserved=self.reserved,
            observation_ratio=self._ratio(),
            padding=self.padding,
            split=None if span.split is None else span.split - span.start,
            part=self._part,
        )
        observed = self._seen(sample.observed)
        persons = observed.present.flatten(1).any(1).nonzero().flatten().tolist() or [0]
        return Data(
            x=_stack(observed.poses, persons),
            future=_stack(sample.future.poses, persons),
            future_mask=_stack(sample.future_present.unsqueeze(-1), persons),
            y=torch.tensor([self._labels[span.clip]]),
        )

    def _played(self, span: Span) -> Motion:
        """The frames of a span; a window may be played faster or slower, about its own middle."""
        steps = span.stop - span.start - 1
        if span.split is None or self.window_tempo == 1 or steps == 0:
            return self.store.motion(span.clip, slice(span.start, span.stop))
        last = self.store.clips[span.clip].num_frames - 1
        speed = min(self.window_tempo ** (2 * torch.rand(()).item() - 1), last / steps)
        start = span.start + steps * (1 - speed) / 2
        start = min(max(start, 0.0), last - speed * steps)
        first, beyond = math.floor(start), min(last, math.ceil(start + speed * steps)) + 1
        frames = self.store.motion(span.clip, slice(first, beyond))
        times = start - first + speed * torch.arange(steps + 1, dtype=torch.float64)
        return at_times(frames, times.clamp(max=frames.num_frames - 1))

    def _ratio(self) -> float:
        """The share of what could be observed that a sample sees."""
        low, high = self._ratios
        return low if low == high else low + (high - low) * torch.rand(()).item()

    def _seen(self, observed: Motion) -> Motion:
        """The observed frames as the model sees them."""
        seen = observed
        for transform in (self.corrupt, self.fill):
            if transform is not None:
                seen = transform(seen)
        if seen.tracks != observed.tracks or seen.num_frames != observed.num_frames:
            raise ValueError(
                f"'corrupt' and 'fill' made {seen} of {observed}, "
                "expected the same persons and frames: the future has them"
            )
        return seen

    @property
    def sample_weights(self) -> Tensor:
        r"""Probability of each item `[len]` if classes are drawn evenly, in a class clips, in a clip spans.

        With :class:`torch.utils.data.WeightedRandomSampler` neither large classes nor long clips crowd out
        the rest.
        """
        clips = [self.spans[index].clip for index in self.indices()]
        in_clip = Counter(clips)
        in_class = Counter(self._labels[clip] for clip in in_clip)
        weights = [1 / (len(in_class) * in_class[self._labels[clip]] * in_clip[clip]) for clip in clips]
        return torch.tensor(weights, dtype=torch.float64)

    def in_part(self, part: tuple[float, float]) -> Self:
        """The same clips, whose observed frames are seen between two shares of them alone.

        Args:
            part: As in :func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`; futures stay as they are.

        Raises:
            ValueError: If these are no two shares, the lower one first.
        """
        check_part(part)
        clips = copy.copy(self)
        clips._part = part
        return clips

    def mirrored(self, poses: Tensor, axis: str) -> Tensor:
        """Poses `[..., M, D]` of these clips as :class:`~pyg_sybio.data.transforms.Mirror` reflects them."""
        return mirrored_poses(poses, self.skeleton, axis)

    def motion_errors(
        self, prediction: Tensor, target: Tensor, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        r"""Errors of predicted positions (:func:`~pyg_sybio.metrics.position_errors`).

        Args:
            prediction: Predicted frames, in the space of the clips.
            target: Recorded frames.
            mask: Which joints were recorded: the others do not count. (default: all)

        Shapes:
            - **prediction, target:** `[N, T, M, D]`
            - **mask:** `[N, T, M]`
            - **output:** `[N, T]` each, NaN in a frame without a recorded joint

        Raises:
            ValueError: If the clips are rotations, whose error a subclass has to define.
        """
        coordinates = self.skeleton.coordinates
        if coordinates not in _NUM_SPATIAL:
            raise ValueError(
                f"skeleton '{self.skeleton.name}' has coordinates '{coordinates}', expected positions "
                f"({', '.join(_NUM_SPATIAL)}): {type(self).__name__} has no error of rotations"
            )
        return position_errors(
            prediction, target, mask, num_spatial=_NUM_SPATIAL[coordinates], units=self.skeleton.units
        )

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
    """Clip -> its class."""
    index = {name: place for place, name in enumerate(class_names)}
    if len(index) != len(class_names):
        twice = next(name for name, count in Counter(class_names).items() if count > 1)
        raise ValueError(f"'class_names' has {twice!r} twice, expected each class once")
    result = {}
    for clip in clips:
        info = store.clips[clip]
        if info.label not in index:
            came = "no label" if info.label is None else f"the label {info.label!r}"
            known = ", ".join(class_names[:5])
            if len(class_names) > 5:
                known += f", … ({len(class_names)} in all)"
            raise ValueError(f"{info.source} has {came}, expected one of {known}")
        result[clip] = index[info.label]
    return result


def _warn(store: MotionStore) -> None:
    if store.skipped:
        first = "; ".join(f"{source} ({reason})" for source, reason in store.skipped[:3])
        more = "; …" if len(store.skipped) > 3 else ""
        warnings.warn(f"{len(store.skipped)} clips are left out: {first}{more}", stacklevel=3)


def _frame_rate(store: MotionStore, clips: Sequence[int], expected: float | None) -> float:
    for clip in clips:
        info = store.clips[clip]
        if expected is None:
            expected = info.frame_rate
        # Files round the time of a frame: 0.033333 s is 30 Hz.
        elif info.frame_rate is not None and abs(info.frame_rate - expected) > 1e-3 * expected:
            raise ValueError(f"{info.source} has {info.frame_rate:g} frames a second, expected {expected:g}")
    if expected is None:
        raise ValueError("'frame_rate' is None, and no clip has one: expected a number of hertz")
    return float(expected)
