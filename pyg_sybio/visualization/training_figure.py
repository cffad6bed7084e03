"""Curves of trainings: losses, accuracies and errors by step, of one run or of several."""

import math
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from pyg_sybio.visualization.figures import (
    BLUE,
    INK,
    TEXT,
    TITLE,
    VERMILLION,
    Array,
    new_figure,
    save_figure,
    to_numpy,
)
from pyg_sybio.visualization.plots import frame_plot, looks_of, plot_legend, wrapped

_PANEL, _HEIGHT = 3.3, 2.5  # inches
_COLUMNS = 3
_LETTERS_AN_INCH = 11.5  # of a title
_FIRST = ("loss", "recognition_loss", "prediction_loss", "accuracy")
_STAGES = {"train": "training", "val": "validation"}
_MARKED = 25  # so many points or fewer carry a marker each


class _Drawn(NamedTuple):
    """A curve and where it belongs."""

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
    """Draw what was logged, a panel a quantity, training beside validation.

    Training curves are smoothed (:func:`smoothed`), with the values as logged faint behind them; validation
    curves are as logged.

    Args:
        runs: Name of a run to its curves: name of a value, such as `train_loss`, to steps and values.
        path: File to write: .png, .svg or .pdf.
        smoothing: From 0 (none) to below 1.
        logarithmic: Whether losses have a logarithmic scale.
        title: What the curves are of; how they are smoothed is added.

    Returns:
        The figure as written.

    Raises:
        ValueError: If `smoothing` is out of its range, or no run has a curve of training or validation.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"'smoothing' is {smoothing:g}, expected from 0 to below 1")
    panels = _panels(runs)
    if not panels:
        raise ValueError(f"{len(runs)} runs have no value whose name begins with 'train_' or 'val_'")
    several = len(runs) > 1
    looks = looks_of(runs)
    how = f"exponential mean, {smoothing:g}; faint: as logged" if smoothing else "as logged"
    title = (
        f"{title} (training: {how}; validation: as logged)" if smoothing else f"{title} (values as logged)"
    )

    columns = min(len(panels), _COLUMNS)
    rows = math.ceil(len(panels) / columns)
    keys = [name for name in runs if several]
    width = columns * _PANEL + 0.2
    key_columns = max(int(width / 1.9), 1)
    key_rows = math.ceil((len(keys) + len(_STAGES)) / key_columns)
    lines = textwrap.wrap(title, int(width * _LETTERS_AN_INCH))
    figure = new_figure(width, rows * _HEIGHT + 0.2 * len(lines) + 0.3 * key_rows + 0.1)
    figure.suptitle("\n".join(lines), fontsize=TITLE, color=INK, x=0.01, ha="left", parse_math=False)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    stages: dict[str, None] = {}
    for axes, (quantity, curves) in zip(grid.flat, panels.items(), strict=False):
        for curve in curves:
            color = looks[curve.run].color if several else _color_of(curve.stage)
            _draw(axes, curve, color, smoothing)
            stages[curve.stage] = None
        frame_plot(axes, "", "")
        axes.set_title(_named(quantity), fontsize=TEXT + 1, color=INK, parse_math=False)
        if logarithmic and "loss" in quantity and _all_positive(curves):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")  # not as powers of ten
            axes.yaxis.set_minor_formatter(NullFormatter())
    for axes in grid.flat[max(len(panels) - columns, 0) : len(panels)]:
        axes.set_xlabel("optimiser step", fontsize=TEXT)

    handles = [Line2D([], [], color=looks[name].color, linewidth=2) for name in keys]
    handles += [
        Line2D([], [], color=INK if several else _color_of(stage), **_style(stage)) for stage in stages
    ]
    labels = [wrapped(name, 28) for name in keys] + [_STAGES[stage] for stage in stages]
    plot_legend(figure, handles, labels, loc="outside lower center", ncols=min(len(labels), key_columns))
    save_figure(figure, path)
    return figure


def smoothed(values: Array, smoothing: float) -> np.ndarray:
    r"""An exponential mean that counts from its first value, without the bias of an empty start.

    .. math::
        \bar v_t = \sum_{s \le t} a^{t - s} v_s \Big/ \sum_{s \le t} a^{t - s}

    A value that is not a number leaves a gap, and does not count in the others.

    Args:
        values: `[n]`
        smoothing: The weight :math:`a` of a value relative to the next, from 0 to below 1.
    """
    result = np.full(len(values), np.nan)
    total = weight = 0.0
    for place, value in enumerate(to_numpy(values)):
        if np.isfinite(value):
            total, weight = smoothing * total + value, smoothing * weight + 1
            result[place] = total / weight
    return result


def _panels(runs: Mapping[str, Mapping[str, tuple[Array, Array]]]) -> dict[str, list[_Drawn]]:
    """What was logged by quantity, the usual ones first."""
    found: dict[str, list[_Drawn]] = {}
    for run, curves in runs.items():
        for name, (steps, values) in curves.items():
            if named := re.fullmatch(r"(train|val)_(.+?)(_step)?", name):
                drawn = _Drawn(run, named[1], to_numpy(steps), to_numpy(values))
                found.setdefault(named[2], []).append(drawn)
    order = sorted(found, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    return {name: sorted(found[name], key=lambda drawn: drawn.stage) for name in order}


def _draw(axes: Axes, curve: _Drawn, color: str, smoothing: float) -> None:
    style = _style(curve.stage)
    if curve.stage == "val" or not smoothing:
        marked = len(curve.steps) <= _MARKED
        style |= {"marker": style["marker"] if marked else ""}
        axes.plot(curve.steps, curve.values, color=color, zorder=3, **style)
        return
    axes.plot(curve.steps, curve.values, color=color, linewidth=0.8, alpha=0.3, zorder=1)
    axes.plot(curve.steps, smoothed(curve.values, smoothing), color=color, zorder=2, **style)


def _style(stage: str) -> dict[str, Any]:
    if stage == "val":
        return {"linewidth": 1.3, "linestyle": (0, (4, 1.5)), "marker": "o", "markersize": 3}
    return {"linewidth": 1.6, "linestyle": "solid", "marker": ""}


def _named(quantity: str) -> str:
    """The name of a value for people: `mpjpe_mm` is "mpjpe (mm)"."""
    name, _, unit = quantity.rpartition("_")
    return f"{name} (mm)" if unit == "mm" and name else quantity.replace("_", " ")


def _color_of(stage: str) -> str:
    return VERMILLION if stage == "val" else BLUE


def _all_positive(curves: list[_Drawn]) -> bool:
    return all((curve.values[np.isfinite(curve.values)] > 0).all() for curve in curves)
