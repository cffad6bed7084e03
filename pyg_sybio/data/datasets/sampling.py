r"""How samples are cut out of clips: lengths, windows, observation ratios."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from pyg_sybio.data.datasets.two_tasks import ObservationRatio, check_split, ratio_range
from pyg_sybio.data.store.store import MotionStore
from pyg_sybio.data.transforms.base import check_count


@dataclass(frozen=True, kw_only=True)
class Sampling:
    r"""How samples are cut out of clips.

    Args:
        num_observed: Number of frames in `x`.
        num_future: Number of frames in `future`.
        window_stride: Number of frames from the start of one window to the next. (default: None, each clip is
            one sample)
        window_tempo: Largest factor by which windows are played faster or slower. A window consists of the
            frames of its clip at distances of :math:`v` frames around the window's middle. For each sample,
            :math:`v` is drawn log-uniformly from `1 / window_tempo` to `window_tempo`, and limited by the
            length of the clip.
        reserved: Number of frames at the end of a whole clip that are never observed. With 0, a clip is
            observed to its end and has no recorded future. (default: `num_future`)
        observation_ratio: The fraction of the observable frames that the model sees, or a range of fractions
            from which each sample draws its own with torch's generator.
        padding: How too few observed frames are extended to `num_observed`: `"repeat"` or `"hold"`
            (:func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`).

    Raises:
        ValueError: If a value is out of its range, or `window_tempo` is given without windows.
    """

    num_observed: int
    num_future: int
    window_stride: int | None = None
    window_tempo: float = 1.0
    reserved: int | None = None
    observation_ratio: ObservationRatio = 1.0
    padding: str = "repeat"

    def __post_init__(self) -> None:
        if not 1 <= self.window_tempo < math.inf:
            raise ValueError(f"'window_tempo' is {self.window_tempo}, expected a factor of at least 1")
        low, _ = self.ratios
        check_split(self.num_observed, self.num_future, self.reserved, low, self.padding)
        if self.window_stride is not None:
            check_count("window_stride", self.window_stride)
        elif self.window_tempo != 1:
            reason = "only windows ('window_stride') can be played faster or slower"
            raise ValueError(f"'window_tempo' is {self.window_tempo}, expected 1 for whole clips: {reason}")

    @property
    def ratios(self) -> tuple[float, float]:
        """The lowest and the highest observation ratio."""
        return ratio_range(self.observation_ratio)

    def draw_ratio(self) -> float:
        """Draw an observation ratio from the range with torch's generator."""
        low, high = self.ratios
        return low if low == high else low + (high - low) * torch.rand(()).item()

    @property
    def length(self) -> int:
        """Number of frames of a window."""
        return self.num_observed + self.num_future


class Span(NamedTuple):
    """Some frames of a clip, from which one sample is made.

    Args:
        clip: Index of the clip in the store.
        start: First frame.
        stop: The frame after the last one.
        split: The frame of the clip where the future begins. (default: by the rule of
            :func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`)
    """

    clip: int
    start: int
    stop: int
    split: int | None = None


def spans_of(store: MotionStore, clips: Iterable[int], sampling: Sampling) -> list[Span]:
    r"""Whole clips, or all windows that begin at a multiple of the stride.

    A clip shorter than a window is one span, which is split like a whole clip; short clips are never dropped.
    """
    spans: list[Span] = []
    length, stride = sampling.length, sampling.window_stride
    for clip in clips:
        num_frames = store.clips[clip].num_frames
        if stride is None or num_frames < length:
            spans.append(Span(clip, 0, num_frames))
        else:
            starts = range(0, num_frames - length + 1, stride)
            spans += [Span(clip, start, start + length, start + sampling.num_observed) for start in starts]
    return spans
