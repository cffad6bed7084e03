"""One look for all pictures: colours, sizes, and how a picture reaches its file.

Figures are built with matplotlib's objects on the Agg canvas. ``pyplot`` and its global state stay untouched,
so drawing works without a display, in threads, and inside a user's own plotting session.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from pyg_sybio.files import write_whole

# The palette of Okabe and Ito, which people with any common colour vision tell apart.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#000000"
PALETTE = (ORANGE, BLUE, GREEN, VERMILLION, SKY, PURPLE, YELLOW)
GREY, LIGHT_GREY, INK = "#8C8C8C", "#D9D9D9", "#222222"

TITLE, TEXT, SMALL = 11, 8.5, 7  # points
DPI = 150

PICTURE_KINDS = ("png", "svg", "pdf")

Array = np.ndarray | torch.Tensor


def new_figure(width: float, height: float) -> Figure:
    """An empty figure on the Agg canvas.

    Args:
        width: In inches.
        height: In inches.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a picture; whoever reads the path finds the old one or the new one, never half of one.

    Args:
        figure: From :func:`new_figure`.
        path: File to write, in a folder that exists: a PNG, or an SVG or PDF if its name ends so.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If the name ends in anything else.
    """
    path = Path(path)
    kind = picture_kind(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder; expected one in which to write {path.name}")
    # No date, and names that do not change: the same picture is the same file.
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with rc_context({"svg.hashsalt": "pyg_sybio"}):
        write_whole(path, lambda file: figure.savefig(file, format=kind, dpi=DPI, metadata=undated))


def picture_kind(path: str | Path) -> str:
    """What a file's name says of its kind: ``png`` (also without an ending), ``svg`` or ``pdf``.

    Raises:
        ValueError: If it ends in anything else.
    """
    kind = Path(path).suffix.lower().removeprefix(".") or "png"
    if kind not in PICTURE_KINDS:
        raise ValueError(f"'{path}' is no name of a picture, expected one that ends in .png, .svg or .pdf")
    return kind


def to_numpy(values: Array) -> np.ndarray:
    """An array in double precision from a tensor on any device, or from an array.

    Args:
        values: Array or tensor.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def draw_segments(
    axes: Axes,
    points: np.ndarray,
    edges: Iterable[tuple[int, int]],
    *,
    color: str,
    width: float,
    dashed: bool = False,
    order: float = 1,
) -> None:
    """Straight lines between points.

    Args:
        axes: Where to draw.
        points: ``[M, 2]``.
        edges: Pairs of indices into ``points``.
        color: Of all lines.
        width: In points.
        dashed: Dashes instead of a solid line.
        order: Drawing order, higher is nearer the viewer.
    """
    lines = [(points[a], points[b]) for a, b in edges]
    style, cap = ((0, (3, 2)), "butt") if dashed else ("solid", "round")
    axes.add_collection(
        LineCollection(lines, colors=color, linewidths=width, linestyles=[style], capstyle=cap, zorder=order)
    )


def ink_on(color: str) -> str:
    """Black or white, whichever is read more easily on a colour.

    Args:
        color: ``#RRGGBB``.
    """
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#FFFFFF"


def bare(axes: Axes, limits: np.ndarray | None = None) -> None:
    """Remove frame and ticks, and keep the same scale in both directions.

    Args:
        axes: Axes that show a drawing, not a plot.
        limits: Half the width and half the height that the axes show around the origin; by default all of the
            drawing.
    """
    axes.set_axis_off()
    if limits is None:
        axes.set_aspect("equal", adjustable="datalim")
    else:
        axes.set_aspect("equal", adjustable="box")
        axes.set(xlim=(-limits[0], limits[0]), ylim=(-limits[1], limits[1]))


def check_shape(name: str, values: np.ndarray, expected: Sequence[int | str]) -> None:
    """Raise unless an array has the expected shape.

    Args:
        name: Name of the argument.
        values: The array.
        expected: One entry an axis: a number, or a letter for any size.

    Raises:
        ValueError: With the name, the expected and the actual shape.
    """
    fits = len(values.shape) == len(expected) and all(
        isinstance(want, str) or want == size for want, size in zip(expected, values.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(size) for size in expected)
        raise ValueError(f"'{name}' has shape {list(values.shape)}, expected [{wanted}]")


def number_format(values: Iterable[float]) -> Callable[[float], str]:
    """Writes numbers alike: three digits of the largest, and all digits before the point."""
    largest = max(abs(value) for value in values if not math.isnan(value))
    decimals = max(2 - math.floor(math.log10(largest)), 0) if largest else 0
    pattern = f"{{:,.{decimals}f}}" if decimals <= 6 else "{:.2e}"
    return lambda value: pattern.format(value).replace("-", "\N{MINUS SIGN}")
