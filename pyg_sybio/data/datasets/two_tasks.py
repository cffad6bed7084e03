r"""A clip for both tasks: the observed frames to recognise, and the future frames to predict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import check_choice, check_count
from pyg_sybio.data.transforms.resample_length import ResampleLength

ObservationRatio = float | Sequence[float]
"""A fraction of the observable frames, or a range of fractions: the lowest and the highest."""


class Part(NamedTuple):
    """A part of the observable frames, as a model sees it.

    Args:
        start, end: The part, as fractions of the observable frames; ``Part(0.2, 1)`` hides the first fifth.
            (default: all frames)
        stretched: Whether a part with fewer frames than the model observes is resampled to that number,
            instead of padded. (default: :obj:`False`)
    """

    start: float = 0.0
    end: float = 1.0
    stretched: bool = False


WHOLE = Part()
"""All observable frames."""


@dataclass(frozen=True, eq=False)
class TwoTaskSample:
    r"""Observed part of a clip, and the future that the model predicts from it.

    Args:
        observed: The observed frames; padding at the front consists of copies of real frames.
        future: The frames after the observed ones, zero and not present after the end of the clip.
    """

    observed: Motion
    future: Motion


def split_tasks(
    motion: Motion,
    *,
    num_observed: int,
    num_future: int,
    reserved: int | None = None,
    observation_ratio: float = 1.0,
    padding: str = "repeat",
    split: int | None = None,
    part: Part = WHOLE,
) -> TwoTaskSample:
    r"""Split a clip of any length into observed and future frames.

    The future begins at frame

    .. math::
        s = \max(T - R, \lceil T / 2 \rceil), \qquad s_\rho = \max(1, \mathrm{round}(\rho s)):

    the last :math:`R` frames of a clip (`reserved`) are kept for its future, but at least the first half of
    the clip is observed, so that no clip is too short. The model sees the last `num_observed` frames before
    :math:`s_\rho`. If there are fewer, the front is filled:

    * `"repeat"`: with repetitions of the observed frames, aligned so that their last frame precedes the first
      real one (the usual way to fill the empty frames of NTU RGB+D);
    * `"hold"`: with copies of the first frame.

    The future is the `num_future` frames from :math:`s_\rho` on. Frames beyond the end of the clip are zero
    and not present, so that the loss and the errors ignore them. Without reserved frames, a clip is observed
    to its end and has no recorded future.

    Args:
        motion: The clip, `T` frames.
        num_observed: Frames of `observed`, at least 1.
        num_future: Frames of `future`, at least 1.
        reserved: Frames :math:`R` at the end of the clip that are never observed, at least 0. (default:
            `num_future`)
        observation_ratio: The fraction :math:`\rho` of the observable frames that the model sees, above 0 and
            at most 1: with 0.2, an action is recognised from its first fifth.
        padding: `"repeat"` or `"hold"`.
        split: The frame :math:`s` where the future begins, for windows whose two parts are fixed.
        part: The part of the frames before :math:`s_\rho` that the model sees. The future does not change.
            (default: all of them)

    Returns:
        The sample. Without padding, `observed` shares its memory with `motion`.

    Raises:
        ValueError: If an argument is out of its range.
    """
    check_split(num_observed, num_future, reserved, observation_ratio, padding)
    num_frames = motion.num_frames
    if split is None:
        reserved = num_future if reserved is None else reserved
        split = max(num_frames - reserved, math.ceil(num_frames / 2))
    elif not 1 <= split <= num_frames:
        raise ValueError(f"'split' is {split}, expected 1 to {num_frames}, the number of frames")
    split = max(1, round(observation_ratio * split))
    check_part(part)
    first = min(round(part.start * split), split - 1)
    shown = motion.frames(slice(first, max(first + 1, round(part.end * split))))
    if part.stretched and shown.num_frames < num_observed:
        shown = ResampleLength(num_frames=num_observed)(shown)
    return TwoTaskSample(_observed(shown, num_observed, padding), _future(motion, split, num_future))


def check_split(
    num_observed: int, num_future: int, reserved: int | None, observation_ratio: float, padding: str
) -> None:
    """Raise a :class:`ValueError` unless these are valid arguments of :func:`split_tasks`."""
    check_count("num_observed", num_observed)
    check_count("num_future", num_future)
    check_count("reserved", 0 if reserved is None else reserved, least=0)
    check_choice("padding", padding, ("repeat", "hold"))
    if not 0 < observation_ratio <= 1:
        raise ValueError(f"'observation_ratio' is {observation_ratio}, expected above 0 and at most 1")


def check_part(part: Part) -> None:
    """Raise a :class:`ValueError` unless the bounds of a part are from 0 to 1 in ascending order."""
    if not 0 <= part.start < part.end <= 1:
        raise ValueError(f"'part' is {part[:2]}, expected two fractions from 0 to 1 in ascending order")


def ratio_range(observation_ratio: ObservationRatio) -> tuple[float, float]:
    """The lowest and the highest observation ratio of samples.

    Raises:
        ValueError: If `observation_ratio` is neither a ratio above 0 and at most 1 nor two such ratios in
            ascending order.
    """
    ends = tuple(observation_ratio) if isinstance(observation_ratio, Sequence) else (observation_ratio,) * 2
    numbers = all(isinstance(end, int | float) for end in ends)
    if not numbers or len(ends) != 2 or not 0 < ends[0] <= ends[1] <= 1:
        expected = "a number above 0 and at most 1, or two such numbers in ascending order"
        raise ValueError(f"'observation_ratio' is {observation_ratio!r}, expected {expected}")
    return ends[0], ends[1]


def _observed(shown: Motion, num_observed: int, padding: str) -> Motion:
    count = shown.num_frames
    if count >= num_observed:
        return shown.frames(slice(count - num_observed, count))
    # Indices relative to the end: the last frame is -1.
    places = torch.arange(-num_observed, 0)
    return shown.frames(places % count if padding == "repeat" else (places + count).clamp(min=0))


def _future(motion: Motion, split: int, num_future: int) -> Motion:
    def filled(values: Tensor) -> Tensor:
        known = values[:, split : split + num_future]
        missing = num_future - known.size(1)
        return torch.nn.functional.pad(known, (0, 0) * (known.dim() - 2) + (0, missing)) if missing else known

    return motion.mapped(filled)
