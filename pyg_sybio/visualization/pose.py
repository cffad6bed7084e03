"""The look of a body in a picture: its bones in the colours of its sides, without what was not recorded."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection

from pyg_sybio.skeleton import Skeleton
from pyg_sybio.visualization.figures import BLUE, GREEN, GREY, INK, ORANGE, SKY, VERMILLION


class Colors(NamedTuple):
    """Colours of a body: its middle, its left and its right."""

    middle: str
    left: str
    right: str


_ALONE = Colors(INK, BLUE, ORANGE)
# A forecast: what the model saw, what came, what it said would come, and the way from the one to the other.
OBSERVED, TRUTH, PREDICTED = Colors(INK, INK, INK), Colors(GREY, GREY, GREY), Colors(BLUE, BLUE, BLUE)
ERROR = VERMILLION
# Several persons: a hue each, and in it the left dark and the right light, told apart without the hue.
_TOGETHER = (
    Colors(BLUE, BLUE, SKY),
    Colors(VERMILLION, VERMILLION, ORANGE),
    Colors(GREEN, GREEN, "#7ED9BC"),
    Colors("#8E3A6E", "#8E3A6E", "#DDA0C3"),
    Colors(INK, INK, GREY),
)
_SIDES = {"middle": 0, "left": 1, "right": -1}


def person_colors(num_persons: int) -> list[Colors]:
    """Colours of each person: with one alone the sides are hues, with several the persons are."""
    if num_persons == 1:
        return [_ALONE]
    return [_TOGETHER[person % len(_TOGETHER)] for person in range(num_persons)]


def joint_sides(skeleton: Skeleton) -> np.ndarray:
    """1 for a left joint, -1 for a right one, 0 for one without a mirror image; `[M]`."""
    sides = np.zeros(skeleton.num_joints, dtype=int)
    for left, right in skeleton.mirror:
        sides[[skeleton.joint_index(left), skeleton.joint_index(right)]] = 1, -1
    return sides


def bone_sides(skeleton: Skeleton) -> np.ndarray:
    """The side of each bone `[B]`: that of its ends; a bone from left to right is in the middle."""
    sides = joint_sides(skeleton)
    return np.array([np.sign(sides[a] + sides[b]) for a, b in skeleton.bone_pairs], dtype=int)


class PoseArtist:
    """A body on axes, to be moved from frame to frame.

    Args:
        axes: Where to draw.
        skeleton: Its bones are drawn; bridges, which are no bones, are not.
        colors: Of the body.
        width: Of the bones, in points.
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
    """Lines from the joints of a body to the same joints of another, to be moved from frame to frame.

    Args:
        axes: Where to draw.
        width: Of the lines, in points.
    """

    def __init__(self, axes: Axes, *, width: float = 1.0) -> None:
        # Above the bodies: the error of a joint that is nearly right would hide behind it.
        self.lines = LineCollection([], colors=ERROR, linewidths=width, capstyle="round", zorder=6)
        axes.add_collection(self.lines, autolim=False)

    def show(self, ends: np.ndarray, present: np.ndarray) -> None:
        """Join the joints of two poses `[2, M, 2]` where both are `present` `[2, M]`."""
        self.lines.set_segments(list(ends.swapaxes(0, 1)[present.all(axis=0)]))


def color_keys(skeleton: Skeleton, num_persons: int) -> list[tuple[str, str]]:
    """Entries of a legend: colours, and what they say about persons and sides."""
    colors = person_colors(num_persons)
    with_sides = bool(skeleton.mirror)
    if num_persons == 1:
        entries = [(colors[0].left, "left"), (colors[0].right, "right")] if with_sides else []
    else:
        entries = []
        for person, shade in enumerate(colors):
            name = f"person {person + 1}"
            entries.append((shade.left, f"{name}, left" if with_sides else name))
            if with_sides:
                entries.append((shade.right, f"{name}, right"))
    return entries
