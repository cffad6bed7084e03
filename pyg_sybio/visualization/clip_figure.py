"""A picture of a recorded motion: some of its frames side by side."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from pyg_sybio.data.motion import Motion
from pyg_sybio.visualization.figures import (
    GREY,
    INK,
    LIGHT_GREY,
    TEXT,
    bare,
    new_figure,
    save_figure,
)
from pyg_sybio.visualization.pose import LinkArtist, PoseArtist
from pyg_sybio.visualization.scene import Key, Scene, scene_of
from pyg_sybio.visualization.view import View, view_of

_MAX_WIDTH, _CELL_HEIGHT, _CELL_GAP = 16.0, 2.6, 0.1  # inches
_KEY_WIDTH = 1.45
_LETTERS_AN_INCH = 12  # of small text


def draw_clip(motion: Motion, path: str | Path, *, num_frames: int = 8, up: str | None = None) -> View:
    """Draw frames of a motion, evenly spaced from the first to the last, on one scale.

    Every frame is centred between the persons in it, so travel over the ground is not shown; heights are
    those of the recording, above a line at the lowest joint. What was not recorded is left out.

    Args:
        motion: Positions, in space or in an image.
        path: PNG file to write.
        num_frames: How many frames; all of them if there are fewer.
        up: The axis that points up (:func:`~pyg_sybio.visualization.view.view_of`).

    Returns:
        The view, whose note says which way is up.

    Raises:
        ValueError: If the motion is rotations, or `num_frames` is not positive.
    """
    view = view_of(motion, up=up)
    save_figure(clip_figure(motion, view, num_frames=num_frames), path)
    return view


def clip_figure(motion: Motion, view: View, *, num_frames: int = 8) -> Figure:
    """The figure that :func:`draw_clip` saves."""
    if num_frames < 1:
        raise ValueError(f"'num_frames' is {num_frames}, expected at least 1")
    shown = np.unique(np.linspace(0, motion.num_frames - 1, num_frames).round().astype(int))
    return strip_figure(scene_of(motion), view, shown)


def strip_figure(scene: Scene, view: View, shown: np.ndarray) -> Figure:
    """Frames of a scene side by side, in rows if they are many, on one scale.

    Every frame is centred between the recorded bodies in it; where nothing was recorded, it is as it comes.

    Args:
        scene: What is shown.
        view: From where.
        shown: Numbers of the frames `[n]`, at least one.
    """
    motion, present, anchored = scene.motion, scene.present[:, shown], scene.anchored[:, shown]
    points = centred(view.project(scene.points[:, shown]), anchored)
    limits = reach(points, present)

    cell_width = max(_CELL_HEIGHT * limits[0] / limits[1], _CELL_GAP)
    rows = int(np.ceil(len(shown) * (cell_width + _CELL_GAP) / _MAX_WIDTH))
    columns = int(np.ceil(len(shown) / rows))
    # A single wide cell may exceed the width: everything shrinks with it.
    width = min(max(columns * (cell_width + _CELL_GAP), 6.0), _MAX_WIDTH)
    cell_height = _CELL_HEIGHT * min(1.0, _MAX_WIDTH / (cell_width + _CELL_GAP))
    height = height_of(points, anchored)
    lines = caption(scene, view.note, f"height {height:.3g} ({motion.skeleton.units})", width=width)
    below = 1 + max(scene.times[frame].count("\n") for frame in shown)
    figure = new_figure(
        width, rows * (cell_height + 0.15 + 0.15 * below) + 0.18 * (lines.count("\n") + 1) + 0.5
    )
    figure.set_layout_engine("constrained", w_pad=_CELL_GAP / 2, h_pad=0.04, wspace=0, hspace=0)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        bare(axes, limits)
    for cell, (axes, frame) in enumerate(zip(figure.axes, shown, strict=False)):
        write_below(axes, scene.times[frame])
        if motion.num_spatial == 3:
            axes.axhline(-height / 2, color=LIGHT_GREY, linewidth=1, zorder=0)
        if not present[:, cell].any():
            axes.text(0, 0, "nobody\nseen", fontsize=TEXT, color=GREY, ha="center", va="center")
        for person, colors in enumerate(scene.colors):
            PoseArtist(axes, motion.skeleton, colors).show(points[person, cell], present[person, cell])
        for pair in map(list, scene.links):
            LinkArtist(axes).show(points[pair, cell], present[pair, cell])
    figure.suptitle(lines, fontsize=TEXT, color=INK, x=0.01, ha="left", linespacing=1.4, parse_math=False)
    add_keys(figure, scene.keys)
    return figure


def add_keys(figure: Figure, keys: Sequence[Key]) -> None:
    """Say below everything what the colours mean, in as many columns as fit."""
    if not keys:
        return
    columns = max(int(figure.get_figwidth() / _KEY_WIDTH) // 2 * 2, 1)
    style: dict[str, Any] = {"fontsize": TEXT, "frameon": False, "columnspacing": 1.5}
    handles = [Line2D([], [], color=key.color, linewidth=2.5, label=key.label) for key in keys]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(keys), columns), **style)


def centred(points: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Poses `[P, T, M, 2]` around the origin: across in every frame, up and down in all of them together."""
    if not present.any():
        return points
    low, high = box(points, present, axis=(0, 2))  # [T, 2]
    low[:, 1], high[:, 1] = np.nanmin(low[:, 1]), np.nanmax(high[:, 1])
    # A frame without anybody has no middle, and nothing to move either.
    return points - np.nan_to_num((low + high) / 2)[:, None]


def box(points: np.ndarray, present: np.ndarray, axis: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest coordinates of the joints that are present, NaN where none is."""
    low = np.where(present[..., None], points, np.inf).min(axis=axis)
    high = np.where(present[..., None], points, -np.inf).max(axis=axis)
    return np.where(np.isfinite(low), low, np.nan), np.where(np.isfinite(high), high, np.nan)


def reach(points: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Half the width and half the height of the box around the origin that holds all poses, with a margin."""
    extent = np.abs(points[present]).max(axis=0) * 1.05 if present.any() else np.zeros(2)
    if not extent.any():
        return np.ones(2)
    return np.maximum(extent, 0.2 * extent.max())


def height_of(points: np.ndarray, present: np.ndarray) -> float:
    """From the lowest to the highest joint of all poses `[P, T, M, 2]`."""
    return float(np.ptp(points[present][:, 1])) if present.any() else 0.0


def write_below(axes: Axes, text: str) -> Text:
    """A line of text below a drawing."""
    below: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, -3), "textcoords": "offset points"}
    return axes.annotate(text, (0.5, 0), ha="center", va="top", fontsize=TEXT, color=INK, **below)


def caption(scene: Scene, *notes: str, width: float) -> str:
    """What is known about a scene and its picture, as lines that fit a width in inches."""
    letters = int(width * _LETTERS_AN_INCH)
    # A line never ends within a fact, and never begins with a dot.
    text = "\N{NO-BREAK SPACE}· ".join(
        fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in [*scene.facts, *notes]
    )
    lines = [*textwrap.wrap(scene.title, letters), *textwrap.wrap(text, letters, break_on_hyphens=False)]
    return "\n".join(line.removesuffix("\N{NO-BREAK SPACE}·") for line in lines)
