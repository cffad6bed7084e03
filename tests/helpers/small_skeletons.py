"""The names of the shipped skeletons, small skeletons, and a breadth-first search."""

from collections import deque
from typing import Any

from pyg_sybio.skeleton import Skeleton

SHIPPED = {
    "ntu25": 25,
    "openpose18": 18,
    "openpose25": 25,
    "coco17": 17,
    "mediapipe33": 33,
    "azure32": 32,
    "h36m32": 32,
    "cmu38": 38,
    "smpl24": 24,
    "jhmdb15": 15,
    "hand21": 21,
    "ucla20": 20,
    "utd20": 20,
    "sbu15": 15,
    "h36m17": 17,
    "smpl22": 22,
    "halpe26": 26,
    "coco133": 133,
}
SHIPPED_AND_USED = [*SHIPPED, "h36m32:used", "cmu38:used", "coco133:body"]


def document(**changes: Any) -> dict[str, Any]:
    """A skeleton document with six joints and some changed fields."""
    body = {
        "name": "stick",
        "description": "",
        "source": "",
        "joints": ["root", "top", "left_arm", "right_arm", "left_hand", "right_hand"],
        "bones": [
            ["root", "top"],
            ["top", "left_arm"],
            ["top", "right_arm"],
            ["left_arm", "left_hand"],
            ["right_arm", "right_hand"],
        ],
        "center": "root",
        "parts": {
            "trunk": ["root", "top"],
            "left": ["left_arm", "left_hand"],
            "right": ["right_arm", "right_hand"],
        },
        "part_bones": [["trunk", "left"], ["trunk", "right"]],
        "mirror": [["left_arm", "right_arm"], ["left_hand", "right_hand"]],
        "coordinates": "xyz",
        "units": "m",
    }
    return body | changes


def make(
    joints: str,
    bones: str,
    *,
    center: str,
    subset: str = "",
    bridges: str = "",
    mirror: str = "",
    parts: dict[str, str] | None = None,
    part_bones: str = "",
) -> Skeleton:
    """A skeleton with one-letter joints; bones and bridges are given as ``"ab bc"``."""
    return Skeleton(
        name="letters",
        joints=tuple(joints),
        bones=tuple((a, b) for a, b in bones.split()),
        center=center,
        parts={part: tuple(members) for part, members in (parts or {"all": joints}).items()},
        part_bones=tuple((a, b) for a, b in part_bones.split()),
        mirror=tuple((a, b) for a, b in mirror.split()),
        coordinates="xy",
        units="px",
        bridges=tuple((a, b) for a, b in bridges.split()),
        subsets={"kept": tuple(subset)} if subset else {},
    )


def hops_from(skeleton: Skeleton, start: int) -> dict[int, int]:
    """Return the number of hops from a joint to each joint that it reaches."""
    hops, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for a, b in skeleton.edges:
            for one, other in ((a, b), (b, a)):
                if one == here and other not in hops:
                    hops[other] = hops[here] + 1
                    queue.append(other)
    return hops


def as_set(pairs: Any) -> set[frozenset[Any]]:
    return {frozenset(pair) for pair in pairs}
