"""Drawing of a motion or a forecast as a figure, a video, or a page with a player."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pyg_sybio.data.motion import Motion
from pyg_sybio.visualization.bodies import body_of
from pyg_sybio.visualization.clip_animation import write_gif, write_html, write_mp4
from pyg_sybio.visualization.clip_figure import strip_figure
from pyg_sybio.visualization.figures import picture_kind, save_figure
from pyg_sybio.visualization.forecast import Forecast
from pyg_sybio.visualization.rotation_figure import ANGLES, draw_rotation_forecast, draw_rotations
from pyg_sybio.visualization.scene import Scene, scene_of

_FILMS = {".gif": write_gif, ".mp4": write_mp4, ".html": write_html}

_OBSERVED_SHOWN, _FUTURE_SHOWN = 4, 6


def draw_motion(
    motion: Motion,
    path: str | Path,
    *,
    num_frames: int = 8,
    up: str | None = None,
    progress: bool = False,
    angles: bool = False,
) -> str:
    """Draw a motion as a strip of frames, a GIF, a video, or a page with a player.

    Rotations are drawn as a body if the skeleton has bone offsets, and otherwise as a map of angles.

    Args:
        motion: The motion.
        path: File to write: .png, .svg or .pdf for a strip, or .gif, .mp4 or .html.
        num_frames: Maximum number of frames of a strip, evenly spaced from the first to the last.
        up: The axis that points up (:func:`~pyg_sybio.visualization.view.view_of`).
        progress: Show a progress bar for videos.
        angles: Always draw rotations as angles.

    Returns:
        A remark for the user: which axis points up, or that angles are shown.

    Raises:
        ValueError: If a video of angles is requested, or `num_frames` is not positive.
    """
    if num_frames < 1:
        raise ValueError(f"'num_frames' is {num_frames}, expected at least 1")
    if motion.num_spatial == 0 and not angles:
        motion = body_of(motion) or motion
    if motion.num_spatial == 0:
        _check_kind(path)
        draw_rotations(motion, path)
        return ANGLES
    shown = np.unique(np.linspace(0, motion.num_frames - 1, num_frames).round().astype(int))
    return _draw_scene(scene_of(motion), path, shown, up, progress)


def draw_forecast(
    forecast: Forecast,
    path: str | Path,
    *,
    times: Sequence[float] | None = None,
    up: str | None = None,
    progress: bool = False,
    others: Mapping[str, Forecast] | None = None,
    name: str = "prediction",
) -> str:
    """Draw observed frames, then the true future and the prediction on top of each other.

    The true future is grey and the prediction coloured; a thin line connects each true joint with its
    prediction. A strip is centred on the true pose in each frame, so it shows the error of the path but not
    the path itself. Rotations are drawn as a map of angles.

    Args:
        forecast: The forecast.
        path: File to write, as for :func:`draw_motion`.
        times: Times of the future frames of a strip, in ms after the last observed frame. (default: six
            evenly spaced times that end with the last frame)
        up: The axis that points up (:func:`~pyg_sybio.visualization.view.view_of`).
        progress: Show a progress bar for videos.
        others: Names and other forecasts of the same motion, drawn in rows below. (default: none)
        name: Name of the row of `forecast` if there are `others`.

    Returns:
        A remark for the user: which axis points up, or that angles are shown.

    Raises:
        ValueError: If a video of angles is requested, `others` are given for a figure other than a strip of
            bodies, a time is not within the future, or a forecast has another shape.
    """
    for row, other in (others or {}).items():
        if other.future.poses.shape != forecast.future.poses.shape:
            raise ValueError(
                f"{row} predicts {list(other.future.poses.shape)} (persons, frames, joints, coordinates), "
                f"expected {list(forecast.future.poses.shape)} like the model that it is compared with"
            )
    if others and (forecast.observed.num_spatial == 0 or Path(path).suffix.lower() in _FILMS):
        raise ValueError(f"{path}: forecasts are compared in a strip of bodies (.png, .svg or .pdf)")
    if forecast.observed.num_spatial == 0:
        _check_kind(path)
        draw_rotation_forecast(forecast, path, times=times)
        return ANGLES
    scene, future = forecast.scene(), forecast.future.num_frames
    past = len(scene.times) - future
    if times is None:
        frames = _spread(future, _FUTURE_SHOWN)
    else:
        frames = sorted({forecast.frame_at(time) for time in times})
    shown = _spread(past, _OBSERVED_SHOWN) + [past + frame for frame in frames]
    rows = {name: scene} | {row: other.scene() for row, other in others.items()} if others else None
    return _draw_scene(scene, path, np.array(shown), up, progress, rows)


def _draw_scene(
    scene: Scene,
    path: str | Path,
    shown: np.ndarray,
    up: str | None,
    progress: bool,
    rows: Mapping[str, Scene] | None = None,
) -> str:
    if (write := _FILMS.get(Path(path).suffix.lower())) is not None:
        return write(scene, path, up=up, progress=progress).note
    picture_kind(path)  # check the file type before drawing
    view = scene.view(up)
    save_figure(strip_figure(scene, view, shown, rows), path)
    return view.note


def _check_kind(path: str | Path) -> None:
    if Path(path).suffix.lower() in _FILMS:
        raise ValueError(
            f"{path}: rotations without bone offsets have no body to show, expected a picture of the angles "
            "(.png, .svg or .pdf)"
        )


def _spread(count: int, shown: int) -> list[int]:
    """Indices of at most `shown` of `count` frames, evenly spaced, including the last frame."""
    step = math.ceil(count / shown)
    return list(range(count - 1, -1, -step))[::-1]
