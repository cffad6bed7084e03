"""A picture of actional graphs (§4.1.1): which joints a model lets talk to which."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from pyg_sybio.skeleton import Skeleton
from pyg_sybio.visualization.figures import (
    BLUE,
    LIGHT_GREY,
    SMALL,
    TEXT,
    TITLE,
    VERMILLION,
    Array,
    bare,
    check_shape,
    draw_segments,
    new_figure,
    save_figure,
    to_numpy,
)
from pyg_sybio.visualization.projection import project


def draw_actional(
    skeleton: Skeleton,
    actionals: Mapping[str, Array],
    path: str | Path,
    *,
    poses: Mapping[str, Array],
    top: int = 12,
    threshold: float | None = None,
    title: str = "",
    up_axis: int = 1,
) -> None:
    """Draw actional graphs over poses, one panel each, with the matrix below.

    An arrow runs from the joint that sends to the joint that receives, and its width follows the weight, on
    one scale for all panels. The diagonal is not drawn as arrows.

    Args:
        skeleton: Topology of the poses.
        actionals: Title of a panel to its actional graph ``[M, M]``, where ``[i, j]`` weighs what ``i``
            receives from ``j``.
        path: PNG file to write.
        poses: Title of a panel to a pose ``[M, D]``.
        top: Number of strongest edges drawn in each panel.
        threshold: Draw the edges heavier than this instead.
        title: Line above the panels.
        up_axis: The axis that points up, in three dimensions.

    Raises:
        ValueError: If there is no graph, a graph has no pose, or a shape does not fit the skeleton.
    """
    if not actionals:
        raise ValueError("'actionals' is empty, expected at least one actional graph")
    if missing := [name for name in actionals if name not in poses]:
        raise ValueError(f"'poses' has no pose '{missing[0]}', expected one for each actional graph")
    joints = skeleton.num_joints
    graphs = {name: to_numpy(graph) for name, graph in actionals.items()}
    places = {name: to_numpy(poses[name]) for name in graphs}
    for name, graph in graphs.items():
        check_shape(f"actionals[{name}]", graph, [joints, joints])
        check_shape(f"poses[{name}]", places[name], [joints, "D"])
    heaviest = max(float(_without_diagonal(graph).max()) for graph in graphs.values())

    figure = new_figure(max(3.9 * len(graphs), 5.0) + 0.6, 8.6)
    panels = figure.subplots(2, len(graphs), squeeze=False, height_ratios=[1, 1])
    for column, (name, graph) in enumerate(graphs.items()):
        (pose,) = project(skeleton, [places[name]], places[name], up_axis)
        panels[0, column].set_title(name, fontsize=TITLE)
        _draw_arrows(panels[0, column], skeleton, pose, graph, top, threshold, heaviest)
        image = panels[1, column].imshow(
            graph, cmap="cividis", vmin=0, vmax=max(g.max() for g in graphs.values())
        )
        _label_joints(panels[1, column], skeleton, first=column == 0)
    bar = figure.colorbar(image, ax=panels[1, :].tolist(), fraction=0.03, pad=0.01)
    bar.set_label("weight", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    if title:
        figure.suptitle(title, fontsize=TITLE)
    save_figure(figure, path)


def _without_diagonal(graph: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(graph), dtype=bool), 0.0, graph)


def _draw_arrows(
    axes: Axes,
    skeleton: Skeleton,
    pose: np.ndarray,
    graph: np.ndarray,
    top: int,
    threshold: float | None,
    heaviest: float,
) -> None:
    bare(axes)
    draw_segments(axes, pose, skeleton.edges, color=LIGHT_GREY, width=3)
    axes.scatter(pose[:, 0], pose[:, 1], s=14, c=BLUE, zorder=2)
    weights = _without_diagonal(graph)
    order = np.argsort(-weights, axis=None, kind="stable")
    edges = [divmod(int(flat), len(weights)) for flat in order[: top if threshold is None else None]]
    limit = max(threshold or 0.0, 0.0)
    # Heaviest last, so that it lies on top.
    for receiver, source in reversed([edge for edge in edges if weights[edge] > limit]):
        share = weights[receiver, source] / heaviest
        arrow = FancyArrowPatch(
            tuple(pose[source]),
            tuple(pose[receiver]),
            connectionstyle="arc3,rad=0.25",
            arrowstyle="-|>",
            mutation_scale=6 + 6 * share,
            linewidth=0.5 + 2.5 * share,
            color=VERMILLION,
            alpha=0.35 + 0.5 * share,
            shrinkA=2,
            shrinkB=3,
            zorder=3,
        )
        axes.add_patch(arrow)
    axes.margins(0.12)


def _label_joints(axes: Axes, skeleton: Skeleton, *, first: bool) -> None:
    size = min(SMALL, 200 / skeleton.num_joints)
    axes.set_xticks(range(skeleton.num_joints), skeleton.joints, rotation=90, fontsize=size)
    axes.set_yticks(
        range(skeleton.num_joints), skeleton.joints if first else [""] * skeleton.num_joints, fontsize=size
    )
    axes.tick_params(length=0)
    axes.set_xlabel("from", fontsize=TEXT)
    if first:
        axes.set_ylabel("received by", fontsize=TEXT)
