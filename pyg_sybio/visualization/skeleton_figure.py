"""Drawing of the graphs of a skeleton: joints, parts and bones."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes

from pyg_sybio.skeleton import Skeleton
from pyg_sybio.visualization import theme
from pyg_sybio.visualization.figures import add_legend, bare, draw_segments, ink_on, new_figure, save_figure
from pyg_sybio.visualization.pose import joint_sides

_BONE: dict[str, Any] = {"color": theme.GREY, "linewidth": 1.6}
_BRIDGE: dict[str, Any] = {"color": theme.GREY, "linewidth": 1.1, "linestyle": (0, (3, 2))}


def draw_skeleton(skeleton: Skeleton, path: str | Path) -> None:
    """Draw the joint graph, the part graph and the bone graph (the dual) side by side.

    Nodes show their index in the tensors; a list below the graphs gives their names. Colours show parts; a
    part and its mirror image share a colour, because their positions distinguish left from right. Bridges are
    dashed, and the center has a ring.

    Args:
        skeleton: A skeleton of any topology.
        path: File to write: .png, .svg or .pdf.
    """
    joints = body_layout(skeleton)
    dual = skeleton.dual()
    bones = body_layout(dual)
    colors = _part_colors(skeleton)

    figure = new_figure(17, 9.3, f"{skeleton.name}: {skeleton.description}")
    panels = figure.subplots(2, 3, height_ratios=[3.1, 1], width_ratios=[1, 0.9, 1])
    _draw_graph(panels[0, 0], skeleton, joints, colors)
    panels[0, 0].set_title(f"{skeleton.num_joints} joints", fontsize=theme.TITLE)
    _draw_parts(panels[0, 1], skeleton, joints, colors)
    panels[0, 1].set_title(f"{skeleton.num_parts} parts", fontsize=theme.TITLE)
    _draw_graph(panels[0, 2], dual, bones, colors)
    panels[0, 2].set_title(f"{dual.num_joints} bones", fontsize=theme.TITLE)
    _draw_key(panels[1, 0], skeleton, colors)
    _draw_legend(panels[1, 1], bool(skeleton.bridges))
    _draw_key(panels[1, 2], dual, colors)
    save_figure(figure, path)


def body_layout(skeleton: Skeleton) -> np.ndarray:
    r"""Lay out the joints like a body: symmetric, with distances close to the number of hops; ``[M, 2]``.

    The layout minimises the stress :math:`\sum_{i<j} (|y_i - y_j| - d_{ij})^2 / d_{ij}^2` of the hop
    distances :math:`d_{ij}` (Kamada and Kawai, "An algorithm for drawing general undirected graphs", 1989).
    In the initial layout, the first joint of each mirror pair is on the left and its image on the right, and
    the height of a joint is minus its distance to the end of the part ``head`` (or to the center, if there is
    no head). Joints without a mirror image stay on the vertical axis, unless there are no mirror pairs.

    Args:
        skeleton: The skeleton to lay out.
    """
    graph, joints = skeleton.graph(), range(skeleton.num_joints)
    hops = np.array(nx.floyd_warshall_numpy(graph, joints))
    outwards = hops[skeleton.joint_index(skeleton.center)]
    head = np.array([skeleton.joint_index(joint) for joint in skeleton.parts.get("head", (skeleton.center,))])
    down = hops[head[outwards[head] == outwards[head].max()]].mean(axis=0)
    side = -joint_sides(skeleton)

    def symmetric(layout: np.ndarray) -> np.ndarray:
        image = layout[list(skeleton.mirror_permutation)] * (-1, 1)
        return (layout + image) / 2 if skeleton.mirror else layout

    start = np.stack([side * (1 + down) / 2, -down], axis=1)

    candidates = []
    for seed in range(8):
        # The noise separates joints that start at the same position, such as a thumb and a hand.
        places = symmetric(start + np.random.default_rng(seed).normal(scale=0.5, size=start.shape))
        found = nx.kamada_kawai_layout(graph, pos=dict(enumerate(places)))
        layout = symmetric(np.array([found[joint] for joint in joints]))
        apart = np.linalg.norm(layout[:, None] - layout[None], axis=-1)
        share = apart[hops > 0] / hops[hops > 0]
        scale = share.sum() / max((share**2).sum(), 1e-9)  # the scale that minimises the stress
        stress = ((scale * share - 1) ** 2).sum()
        width, height = scale * np.ptp(layout, axis=0)
        # The most important criterion is that left is on the left. Among layouts with similar stress, a tall
        # layout resembles a body most.
        swapped = (layout[:, 0] * side < 0).sum()
        candidates.append((swapped, stress * (1 + width) / (1 + height), seed, scale * layout))
    return min(candidates)[-1]


def _part_colors(skeleton: Skeleton) -> dict[str, str]:
    """Colours of the parts; a part and its mirror image share a colour."""
    names = list(skeleton.parts)
    mirrored = [skeleton.joint_parts[image] for image in skeleton.mirror_permutation]
    twin = {names[part]: names[image] for part, image in zip(skeleton.joint_parts, mirrored, strict=True)}
    palette, colors = cycle(theme.PALETTE), dict[str, str]()
    for name in names:
        colors[name] = colors.get(twin[name]) or next(palette)
    return colors


def _draw_graph(axes: Axes, skeleton: Skeleton, layout: np.ndarray, colors: Mapping[str, str]) -> None:
    bare(axes)
    bones, bridges = skeleton.edges[: skeleton.num_bones], skeleton.edges[skeleton.num_bones :]
    draw_segments(axes, layout, bones, **_BONE)
    draw_segments(axes, layout, bridges, **_BRIDGE)
    names = list(skeleton.parts)
    fills = [colors[names[part]] for part in skeleton.joint_parts]
    axes.scatter(layout[:, 0], layout[:, 1], s=150, c=fills, edgecolors="white", linewidths=0.8, zorder=3)
    x, y = layout[skeleton.joint_index(skeleton.center)]
    axes.scatter(x, y, s=270, facecolors="none", edgecolors=theme.INK, linewidths=1.4, zorder=4)
    for index, ((x, y), fill) in enumerate(zip(layout, fills, strict=True)):
        style: dict[str, Any] = {"fontsize": theme.SMALL, "ha": "center", "va": "center_baseline"}
        axes.text(x, y, str(index), color=ink_on(fill), zorder=5, **style)
    axes.margins(0.08)


def _draw_parts(axes: Axes, skeleton: Skeleton, joints: np.ndarray, colors: Mapping[str, str]) -> None:
    bare(axes)
    part_of = np.array(skeleton.joint_parts)
    places = np.stack([joints[part_of == part].mean(axis=0) for part in range(skeleton.num_parts)])
    draw_segments(axes, places, skeleton.part_edges, **_BONE)
    for name, (x, y) in zip(skeleton.parts, places, strict=True):
        fill = colors[name]
        box = {"boxstyle": "round,pad=0.35", "facecolor": fill, "edgecolor": "white"}
        label = name.replace("_", "\n", 1).replace("_", " ")
        axes.text(x, y, label, color=ink_on(fill), fontsize=theme.SMALL, ha="center", va="center", bbox=box)
    axes.scatter(places[:, 0], places[:, 1], s=0)  # text does not extend axes limits
    axes.margins(0.2)


def _draw_key(axes: Axes, skeleton: Skeleton, colors: Mapping[str, str]) -> None:
    """List the index and name of every node under its part, in columns."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    lines: list[tuple[str, str | None]] = []
    for part, members in skeleton.parts.items():
        lines.append((part.replace("_", " "), colors[part]))
        lines += [(f"{skeleton.joint_index(joint):>2}  {joint}", None) for joint in members]
    columns = 4 if max(len(text) for text, _ in lines) <= 22 else 3
    rows = -(-len(lines) // columns)
    for position, (text, color) in enumerate(lines):
        x, y = position // rows / columns, 1 - position % rows / rows
        if color is not None:
            axes.scatter(x + 0.008, y, s=28, c=color, clip_on=False)
        weight = "bold" if color else "normal"
        axes.text(x + 0.02, y, text, fontsize=theme.SMALL, fontweight=weight, va="center", color=theme.INK)


def _draw_legend(axes: Axes, with_bridges: bool) -> None:
    axes.set_axis_off()
    ring: dict[str, Any] = {"marker": "o", "markersize": 14, "linestyle": "none", "color": theme.LIGHT_GREY}
    ring |= {"markeredgecolor": theme.INK, "markeredgewidth": 1.4}
    entries = [
        ("center: bones point away from it", ring),
        ("bone, or two bones that share a joint", _BONE),
        ("bridge: an edge that is not a bone", _BRIDGE),
    ]
    add_legend(axes, entries if with_bridges else entries[:2], loc="upper center")
