"""Pictures of measurements: lines, bars, points, confusions and calibration, in one look.

What is told apart by colour is told apart by marker and line style too. What others have published is dashed
and hollow and says "(paper)". Pictures are 900 pixels wide, so that their text can still be read at 600; the
one of confusions grows with the number of classes and the length of their names, and its writing with it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pyg_sybio.visualization.figures import (
    BLUE,
    GREY,
    INK,
    LIGHT_GREY,
    SMALL,
    TEXT,
    VERMILLION,
    Array,
    check_shape,
    ink_on,
    new_figure,
    number_format,
    save_figure,
    to_numpy,
)
from pyg_sybio.visualization.plots import (
    DASHED,
    WIDTH,
    Look,
    frame_plot,
    looks_of,
    name_points,
    plot_legend,
    text_size,
    title_height,
    wrapped,
    write_title,
)

Numbers = Sequence[float] | Array

_MARKED = 12  # about so many points of a line carry a marker

_MATRIX, _LARGEST_MATRIX = 3.9, 15.0  # inches
_CELL, _LARGEST_CELL = 0.125, 0.8  # inches; lines of small text need the first
_NUMBER_CELL = 0.22  # inches: three letters fit
_NAMED_COLUMNS = 20
_CLASS_LETTERS = 36
_LISTED, _LISTED_LETTERS = 5, 26


@dataclass(frozen=True)
class Series:
    """A line: values over `x`, each with its spread.

    Args:
        x: Increasing.
        mean: A value for each of `x`; NaN leaves a gap.
        deviation: Spread of each value, shown to both sides of it; NaN where there is none.
    """

    x: Numbers
    mean: Numbers
    deviation: Numbers | None = None


class _Line(NamedTuple):
    """A series as arrays `[n]`, without deviations that are unknown."""

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
    """Draw lines over a common axis, their spread as bands.

    The names stand beside the lines in the order in which the lines end. A reference has the colour and the
    marker of the series of its name.

    Args:
        series: Name to line.
        path: PNG file to write.
        x_label: With its unit.
        y_label: With its unit.
        title: Line above the picture.
        reference: Name to published line, dashed with hollow markers.

    Returns:
        The figure as written.

    Raises:
        ValueError: If there is no value to draw, lengths differ, `x` does not increase, a deviation is
            negative, or anything is infinite.
    """
    ours = {name: _line("series", name, line) for name, line in series.items()}
    papers = {name: _line("reference", name, line) for name, line in (reference or {}).items()}
    if not any(np.isfinite(line.mean).any() for line in ours.values()):
        raise ValueError(f"'series' has {len(ours)} lines and no value in them, expected at least one value")

    looks = looks_of([*ours, *papers])
    figure = new_figure(WIDTH, 3.7)
    axes = figure.subplots()
    # Sorted by where a line ends, so that the names are as high as the lines.
    entries: list[tuple[float, Line2D, str]] = []
    for position, (name, line) in enumerate([*ours.items(), *papers.items()]):
        published = position >= len(ours)
        handle = _draw_line(axes, line, looks[name], position, published=published)
        known = line.mean[np.isfinite(line.mean)]
        label = _paper(name) if published else name
        entries.append(
            (known[-1], handle, label) if len(known) else (-math.inf, handle, f"{label} (no value)")
        )
    entries.sort(key=lambda entry: -entry[0])

    frame_plot(axes, x_label, y_label)
    _tick_values(axes, np.concatenate([line.x for line in [*ours.values(), *papers.values()]]))
    labels = [wrapped(label) for _, _, label in entries]
    lines = sum(label.count("\n") + 1 for label in labels)
    figure.set_figheight(max(3.7, 0.16 * lines + 0.04 * len(labels) + 0.7) + title_height(title))
    write_title(figure, title)
    beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "handlelength": 3.4}
    plot_legend(axes, [handle for _, handle, _ in entries], labels, **beside)
    save_figure(figure, path)
    return figure


def bar_figure(
    values: Mapping[str, tuple[float, float | None]],
    path: str | Path,
    *,
    label: str,
    title: str,
    reference: Mapping[str, float] | None = None,
) -> Figure:
    """Draw named values as horizontal bars from zero, with their spread, and the figures at the bars.

    Args:
        values: Name to value and deviation, from top to bottom; a value that is NaN has no bar.
        path: PNG file to write.
        label: Of the values, with their unit.
        title: Line above the picture.
        reference: Name to published value, a dashed hollow bar below ours; names that are not among `values`
            follow last.

    Returns:
        The figure as written.

    Raises:
        ValueError: If there is no value to draw, a deviation is negative, or anything is infinite.
    """
    papers = {name: _number("reference", name, value) for name, value in (reference or {}).items()}
    papers = {name: value for name, value in papers.items() if not math.isnan(value)}
    means = {name: _number("values", name, mean) for name, (mean, _) in values.items()}
    spreads = {name: _spread("values", name, deviation) for name, (_, deviation) in values.items()}
    if all(math.isnan(mean) for mean in means.values()):
        raise ValueError(f"'values' has {len(means)} names and no value, expected at least one value")

    names = list(dict.fromkeys([*means, *papers]))
    written = [wrapped(name, 28) for name in names]
    row = max(0.16 * max(name.count("\n") + 1 for name in written) + 0.06, 0.42 if papers else 0.28)
    figure = new_figure(WIDTH, row * len(names) + 0.75 + title_height(title))
    write_title(figure, title)
    axes = figure.subplots()
    show = number_format([*means.values(), *papers.values()])
    for place, name in enumerate(names):
        both = name in means and name in papers
        if name in means:
            middle, height = (place - 0.17, 0.38) if both else (place, 0.62)
            _draw_bar(axes, means[name], spreads[name], middle, height, show)
        if name in papers:
            middle, height = (place + 0.22, 0.26) if both else (place, 0.34)
            hollow: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "linewidth": 0.9}
            axes.barh(middle, papers[name], height, linestyle=DASHED, zorder=2, **hollow)
            _write_at(axes, papers[name], middle, _paper(show(papers[name])))

    frame_plot(axes, label, "", grid="x")
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(names)), written, fontsize=TEXT, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.spines["left"].set_visible(False)
    save_figure(figure, path)
    return figure


def scatter_figure(
    points: Mapping[str, tuple[float, float]], path: str | Path, *, x_label: str, y_label: str, title: str
) -> Figure:
    """Draw named points, each with its name beside it.

    Args:
        points: Name to place `(x, y)`. Where one of them is NaN, the point is named below instead.
        path: PNG file to write.
        x_label: With its unit.
        y_label: With its unit.
        title: Line above the picture.

    Returns:
        The figure as written.

    Raises:
        ValueError: If there is no point to draw, or one is infinite.
    """
    places = {name: np.array([_number("points", name, value) for value in xy]) for name, xy in points.items()}
    known = {name: place for name, place in places.items() if np.isfinite(place).all()}
    if not known:
        raise ValueError(f"'points' has {len(points)} names and no value, expected at least one point")

    figure = new_figure(WIDTH, 4.0 + title_height(title))
    write_title(figure, title)
    axes = figure.subplots()
    looks = looks_of(places)
    for name, place in known.items():
        color, marker, _ = looks[name]
        axes.plot(*place, marker, color=color, markersize=8, markeredgecolor="white", zorder=3)
    axes.margins(0.14)
    missing = [name for name in places if name not in known]
    note = wrapped(f"\nwithout a value: {', '.join(missing)}", 80) if missing else ""
    frame_plot(axes, x_label + note, y_label, grid="both")
    name_points(figure, axes, known)
    save_figure(figure, path)
    return figure


def confusion_figure(
    counts: Array, class_names: Sequence[str], path: str | Path, *, title: str, written: str = "percent"
) -> Figure:
    """Draw which classes are taken for which: a row is a true class, a column a predicted one.

    Colours show shares of their row, and where figures fit, cells say what they are in percent, or how many
    clips. A row's name ends in its number of
    clips. With many classes the columns carry the numbers of the classes, which then stand before the rows'
    names too, and the largest confusions are listed below.

    Args:
        counts: Number of clips, true class by predicted class.
        class_names: In the order of `counts`.
        path: PNG file to write.
        title: Line above the picture.
        written: What the figures in cells are: ``"percent"`` of the row, or ``"clips"``.

    Shapes:
        - **counts:** `[C, C]`

    Returns:
        The figure as written.

    Raises:
        ValueError: If the shape does not fit the names, a count is negative or not finite, or all are zero.
    """
    table = to_numpy(counts)
    check_shape("counts", table, [len(class_names), len(class_names)])
    if not (np.isfinite(table) & (table >= 0)).all():
        raise ValueError("'counts' has values that are negative or not finite, expected numbers of clips")
    if not table.any():
        raise ValueError(f"'counts' of {len(class_names)} classes has no clip, expected at least one")
    clips = table.sum(axis=1, keepdims=True)
    shares = np.divide(100 * table, clips, out=np.full_like(table, np.nan), where=clips > 0)

    names = [_shortened(name, _CLASS_LETTERS) for name in class_names]
    named = len(names) <= _NAMED_COLUMNS
    columns = names if named else [str(index) for index in range(len(names))]
    rows = names if named else [f"{index}  {name}" for index, name in enumerate(names)]
    rows = [f"{row}  ({count:g})" for row, count in zip(rows, clips[:, 0], strict=True)]
    listed = [] if named else _largest_confusions(shares, class_names, clips[:, 0])

    figure = new_figure(WIDTH, WIDTH)
    figure.set_layout_engine("none")  # cells have their size, and the figure gets what is around them
    cell = min(max(min(_MATRIX / len(names), _LARGEST_CELL), _CELL), _LARGEST_MATRIX / len(names))
    space = _space_around(figure, cell * len(names), rows, columns if named else [], listed, title)
    figure.set_size_inches(space.width, space.height)
    write_title(figure, title, y=1 - 0.06 * space.scale / space.height)
    axes = _axes_at(figure, space.left, space.bottom, space.matrix, space.matrix)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
    axes.set_facecolor(LIGHT_GREY)  # rows without clips
    _name_classes(axes, rows, columns, cell, every=1 if named else 5, turned=space.names_below > 0.9 * cell)
    if cell >= _NUMBER_CELL:
        _write_shares(axes, shares, table if written == "clips" else None, min(TEXT, 30 * cell))
    _write_around(figure, space, listed)
    long = min(space.matrix, 5.0)
    middle = space.bottom + (space.matrix - long) / 2
    side = _axes_at(figure, space.left + space.matrix + 0.15, middle, 0.12, long)
    bar = figure.colorbar(image, cax=side)
    bar.set_label("% of the true class", fontsize=TEXT * space.scale)
    bar.outline.set_visible(False)
    side.tick_params(labelsize=SMALL * space.scale)
    save_figure(figure, path)
    return figure


def reliability_figure(
    confidence: Numbers, accuracy: Numbers, counts: Numbers, path: str | Path, *, title: str
) -> Figure:
    r"""Draw how often a model is right (above) and how often it is that sure (below), by how sure it is.

    The expected calibration error that is written is that of the bins drawn,
    :math:`\sum_b n_b |a_b - c_b| / \sum_b n_b`.

    Args:
        confidence: Mean probability :math:`c_b` of the predicted class in a bin.
        accuracy: Share :math:`a_b` of right predictions in a bin.
        counts: Number of clips :math:`n_b` in a bin; of an empty one nothing is drawn.
        path: PNG file to write.
        title: Line above the picture.

    Shapes:
        - **confidence, accuracy, counts:** `[B]`

    Returns:
        The figure as written.

    Raises:
        ValueError: If the lengths differ, all bins are empty, a count is negative or not finite, or a
            confidence or accuracy of a bin with clips is outside 0 to 1.
    """
    sure, right, clips = (_array(values) for values in (confidence, accuracy, counts))
    check_shape("confidence", sure, ["B"])
    check_shape("accuracy", right, [len(sure)])
    check_shape("counts", clips, [len(sure)])
    if not (np.isfinite(clips) & (clips >= 0)).all():
        raise ValueError("'counts' has values that are negative or not finite, expected numbers of clips")
    full = clips > 0
    if not full.any():
        raise ValueError(f"'counts' of {len(clips)} bins has no clip, expected at least one")
    sure, right, clips = sure[full], right[full], clips[full]
    for name, values in (("confidence", sure), ("accuracy", right)):
        if not ((values > -1e-6) & (values < 1 + 1e-6)).all():  # means of float32 are rounded
            raise ValueError(f"'{name}' of a bin with clips is not within 0 to 1")
    error = float((clips * np.abs(right - sure)).sum() / clips.sum())

    figure = new_figure(WIDTH, 4.8 + title_height(title))
    write_title(figure, title)
    above, below = figure.subplots(2, sharex=True, height_ratios=[3.2, 1])
    above.plot([0, 1], [0, 1], color=GREY, linestyle=DASHED, linewidth=1.2)
    gaps = [VERMILLION if c > a else BLUE for c, a in zip(sure, right, strict=True)]
    above.vlines(sure, sure, right, colors=gaps, linewidth=4, alpha=0.45)
    order = np.argsort(sure, kind="stable")
    above.plot(sure[order], right[order], "o-", color=INK, linewidth=1.3, markersize=4.5, zorder=3)
    above.set_title(
        f"expected calibration error {100 * error:.1f} % over {clips.sum():,.0f} clips",
        fontsize=TEXT,
        loc="left",
        color=INK,
    )
    below.vlines(sure, 0, clips, colors=INK, linewidth=6)
    below.set_ylim(0, 1.1 * clips.max())
    above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    frame_plot(above, "", "accuracy")
    frame_plot(below, "confidence", "clips")
    handles = [
        Line2D([], [], color=INK, marker="o", linewidth=1.3, markersize=4.5),
        Line2D([], [], color=GREY, linestyle=DASHED, linewidth=1.2),
        Line2D([], [], color=VERMILLION, linewidth=4, alpha=0.45),
        Line2D([], [], color=BLUE, linewidth=4, alpha=0.45),
    ]
    keys = ["accuracy", "where the two agree", "too sure", "not sure enough"]
    plot_legend(figure, handles, keys, loc="outside lower center", ncols=4)
    save_figure(figure, path)
    return figure


# What is drawn --------------------------------------------------------------------------------------------


def _line(argument: str, name: str, series: Series) -> _Line:
    x, mean = _array(series.x), _array(series.mean)
    spread = np.full_like(mean, np.nan) if series.deviation is None else _array(series.deviation)
    for field, values in (("x", x), ("mean", mean), ("deviation", spread)):
        check_shape(f"{argument}[{name}].{field}", values, [x.size])
        if np.isinf(values).any():
            raise ValueError(f"'{argument}[{name}].{field}' is infinite somewhere, expected numbers or NaN")
    if not (np.isfinite(x).all() and (np.diff(x) > 0).all()):
        raise ValueError(f"'{argument}[{name}].x' is {x.tolist()}, expected increasing numbers")
    if (spread < 0).any():
        raise ValueError(f"'{argument}[{name}].deviation' is negative somewhere, expected a spread")
    return _Line(x, mean, spread)


def _number(argument: str, name: str, value: float) -> float:
    if math.isinf(value):
        raise ValueError(f"'{argument}[{name}]' is {value}, expected a number or NaN")
    return float(value)


def _spread(argument: str, name: str, deviation: float | None) -> float:
    """A deviation, NaN if it is not known."""
    if deviation is None or math.isnan(deviation):
        return math.nan
    if not 0 <= deviation < math.inf:
        raise ValueError(f"'{argument}[{name}]' has deviation {deviation}, expected a spread from zero on")
    return float(deviation)


def _array(values: Numbers) -> np.ndarray:
    return to_numpy(values if isinstance(values, torch.Tensor) else np.asarray(values, dtype=np.float64))


def _draw_line(axes: Axes, line: _Line, look: Look, position: int, *, published: bool) -> Line2D:
    """A line with its band; alone-standing points, which no line and no band reaches, get marker and bar."""
    known, spread = np.isfinite(line.mean), np.isfinite(line.mean + line.deviation)
    step = math.ceil(len(line.x) / _MARKED) or 1
    # From another point on for each line, so that lines that coincide can be told apart.
    marked = (np.arange(len(line.x)) % step == position % step) & known | _alone(known)
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
    if (lonely := _alone(spread)).any():
        bar: dict[str, Any] = {"fmt": "none", "ecolor": look.color, "elinewidth": 1.1, "capsize": 2.5}
        axes.errorbar(line.x[lonely], line.mean[lonely], yerr=line.deviation[lonely], **bar)
    return handle


def _draw_bar(
    axes: Axes, mean: float, spread: float, place: float, height: float, show: Callable[[float], str]
) -> None:
    if math.isnan(mean):
        _write_at(axes, 0.0, place, "no value")
        return
    axes.barh(place, mean, height, color=BLUE, zorder=2)
    if math.isnan(spread):
        _write_at(axes, mean, place, show(mean))
        return
    bar: dict[str, Any] = {"fmt": "none", "ecolor": INK, "elinewidth": 1.1, "capsize": 2.5}
    axes.errorbar(mean, place, xerr=spread, zorder=3, **bar)
    _write_at(axes, mean + spread, place, f"{show(mean)} ± {show(spread)}")


def _alone(known: np.ndarray) -> np.ndarray:
    """Those of the known points `[n]` that have none beside them."""
    fenced = np.concatenate([[False], known, [False]])
    return known & ~fenced[:-2] & ~fenced[2:]


class _Space(NamedTuple):
    """Where the parts of a picture of confusions are, in inches from its lower left corner."""

    matrix: float  # its side
    left: float  # where the matrix begins
    bottom: float
    names_beside: float  # width of the longest
    names_below: float
    listed: float  # height of the list at the bottom
    width: float
    height: float
    scale: float  # of the larger writing: as the picture is to the usual one


def _space_around(
    figure: Figure,
    matrix: float,
    rows: Sequence[str],
    columns: Sequence[str],
    listed: Sequence[str],
    title: str,
) -> _Space:
    beside, below = _longest(figure, rows, SMALL), _longest(figure, columns, SMALL)
    # Beside matrix and names: gaps and the colour scale, and writing that grows with the width.
    fixed_left, fixed_right, large_left, large_right = 0.15, 0.27, 0.25, 0.68
    needed = fixed_left + beside + matrix + fixed_right
    width = max(needed / (1 - (large_left + large_right) / WIDTH), WIDTH)
    scale = width / WIDTH
    free = width - needed - (large_left + large_right) * scale
    left = free / 2 + large_left * scale + fixed_left + beside
    cell = matrix / len(rows)
    list_height = 0.19 * scale * (len(listed) + 1) if listed else 0.0
    bottom = (below if below > 0.9 * cell else 0.12) + 0.1 + 0.27 * scale + list_height
    height = bottom + matrix + 0.12 + scale * title_height(title)
    return _Space(matrix, left, bottom, beside, below, list_height, width, height, scale)


def _name_classes(
    axes: Axes, rows: Sequence[str], columns: Sequence[str], cell: float, *, every: int, turned: bool
) -> None:
    """Write rows and every so many columns; where cells are lower than text, some of them."""
    step = math.ceil(_CELL / cell - 1e-9)
    axes.set_yticks(range(0, len(rows), step), rows[::step], fontsize=SMALL, parse_math=False)
    every *= step
    axes.set_xticks(range(0, len(rows), every), columns[::every], fontsize=SMALL, parse_math=False)
    axes.tick_params(axis="x", rotation=90 if turned else 0)
    axes.tick_params(length=0)
    for place in np.arange(every, len(rows), every) - 0.5:
        axes.axvline(place, color=LIGHT_GREY, linewidth=0.6)
        axes.axhline(place, color=LIGHT_GREY, linewidth=0.6)


def _write_shares(axes: Axes, shares: np.ndarray, clips: np.ndarray | None, size: float) -> None:
    """Percent in cells, or numbers of clips; nothing where there is nothing."""
    blues = colormaps["Blues"]
    for row, column in np.argwhere(shares > 0):
        share = shares[row, column]
        ink = ink_on(to_hex(blues(share / 100)))
        text = _percent(share) if clips is None else f"{clips[row, column]:g}"
        axes.text(column, row, text, color=ink, fontsize=size, ha="center", va="center_baseline")


def _write_around(figure: Figure, space: _Space, listed: Sequence[str]) -> None:
    style: dict[str, Any] = {"fontsize": TEXT * space.scale, "transform": figure.dpi_scale_trans}
    aside: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "center"}
    across, along = space.left + space.matrix / 2, space.bottom + space.matrix / 2
    figure.text(space.left - space.names_beside - 0.15, along, "true class (clips)", **aside, **style)
    low = space.listed + 0.06 * space.scale
    figure.text(across, low, "predicted class", ha="center", va="bottom", **style)
    if listed:
        text = "\n".join(["taken for another most often:", *listed])
        style |= {"va": "top", "linespacing": 1.35, "parse_math": False}
        figure.text(0.12 * space.scale, space.listed, text, **style)


def _largest_confusions(shares: np.ndarray, names: Sequence[str], clips: np.ndarray) -> list[str]:
    wrong = np.where(np.isfinite(shares), shares, 0.0)
    np.fill_diagonal(wrong, 0.0)
    first = [divmod(int(flat), len(wrong)) for flat in np.argsort(-wrong, axis=None, kind="stable")[:_LISTED]]
    short = [_shortened(name, _LISTED_LETTERS) for name in names]
    return [
        f"{_percent(wrong[row, column])} % of {clips[row]:g}: {row} {short[row]} → {column} {short[column]}"
        for row, column in first
        if wrong[row, column]
    ]


def _percent(share: float) -> str:
    return f"{share:.0f}" if share >= 1 else "<1"


# How it looks ---------------------------------------------------------------------------------------------


def _tick_values(axes: Axes, x: np.ndarray) -> None:
    """Ticks at the values themselves, where there are so few that they fit beside each other."""
    places = np.unique(x)
    texts = [f"{place:g}" for place in places]
    room = np.diff(places) / max(np.ptp(places), 1e-300) * 3.6  # inches
    widths = np.array([0.075 * len(text) + 0.06 for text in texts])
    if (room > (widths[1:] + widths[:-1]) / 2).all():
        axes.set_xticks(places, texts)


def _write_at(axes: Axes, value: float, place: float, text: str) -> None:
    """Figures to the right of a bar, or of zero where the bar goes to the left."""
    beside: dict[str, Any] = {"xytext": (3, 0), "textcoords": "offset points", "annotation_clip": False}
    axes.annotate(text, (max(value, 0.0), place), va="center", fontsize=TEXT, color=INK, **beside)


def _paper(text: str) -> str:
    return text if text == "paper" or text.endswith("(paper)") else f"{text} (paper)"


def _shortened(name: str, letters: int) -> str:
    """A long name without its middle, since names often differ at their ends."""
    half = (letters - 1) // 2
    return name if len(name) <= letters else f"{name[:half].rstrip()}…{name[-half:].lstrip()}"


def _axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _longest(figure: Figure, texts: Iterable[str], size: float) -> float:
    """Width of the longest text in inches."""
    style = {"fontsize": size, "parse_math": False}
    return max((text_size(figure, text, style)[0] for text in texts), default=0.0) / figure.dpi
