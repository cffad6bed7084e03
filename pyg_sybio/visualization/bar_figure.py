"""Bar charts and scatter plots of named values."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyg_sybio.visualization import theme
from pyg_sybio.visualization.figures import checked, new_figure, number_format, save_figure
from pyg_sybio.visualization.line_figure import ERROR_BAR, of_paper
from pyg_sybio.visualization.plots import DASHED, WIDTH, frame_plot, looks_of, name_points, wrapped


def bar_figure(
    values: Mapping[str, tuple[float, float | None]],
    path: str | Path,
    *,
    label: str,
    title: str,
    reference: Mapping[str, float] | None = None,
) -> Figure:
    """Draw named values as labelled horizontal bars from zero, with error bars.

    Args:
        values: Names, values and deviations, from top to bottom; a value that is NaN has no bar.
        path: File to write: .png, .svg or .pdf.
        label: Name of the values, with their unit.
        title: Title of the picture.
        reference: Names and published values, drawn as dashed hollow bars below the measured bars. Names that
            are not in `values` come last. (default: none)

    Returns:
        The figure that was written.

    Raises:
        ValueError: If there is no value to draw, a deviation is negative, or a number is infinite.
    """
    papers = {n: v for n, v in _numbers("reference", reference or {}).items() if not math.isnan(v)}
    means = _numbers("values", {name: mean for name, (mean, _) in values.items()})
    spreads = _numbers("deviation", {name: spread for name, (_, spread) in values.items()}, low=0)
    if all(math.isnan(mean) for mean in means.values()):
        raise ValueError(f"'values' has {len(means)} names and no value, expected at least one value")

    names = list(dict.fromkeys([*means, *papers]))
    written = [wrapped(name, 28) for name in names]
    row = max(0.16 * max(name.count("\n") + 1 for name in written) + 0.06, 0.42 if papers else 0.28)
    figure = new_figure(WIDTH, row * len(names) + 0.75, title)
    axes = figure.subplots()
    show = number_format([*means.values(), *papers.values()])
    for place, name in enumerate(names):
        both = name in means and name in papers
        if name in means:
            middle, height = (place - 0.17, 0.38) if both else (place, 0.62)
            _draw_bar(axes, means[name], spreads[name], middle, height, show)
        if name in papers:
            middle, height = (place + 0.22, 0.26) if both else (place, 0.34)
            hollow: dict[str, Any] = {"facecolor": "none", "edgecolor": theme.INK, "linewidth": 0.9}
            axes.barh(middle, papers[name], height, linestyle=DASHED, zorder=2, **hollow)
            _write_at(axes, papers[name], middle, of_paper(show(papers[name])))

    if not all(math.isnan(spread) for spread in spreads.values()):
        label += "; ± standard deviation"
    frame_plot(axes, label, "", grid="x")
    axes.axvline(0, color=theme.INK, linewidth=0.8)
    axes.set_yticks(range(len(names)), written, fontsize=theme.TEXT, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.spines["left"].set_visible(False)
    return save_figure(figure, path)


def scatter_figure(
    points: Mapping[str, tuple[float, float]], path: str | Path, *, x_label: str, y_label: str, title: str
) -> Figure:
    """Draw points with their names next to them.

    Args:
        points: Names and coordinates `(x, y)`; names whose coordinates contain NaN are listed below the plot.
        path: File to write: .png, .svg or .pdf.
        x_label: Name of the x axis, with its unit.
        y_label: Name of the y axis, with its unit.
        title: Title of the picture.

    Returns:
        The figure that was written.

    Raises:
        ValueError: If there is no point to draw, or a number is infinite.
    """
    places = {name: checked(f"points[{name}]", xy, [2], gaps=True) for name, xy in points.items()}
    known = {name: place for name, place in places.items() if np.isfinite(place).all()}
    if not known:
        raise ValueError(f"'points' has {len(points)} names and no value, expected at least one point")

    figure = new_figure(WIDTH, 4.0, title)
    axes = figure.subplots()
    looks = looks_of(places)
    for name, place in known.items():
        color, marker, _ = looks[name]
        axes.plot(*place, marker, color=color, markersize=8, markeredgecolor="white", zorder=3)
    axes.margins(0.14)
    missing = ", ".join(name for name in places if name not in known)
    note = wrapped(f"\nwithout a value: {missing}", 80) if missing else ""
    frame_plot(axes, x_label + note, y_label, grid="both")
    name_points(figure, axes, known)
    return save_figure(figure, path)


def _numbers(argument: str, values: Mapping[str, float | None], low: float = -math.inf) -> dict[str, float]:
    """Check named numbers, and replace None by NaN."""
    known = {name: math.nan if value is None else value for name, value in values.items()}
    return {n: float(checked(f"{argument}[{n}]", [v], [1], low=low, gaps=True)[0]) for n, v in known.items()}


def _draw_bar(
    axes: Axes, mean: float, spread: float, place: float, height: float, show: Callable[[float], str]
) -> None:
    end, text = 0.0, "no value"
    if not math.isnan(mean):
        axes.barh(place, mean, height, color=theme.BLUE, zorder=2)
        end, text = mean, show(mean)
        if not math.isnan(spread):
            axes.errorbar(mean, place, xerr=spread, zorder=3, **ERROR_BAR, ecolor=theme.INK)
            end, text = mean + spread, f"{text} ± {show(spread)}"
    _write_at(axes, end, place, text)


def _write_at(axes: Axes, value: float, place: float, text: str) -> None:
    """Write a label to the right of the bar, or of zero if the bar is negative."""
    beside: dict[str, Any] = {"xytext": (3, 0), "textcoords": "offset points", "annotation_clip": False}
    axes.annotate(text, (max(value, 0.0), place), va="center", fontsize=theme.TEXT, color=theme.INK, **beside)
