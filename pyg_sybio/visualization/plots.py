"""Style shared by all plots: series, axes, and names next to points.

Series differ in marker and line style as well as in colour. Plots are 900 pixels wide, and their text is
large enough to be read when they are shown 600 pixels wide.
"""

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.textpath import TextPath

from pyg_sybio.visualization import theme

WIDTH = 6.0  # inches

# Yellow is left out: it is too pale for a line on white.
_COLORS = (
    *(theme.BLUE, theme.VERMILLION, theme.GREEN, theme.PURPLE, theme.ORANGE, theme.SKY, theme.BLACK),
    *(theme.OLIVE, theme.WINE, theme.GREY, theme.INDIGO, theme.LIME, theme.BROWN),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_Dashes = tuple[float, tuple[float, ...]]
_STYLES: tuple[_Dashes | str, ...] = ("solid", (0, (6, 1.5, 1.5, 1.5)), (0, (1.5, 1.2)))
DASHED: _Dashes = (0, (4, 2.5))  # line style of published values

_NAME_LETTERS = 24  # maximum number of letters per line of a name
_NEAR = 6.0  # distance between a point and its name, in typographic points


class Look(NamedTuple):
    """The style of a series."""

    color: str
    marker: str
    style: _Dashes | str


def looks_of(names: Iterable[str]) -> dict[str, Look]:
    """A style for each name; the first 13 differ in colour, and the first 117 are distinct."""
    return {
        name: Look(_COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)], _STYLES[i % len(_STYLES)])
        for i, name in enumerate(dict.fromkeys(names))
    }


def frame_plot(axes: Axes, x_label: str, y_label: str, *, grid: Literal["x", "y", "both"] = "y") -> None:
    """Label the axes, write numbers without exponents, hide the upper and right spines, and add a grid."""
    axes.set_xlabel(x_label, fontsize=theme.TEXT, parse_math=False)
    axes.set_ylabel(y_label, fontsize=theme.TEXT, parse_math=False)
    axes.tick_params(labelsize=theme.TEXT)
    axes.ticklabel_format(useOffset=False, style="plain")
    for axis in (axes.xaxis, axes.yaxis):
        if np.abs(axis.get_view_interval()).max() >= 1e4:
            axis.set_major_formatter("{x:,.10g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=theme.LIGHT_GREY, linewidth=0.7)
    axes.set_axisbelow(True)


class _Wrapper(textwrap.TextWrapper):
    wordsep_re = re.compile(r"(\s+)|(?<=\w[/-])(?=\w)")  # also breaks paths after a slash


def wrapped(text: str, letters: int = _NAME_LETTERS) -> str:
    """Wrap a text at a number of letters per line, and keep its line breaks."""
    return "\n".join(line for part in text.split("\n") for line in _Wrapper(letters).wrap(part) or [""])


def name_points(
    figure: Figure, axes: Axes, points: Mapping[str, np.ndarray], *, others: np.ndarray | None = None
) -> None:
    """Write names next to points, where possible without covering points or other names.

    Args:
        figure: The figure.
        axes: The axes with the points.
        points: Names and coordinates `[2]` of the points.
        others: Points `[n, 2]` without a name, which names should not cover either.
    """
    figure.draw_without_rendering()
    frame = np.array(axes.get_window_extent().extents)[None]
    pixels = figure.dpi / 72  # pixels per typographic point
    dots = {name: axes.transData.transform(place) for name, place in points.items()}
    unnamed = [] if others is None else list(axes.transData.transform(others))
    middles = np.array([*dots.values(), *unnamed])
    covered = np.concatenate([middles - 4 * pixels, middles + 4 * pixels], axis=1)
    written = np.empty((0, 4))
    style: dict[str, Any] = {"fontsize": theme.TEXT, "color": theme.INK, "va": "bottom", "parse_math": False}
    line = {"arrowstyle": "-", "color": theme.GREY, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 3}
    for name, dot in dots.items():
        text = wrapped(name)
        size = text_size(text, theme.TEXT) * figure.dpi
        away, boxes = _places_beside(dot, size, pixels)
        # The cost of a position: first the area outside the frame and over points (1x) and names (8x), then
        # the distance.
        area = size.prod() - _overlap(boxes, frame) + _overlap(boxes, covered) + 8 * _overlap(boxes, written)
        best = int(np.argmin(30 * area + pixels**2 * away))
        written = np.concatenate([written, boxes[best][None]])
        leader = line if away[best] > _NEAR else None
        place: dict[str, Any] = {"xytext": (boxes[best, :2] - dot) / pixels, "textcoords": "offset points"}
        label = axes.annotate(text, tuple(points[name]), arrowprops=leader, zorder=5, **place, **style)
        label.set_path_effects([withStroke(linewidth=2, foreground="white")])
        label.set_in_layout(False)  # names do not change the layout


def _places_beside(dot: np.ndarray, size: np.ndarray, pixels: float) -> tuple[np.ndarray, np.ndarray]:
    """Possible boxes `[n, 4]` of a size around a dot, and their distances `[n]` in typographic points.

    The boxes are in order of preference.
    """
    straight, slanted = [(1, 0), (0, 1), (0, -1), (-1, 0)], [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    between = [(x / 2, y) for x, y in slanted] + [(x, y / 2) for x, y in slanted]
    sides = np.array(straight + slanted + between)
    steps = _NEAR * np.array([1, 2.5, 4.5, 7, 10])
    # The nearest corner of the box, or the middle of its nearest edge, is one step away from the dot.
    low = dot + sides * steps[:, None, None] * pixels + size * (sides - 1) / 2
    boxes = np.concatenate([low, low + size], axis=-1).reshape(-1, 4)
    return np.repeat(steps, len(sides)), boxes


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The area `[n]` in which each box `[n, 4]` overlaps `others` `[k, 4]`, summed over `others`."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=-1).sum(axis=-1)


def text_size(text: str, size: float) -> np.ndarray:
    """Width and height of a text in inches, for a font size in points."""
    lines = [TextPath((0, 0), line or " ", size=size).get_extents() for line in text.split("\n")]
    return np.array([max(line.width for line in lines) + 0.3 * size, size * (1.4 * len(lines) - 0.35)]) / 72
