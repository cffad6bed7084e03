"""A strip of frames of a motion."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from pyg_sybio.visualization import theme
from pyg_sybio.visualization.figures import add_legend, bare, new_figure, number_format
from pyg_sybio.visualization.pose import ERROR, PoseArtist
from pyg_sybio.visualization.scene import Key, Scene, unit_of
from pyg_sybio.visualization.view import View

_MAX_WIDTH, _CELL_HEIGHT, _CELL_GAP = 16.0, 2.6, 0.1  # inches
_KEY_WIDTH = 1.45


def strip_figure(
    scene: Scene, view: View, shown: np.ndarray, rows: Mapping[str, Scene] | None = None
) -> Figure:
    """Draw frames of a scene side by side on one scale, in several rows if they do not fit in one.

    Each frame is centred horizontally on its recorded bodies, so travel over the ground is not shown. Heights
    are as recorded, above a line at the lowest joint. Joints that were not recorded are left out.

    Args:
        scene: The scene.
        view: The view.
        shown: Indices of the frames `[n]`, at least one.
        rows: Titles and scenes, drawn in one row each; they may differ from `scene` only in bodies that were
            not recorded. (default: only `scene`)
    """
    scenes = rows or {"": scene}
    points = [centred(view.project(each.points[:, shown]), scene.recorded) for each in scenes.values()]
    limits = np.max([reach(places) for places in points], axis=0)

    cell_width = max(_CELL_HEIGHT * limits[0] / limits[1], _CELL_GAP)
    wide = int(np.ceil(len(shown) * (cell_width + _CELL_GAP) / _MAX_WIDTH))  # number of rows
    columns = len(shown) if rows else int(np.ceil(len(shown) / wide))
    # If a row would exceed the largest width, its cells are made smaller.
    width = min(max(columns * (cell_width + _CELL_GAP), 6.0), _MAX_WIDTH)
    cell_height = _CELL_HEIGHT * min(1.0, _MAX_WIDTH / (columns * (cell_width + _CELL_GAP)))
    height = height_of(points[0][scene.recorded])
    lines = body_caption(scene, view, height)
    below = 1 + max(scene.times[frame].count("\n") for frame in shown) + bool(rows)
    count = len(rows) if rows else wide
    figure = new_figure(width, count * (cell_height + 0.15 + 0.15 * below) + 0.5, lines, size=theme.TEXT)
    h_pad = 0.14 if rows else 0.04  # the layout ignores the titles of rows, which would widen the cells
    figure.set_layout_engine("constrained", w_pad=_CELL_GAP / 2, h_pad=h_pad, wspace=0, hspace=0)
    for axes in figure.subplots(count, columns, squeeze=False).flat:
        bare(axes, limits)
    panels = iter(figure.axes)
    for (title, each), places in zip(scenes.items(), points, strict=True):
        for cell, (frame, axes) in enumerate(zip(shown, panels, strict=False)):
            write_below(axes, each.times[frame])
            if cell == 0:
                style: dict[str, Any] = {"fontsize": theme.TITLE, "color": theme.INK, "parse_math": False}
                axes.set_title(title, loc="left", **style).set_in_layout(False)
            if np.isnan(places[:, cell]).all():
                middle: dict[str, Any] = {"fontsize": theme.TEXT, "ha": "center", "va": "center"}
                axes.text(0, 0, "nobody\nseen", color=theme.GREY, **middle)
            SceneArtist(axes, each, height).show(places[:, cell])
    add_keys(figure, scene.keys)
    return figure


class SceneArtist:
    """The bodies of a scene and their links, drawn on axes and updated for each frame.

    Args:
        axes: Axes to draw on.
        scene: The scene.
        height: Height of all bodies; the ground is drawn at minus half of this height.
        width: Width of the bones in points.
    """

    def __init__(self, axes: Axes, scene: Scene, height: float, *, width: float = 2.0) -> None:
        if scene.motion.num_spatial == 3:
            axes.axhline(-height / 2, color=theme.LIGHT_GREY, linewidth=1, zorder=0)
        self._bodies = [
            PoseArtist(axes, scene.motion.skeleton, colors, width=width) for colors in scene.colors
        ]
        self._pairs = np.array(scene.links, dtype=int).reshape(-1, 2)
        # Error lines are drawn above the bodies, which would hide short lines.
        self._links = LineCollection([], colors=ERROR, linewidths=1.0, capstyle="round", zorder=6)
        axes.add_collection(self._links, autolim=False)

    def show(self, points: np.ndarray) -> None:
        """Draw the poses `[P, M, 2]` without the joints that are NaN."""
        for artist, pose in zip(self._bodies, points, strict=True):
            artist.show(pose)
        ends = points[self._pairs].swapaxes(1, 2)
        self._links.set_segments(ends[~np.isnan(ends).any(axis=(2, 3))])


def add_keys(figure: Figure, keys: Sequence[Key]) -> None:
    """Add a legend of the colours, in as many columns as fit."""
    if keys:
        columns = min(len(keys), max(int(figure.get_figwidth() / _KEY_WIDTH) // 2 * 2, 1))
        entries = [(key.label, {"color": key.color, "linewidth": 2.5}) for key in keys]
        add_legend(figure, entries, loc="outside lower center", ncols=columns, columnspacing=1.5)


def centred(points: np.ndarray, recorded: np.ndarray) -> np.ndarray:
    """Centre poses `[P, T, M, 2]` on the recorded bodies: horizontally per frame, vertically over all frames.

    Args:
        points: The poses, NaN for missing joints.
        recorded: Which bodies were recorded `[P]`.
    """
    low, high = box(points[recorded], axis=(0, 2))  # [T, 2]
    low[:, 1], high[:, 1] = np.fmin.reduce(low[:, 1]), np.fmax.reduce(high[:, 1])
    # A frame without persons has no center and is not moved.
    return points - np.nan_to_num((low + high) / 2)[:, None]


def box(points: np.ndarray, axis: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest coordinates of the joints, ignoring NaN; NaN if all joints are NaN."""
    return np.fmin.reduce(points, axis=axis), np.fmax.reduce(points, axis=axis)


def reach(points: np.ndarray) -> np.ndarray:
    """Half the width and height of a box around the origin that contains all poses, with a margin."""
    extent = np.nan_to_num(np.fmax.reduce(np.abs(points), axis=(0, 1, 2))) * 1.05
    return np.maximum(extent, 0.2 * extent.max()) if extent.any() else np.ones(2)


def height_of(points: np.ndarray) -> float:
    """Distance from the lowest to the highest joint of all poses `[P, T, M, 2]`; 0 if all joints are NaN."""
    low, high = box(points, axis=(0, 1, 2))
    return float(np.nan_to_num(high - low)[1])


def write_below(axes: Axes, text: str) -> Text:
    """Write a text below a drawing."""
    below: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, -3), "textcoords": "offset points"}
    return axes.annotate(text, (0.5, 0), ha="center", va="top", fontsize=theme.TEXT, color=theme.INK, **below)


def body_caption(scene: Scene, view: View, height: float) -> str:
    """The caption of drawn bodies, which states the up axis and the height of the bodies."""
    height_text = f"height {number_format([height])(height)} {unit_of(scene.motion)}"
    return caption(scene, view.note, height_text)


def caption(scene: Scene, *notes: str) -> str:
    """The title of a scene, and a line with facts and notes that may only wrap between two of them."""
    facts = [fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in [*scene.facts, *notes]]
    return f"{scene.title}\n" + "\N{NO-BREAK SPACE}· ".join(facts)
