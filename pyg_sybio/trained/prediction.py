r"""Prediction for a recording: its class and its future poses."""

import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.files import write_whole
from pyg_sybio.trained.person_timelines import PersonTimeline
from pyg_sybio.trained.preparation import Prepared


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    r"""The actions in a recording, and its future.

    Args:
        probabilities: Class probabilities: the mean over all windows of all persons; None from a model
            without recognition.
        future: The next poses after the recording of each person, in the coordinates of the model's input;
            None from a model without prediction, and if nobody is seen at the end. :attr:`future_motion` has
            them in the coordinates of the recording.
        class_names: The classes, in the order of `probabilities`.
        frame_rate: The frame rate of `future`, in Hz.
        recorded: The recording.
        prepared: The input of the forecast, and the steps back to the coordinates of the recording.
        persons: The timeline of each person, or one of all persons if the classes of the model are
            interactions; empty from a model without recognition.
        notices: Remarks for the user, each beginning with a verb: a changed frame rate, a step of the
            preparation that cannot be inverted.

    Shapes:
        - **probabilities:** `[C]`
        - **future:** `[P, T_future, M, D]`
    """

    probabilities: Tensor | None
    future: Tensor | None
    class_names: tuple[str, ...]
    frame_rate: float
    recorded: Motion
    prepared: Prepared
    persons: tuple[PersonTimeline, ...] = ()
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        best = "".join(f"{reprlib.repr(name)}: {p:.3f}, " for name, p in self.ranked()[:1])
        future = "no future" if self.future is None else f"future {list(self.future.shape)}"
        return f"Prediction({best}{len(self.persons)} timelines, {future} at {self.frame_rate:g} Hz)"

    @property
    def label(self) -> str | None:
        """The most probable class in the whole recording; None from a model without recognition."""
        ranked = self.ranked()
        return ranked[0][0] if ranked else None

    def ranked(self, person: PersonTimeline | None = None) -> list[tuple[str, float]]:
        """Class names with their probabilities, the most probable first.

        Args:
            person: One of :attr:`persons`. (default: all persons)
        """
        probabilities = self.probabilities if person is None else person.probabilities
        if probabilities is None:
            return []
        pairs = zip(self.class_names, probabilities.tolist(), strict=True)
        return sorted(pairs, key=lambda pair: -pair[1])

    @property
    def future_motion(self) -> Motion:
        """The future in the recording's own coordinates, of the persons that the model saw.

        A joint that was recorded in none of the observed frames is not present in the future.

        Raises:
            ValueError: If there is none.
        """
        if self.future is None:
            raise ValueError(
                "there is no forecast: the model was trained without prediction, or nobody is seen at the end"
            )
        observed = self.prepared.observed
        future = Motion(
            poses=self.future.to(observed.poses),  # a recording may be in double precision
            skeleton=observed.skeleton,
            frame_rate=self.frame_rate,
            ids=self.recorded.ids,
            tracks=observed.tracks,
            source=self.recorded.source,
        )
        return self.prepared.to_recording(future)

    @property
    def unit(self) -> str:
        """The unit of times in segments: `"seconds"`, or `"frames"` of a recording without a frame rate."""
        return "frames" if self.recorded.frame_rate is None else "seconds"

    def to_dict(self) -> dict[str, Any]:
        """The recognised actions as plain values, ready for JSON.

        ``recognised`` and ``probability`` are of the most probable class of the whole recording,
        ``probabilities`` of all classes. ``persons`` has the ``segments`` of each person, whose ``start`` and
        ``end`` are in the :attr:`unit`.
        """
        digits = None if self.unit == "frames" else 3
        name, probability = next(iter(self.ranked()), (None, None))
        return {
            "recognised": name,
            "probability": probability,
            "probabilities": dict(self.ranked()),
            "unit": self.unit,
            "persons": [
                {
                    "person": person.track,
                    "windows": person.num_windows,
                    "segments": [
                        each._asdict() | {"start": round(each.start, digits), "end": round(each.end, digits)}
                        for each in person.segments
                    ],
                }
                for person in self.persons
            ],
            "notices": list(self.notices),
        }

    def write(self, path: str | Path) -> None:
        r"""Write the future as a motion file, with the class probabilities in the same file.

        :func:`~pyg_sybio.data.reading.read_motion` reads it: ``poses`` are the future poses in the
        coordinates of the recording (see :attr:`notices` for exceptions), at the frame rate of the model.
        Further arrays are ``probabilities`` and ``class_names``, and for a recording of exponential maps
        ``future_frames``, the future in the columns of the recording.

        Without a future, it is an ``.npz`` file of the probabilities and class names.

        Raises:
            ValueError: If `path` does not end in ``.npz`` or ``.json``.
        """
        extra: dict[str, Any] = {"class_names": np.array(self.class_names)}
        if self.probabilities is not None:
            extra["probabilities"] = self.probabilities.numpy()
        if self.future is None:
            write_whole(path, lambda file: np.savez(file, allow_pickle=False, **extra))
            return
        future = self.future_motion
        if future.translation is not None:
            frames = torch.cat([future.translation, future.poses.flatten(-2)], dim=-1)
            extra["future_frames"] = frames[0].numpy()
        write_motion(future, path, **extra)
