r"""What the page is told: numbers to draw, as few as a drawing needs.

The page gets a few poses of a forecast instead of all, rounded to what can be seen, and the directions in
which to draw them. Whoever sends poses gets whole results instead
(:func:`~pyg_sybio.streaming.messages.result_message`).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.motion_stream import StreamOutput
from pyg_sybio.visualization.view import View, view_of

HORIZONS = 5
"""So many poses of a forecast are drawn."""

Poses = Mapping[int, np.ndarray]
"""Poses `[M, D]` of the persons in a frame by their tracks; NaN where a joint was not seen."""


def page_hello(hello: Mapping[str, Any], skeleton: Skeleton) -> dict[str, Any]:
    """The hello of the page: that of a producer, with what a drawing needs to know of the skeleton.

    Args:
        hello: From :func:`~pyg_sybio.streaming.messages.hello_message`.
        skeleton: Of the poses.
    """
    side = np.zeros(skeleton.num_joints, dtype=int)
    for left, right in skeleton.mirror:
        side[[skeleton.joint_index(left), skeleton.joint_index(right)]] = 1, -1
    bones = skeleton.bone_pairs
    degree = np.bincount(np.array(bones, dtype=int).flatten(), minlength=skeleton.num_joints)
    drawn = {
        "units": skeleton.units,
        "joint_sides": side.tolist(),
        "bone_sides": [int(np.sign(side[a] + side[b])) for a, b in bones],
        "ends": np.flatnonzero(degree == 1).tolist(),
    }
    return {**hello, "skeleton": {**hello["skeleton"], **drawn}}


def page_frame(
    source: str,
    timestamp: float,
    poses: Poses,
    outputs: Mapping[int, StreamOutput],
    *,
    spatial: int,
    digits: int,
) -> dict[str, Any]:
    """A frame and what the model said of it.

    Args:
        source: Where it comes from.
        timestamp: Of the frame, in seconds.
        poses: The poses that were sent.
        outputs: What the model said of them.
        spatial: How many of the features are coordinates in space (0 for rotations, which are not drawn).
        digits: Decimals of coordinates.
    """
    horizons, people = [], []
    for track, output in outputs.items():
        future: list[Any] = []
        if output.future is not None and spatial:
            chosen = _spread(len(output.future))
            horizons = [round(float(output.future_times[k]) - timestamp, 3) for k in chosen]
            future = [_rounded(output.future[k].numpy(), spatial, digits) for k in chosen]
        people.append(
            {
                "track": track,
                "joints": _rounded(poses[track], spatial, digits) if spatial else [],
                "label": output.label,
                "probabilities": None
                if output.probabilities is None
                else [round(value, 4) for value in output.probabilities.tolist()],
                "observed_ratio": round(output.observed_ratio, 3),
                "enough": output.enough,
                "future": future,
            }
        )
    return {
        "type": "frame",
        "source": source,
        "timestamp": timestamp,
        "horizons": horizons,
        "people": people,
    }


def page_view(source: str, view: View) -> dict[str, Any]:
    """In which directions the poses of a source are drawn."""
    return {"type": "view", "source": source, "axes": view.axes.round(6).tolist(), "note": view.note}


def view_of_frames(frames: Sequence[Poses], skeleton: Skeleton) -> View | None:
    """The view in which some frames of live poses show best; None as long as nobody was seen."""
    tracks = sorted({track for poses in frames for track in poses})
    if not tracks:
        return None
    shape = (len(tracks), len(frames), skeleton.num_joints, skeleton.num_features)
    values = np.full(shape, np.nan)
    for time, poses in enumerate(frames):
        for track, pose in poses.items():
            place = values[tracks.index(track), time]
            place[:, : pose.shape[1]] = pose
            place[:, pose.shape[1] :] = 1.0  # a score that came beside the pose
    present = np.isfinite(values).all(axis=-1)
    if not present.any():
        return None
    values[~present] = 0
    return view_of(
        Motion(poses=torch.from_numpy(values), present=torch.from_numpy(present), skeleton=skeleton)
    )


def decimals(poses: Poses, spatial: int) -> int | None:
    """Decimals after which a ten-thousandth of a body's size is left; None where nobody is seen."""
    sizes = [
        np.ptp(seen, axis=0).max()
        for pose in poses.values()
        if len(seen := pose[np.isfinite(pose).all(axis=-1), :spatial]) > 1
    ]
    size = max(sizes, default=0.0)
    return int(np.clip(4 - np.floor(np.log10(size)), 0, 9)) if size > 0 else None


def _spread(count: int) -> list[int]:
    """At most so many frames of a forecast, the last among them, evenly spaced back from it."""
    step = -(-count // HORIZONS)
    return list(range(count - 1, -1, -step))[::-1]


def _rounded(pose: np.ndarray, spatial: int, digits: int) -> list[list[float] | None]:
    """Joints as lists, None where one is missing."""
    values = np.round(np.asarray(pose, dtype=np.float64)[:, :spatial], digits)
    seen = [math.isfinite(total) for total in values.sum(axis=-1).tolist()]
    return [joint if is_seen else None for joint, is_seen in zip(values.tolist(), seen, strict=True)]
