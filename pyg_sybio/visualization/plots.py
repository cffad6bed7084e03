"""The look of plots: how lines and points differ, frames, titles, legends, and names beside points.

What is told apart by colour is told apart by marker and line style too. Plots are 900 pixels wide, so that
their text can still be read at 600.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from pyg_sybio.visualization.figures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    INK,
    LIGHT_GREY,
    ORANGE,
    PURPLE,
    SKY,
    TEXT,
    TITLE,
    VERMILLION,
)

WIDTH = 6.0  # inches
_TITLE_LETTERS = 72
_TITLE_LINE = 0.19  # inches

# Without yellow, which is too pale for a line on white.
_COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_Dashes = tuple[float, tuple[float, ...]]
_STYLES: tuple[_Dashes | str, ...] = ("solid", (0, (6, 1.5, 1.5, 1.5)), (0, (1.5, 1.2)))
DASHED: _Dashes = (0, (4, 2.5))  # for what is not our own measurement

_NAME_LETTERS = 24  # of a name in a line
_NEAR = 6.0  # points of type between a point and its name


class Look(NamedTuple):
    """How a series is told apart, by more than its colour."""

    color: str
    marker: str
    style: _Dashes | str


def looks_of(names: Iterable[str]) -> dict[str, Look]:
    """A look for each name, no two alike among the first 63."""
    return {
        name: Look(_COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)], _STYLES[i % len(_STYLES)])
        for i, name in enumerate(dict.fromkeys(names))
    }


def frame_plot(axes: Axes, x_label: str, y_label: str, *, grid: Literal["x", "y", "both"] = "y") -> None:
    """Name the axes, write their numbers out, and leave a frame of two lines with a grid behind the plot."""
    axes.set_xlabel(x_label, fontsize=TEXT, parse_math=False)
    axes.set_ylabel(y_label, fontsize=TEXT, parse_math=False)
    axes.tick_params(labelsize=TEXT)
    axes.ticklabel_format(useOffset=False, style="plain")
    for axis in (axes.xaxis, axes.yaxis):
        if np.abs(axis.get_view_interval()).max() >= 1e4:
            axis.set_major_formatter("{x:,.10g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=LIGHT_GREY, linewidth=0.7)
    axes.set_axisbelow(True)


def plot_legend(
    place: Figure | Axes, handles: Sequence[Line2D], labels: Sequence[str], **options: Any
) -> None:
    """A legend without a frame, whose names are no formulas."""
    for text in place.legend(handles, labels, fontsize=TEXT, frameon=False, **options).get_texts():
        text.set_parse_math(False)


def title_height(title: str) -> float:
    """Height in inches of a title over a figure of the usual width."""
    return _TITLE_LINE * len(_title_lines(title)) + 0.06


def _title_lines(title: str) -> list[str]:
    return textwrap.wrap(title, _TITLE_LETTERS)


def write_title(figure: Figure, title: str, **place: float) -> None:
    """Write a title at the left; larger over a wider figure."""
    style: dict[str, Any] = {"color": INK, "x": 0.01, "ha": "left", "va": "top", "parse_math": False}
    if lines := _title_lines(title):
        size = TITLE * figure.get_figwidth() / WIDTH
        figure.suptitle("\n".join(lines), fontsize=size, **style, **place)


def wrapped(text: str, letters: int = _NAME_LETTERS) -> str:
    """A name in lines of so many letters; its own lines stay apart."""
    return "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, letters) or [""])


def name_points(
    figure: Figure, axes: Axes, points: Mapping[str, np.ndarray], *, others: np.ndarray | None = None
) -> None:
    """Write names beside points where they cover neither a point nor each other, as far as there is room.

    Args:
        figure: It is laid out first.
        axes: Where the points are.
        points: Name to place `[2]`, in the units of the data.
        others: Points `[n, 2]` without a name, which are not to be covered either.
    """
    figure.draw_without_rendering()
    frame = np.array(axes.get_window_extent().extents)[None]
    pixels = figure.dpi / 72  # a point of type
    dots = {name: axes.transData.transform(place) for name, place in points.items()}
    unnamed = [] if others is None else list(axes.transData.transform(others))
    middles = np.array([*dots.values(), *unnamed])
    covered = np.concatenate([middles - 4 * pixels, middles + 4 * pixels], axis=1)
    written = np.empty((0, 4))
    style: dict[str, Any] = {"fontsize": TEXT, "color": INK, "va": "bottom", "parse_math": False}
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 3}
    for name, dot in dots.items():
        text = wrapped(name)
        size = text_size(figure, text, style)
        away, boxes = _places_beside(dot, size, pixels)
        # Areas that are covered or outside count before the distance does, and names before points.
        area = size.prod() - _overlap(boxes, frame) + _overlap(boxes, covered) + 8 * _overlap(boxes, written)
        best = int(np.argmin(30 * area + pixels**2 * away))
        written = np.concatenate([written, boxes[best][None]])
        leader = line if away[best] > _NEAR else None
        place: dict[str, Any] = {"xytext": (boxes[best, :2] - dot) / pixels, "textcoords": "offset points"}
        label = axes.annotate(text, tuple(points[name]), arrowprops=leader, zorder=5, **place, **style)
        label.set_path_effects([withStroke(linewidth=2, foreground="white")])
        label.set_in_layout(False)  # the frame has its place already


def _places_beside(dot: np.ndarray, size: np.ndarray, pixels: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes `[n, 4]` of a size around a dot, best first, after their distances in points of type `[n]`."""
    straight, slanted = [(1, 0), (0, 1), (0, -1), (-1, 0)], [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    between = [(x / 2, y) for x, y in slanted] + [(x, y / 2) for x, y in slanted]
    sides = np.array(straight + slanted + between)
    steps = _NEAR * np.array([1, 2.5, 4.5, 7, 10])
    # The corner of the box, or the middle of its edge, that is nearest to the dot.
    low = dot + sides * steps[:, None, None] * pixels + size * (sides - 1) / 2
    boxes = np.concatenate([low, low + size], axis=-1).reshape(-1, 4)
    return np.repeat(steps, len(sides)), boxes


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The area that each box `[n, 4]` shares with all others `[k, 4]` together, `[n]`."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=-1).sum(axis=-1)


def text_size(figure: Figure, text: str, style: Mapping[str, Any]) -> np.ndarray:
    """Width and height of a text in pixels."""
    artist = figure.text(0, 0, text, **style)
    extent = artist.get_window_extent()
    artist.remove()
    return np.array(extent.size)
