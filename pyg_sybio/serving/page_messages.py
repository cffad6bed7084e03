r"""Messages for the page, which contain only the numbers needed for drawing.

The page gets a few poses of a forecast, rounded to what is visible, and the directions in which to draw them.
Producers get complete results instead (:func:`~pyg_sybio.streaming.messages.result_message`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.messages import rounded
from pyg_sybio.streaming.motion_stream import StreamOutput
from pyg_sybio.visualization.view import View, view_of

HORIZONS = 5
"""Maximum number of forecast poses to draw."""

# A live source is drawn immediately, and its view is estimated again after this many frames.
_FRAMES_FOR_VIEW = 30

Poses = Mapping[int, np.ndarray]
"""Poses `[M, D]` of a frame by track; NaN where a joint was not observed."""


@dataclass
class PageFrames:
    """Builder of the page's messages about the frames of one source.

    Args:
        source: Identifier of the source.
        skeleton: The skeleton of the poses.
        view: The view in which the poses are drawn. (default: estimated from the first frames)
    """

    source: str
    skeleton: Skeleton
    view: View | None = None
    _digits: int | None = None
    _sample: list[Poses] = field(default_factory=list)
    _newest: float = 0.0

    def view_message(self) -> dict[str, Any]:
        """Return the directions in which the poses are drawn."""
        assert self.view is not None
        axes = self.view.axes.round(6).tolist()
        return {"type": "view", "source": self.source, "axes": axes, "note": self.view.note}

    def frame_message(self, poses: Poses, outputs: Mapping[int, StreamOutput]) -> dict[str, Any]:
        """Return the message of a frame with the model's outputs; it has no joints if poses are rotations.

        Args:
            poses: The incoming poses by track.
            outputs: The outputs of the model by track.
        """
        if self.skeleton.num_spatial:
            self._prepare({track: poses[track] for track in outputs})
        horizons, people = [], []
        for track, output in outputs.items():
            self._newest = output.timestamp
            joints = self._rounded(poses[track][None])
            future: list[Any] = []
            if output.future is not None and self.skeleton.num_spatial:
                chosen = _spread(len(output.future))
                horizons = [round(float(output.future_times[k]) - output.timestamp, 3) for k in chosen]
                future = self._rounded(output.future[chosen].double().numpy())
            people.append(
                {
                    "track": track,
                    "joints": joints[0] if self.skeleton.num_spatial else [],
                    "label": output.label,
                    "probabilities": None
                    if output.probabilities is None
                    else [round(value, 4) for value in output.probabilities.tolist()],
                    "observed_ratio": round(output.observed_ratio, 3),
                    "enough": output.enough,
                    "segments": [
                        (output.class_names.index(each.label), round(each.start, 3), round(each.end, 3))
                        for each in output.segments
                    ],
                    "future": future,
                }
            )
        return {
            "type": "frame",
            "source": self.source,
            "timestamp": self._newest,
            "horizons": horizons,
            "people": people,
        }

    def _prepare(self, poses: Poses) -> None:
        """Find the number of decimals and the view, and estimate the view again after some frames."""
        if self._digits is None:
            self._digits = decimals(poses, self.skeleton.num_spatial)
        if self.view is not None and not self._sample:
            return
        if poses:
            self._sample.append(poses)
        complete = len(self._sample) >= _FRAMES_FOR_VIEW
        if self.view is None or complete:
            self.view = view_of_frames(self._sample, self.skeleton) or self.view
        if complete:
            self._sample = []

    def _rounded(self, poses: np.ndarray) -> list[Any]:
        return rounded(poses[..., : self.skeleton.num_spatial], 4 if self._digits is None else self._digits)


def view_of_frames(frames: Sequence[Poses], skeleton: Skeleton) -> View | None:
    """Return the best view of some frames of live poses; None if no joint was observed."""
    tracks = sorted({track for poses in frames for track in poses})
    shape = (len(tracks), len(frames), skeleton.num_joints, skeleton.num_features)
    values = np.full(shape, np.nan)
    for time, poses in enumerate(frames):
        for track, pose in poses.items():
            place = values[tracks.index(track), time]
            place[:, : pose.shape[1]] = pose
            place[:, pose.shape[1] :] = 1.0  # score 1, if the poses have no scores
    present = np.isfinite(values).all(axis=-1)
    if not present.any():
        return None
    values[~present] = 0
    return view_of(
        Motion(poses=torch.from_numpy(values), present=torch.from_numpy(present), skeleton=skeleton)
    )


def decimals(poses: Poses, num_spatial: int) -> int | None:
    """Return how many decimals resolve 1/10000 of a body's size; None if nobody is observed."""
    sizes = [
        np.ptp(seen, axis=0).max()
        for pose in poses.values()
        if len(seen := pose[np.isfinite(pose).all(axis=-1), :num_spatial]) > 1
    ]
    size = max(sizes, default=0.0)
    return int(np.clip(4 - np.floor(np.log10(size)), 0, 9)) if size > 0 else None


def _spread(count: int) -> list[int]:
    """Return up to `HORIZONS` evenly spaced indices, including the last index."""
    step = -(-count // HORIZONS)
    return list(range(count - 1, -1, -step))[::-1]
