r"""The timelines of the persons in a recording."""

import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sybio.data.motion import Motion
from pyg_sybio.trained.preparation import Preparation, at_rate
from pyg_sybio.trained.timeline import Segment, Timeline
from pyg_sybio.trained.views import Views

MAX_GAP = 1.0
"""A person who is not seen for longer, in seconds, gets a new timeline, as in streams."""

_WINDOWS_AT_ONCE = 32


@dataclass(frozen=True, eq=False, repr=False)
class PersonTimeline:
    r"""The actions of one person in a recording.

    Args:
        track: The number of the person; None for all persons together.
        segments: Consecutive time intervals, each with one label, in seconds from the first frame, or in
            frames if the recording has no frame rate.
        windows: Class probabilities of the `N` windows, in the order of time.

    Shapes:
        - **windows:** `[N, C]`
    """

    track: int | None
    segments: tuple[Segment, ...]
    windows: Tensor

    def __repr__(self) -> str:
        labels = reprlib.repr([segment.label for segment in self.segments])
        return f"PersonTimeline(track={self.track}, {self.num_windows} windows, {labels})"

    @property
    def probabilities(self) -> Tensor:
        """Mean class probabilities `[C]` over all windows."""
        return self.windows.mean(0)

    @property
    def num_windows(self) -> int:
        """Number of windows."""
        return len(self.windows)


@dataclass(frozen=True)
class WindowReader:
    r"""Class probabilities of the windows of recordings.

    Args:
        model: The model.
        preparation: Preparation of each window, as for a recording of the same frames.
        views: Test-time augmentation.
        class_names: Names of the classes.
        window: Length of a window in frames.
        step: Number of frames between the starts of two windows.
        together: Whether all persons of a recording are one clip with one label.
    """

    model: Any
    preparation: Preparation
    views: Views
    class_names: Sequence[str]
    window: int
    step: int
    together: bool

    def timelines(self, recorded: Motion) -> list[PersonTimeline]:
        """The timelines of the persons of a recording who are seen."""
        rate = self.preparation.frame_rate
        motion = at_rate(recorded, rate, least=self.preparation.num_observed)
        # Times are measured from the first frame of the recording; resampling keeps the last frame.
        shift = recorded.num_frames * rate / (recorded.frame_rate or rate) - motion.num_frames
        persons = [motion] if self.together else [motion.persons([i]) for i in range(motion.num_persons)]
        found = []
        for person in persons:
            spans = list(_spans(person.seen.any(0), round(MAX_GAP * rate)))
            if spans:
                track = None if self.together else person.tracks[0]
                unit = 1.0 if recorded.frame_rate is None else rate
                found.append(self._timeline(person, spans, shift, track, unit))
        return found

    def _timeline(
        self, motion: Motion, spans: Sequence[tuple[int, int]], shift: float, track: int | None, unit: float
    ) -> PersonTimeline:
        segments: list[Segment] = []
        everything = []
        for start, stop in spans:
            length = min(self.window, stop - start)
            starts = [*range(start, stop - length, self.step), stop - length]
            starts = [each for each in starts if motion.seen[:, each : each + length].any()]
            timeline = Timeline(self.class_names, length / unit)
            for first, window in zip(starts, self._probabilities(motion, starts, length), strict=True):
                begin = max(0.0, first + shift) / unit
                timeline.add(begin, (first + length + shift) / unit, window.numpy())
                everything.append(window)
            segments += timeline.segments
        return PersonTimeline(track, tuple(segments), torch.stack(everything))

    def _probabilities(self, motion: Motion, starts: Sequence[int], length: int) -> Iterator[Tensor]:
        for first in range(0, len(starts), _WINDOWS_AT_ONCE):
            some = starts[first : first + _WINDOWS_AT_ONCE]
            windows = [motion.frames(slice(start, start + length)) for start in some]
            versions = [
                Batch.from_data_list([clip(self.preparation(each, part=part).observed) for each in windows])
                for part in self.views.seen
            ]
            with torch.no_grad():
                logits = self.views.answer(self.model, self.preparation, versions).logits
            assert logits is not None  # the model recognises
            yield from logits.softmax(-1)


def clip(observed: Motion) -> Data:
    """The persons of observed frames who are seen, as a clip of a data set."""
    return Data(x=_seen(observed).poses.float().transpose(1, 2).flatten(0, 1))


def _seen(observed: Motion) -> Motion:
    """Select the persons who are seen; the first person if none is seen, as in data sets."""
    return observed.persons(observed.present.flatten(1).any(1).nonzero().flatten().tolist() or [0])


def _spans(seen: Tensor, gap: int) -> Iterator[tuple[int, int]]:
    """First frames and ends of the times `[T]` in which a person is seen, without gaps longer than `gap`."""
    frames = seen.nonzero().flatten()
    if not len(frames):
        return
    after_gaps = (frames.diff() > gap).nonzero().flatten() + 1
    for part in frames.tensor_split(after_gaps):
        yield int(part[0]), int(part[-1]) + 1
