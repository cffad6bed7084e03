"""Line plots with bands for the spread."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pyg_sybio.visualization import theme
from pyg_sybio.visualization.figures import Numbers, add_legend, checked, new_figure, save_figure
from pyg_sybio.visualization.plots import DASHED, WIDTH, Look, frame_plot, looks_of, wrapped

ERROR_BAR: dict[str, Any] = {"fmt": "none", "elinewidth": 1.1, "capsize": 2.5}
_MARKED = 12  # approximate number of markers per line


class Series(NamedTuple):
    """The points of a line, with their spread.

    Args:
        x: Increasing numbers `[n]`.
        mean: The values `[n]`; a NaN leaves a gap in the line.
        deviation: Half the height of the band at each value `[n]`; NaN for no band. (default: no band)
    """

    x: Numbers
    mean: Numbers
    deviation: Numbers | None = None


class _Line(NamedTuple):
    x: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray


def line_figure(
    series: Mapping[str, Series],
    path: str | Path,
    *,
    x_label: str,
    y_label: str,
    title: str,
    reference: Mapping[str, Series] | None = None,
) -> Figure:
    """Draw lines over a common x axis, with bands for their spread.

    The legend lists the lines by decreasing last value. A published line has the colour and the marker of
    the series of the same name.

    Args:
        series: Names and lines.
        path: File to write: .png, .svg or .pdf.
        x_label: Name of the x axis, with its unit.
        y_label: Name of the y axis, with its unit.
        title: Title of the picture.
        reference: Names and published lines, drawn dashed with hollow markers. (default: none)

    Returns:
        The figure that was written.

    Raises:
        ValueError: If there is no value to draw, lengths differ, `x` does not increase, a deviation is
            negative, or a number is infinite.
    """
    ours = {name: _checked_line(f"series[{name}]", line) for name, line in series.items()}
    papers = {name: _checked_line(f"reference[{name}]", line) for name, line in (reference or {}).items()}
    if not any(np.isfinite(line.mean).any() for line in ours.values()):
        raise ValueError(f"'series' has {len(ours)} lines and no value in them, expected at least one value")

    looks = looks_of([*ours, *papers])
    drawn = [(wrapped(name), looks[name], line, False) for name, line in ours.items()]
    drawn += [(wrapped(of_paper(name)), looks[name], line, True) for name, line in papers.items()]
    bands = any(np.isfinite(line.deviation).any() for line in ours.values())
    rows = sum(name.count("\n") + 1 for name, *_ in drawn) + 2 * bands
    figure = new_figure(WIDTH, max(3.7, 0.16 * rows + 0.04 * len(drawn) + 0.7), title)
    axes = figure.subplots()
    # Sorted by the last value, so that each name is near the end of its line.
    entries: list[tuple[float, str, Line2D]] = []
    for position, (name, look, line, published) in enumerate(drawn):
        handle = _draw_line(axes, line, look, position, published=published)
        known = line.mean[np.isfinite(line.mean)]
        last, label = (known[-1], name) if len(known) else (-math.inf, f"{name} (no value)")
        entries.append((last, label, handle))
    entries.sort(key=lambda entry: -entry[0])
    keys = [entry[1:] for entry in entries]
    if bands:
        keys.append(("band: ± standard\ndeviation", Line2D([], [], color=theme.LIGHT_GREY, linewidth=7)))

    frame_plot(axes, x_label, y_label)
    _tick_values(axes, np.concatenate([line.x for _, _, line, _ in drawn]))
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "handlelength": 3.4}
    add_legend(axes, keys, **place)
    return save_figure(figure, path)


def of_paper(text: str) -> str:
    """Append "(paper)" to the name of a published value."""
    return text if text == "paper" or text.endswith("(paper)") else f"{text} (paper)"


def _checked_line(name: str, series: Series) -> _Line:
    x = checked(f"{name}.x", series.x, ["n"])
    mean = checked(f"{name}.mean", series.mean, [len(x)], gaps=True)
    unknown = np.full_like(mean, np.nan) if series.deviation is None else series.deviation
    if not (np.diff(x) > 0).all():
        raise ValueError(f"'{name}.x' is {x.tolist()}, expected increasing numbers")
    return _Line(x, mean, checked(f"{name}.deviation", unknown, [len(x)], low=0, gaps=True))


def _draw_line(axes: Axes, line: _Line, look: Look, position: int, *, published: bool) -> Line2D:
    """Draw a line with its band; points without neighbours get a marker and an error bar."""
    known, spread = np.isfinite(line.mean), np.isfinite(line.mean + line.deviation)
    step = math.ceil(len(line.x) / _MARKED) or 1
    # Each line starts its markers at a different point, so that coinciding lines can be told apart.
    marked = (np.arange(len(line.x)) % step == position % step) & known | _isolated(known)
    (handle,) = axes.plot(
        line.x,
        line.mean,
        color=look.color,
        linestyle=DASHED if published else look.style,
        linewidth=1.2 if published else 1.6,
        marker=look.marker,
        markersize=5.5 if published else 5,
        markerfacecolor="white" if published else look.color,
        markeredgecolor=look.color,
        markevery=np.flatnonzero(marked).tolist(),
        zorder=2 if published else 3,
    )
    low, high = line.mean - line.deviation, line.mean + line.deviation
    if spread.any():
        axes.fill_between(line.x, low, high, color=look.color, alpha=0.15, linewidth=0)
    if (lonely := _isolated(spread)).any():
        shown = (values[lonely] for values in line)
        axes.errorbar(*shown, **ERROR_BAR, ecolor=look.color)
    return handle


def _isolated(known: np.ndarray) -> np.ndarray:
    """Which points `[n]` have a value but no neighbour with a value."""
    fenced = np.concatenate([[False], known, [False]])
    return known & ~fenced[:-2] & ~fenced[2:]


def _tick_values(axes: Axes, x: np.ndarray) -> None:
    """Put a tick at each value of `x` if there is room for all labels."""
    places = np.unique(x)
    texts = [f"{place:g}" for place in places]
    room = np.diff(places) / max(np.ptp(places), 1e-300) * 3.6  # inches
    widths = np.array([0.075 * len(text) + 0.06 for text in texts])
    if (room > (widths[1:] + widths[:-1]) / 2).all():
        axes.set_xticks(places, texts)
