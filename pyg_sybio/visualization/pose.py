"""Bodies in pictures: bones in the colours of their sides, without joints that were not recorded."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection

from pyg_sybio.skeleton import Skeleton
from pyg_sybio.visualization.theme import BLUE, GREEN, GREY, INK, ORANGE, SKY, VERMILLION


class Colors(NamedTuple):
    """Colours of the middle, the left and the right of a body."""

    middle: str
    left: str
    right: str


_ALONE = Colors(INK, BLUE, ORANGE)
# A forecast: observed, true and predicted bodies, and lines from true to predicted joints.
OBSERVED, TRUTH, PREDICTED = Colors(INK, INK, INK), Colors(GREY, GREY, GREY), Colors(BLUE, BLUE, BLUE)
ERROR = VERMILLION
# Several persons: a hue each, dark on the left and light on the right, for any colour vision.
_TOGETHER = (
    Colors(BLUE, BLUE, SKY),
    Colors(VERMILLION, VERMILLION, ORANGE),
    Colors(GREEN, GREEN, "#7ED9BC"),
    Colors("#8E3A6E", "#8E3A6E", "#DDA0C3"),
    Colors(INK, INK, GREY),
)
_SIDES = {"middle": 0, "left": 1, "right": -1}


def person_colors(num_persons: int) -> list[Colors]:
    """Colours of each person: hues distinguish the sides of a single person, or several persons."""
    if num_persons == 1:
        return [_ALONE]
    return [_TOGETHER[person % len(_TOGETHER)] for person in range(num_persons)]


def joint_sides(skeleton: Skeleton) -> np.ndarray:
    """Side of each joint `[M]`: 1 left, -1 right, 0 without a mirror image."""
    sides = np.zeros(skeleton.num_joints, dtype=int)
    for left, right in skeleton.mirror:
        sides[[skeleton.joint_index(left), skeleton.joint_index(right)]] = 1, -1
    return sides


def bone_sides(skeleton: Skeleton) -> np.ndarray:
    """Side of each bone `[B]`, by its ends; a bone from left to right is in the middle."""
    sides = joint_sides(skeleton)
    return np.array([np.sign(sides[a] + sides[b]) for a, b in skeleton.bone_pairs], dtype=int)


class PoseArtist:
    """A body on axes that moves from frame to frame.

    Args:
        axes: Where to draw.
        skeleton: Skeleton of the body; its bridges are not drawn.
        colors: Colours of the body.
        width: Width of the bones in points.
    """

    def __init__(self, axes: Axes, skeleton: Skeleton, colors: Colors, *, width: float = 2.0) -> None:
        self._joint_sides, self._bone_sides = joint_sides(skeleton), bone_sides(skeleton)
        self._bones = np.array(skeleton.bone_pairs, dtype=int).reshape(-1, 2)
        self.bones: dict[str, LineCollection] = {}
        self.joints: dict[str, PathCollection] = {}
        for order, (side, color) in enumerate(zip(_SIDES, colors, strict=True), start=2):
            lines = LineCollection([], colors=color, linewidths=width, capstyle="round", zorder=order)
            axes.add_collection(lines, autolim=False)
            self.bones[side] = lines
            size = (1.5 * width) ** 2
            self.joints[side] = axes.scatter([], [], s=size, c=color, linewidths=0, zorder=order)

    def show(self, points: np.ndarray, present: np.ndarray) -> None:
        """Draw the pose `[M, 2]`; joints that are not `present` `[M]`, and their bones, are left out."""
        whole = present[self._bones].all(axis=1)
        for side, sign in _SIDES.items():
            self.bones[side].set_segments(points[self._bones[whole & (self._bone_sides == sign)]])
            self.joints[side].set_offsets(points[present & (self._joint_sides == sign)])


class LinkArtist:
    """Lines between the same joints of two bodies, which move from frame to frame.

    Args:
        axes: Where to draw.
        width: Width of the lines in points.
    """

    def __init__(self, axes: Axes, *, width: float = 1.0) -> None:
        # Above the bodies, which would hide small errors.
        self.lines = LineCollection([], colors=ERROR, linewidths=width, capstyle="round", zorder=6)
        axes.add_collection(self.lines, autolim=False)

    def show(self, ends: np.ndarray, present: np.ndarray) -> None:
        """Connect the joints of two poses `[2, M, 2]` where both are `present` `[2, M]`."""
        self.lines.set_segments(list(ends.swapaxes(0, 1)[present.all(axis=0)]))


def color_keys(skeleton: Skeleton, num_persons: int) -> list[tuple[str, str]]:
    """Entries of a legend: colours and their persons and sides."""
    entries = []
    for person, colors in enumerate(person_colors(num_persons)):
        name = "" if num_persons == 1 else f"person {person + 1}"
        if skeleton.mirror:
            prefix = f"{name}, " if name else ""
            entries += [(colors.left, f"{prefix}left"), (colors.right, f"{prefix}right")]
        elif name:
            entries.append((colors.left, name))
    return entries
