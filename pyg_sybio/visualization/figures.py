"""Helpers shared by all figures, and writing of figures to files.

Figures are built with matplotlib's objects on the Agg canvas, without ``pyplot`` and its global state:
drawing works without a display, in threads, and inside a plotting session of the user.
"""

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType

from pyg_sybio.files import write_whole
from pyg_sybio.visualization import theme

PICTURE_KINDS = ("png", "svg", "pdf")

Array = np.ndarray | torch.Tensor
Numbers = Sequence[float] | Array


def new_figure(width: float, height: float, title: str = "", *, size: float = theme.TITLE) -> Figure:
    """An empty figure on the Agg canvas, with a title above it.

    Args:
        width: Width in inches.
        height: Height in inches, without the title.
        title: The title; its lines are wrapped to the width. (default: none)
        size: Font size of the title in points.
    """
    lines = [
        textwrap.fill(line, int(115 * width / size), break_on_hyphens=False) for line in title.split("\n")
    ]
    text = "\n".join(line for line in lines if line)
    if text:
        height += size * (0.018 * (text.count("\n") + 1) + 0.01)
    figure = Figure(figsize=(width, height), dpi=theme.DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    style: dict[str, Any] = {"x": 0.01, "ha": "left", "va": "top", "linespacing": 1.3, "parse_math": False}
    figure.suptitle(text, fontsize=size, color=theme.INK, **style)
    return figure


def save_figure(figure: Figure, path: str | Path) -> Figure:
    """Write a picture atomically, and return the figure.

    Args:
        figure: A figure from :func:`new_figure`.
        path: File to write, in an existing folder: .png, .svg or .pdf.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If the name has another suffix.
    """
    path = Path(path)
    kind = picture_kind(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder; expected one in which to write {path.name}")
    # Files have no date and stable internal names, so that equal figures give identical files.
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with rc_context({"svg.hashsalt": "pyg_sybio"}):
        write_whole(path, lambda file: figure.savefig(file, format=kind, dpi=theme.DPI, metadata=undated))
    return figure


def picture_kind(path: str | Path) -> str:
    """The file type for the suffix of a name: ``svg``, ``pdf`` or ``png``, which is also the default.

    Raises:
        ValueError: If the name has another suffix.
    """
    kind = Path(path).suffix.lower().removeprefix(".") or "png"
    if kind not in PICTURE_KINDS:
        raise ValueError(f"'{path}' is not a picture, expected a name that ends in .png, .svg or .pdf")
    return kind


def to_numpy(values: Numbers) -> np.ndarray:
    """Convert numbers, or a tensor on any device, to a float64 array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def checked(
    name: str,
    values: Numbers,
    shape: Sequence[int | str],
    *,
    low: float = -math.inf,
    high: float = math.inf,
    gaps: bool = False,
) -> np.ndarray:
    """Convert numbers to an array, after a check of its shape and of its values.

    Args:
        name: Name of the argument for the message.
        values: The numbers.
        shape: Expected shape: for each axis a number, or a letter for any size.
        low: Lower bound. (default: none)
        high: Upper bound. (default: none)
        gaps: Allow NaN.

    Raises:
        ValueError: If the shape is wrong, or a number is infinite, NaN or out of bounds.
    """
    array = to_numpy(values)
    fits = (isinstance(want, str) or want == size for want, size in zip(shape, array.shape, strict=False))
    if array.ndim != len(shape) or not all(fits):
        wanted = ", ".join(str(size) for size in shape)
        raise ValueError(f"'{name}' has shape {list(array.shape)}, expected [{wanted}]")
    wrong = ~(np.isfinite(array) & (low <= array) & (array <= high) | (gaps & np.isnan(array)))
    if wrong.any():
        bounds = "" if math.isinf(low) else f" of at least {low:g}"
        bounds += "" if math.isinf(high) else f" and at most {high:g}"
        nan = " or NaN" if gaps else ""
        raise ValueError(f"'{name}' has {array[wrong][0]:g}, expected finite numbers{bounds}{nan}")
    return array


def draw_segments(axes: Axes, points: np.ndarray, edges: Iterable[tuple[int, int]], **style: Any) -> None:
    """Draw straight lines between points.

    Args:
        axes: Axes to draw on.
        points: ``[M, 2]``.
        edges: Pairs of indices into ``points``.
        **style: Further arguments of :class:`matplotlib.collections.LineCollection`.
    """
    axes.add_collection(LineCollection([(points[a], points[b]) for a, b in edges], zorder=1, **style))


def ink_on(color: ColorType) -> str:
    """Black or white, whichever is easier to read on a colour.

    Args:
        color: Any colour of matplotlib.
    """
    return theme.INK if np.dot(to_rgb(color), (0.299, 0.587, 0.114)) > 0.55 else "#FFFFFF"


def bare(axes: Axes, limits: np.ndarray | None = None) -> None:
    """Remove the frame and ticks of axes, and use the same scale in both directions.

    Args:
        axes: Axes that show a drawing, not a plot.
        limits: Half the width and height of the visible area, which is centred at the origin. (default: the
            extent of the drawing)
    """
    axes.set_axis_off()
    if limits is None:
        axes.set_aspect("equal", adjustable="datalim")
    else:
        axes.set_aspect("equal", adjustable="box")
        axes.set(xlim=(-limits[0], limits[0]), ylim=(-limits[1], limits[1]))


def number_format(values: Iterable[float]) -> Callable[[float], str]:
    """A format with fixed decimals, chosen so that the largest number has three significant digits."""
    largest = max(abs(value) for value in values if not math.isnan(value))
    decimals = max(2 - math.floor(math.log10(largest)), 0) if largest else 0
    pattern = f"{{:,.{decimals}f}}" if decimals <= 6 else "{:.2e}"
    return lambda value: pattern.format(value).replace("-", "\N{MINUS SIGN}")


def add_legend(
    place: Figure | Axes, entries: Sequence[tuple[str, Mapping[str, Any] | Line2D]], **options: Any
) -> None:
    """Add a legend without a frame.

    Args:
        place: Figure or axes to add it to.
        entries: Pairs of a name and its line, or the style of its line.
        **options: Further arguments of :meth:`matplotlib.figure.Figure.legend`.
    """
    handles = [style if isinstance(style, Line2D) else Line2D([], [], **style) for _, style in entries]
    names = [name for name, _ in entries]
    for text in place.legend(handles, names, fontsize=theme.TEXT, frameon=False, **options).get_texts():
        text.set_parse_math(False)


def add_colorbar(
    figure: Figure, image: ScalarMappable, label: str, *, scale: float = 1.0, **options: Any
) -> None:
    """Add the colour bar of an image.

    Args:
        figure: The figure.
        image: The image.
        label: Name of the values, with their unit.
        scale: Factor on the usual font size.
        **options: Further arguments of :meth:`matplotlib.figure.Figure.colorbar`.
    """
    bar = figure.colorbar(image, **options)
    bar.set_label(label, fontsize=theme.TEXT * scale)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=theme.SMALL * scale)
