"""A picture of a forecast: what was observed, what came, and what was predicted."""

import math
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from pyg_sybio.skeleton import Skeleton
from pyg_sybio.visualization.figures import (
    BLUE,
    GREY,
    INK,
    TEXT,
    TITLE,
    VERMILLION,
    Array,
    bare,
    check_shape,
    draw_segments,
    new_figure,
    save_figure,
    to_numpy,
)
from pyg_sybio.visualization.projection import project

_OBSERVED_SHOWN, _FUTURE_SHOWN = 4, 6


def draw_prediction(
    skeleton: Skeleton,
    observed: Array,
    future: Array,
    prediction: Array,
    path: str | Path,
    *,
    frame_rate: float,
    title: str = "",
    up_axis: int = 1,
) -> None:
    """Draw a strip of poses: some observed frames, then future frames with the prediction over the truth.

    The truth is grey, the prediction coloured, and a thin line joins each predicted joint to where it should
    be. All poses share one scale, and every pose is centred on the true one, so travel is not shown but the
    error of travel is. Times are relative to the last observed frame.

    Args:
        skeleton: Topology of the positions; where its own coordinates are ``expmap``, pass positions from
            forward kinematics.
        observed: Positions ``[T, M, D]``.
        future: True positions ``[T_f, M, D]``.
        prediction: Predicted positions ``[T_f, M, D]``.
        path: PNG file to write.
        frame_rate: In Hz.
        title: Line above the strip.
        up_axis: The axis that points up, in three dimensions.

    Raises:
        ValueError: If a shape does not fit the skeleton or the others, or ``frame_rate`` is not positive.
    """
    if not frame_rate > 0:
        raise ValueError(f"'frame_rate' is {frame_rate}, expected a positive number of Hz")
    motions = {"observed": observed, "future": future, "prediction": prediction}
    arrays = {name: to_numpy(motion) for name, motion in motions.items()}
    check_shape("observed", arrays["observed"], ["T", skeleton.num_joints, "D"])
    check_shape("future", arrays["future"], ["T_f", skeleton.num_joints, arrays["observed"].shape[-1]])
    check_shape("prediction", arrays["prediction"], arrays["future"].shape)
    for name, motion in arrays.items():
        if not len(motion):
            raise ValueError(f"'{name}' has no frames, expected at least one")
        if not np.isfinite(motion).all():
            raise ValueError(f"'{name}' has values that are not finite, expected positions")
    # The prediction does not choose the plane: two predictions of one clip are drawn alike.
    seen = np.concatenate([arrays["observed"], arrays["future"]])
    past, truth, guess = project(skeleton, list(arrays.values()), seen, up_axis)

    past_frames = _spread(len(past), _OBSERVED_SHOWN)
    future_frames = _spread(len(truth), _FUTURE_SHOWN)
    # One cell a frame: (true pose, predicted pose or None, time in ms).
    cells = [(past[t], None, (t + 1 - len(past)) / frame_rate * 1000) for t in past_frames]
    cells += [(truth[t], guess[t], (t + 1) / frame_rate * 1000) for t in future_frames]
    poses = [
        (true - _middle(true), None if pred is None else pred - _middle(true)) for true, pred, _ in cells
    ]
    reach = np.abs(np.concatenate([pose for pair in poses for pose in pair if pose is not None])).max(axis=0)
    limits = np.maximum(reach, 0.25 * reach.max()) * 1.08

    cell_width = 1.45
    height = float(np.clip(cell_width * limits[1] / limits[0], 1.2, 4.5))
    figure = new_figure(cell_width * len(cells) + 0.3, height + 1.1)
    panels = np.atleast_1d(figure.subplots(1, len(cells)))
    for axes, (true, pred), (_, _, time) in zip(panels, poses, cells, strict=True):
        bare(axes, limits)
        draw_segments(axes, true, skeleton.edges, color=GREY if pred is not None else INK, width=1.8)
        if pred is not None:
            draw_segments(axes, pred, skeleton.edges, color=BLUE, width=1.8, order=3)
            ends = np.concatenate([true, pred])
            errors = [(joint, joint + len(true)) for joint in range(len(true))]
            draw_segments(axes, ends, errors, color=VERMILLION, width=0.9, order=2)
        axes.set_title(f"{time:+.0f} ms" if time else "0 ms", y=-0.1, fontsize=TEXT, color=INK)
    if title:
        figure.suptitle(title, fontsize=TITLE)
    keys = [(INK, "observed"), (GREY, "true future"), (BLUE, "prediction"), (VERMILLION, "error")]
    handles = [Line2D([], [], color=color, linewidth=2, label=label) for color, label in keys]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=TEXT, frameon=False)
    save_figure(figure, path)


def _spread(count: int, shown: int) -> list[int]:
    """At most ``shown`` frames of ``count``, the last among them, evenly spaced back from it."""
    step = math.ceil(count / shown)
    return list(range(count - 1, -1, -step))[::-1]


def _middle(pose: np.ndarray) -> np.ndarray:
    """Middle of the box around a pose."""
    return (pose.min(axis=0) + pose.max(axis=0)) / 2
