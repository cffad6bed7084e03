"""Actional graphs drawn over poses (§4.1.1, Fig. 12)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.visualization import theme
from pyg_sybio.visualization.figures import (
    Array,
    add_colorbar,
    add_legend,
    bare,
    check_shape,
    draw_segments,
    new_figure,
    number_format,
    save_figure,
    to_numpy,
)
from pyg_sybio.visualization.skeleton_figure import body_layout
from pyg_sybio.visualization.view import view_of

_WITH_MATRICES = 3  # largest number of panels with matrices below
_COLUMNS = 5
_FEW = 20  # largest number of arrows per panel of full width
_PANEL, _HEIGHT, _MATRIX_PANEL = 3.1, 3.5, 4.0  # inches


def draw_actional(
    skeleton: Skeleton,
    actionals: Mapping[str, Array],
    path: str | Path,
    *,
    poses: Mapping[str, Array] | None = None,
    strongest: int = 12,
    threshold: float | None = None,
    title: str = "",
    up: str | None = None,
) -> Figure:
    """Draw actional graphs over poses, one per panel; up to three panels have their matrices below.

    An arrow runs from the sending to the receiving joint. Its width and opacity follow the weight, on one
    scale for all panels. The diagonal is not drawn. With a threshold, the number of arrows follows the title
    of a panel in brackets, as in the paper.

    Args:
        skeleton: Topology of the poses.
        actionals: Titles of panels and actional graphs ``[M, M]``, where ``[i, j]`` is the weight of what
            ``i`` receives from ``j``.
        path: File to write: .png, .svg or .pdf.
        poses: Titles of panels and poses ``[M, D]``. (default: a schematic body, for rotations, which have no
            pose)
        strongest: Number of strongest edges to draw per panel.
        threshold: Draw the edges whose weight is above this instead.
        title: Beginning of the title, followed by which edges are drawn.
        up: The axis that points up (:func:`~pyg_sybio.visualization.view.view_of`).

    Returns:
        The figure as written.

    Raises:
        ValueError: If there is no graph, a graph has no pose, a shape does not fit the skeleton, or no edge
            weighs more than `threshold`.
    """
    if not actionals:
        raise ValueError("'actionals' is empty, expected at least one actional graph")
    joints = skeleton.num_joints
    graphs = {name: to_numpy(graph) for name, graph in actionals.items()}
    for name, graph in graphs.items():
        check_shape(f"actionals[{name}]", graph, [joints, joints])
    places = _places(skeleton, list(graphs), poses, up)
    edges = {name: edges_drawn(graph, strongest, threshold) for name, graph in graphs.items()}
    heaviest = max(float(_without_diagonal(graph).max()) for graph in graphs.values())
    if threshold is not None and not any(edges.values()):
        raise ValueError(
            f"'threshold' is {threshold:g}, but the heaviest edge is {heaviest:.3g}, expected less than that"
        )

    # Many lines are thinner.
    crowd = max(len(drawn) for drawn in edges.values()) / _FEW
    pen = _Pen(1 / joints, heaviest, 2.6 / math.sqrt(max(crowd, 1.0)))

    with_matrices = len(graphs) <= _WITH_MATRICES
    rows = 1 if with_matrices else math.ceil(len(graphs) / _COLUMNS)
    columns = math.ceil(len(graphs) / rows)
    width = max(columns * (_MATRIX_PANEL if with_matrices else _PANEL), 5.0) + (0.6 if with_matrices else 0.0)
    height = 8.4 if with_matrices else rows * _HEIGHT
    figure = new_figure(width, height + 0.45, _said(title, joints, strongest, threshold))
    figure.set_layout_engine("constrained", h_pad=0.1)
    panels = figure.subplots(2 if with_matrices else rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, (name, graph) in zip(panels.flat, graphs.items(), strict=False):
        count = "" if threshold is None else f" ({len(edges[name])})"
        axes.set_title(f"{name}{count}", fontsize=theme.TITLE, color=theme.INK, parse_math=False)
        _draw_arrows(axes, skeleton, places[name], graph, edges[name], pen)
    if with_matrices:
        _draw_matrices(figure, list(panels[1]), skeleton, graphs)
    _write_scale(figure, [float(graphs[name][edge]) for name in graphs for edge in edges[name]], pen)
    save_figure(figure, path)
    return figure


def edges_drawn(graph: np.ndarray, strongest: int, threshold: float | None) -> list[tuple[int, int]]:
    """The edges of an actional graph to draw, as pairs (receiver, sender), the heaviest first.

    Args:
        graph: ``[M, M]``; its diagonal is ignored.
        strongest: Number of edges.
        threshold: Instead, all edges whose weight is above this.
    """
    weights = _without_diagonal(graph)
    order = np.argsort(-weights, axis=None, kind="stable")
    edges = [divmod(int(flat), len(weights)) for flat in order[: strongest if threshold is None else None]]
    limit = max(threshold or 0.0, 0.0)
    return [edge for edge in edges if weights[edge] > limit]


def _places(
    skeleton: Skeleton, names: list[str], poses: Mapping[str, Array] | None, up: str | None
) -> dict[str, np.ndarray]:
    """The places of the joints in each panel `[M, 2]`."""
    if poses is None:
        # Left joints are on the left: the body is seen from behind.
        return dict.fromkeys(names, body_layout(skeleton))
    if missing := [name for name in names if name not in poses]:
        raise ValueError(f"'poses' has no pose '{missing[0]}', expected one for each actional graph")
    stacked = {name: to_numpy(poses[name]) for name in names}
    for name, pose in stacked.items():
        check_shape(f"poses[{name}]", pose, [skeleton.num_joints, skeleton.num_features])
    # One vertical axis for all poses, but a camera for each.
    motions = {
        name: Motion(poses=torch.from_numpy(pose)[None, None], skeleton=skeleton)
        for name, pose in stacked.items()
    }
    together = Motion(poses=torch.cat([motion.poses for motion in motions.values()]), skeleton=skeleton)
    if together.num_spatial == 3 and up is None:
        upwards = view_of(together).axes[1]
        axis = int(np.abs(upwards).argmax())
        up = ("-" if upwards[axis] < 0 else "") + "xyz"[axis]
    return {name: view_of(motion, up=up).project(stacked[name]) for name, motion in motions.items()}


def _said(title: str, joints: int, strongest: int, threshold: float | None) -> str:
    if threshold is None:
        edges = f"the {strongest} strongest edges"
    else:
        edges = f"edges with a weight above {threshold:g}, their number in brackets"
    return f"{title + ': ' if title else ''}{edges}. Equal weights would be {1 / joints:.3f}."


def _without_diagonal(graph: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(graph), dtype=bool), 0.0, graph)


@dataclass(frozen=True)
class _Pen:
    """Widths and opacities of weights, from equal weights up to the heaviest edge.

    Args:
        equal: Weight of every edge if all had the same.
        heaviest: Weight of the heaviest edge.
        largest: Width of the heaviest edge, in points.
    """

    equal: float
    heaviest: float
    largest: float

    def share(self, weight: float) -> float:
        return min(max((weight - self.equal) / max(self.heaviest - self.equal, 1e-12), 0.0), 1.0)

    def look(self, weight: float) -> dict[str, Any]:
        """Width and opacity of an edge."""
        share = self.share(weight)
        return {"linewidth": 0.7 + self.largest * share, "alpha": 0.4 + 0.5 * share}


def _draw_arrows(
    axes: Axes,
    skeleton: Skeleton,
    pose: np.ndarray,
    graph: np.ndarray,
    edges: list[tuple[int, int]],
    pen: _Pen,
) -> None:
    bare(axes)
    draw_segments(axes, pose, skeleton.edges, color=theme.SKY, width=3)
    axes.scatter(pose[:, 0], pose[:, 1], s=14, c=theme.BLUE, zorder=2)
    # The heaviest comes last and lies on top.
    for receiver, sender in reversed(edges):
        weight = float(graph[receiver, sender])
        arrow = FancyArrowPatch(
            tuple(pose[sender]),
            tuple(pose[receiver]),
            connectionstyle="arc3,rad=0.25",
            arrowstyle="-|>",
            mutation_scale=5 + 2.5 * pen.largest * pen.share(weight),
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
    largest = max(graph.max() for graph in graphs.values())
    for axes, graph in zip(panels, graphs.values(), strict=True):
        axes.set_axis_on()
        image = axes.imshow(graph, cmap="cividis", vmin=0, vmax=largest)
        _label_joints(axes, skeleton, first=axes is panels[0])
    add_colorbar(figure, image, "weight", ax=panels, fraction=0.03, pad=0.01)


def _write_scale(figure: Figure, weights: list[float], pen: _Pen) -> None:
    """Add a legend of widths: the lightest edge, the heaviest, and one between."""
    if not weights:
        return
    low, high = min(weights), max(weights)
    show = number_format([high])
    steps = {show(weight): weight for weight in (low, (low + high) / 2, high)}
    entries = [
        (f"weight {text}", {"color": theme.VERMILLION, **pen.look(weight)}) for text, weight in steps.items()
    ]
    entries.append(("bone", {"color": theme.SKY, "linewidth": 3}))
    add_legend(figure, entries, loc="outside lower center", ncols=len(entries))


def _label_joints(axes: Axes, skeleton: Skeleton, *, first: bool) -> None:
    joints, size = skeleton.joints, min(theme.SMALL, 200 / skeleton.num_joints)
    axes.set_xticks(range(len(joints)), joints, rotation=90, fontsize=size)
    axes.set_yticks(range(len(joints)), joints, fontsize=size)
    axes.tick_params(length=0, labelleft=first)
    axes.set_xlabel("from", fontsize=theme.TEXT)
    if first:
        axes.set_ylabel("received by", fontsize=theme.TEXT)
