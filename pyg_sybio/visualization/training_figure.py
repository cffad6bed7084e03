"""Training curves of one or several runs: losses, accuracies and errors by step."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from pyg_sybio.visualization import theme
from pyg_sybio.visualization.figures import Array, add_legend, new_figure, save_figure, to_numpy
from pyg_sybio.visualization.plots import frame_plot, looks_of, wrapped

_PANEL, _HEIGHT = 3.3, 2.5  # inches
_COLUMNS = 3
_FIRST = ("loss", "recognition_loss", "prediction_loss", "accuracy")
_NAMES = {"train": "training", "val": "validation"}
_COLORS = {"train": theme.BLUE, "val": theme.VERMILLION}
_STYLES: dict[str, dict[str, Any]] = {
    "train": {"linewidth": 1.6},
    "val": {"linewidth": 1.3, "linestyle": (0, (4, 1.5)), "marker": "o", "markersize": 3},
}
_MARKED = 25  # curves with more points have no markers


class _Curve(NamedTuple):
    """A curve, its run, and its stage (training or validation)."""

    run: str
    stage: str
    steps: np.ndarray
    values: np.ndarray


def draw_training(
    runs: Mapping[str, Mapping[str, tuple[Array, Array]]],
    path: str | Path,
    *,
    smoothing: float = 0.9,
    logarithmic: bool = False,
    title: str = "Training",
) -> Figure:
    """Draw logged values, one panel per quantity, with training and validation in the same panel.

    Training curves are smoothed (:func:`smoothed`) and drawn over the faint logged values; validation curves
    are not smoothed.

    Args:
        runs: For each run its curves: steps and values by name, such as `train_loss`.
        path: File to write: .png, .svg or .pdf.
        smoothing: Weight of the past, from 0 (no smoothing) to below 1.
        logarithmic: Use a logarithmic axis for losses.
        title: Title of the picture, to which the smoothing is added.

    Returns:
        The figure that was written.

    Raises:
        ValueError: If `smoothing` is out of range, or no run has a curve of training or validation.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"'smoothing' is {smoothing:g}, expected from 0 to below 1")
    panels = _panels(runs)
    if not panels:
        raise ValueError(f"{len(runs)} runs have no value whose name begins with 'train_' or 'val_'")
    several = len(runs) > 1
    looks = looks_of(runs)
    color = {(run, s): looks[run].color if several else _COLORS[s] for run in runs for s in _STYLES}
    stages = dict.fromkeys(curve.stage for curves in panels.values() for curve in curves)
    entries = [(wrapped(run, 28), {"color": looks[run].color, "linewidth": 2}) for run in runs if several]
    entries += [(_NAMES[s], {"color": theme.INK if several else _COLORS[s], **_STYLES[s]}) for s in stages]

    columns = min(len(panels), _COLUMNS)
    rows = math.ceil(len(panels) / columns)
    width = columns * _PANEL + 0.2
    key_columns = min(max(int(width / 1.9), 1), len(entries))
    how = f"\nTraining curves are moving averages ({smoothing:g}) of the faint curves." if smoothing else ""
    keys = 0.3 * math.ceil(len(entries) / key_columns)
    figure = new_figure(width, rows * _HEIGHT + keys + 0.1, f"{title}{how}")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (quantity, curves) in zip(grid.flat, panels.items(), strict=False):
        for curve in curves:
            _draw(axes, curve, color[curve.run, curve.stage], smoothing)
        frame_plot(axes, "", "")
        name = re.sub(r"(?<=.)_mm$", " (mm)", quantity).replace("_", " ")
        axes.set_title(name, fontsize=theme.TEXT + 1, color=theme.INK, parse_math=False)
        if logarithmic and "loss" in quantity and not any((curve.values <= 0).any() for curve in curves):
            axes.set_yscale("log")
            low, high = axes.get_ylim()
            wide = high > 20 * low  # smaller ranges need more ticks
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if wide else MaxNLocator(5))
            axes.yaxis.set_major_formatter("{x:g}")  # plain numbers, no powers of ten
            axes.yaxis.set_minor_locator(NullLocator())
    for axes in grid.flat[max(len(panels) - columns, 0) : len(panels)]:
        axes.set_xlabel("optimiser step", fontsize=theme.TEXT)
    add_legend(figure, entries, loc="outside lower center", ncols=key_columns)
    return save_figure(figure, path)


def smoothed(values: Array, smoothing: float) -> np.ndarray:
    r"""Exponential moving average, whose weights are normalised to a sum of one.

    .. math::
        \bar v_t = \sum_{s \le t} a^{t - s} v_s \Big/ \sum_{s \le t} a^{t - s}

    A value that is not finite leaves a gap and does not affect other values.

    Args:
        values: The values `[n]`.
        smoothing: Weight :math:`a` of a value relative to the next one, from 0 to below 1.
    """
    result = np.full(len(values), np.nan)
    total = weight = 0.0
    for place, value in enumerate(to_numpy(values)):
        if np.isfinite(value):
            total, weight = smoothing * total + value, smoothing * weight + 1
            result[place] = total / weight
    return result


def _panels(runs: Mapping[str, Mapping[str, tuple[Array, Array]]]) -> dict[str, list[_Curve]]:
    """The curves of each quantity; losses and accuracy come first."""
    found: dict[str, list[_Curve]] = {}
    for run, curves in runs.items():
        for name, (steps, values) in curves.items():
            if named := re.fullmatch(r"(train|val)_(.+?)(_step)?", name):
                curve = _Curve(run, named[1], to_numpy(steps), to_numpy(values))
                found.setdefault(named[2], []).append(curve)
    order = sorted(found, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    return {name: sorted(found[name], key=lambda curve: curve.stage) for name in order}


def _draw(axes: Axes, curve: _Curve, color: str, smoothing: float) -> None:
    style, values, order = _STYLES[curve.stage], curve.values, 3
    if curve.stage == "train" and smoothing:
        axes.plot(curve.steps, values, color=color, linewidth=0.8, alpha=0.3, zorder=1)
        values, order = smoothed(values, smoothing), 2
    style = style if len(curve.steps) <= _MARKED else {**style, "marker": ""}
    axes.plot(curve.steps, values, color=color, zorder=order, **style)
