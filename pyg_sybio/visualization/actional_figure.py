"""Actional graphs drawn over poses (§4.1.1, Fig. 12)."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.visualization import figures, theme
from pyg_sybio.visualization.skeleton_figure import body_layout
from pyg_sybio.visualization.view import view_of

_WITH_MATRICES = 3  # matrices are drawn for at most this many graphs
_COLUMNS = 5
_FEW = 20  # maximum number of arrows per panel that are not drawn thinner
_BONE: dict[str, Any] = {"color": theme.SKY, "linewidth": 3}
_PANEL, _HEIGHT, _MATRIX_PANEL = 3.1, 3.5, 4.0  # inches


def draw_actional(
    skeleton: Skeleton,
    actionals: Mapping[str, figures.Array],
    path: str | Path,
    *,
    poses: Mapping[str, figures.Array] | None = None,
    strongest: int = 12,
    threshold: float | None = None,
    relative_threshold: float | None = None,
    title: str = "",
    up: str | None = None,
) -> Figure:
    r"""Draw actional graphs over poses, one per panel; up to three graphs are also drawn as matrices.

    Arrows run from the sending to the receiving joint. Their width and opacity show the weight, on one scale
    for all panels. Diagonals are not drawn. With a threshold, the number of arrows follows the title of a
    panel in brackets, as in the paper. In a matrix, the equal weight :math:`1 / M` is white.

    Args:
        skeleton: Skeleton of the poses.
        actionals: Titles of panels and actional graphs ``[M, M]``, where ``[i, j]`` is the weight of the edge
            from joint ``j`` to joint ``i``.
        path: File to write: .png, .svg or .pdf.
        poses: Titles of panels and poses ``[M, D]``. (default: a schematic body, for motions of rotations)
        strongest: Number of strongest edges to draw per panel.
        threshold: Draw all edges with a larger weight, not only the strongest edges. If no graph has
            such an edge, `relative_threshold` is set to the smallest multiple of 0.01 that draws at most
            `strongest` edges per panel on average.
        relative_threshold: Draw all edges whose weight is above this multiple of :math:`1 / M`, not only the
            strongest edges.
        title: Start of the title, which is followed by a description of the drawn edges.
        up: The axis that points up (:func:`~pyg_sybio.visualization.view.view_of`).

    Returns:
        The figure that was written.

    Raises:
        ValueError: If there is no graph, a graph has no pose, or a shape does not fit the skeleton.
    """
    if not actionals:
        raise ValueError("'actionals' is empty, expected at least one actional graph")
    joints = skeleton.num_joints
    graphs = {
        name: figures.checked(f"actionals[{name}]", g, [joints, joints]) for name, g in actionals.items()
    }
    places = _places(skeleton, list(graphs), poses, up)
    heaviest = max(float(_without_diagonal(graph).max()) for graph in graphs.values())
    said = ""
    if threshold is not None and threshold >= heaviest:
        said = f"No edge weighs more than {threshold:g}. "
        relative_threshold = _relative_threshold(list(graphs.values()), strongest)
    if relative_threshold is not None:
        threshold = relative_threshold / joints
    edges = {name: edges_drawn(graph, strongest, threshold) for name, graph in graphs.items()}

    # Arrows are thinner if a panel has many.
    crowd = max(len(drawn) for drawn in edges.values()) / _FEW
    lightest = min((weight for drawn in edges.values() for weight in drawn.values()), default=1 / joints)
    pen = _Pen(max(lightest, 1 / joints), heaviest, 2.6 / math.sqrt(max(crowd, 1.0)))

    with_matrices = len(graphs) <= _WITH_MATRICES
    rows = math.ceil(len(graphs) / _COLUMNS)
    columns = math.ceil(len(graphs) / rows)
    width = max(columns * (_MATRIX_PANEL if with_matrices else _PANEL), 5.0) + (0.6 if with_matrices else 0.0)
    height = 8.4 if with_matrices else rows * _HEIGHT
    if threshold is None:
        said += f"Drawn: the {strongest} strongest edges" + (" of each graph" if len(graphs) > 1 else "")
    else:
        relative = "" if relative_threshold is None else f" ({relative_threshold:g} times the equal weight)"
        said += f"Drawn: edges that weigh more than {threshold:.3g}{relative}, their number in brackets"
        said += f"; the heaviest edge weighs {heaviest:.3g}"
    said += f". An arrow ends at the receiving joint. Equal weights: 1/{joints} = {1 / joints:.3f}"
    said += f", white in the {'matrix' if len(graphs) == 1 else 'matrices'}." if with_matrices else "."
    figure = figures.new_figure(width, height + 0.45, f"{title}\n{said}", size=theme.TEXT)
    figure.set_layout_engine("constrained", h_pad=0.1)
    panels = figure.subplots(2 if with_matrices else rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, (name, drawn) in zip(panels.flat, edges.items(), strict=False):
        count = "" if threshold is None else f" ({len(drawn)})"
        axes.set_title(f"{name}{count}", fontsize=theme.TITLE, color=theme.INK, parse_math=False)
        _draw_arrows(axes, skeleton, places[name], drawn, pen)
    if with_matrices:
        _draw_matrices(figure, list(panels[1]), skeleton, graphs)
    _write_scale(figure, [weight for drawn in edges.values() for weight in drawn.values()], pen)
    return figures.save_figure(figure, path)


def edges_drawn(graph: np.ndarray, strongest: int, threshold: float | None) -> dict[tuple[int, int], float]:
    """The edges (receiver, sender) of an actional graph to draw, and their weights in decreasing order.

    Args:
        graph: Actional graph ``[M, M]``, whose diagonal is ignored.
        strongest: Number of edges.
        threshold: If given, return all edges with a larger weight, and ignore `strongest`.
    """
    weights = _without_diagonal(graph)
    order = np.argsort(-weights, axis=None, kind="stable")
    edges = [divmod(int(flat), len(weights)) for flat in order[: strongest if threshold is None else None]]
    return {edge: float(weights[edge]) for edge in edges if weights[edge] > (threshold or 0.0)}


def _relative_threshold(graphs: list[np.ndarray], strongest: int) -> float:
    """The multiple of :math:`1 / M` above which graphs have at most `strongest` edges on average."""
    weights = np.sort(np.concatenate([_without_diagonal(graph).ravel() for graph in graphs]))[::-1]
    cut = weights[min(strongest * len(graphs), len(weights) - 1)]
    return math.ceil(100 * cut * len(graphs[0]) - 1e-9) / 100


def _places(
    skeleton: Skeleton, names: list[str], poses: Mapping[str, figures.Array] | None, up: str | None
) -> dict[str, np.ndarray]:
    """The coordinates of the joints in each panel `[M, 2]`."""
    if poses is None:
        # The body is seen from behind, so left joints are on the left.
        return dict.fromkeys(names, body_layout(skeleton))
    if missing := [name for name in names if name not in poses]:
        raise ValueError(f"'poses' has no pose '{missing[0]}', expected one for each actional graph")
    shape = [skeleton.num_joints, skeleton.num_features]
    shown = [figures.checked(f"poses[{name}]", poses[name], shape) for name in names]
    # All poses have the same up axis, but each has its own camera direction.
    together = Motion(poses=torch.from_numpy(np.stack(shown))[:, None], skeleton=skeleton)
    up = up or view_of(together).up
    views = (view_of(together.persons([number]), up=up) for number in range(len(names)))
    return {name: view.project(pose) for name, view, pose in zip(names, views, shown, strict=True)}


def _without_diagonal(graph: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(graph), dtype=bool), 0.0, graph)


class _Pen(Normalize):
    """Line widths and opacities of edges, from the lightest drawn edge to the heaviest."""

    def __init__(self, lightest: float, heaviest: float, largest: float) -> None:
        super().__init__(lightest, max(heaviest, lightest + 1e-12), clip=True)
        self.largest = largest  # width of the heaviest edge, in points

    def look(self, weight: float) -> dict[str, Any]:
        """Width and opacity of an edge."""
        share = float(self(weight))
        return {"linewidth": 0.7 + self.largest * share, "alpha": 0.4 + 0.5 * share}


def _draw_arrows(
    axes: Axes, skeleton: Skeleton, pose: np.ndarray, edges: dict[tuple[int, int], float], pen: _Pen
) -> None:
    figures.bare(axes)
    figures.draw_segments(axes, pose, skeleton.edges, **_BONE)
    axes.scatter(pose[:, 0], pose[:, 1], s=14, c=theme.BLUE, zorder=2)
    # The heaviest edge is drawn last, on top.
    for (receiver, sender), weight in reversed(edges.items()):
        arrow = FancyArrowPatch(
            tuple(pose[sender]),
            tuple(pose[receiver]),
            connectionstyle="arc3,rad=0.25",
            arrowstyle="-|>",
            mutation_scale=5 + 2.5 * pen.largest * float(pen(weight)),
            color=theme.VERMILLION,
            shrinkA=2,
            shrinkB=3,
            zorder=3,
            **pen.look(weight),
        )
        axes.add_patch(arrow)
    axes.margins(0.12)


def _draw_matrices(
    figure: Figure, panels: list[Axes], skeleton: Skeleton, graphs: Mapping[str, np.ndarray]
) -> None:
    # The range contains at least 0.5 to 1.5 times the equal weight, so that nearly equal weights are white.
    equal, weights = 1 / skeleton.num_joints, np.stack(list(graphs.values()))
    norm = TwoSlopeNorm(equal, min(weights.min(), 0.5 * equal), max(weights.max(), 1.5 * equal))
    joints, places = skeleton.joints, range(skeleton.num_joints)
    size = min(theme.SMALL, 200 / skeleton.num_joints)
    for axes, graph in zip(panels, graphs.values(), strict=True):
        axes.set_axis_on()
        image = axes.imshow(graph, cmap="PuOr_r", norm=norm)
        axes.set_xticks(places, joints, rotation=90, fontsize=size)
        axes.set_yticks(places, joints, fontsize=size)
        axes.tick_params(length=0, labelleft=axes is panels[0])
        axes.set_xlabel("from", fontsize=theme.TEXT)
    panels[0].set_ylabel("received by", fontsize=theme.TEXT)
    figures.add_colorbar(figure, image, "weight", ax=panels, fraction=0.03, pad=0.01)


def _write_scale(figure: Figure, weights: list[float], pen: _Pen) -> None:
    """Add a legend of line widths: the lightest edge, the heaviest edge, and a weight between them."""
    steps: dict[str, float] = {}
    if weights:
        low, high = min(weights), max(weights)
        show = figures.number_format([high])
        steps = {show(weight): weight for weight in (low, (low + high) / 2, high)}
    entries = [
        (f"weight {text}", {"color": theme.VERMILLION, **pen.look(weight)}) for text, weight in steps.items()
    ]
    entries.append(("bone", _BONE))
    figures.add_legend(figure, entries, loc="outside lower center", ncols=len(entries))
