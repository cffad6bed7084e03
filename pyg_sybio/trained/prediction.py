r"""Prediction for a recording: its class and its future poses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.files import write_whole
from pyg_sybio.trained.preparation import Prepared


@dataclass(frozen=True, eq=False)
class Prediction:
    r"""The class probabilities and the future of a recording.

    Args:
        probabilities: Class probabilities; None from a model without recognition.
        future: The next poses of each person, in the space of the model; None from a model without
            prediction. :attr:`future_motion` has them in the space of the recording.
        class_names: The classes, in the order of `probabilities`.
        frame_rate: The frame rate of `future`, in Hz.
        recorded: The recording.
        prepared: The model's input, and the steps that convert a motion back to the space of the recording.
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
    notices: tuple[str, ...] = ()

    @property
    def label(self) -> str | None:
        """The most probable class; None from a model without recognition."""
        ranked = self.ranked()
        return ranked[0][0] if ranked else None

    def ranked(self) -> list[tuple[str, float]]:
        """Class names with their probabilities, the most probable first."""
        if self.probabilities is None:
            return []
        pairs = zip(self.class_names, self.probabilities.tolist(), strict=True)
        return sorted(pairs, key=lambda pair: -pair[1])

    @property
    def future_motion(self) -> Motion:
        """The future in the recording's own coordinates, of the persons that the model saw.

        A joint that was recorded in none of the observed frames is not present in the future.

        Raises:
            ValueError: If the model does not predict.
        """
        if self.future is None:
            raise ValueError("the model does not predict: it was trained without prediction")
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

    def write(self, path: str | Path) -> None:
        r"""Write the future as a motion file, with the class probabilities in the same file.

        :func:`~pyg_sybio.data.reading.read_motion` reads it: ``poses`` are the future poses in the
        coordinates of the recording (see :attr:`notices` for exceptions), at the frame rate of the model.
        Further arrays are ``probabilities`` and ``class_names``, and for a recording of exponential maps
        ``future_frames``, the future in the columns of the recording.

        A model without prediction writes an ``.npz`` file of the probabilities and class names.

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


@dataclass(frozen=True, eq=False)
class PredictedClip:
    """A clip of a folder with its prediction.

    Args:
        name: The file of the clip, relative to the folder, and the index of the clip in the file if it is not
            0.
        label: The class of the clip, if known.
        prediction: The prediction.
    """

    name: str
    label: str | None
    prediction: Prediction
