"""Drawing of rotations as a map of angles: one row per joint, over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.rotations import expmap_to_matrix, matrix_to_expmap
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.visualization import theme
from pyg_sybio.visualization.clip_figure import caption
from pyg_sybio.visualization.figures import add_colorbar, new_figure, number_format, save_figure, to_numpy
from pyg_sybio.visualization.forecast import Forecast
from pyg_sybio.visualization.pose import joint_sides
from pyg_sybio.visualization.scene import scene_of

_WIDTH, _ROW = 10.0, 0.15  # inches
_ANGLES, _ERRORS = "cividis", "Oranges"
ANGLES = "the angles of rotations are shown"


def draw_rotations(motion: Motion, path: str | Path) -> Figure:
    r"""Draw the angle :math:`|v|` of every joint's exponential map `v` in every frame, in degrees.

    Args:
        motion: Rotations (coordinates `expmap`).
        path: File to write: .png, .svg or .pdf.

    Returns:
        The figure that was written.

    Raises:
        ValueError: If the motion contains positions.
    """
    skeleton, rate, angles = motion.skeleton, motion.frame_rate, _angles(motion)
    lines = caption(scene_of(motion), "colours show the angle by which each joint is rotated from rest")
    figure = new_figure(_WIDTH, 0.9 + _ROW * skeleton.num_joints * motion.num_persons, lines, size=theme.TEXT)
    panels = figure.subplots(motion.num_persons, sharex=True, squeeze=False)[:, 0]
    for person, axes in enumerate(panels):
        span = 0, motion.num_frames / (rate or 1)
        image = _map(axes, angles[person], span, cmap=_ANGLES, largest=_largest(angles))
        _name_joints(axes, skeleton)
    panels[-1].set_xlabel("frame" if rate is None else "time (s)", fontsize=theme.TEXT)
    add_colorbar(figure, image, "angle (degrees)", ax=list(panels), fraction=0.03, pad=0.01, aspect=30)
    return save_figure(figure, path)


def draw_rotation_forecast(
    forecast: Forecast, path: str | Path, *, times: Sequence[float] | None = None
) -> Figure:
    r"""Draw the angles of the true and the predicted rotations, and the angle between them.

    The error of a joint is the angle between its predicted rotation :math:`\hat R` and its true rotation
    :math:`R`, which is the angle of :math:`\hat R^\top R`, in degrees. The caption contains the mean error of
    the joints.

    Args:
        forecast: Rotations (coordinates `expmap`), in radians.
        path: File to write: .png, .svg or .pdf.
        times: Times in ms for which the caption contains the mean error. (default: the first and the last
            frame)

    Returns:
        The figure that was written.

    Raises:
        ValueError: If the forecast contains positions, or a time is not within the future.
    """
    skeleton, persons = forecast.observed.skeleton, forecast.observed.num_persons
    count = forecast.future.num_frames
    past = forecast.observed.frames(slice(-count, None))
    recorded = np.concatenate([_angles(past), _angles(forecast.future)], axis=1)
    predicted, errors = _angles(forecast.prediction), rotation_errors(forecast)
    end = forecast.milliseconds(count - 1)
    begin = -1000 * past.num_frames / forecast.frame_rate

    chosen = [0, count - 1] if times is None else sorted({forecast.frame_at(time) for time in times})
    means = {frame: float(np.nanmean(e)) for frame in chosen if np.isfinite(e := errors[:, frame]).any()}
    show = number_format(means.values())
    said = ", ".join(
        f"{show(mean)}° at {forecast.milliseconds(frame):.0f} ms" for frame, mean in means.items()
    )
    reading = "error: angle between the predicted and the true rotation"
    lines = caption(forecast.scene(), f"mean error of a joint {said}", reading)

    figure = new_figure(_WIDTH, 1.2 + _ROW * skeleton.num_joints * persons, lines, size=theme.TEXT)
    shares = [past.num_frames + count, count, count]
    grid = figure.subplots(persons, 3, sharey=True, squeeze=False, width_ratios=shares)
    largest = _largest(np.concatenate([recorded, predicted], axis=1))
    for person, row in enumerate(grid):
        angles = _map(row[0], recorded[person], (begin, end), cmap=_ANGLES, largest=largest)
        _map(row[1], predicted[person], (0, end), cmap=_ANGLES, largest=largest)
        off = _map(row[2], errors[person], (0, end), cmap=_ERRORS, largest=_largest(errors))
        row[0].axvline(0, color="white", linewidth=1.5)
        _name_joints(row[0], skeleton)
    for axes, title in zip(grid[0], ("recorded: observed | future", "prediction", "error"), strict=True):
        axes.set_title(title, fontsize=theme.TEXT, color=theme.INK)
    for axes in grid[-1]:
        axes.set_xlabel("time (ms)", fontsize=theme.TEXT)
    for axes in grid[:, 1:].flat:
        axes.tick_params(axis="y", length=0)
    place: dict[str, Any] = {"pad": 0.01, "aspect": 30}
    panels = grid[:, :2].ravel().tolist()
    add_colorbar(figure, angles, "angle from rest (degrees)", ax=panels, fraction=0.03, **place)
    add_colorbar(figure, off, "angle error (degrees)", ax=grid[:, 2].tolist(), fraction=0.12, **place)
    return save_figure(figure, path)


def rotation_errors(forecast: Forecast) -> np.ndarray:
    """Angle between predicted and true rotation `[P, T, M]` in degrees, NaN for unrecorded joints."""
    predicted, true = (
        expmap_to_matrix(each.poses.double()) for each in (forecast.prediction, forecast.future)
    )
    return _degrees(matrix_to_expmap(predicted.transpose(-1, -2) @ true), forecast.future)


def _angles(motion: Motion) -> np.ndarray:
    if (kind := motion.skeleton.coordinates) != "expmap":
        raise ValueError(f"{motion.source or 'the motion'} has coordinates '{kind}', expected 'expmap'")
    return _degrees(motion.poses, motion)


def _degrees(rotations: Tensor, motion: Motion) -> np.ndarray:
    """Angles `[P, T, M]` of exponential maps in degrees, NaN where the motion was not recorded."""
    angles = np.degrees(np.linalg.norm(to_numpy(rotations), axis=-1))
    return np.where(motion.present.numpy(), angles, np.nan)


def _largest(angles: np.ndarray) -> float:
    return float(np.nanmax(angles)) if np.isfinite(angles).any() else 1.0


def _map(
    axes: Axes, angles: np.ndarray, span: tuple[float, float], *, cmap: str, largest: float
) -> AxesImage:
    """Draw angles `[T, M]` over a span of time, one row per joint."""
    places: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest"}
    extent = (*span, angles.shape[1] - 0.5, -0.5)
    axes.tick_params(axis="x", labelsize=theme.SMALL)
    return axes.imshow(angles.T, cmap=cmap, vmin=0, vmax=largest, extent=extent, **places)


def _name_joints(axes: Axes, skeleton: Skeleton) -> None:
    axes.set_yticks(range(skeleton.num_joints), skeleton.joints, fontsize=theme.SMALL, parse_math=False)
    for tick, side in zip(axes.get_yticklabels(), joint_sides(skeleton), strict=True):
        tick.set_color({0: theme.INK, 1: theme.BLUE, -1: theme.ORANGE}[int(side)])
