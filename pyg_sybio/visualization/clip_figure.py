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
from pyg_sybio.visualization.scene import Key, Scene
from pyg_sybio.visualization.view import View

_MAX_WIDTH, _CELL_HEIGHT, _CELL_GAP = 16.0, 2.6, 0.1  # inches
_KEY_WIDTH = 1.45


def strip_figure(
    scene: Scene, view: View, shown: np.ndarray, rows: Mapping[str, Scene] | None = None
) -> Figure:
    """Draw frames of a scene side by side, in rows if they are many, on one scale.

    Every frame is centred between its recorded bodies, if there are any, so travel over the ground is not
    shown; heights are as recorded, above a line at the lowest joint. Joints that were not recorded
    are left out.

    Args:
        scene: The scene.
        view: Direction of the view.
        shown: Indices of the frames `[n]`, at least one.
        rows: Titles and scenes of one row each, which only differ from `scene` in bodies that were not
            recorded. (default: only `scene`)
    """
    scenes = rows or {"": scene}
    present = [scene.present[:, shown] for scene in scenes.values()]
    anchored = scene.anchored[:, shown]
    points = [centred(view.project(s.points[:, shown]), s.anchored[:, shown]) for s in scenes.values()]
    limits = np.max([reach(*of_scene) for of_scene in zip(points, present, strict=True)], axis=0)

    cell_width = max(_CELL_HEIGHT * limits[0] / limits[1], _CELL_GAP)
    wide = int(np.ceil(len(shown) * (cell_width + _CELL_GAP) / _MAX_WIDTH))  # rows of the shown frames
    columns = len(shown) if rows else int(np.ceil(len(shown) / wide))
    # Wide cells may exceed the width, and shrink.
    width = min(max(columns * (cell_width + _CELL_GAP), 6.0), _MAX_WIDTH)
    cell_height = _CELL_HEIGHT * min(1.0, _MAX_WIDTH / (columns * (cell_width + _CELL_GAP)))
    height = height_of(points[0], anchored)
    lines = caption(
        scene, view.note, f"height {number_format([height])(height)} ({scene.motion.skeleton.units})"
    )
    below = 1 + max(scene.times[frame].count("\n") for frame in shown) + bool(rows)
    count = len(rows) if rows else wide
    figure = new_figure(width, count * (cell_height + 0.15 + 0.15 * below) + 0.5, lines, size=theme.TEXT)
    h_pad = 0.14 if rows else 0.04  # the titles of rows are not part of the layout, which they would widen
    figure.set_layout_engine("constrained", w_pad=_CELL_GAP / 2, h_pad=h_pad, wspace=0, hspace=0)
    for axes in figure.subplots(count, columns, squeeze=False).flat:
        bare(axes, limits)
    panels = iter(figure.axes)
    for (title, each), places, seen in zip(scenes.items(), points, present, strict=True):
        for cell, (frame, axes) in enumerate(zip(shown, panels, strict=False)):
            write_below(axes, each.times[frame])
            if cell == 0:
                style: dict[str, Any] = {"fontsize": theme.TITLE, "color": theme.INK, "parse_math": False}
                axes.set_title(title, loc="left", **style).set_in_layout(False)
            if not seen[:, cell].any():
                middle: dict[str, Any] = {"fontsize": theme.TEXT, "ha": "center", "va": "center"}
                axes.text(0, 0, "nobody\nseen", color=theme.GREY, **middle)
            SceneArtist(axes, each, height).show(places[:, cell], seen[:, cell])
    add_keys(figure, scene.keys)
    return figure


class SceneArtist:
    """The bodies of a scene and their links, drawn on axes and updated for each frame.

    Args:
        axes: Where to draw.
        scene: The scene.
        height: Height of all bodies, whose middle is the origin, for the ground.
        width: Width of the bones in points.
    """

    def __init__(self, axes: Axes, scene: Scene, height: float, *, width: float = 2.0) -> None:
        if scene.motion.num_spatial == 3:
            axes.axhline(-height / 2, color=theme.LIGHT_GREY, linewidth=1, zorder=0)
        self._bodies = [
            PoseArtist(axes, scene.motion.skeleton, colors, width=width) for colors in scene.colors
        ]
        self._pairs = np.array(scene.links, dtype=int).reshape(-1, 2)
        # Above the bodies, which would hide small errors.
        self._links = LineCollection([], colors=ERROR, linewidths=1.0, capstyle="round", zorder=6)
        axes.add_collection(self._links, autolim=False)

    def show(self, points: np.ndarray, present: np.ndarray) -> None:
        """Draw the poses `[P, M, 2]`, without the joints that are not `present` `[P, M]`."""
        for body, artist in enumerate(self._bodies):
            artist.show(points[body], present[body])
        joined = present[self._pairs].all(axis=1)
        self._links.set_segments(points[self._pairs].swapaxes(1, 2)[joined])


def add_keys(figure: Figure, keys: Sequence[Key]) -> None:
    """Add a legend of the colours, in as many columns as fit."""
    if keys:
        columns = min(len(keys), max(int(figure.get_figwidth() / _KEY_WIDTH) // 2 * 2, 1))
        entries = [(key.label, {"color": key.color, "linewidth": 2.5}) for key in keys]
        add_legend(figure, entries, loc="outside lower center", ncols=columns, columnspacing=1.5)


def centred(points: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Poses `[P, T, M, 2]` centred horizontally in every frame, and vertically over all frames."""
    if not present.any():
        return points
    low, high = box(points, present, axis=(0, 2))  # [T, 2]
    low[:, 1], high[:, 1] = np.nanmin(low[:, 1]), np.nanmax(high[:, 1])
    # A frame without persons has no center and nothing to move.
    return points - np.nan_to_num((low + high) / 2)[:, None]


def box(points: np.ndarray, present: np.ndarray, axis: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest coordinates of the joints that are present, NaN where none is."""
    low = np.where(present[..., None], points, np.inf).min(axis=axis)
    high = np.where(present[..., None], points, -np.inf).max(axis=axis)
    return np.where(np.isfinite(low), low, np.nan), np.where(np.isfinite(high), high, np.nan)


def reach(points: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Half the width and height of a box around the origin that contains all poses, with a margin."""
    extent = np.abs(points[present]).max(axis=0) * 1.05 if present.any() else np.zeros(2)
    if not extent.any():
        return np.ones(2)
    return np.maximum(extent, 0.2 * extent.max())


def height_of(points: np.ndarray, present: np.ndarray) -> float:
    """Distance from the lowest to the highest joint of all poses `[P, T, M, 2]`."""
    return float(np.ptp(points[present][:, 1])) if present.any() else 0.0


def write_below(axes: Axes, text: str) -> Text:
    """A line of text below a drawing."""
    below: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, -3), "textcoords": "offset points"}
    return axes.annotate(text, (0.5, 0), ha="center", va="top", fontsize=theme.TEXT, color=theme.INK, **below)


def caption(scene: Scene, *notes: str) -> str:
    """The title and the facts of a scene, with notes on its figure, to be wrapped between the facts."""
    facts = [fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in [*scene.facts, *notes]]
    return f"{scene.title}\n" + "\N{NO-BREAK SPACE}· ".join(facts)
