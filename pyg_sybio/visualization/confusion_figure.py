"""Drawing of a confusion matrix."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyg_sybio.visualization import theme
from pyg_sybio.visualization.figures import Array, add_colorbar, checked, ink_on, new_figure, save_figure
from pyg_sybio.visualization.plots import WIDTH, text_size

_MATRIX, _LARGEST_MATRIX = 3.9, 15.0  # inches
_CELL, _LARGEST_CELL = 0.125, 0.8  # inches; the smallest cell has the height of small text
_NUMBER_CELL = 0.22  # inches; smaller cells have no space for three digits
_NAMED_COLUMNS = 20  # with more classes, columns have numbers instead of names
_CLASS_LETTERS = 36  # maximum length of the class name next to a row
_LISTED, _LISTED_LETTERS = 5, 26  # number of listed confusions, and length of their class names


def confusion_figure(
    counts: Array, class_names: Sequence[str], path: str | Path, *, title: str, written: str = "percent"
) -> Figure:
    """Draw a confusion matrix: true classes in rows, predicted classes in columns.

    Colours show the percentage of the row, which is also written in the cell if there is space. The number of
    clips follows the name of each row. With more than 20 classes, columns are labelled with the index of the
    class only, rows with index and name, and the largest confusions are listed below. The size of the figure
    and of its text grows with the number of classes.

    Args:
        counts: Number of clips, true class by predicted class.
        class_names: Names of the classes in the order of `counts`.
        path: File to write: .png, .svg or .pdf.
        title: Title of the picture.
        written: Numbers in the cells: ``"percent"`` of the row, or ``"clips"``.

    Shapes:
        - **counts:** `[C, C]`

    Returns:
        The figure that was written.

    Raises:
        ValueError: If the shape of `counts` does not match the number of names, a count is negative or not
            finite, or all are zero.
    """
    number = len(class_names)
    table = checked("counts", counts, [number, number], low=0)
    if not table.any():
        raise ValueError(f"'counts' of {number} classes has no clip, expected at least one")
    clips = table.sum(axis=1, keepdims=True)
    percent = np.divide(100 * table, clips, out=np.full_like(table, np.nan), where=clips > 0)

    rows = [_shortened(name, _CLASS_LETTERS) for name in class_names]
    named = number <= _NAMED_COLUMNS
    columns = rows if named else [str(index) for index in range(number)]
    rows = rows if named else [f"{index}  {name}" for index, name in enumerate(rows)]
    rows = [f"{row}  ({count:g})" for row, count in zip(rows, clips[:, 0], strict=True)]
    listed = [] if named else _largest_confusions(percent, class_names, clips[:, 0])

    cell = min(max(min(_MATRIX / number, _LARGEST_CELL), _CELL), _LARGEST_MATRIX / number)
    beside, below = (max(text_size(text, theme.SMALL)[0] for text in texts) for texts in (rows, columns))
    turned = named and below > 0.9 * cell
    width = max((beside + cell * number + 0.55) / 0.82, WIDTH)
    scale = width / WIDTH  # the text size grows with the figure size
    lines = 2.2 + (1.3 * len(listed) + 2 if listed else 0)
    height = cell * number + (below if turned else 0.15) + scale * (0.13 * lines + 0.1)
    figure = new_figure(width, height, title, size=theme.TITLE * scale)
    figure.set_layout_engine("compressed", h_pad=0.05 * scale)
    axes = figure.subplots()
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
    axes.set_facecolor(theme.LIGHT_GREY)  # the colour of rows without clips
    _name_classes(axes, rows, columns, cell, every=1 if named else 5, turned=turned)
    axes.set_ylabel("true class (clips)", fontsize=theme.TEXT * scale)
    axes.set_xlabel("predicted class", fontsize=theme.TEXT * scale)
    if listed:
        text = "\n".join(["most frequent confusions:", *listed])
        style: dict[str, Any] = {"x": 0.02, "ha": "left", "linespacing": 1.35, "parse_math": False}
        figure.supxlabel(text, fontsize=theme.TEXT * scale, color=theme.INK, **style)
    if cell >= _NUMBER_CELL:
        _write_cells(axes, percent, table if written == "clips" else None, min(theme.TEXT, 30 * cell))
    length = min(5.0 / (cell * number), 1.0)
    add_colorbar(figure, image, "% of the true class", scale=scale, ax=axes, shrink=length, aspect=30)
    return save_figure(figure, path)


def _name_classes(
    axes: Axes, rows: Sequence[str], columns: Sequence[str], cell: float, *, every: int, turned: bool
) -> None:
    """Label the rows and columns; label only some of them if cells are smaller than the text."""
    step = math.ceil(_CELL / cell - 1e-9)
    axes.set_yticks(range(0, len(rows), step), rows[::step], fontsize=theme.SMALL, parse_math=False)
    every *= step
    axes.set_xticks(range(0, len(rows), every), columns[::every], fontsize=theme.SMALL, parse_math=False)
    axes.tick_params(axis="x", rotation=90 if turned else 0)
    axes.tick_params(length=0)
    for place in np.arange(every, len(rows), every) - 0.5:
        axes.axvline(place, color=theme.LIGHT_GREY, linewidth=0.6)
        axes.axhline(place, color=theme.LIGHT_GREY, linewidth=0.6)


def _write_cells(axes: Axes, percent: np.ndarray, clips: np.ndarray | None, size: float) -> None:
    """Write percentages or numbers of clips into the cells that are not zero."""
    blues = colormaps["Blues"]
    for row, column in np.argwhere(percent > 0):
        share = percent[row, column]
        text = _percent(share) if clips is None else f"{clips[row, column]:g}"
        style: dict[str, Any] = {"color": ink_on(blues(share / 100)), "ha": "center", "va": "center_baseline"}
        axes.text(column, row, text, fontsize=size, **style)


def _largest_confusions(percent: np.ndarray, names: Sequence[str], clips: np.ndarray) -> list[str]:
    wrong = np.nan_to_num(percent)
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


def _shortened(name: str, letters: int) -> str:
    """Remove the middle of a long name, because names often differ at their ends."""
    half = (letters - 1) // 2
    return name if len(name) <= letters else f"{name[:half].rstrip()}…{name[-half:].lstrip()}"
