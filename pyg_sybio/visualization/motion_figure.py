"""A picture of a forecast: what was observed, what came, and what was predicted."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pyg_sybio.visualization.clip_figure import strip_figure
from pyg_sybio.visualization.figures import save_figure
from pyg_sybio.visualization.forecast import Forecast
from pyg_sybio.visualization.view import View

_OBSERVED_SHOWN, _FUTURE_SHOWN = 4, 6


def draw_forecast(
    forecast: Forecast, path: str | Path, *, times: Sequence[float] | None = None, up: str | None = None
) -> View:
    """Draw a strip of poses: some observed frames, then future frames with the prediction over the truth.

    The truth is grey, the prediction coloured, and a thin line joins each true joint to where it was
    predicted. All poses share one scale, and every pose is centred on the true one, so travel is not shown
    but the error of travel is. Times are relative to the last observed frame, those of the nearest frames.

    Args:
        forecast: Positions, in space or in an image.
        path: File to write: .png, .svg or .pdf.
        times: Which future frames, in ms. (default: six, evenly spaced back from the last)
        up: The axis that points up (:func:`~pyg_sybio.visualization.view.view_of`).

    Returns:
        The view, whose note says which way is up.

    Raises:
        ValueError: If the poses are rotations, or a time is not within the future.
    """
    scene = forecast.scene()
    view = scene.view(up)
    past = len(scene.times) - forecast.future.num_frames
    if times is None:
        future = _spread(forecast.future.num_frames, _FUTURE_SHOWN)
    else:
        future = sorted({forecast.frame_at(time) for time in times})
    shown = _spread(past, _OBSERVED_SHOWN) + [past + frame for frame in future]
    save_figure(strip_figure(scene, view, np.array(shown)), path)
    return view


def _spread(count: int, shown: int) -> list[int]:
    """At most ``shown`` frames of ``count``, the last among them, evenly spaced back from it."""
    step = math.ceil(count / shown)
    return list(range(count - 1, -1, -step))[::-1]
