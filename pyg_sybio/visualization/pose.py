"""Drawings of bodies, whose bones are coloured by side."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from pyg_sybio.skeleton import Skeleton
from pyg_sybio.visualization.theme import BLUE, GREEN, GREY, INK, ORANGE, SKY, VERMILLION


class Colors(NamedTuple):
    """Colours of the middle, the left side and the right side of a body."""

    middle: str
    left: str
    right: str


_ALONE = Colors(INK, BLUE, ORANGE)
# A forecast: observed, true and predicted bodies, and lines from true to predicted joints.
OBSERVED, TRUTH, PREDICTED = Colors(INK, INK, INK), Colors(GREY, GREY, GREY), Colors(BLUE, BLUE, BLUE)
ERROR = VERMILLION
# Several persons: one hue per person, dark on the left and light on the right for colour-blind readers.
_TOGETHER = (
    Colors(BLUE, BLUE, SKY),
    Colors(VERMILLION, VERMILLION, ORANGE),
    Colors(GREEN, GREEN, "#7ED9BC"),
    Colors("#8E3A6E", "#8E3A6E", "#DDA0C3"),
    Colors(INK, INK, GREY),
)


def person_colors(num_persons: int) -> list[Colors]:
    """Colours of each person: one person has a hue per side of the body; several have one hue each."""
    if num_persons == 1:
        return [_ALONE]
    return [_TOGETHER[person % len(_TOGETHER)] for person in range(num_persons)]


def joint_sides(skeleton: Skeleton) -> np.ndarray:
    """Side of each joint `[M]`: 1 for left, -1 for right, 0 for joints without a mirror image."""
    sides = np.zeros(skeleton.num_joints, dtype=int)
    for left, right in skeleton.mirror:
        sides[[skeleton.joint_index(left), skeleton.joint_index(right)]] = 1, -1
    return sides


def bone_sides(skeleton: Skeleton) -> np.ndarray:
    """Side of each bone `[B]`, from the sides of its joints: 1, -1, or 0 if it runs from left to right."""
    sides = joint_sides(skeleton)
    return np.array([np.sign(sides[a] + sides[b]) for a, b in skeleton.bone_pairs], dtype=int)


class PoseArtist:
    """A body drawn on axes and updated for each frame.

    Args:
        axes: Axes to draw on.
        skeleton: Skeleton of the body; its bridges are not drawn.
        colors: Colours of the body.
        width: Width of the bones in points.
    """

    def __init__(self, axes: Axes, skeleton: Skeleton, colors: Colors, *, width: float = 2.0) -> None:
        bones = np.array(skeleton.bone_pairs, dtype=int).reshape(-1, 2)
        sides = bone_sides(skeleton)
        # The right side is drawn over the left, and the left over the middle. Side -1 has the last colour.
        order = np.argsort(sides % len(colors), kind="stable")
        self._bones, self._bone_colors = bones[order], np.array(colors)[sides[order]]
        self._joint_colors = np.array(colors)[joint_sides(skeleton)]
        self.bones = LineCollection([], linewidths=width, capstyle="round", zorder=2)
        axes.add_collection(self.bones, autolim=False)
        self.joints = axes.scatter([], [], s=(1.5 * width) ** 2, linewidths=0, zorder=3)

    def show(self, points: np.ndarray) -> None:
        """Draw the pose `[M, 2]`; joints that are NaN, and their bones, are left out."""
        present = ~np.isnan(points[:, 0])
        whole = present[self._bones].all(axis=1)
        self.bones.set(segments=points[self._bones[whole]], color=self._bone_colors[whole])
        self.joints.set(offsets=points[present], color=self._joint_colors[present])
