"""A standing stick figure as a motion."""

from typing import Any

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton

STICK = Skeleton(
    name="stick",
    joints=("pelvis", "chest", "head", "left_hand", "right_hand", "left_foot", "right_foot"),
    bones=(
        ("pelvis", "chest"),
        ("chest", "head"),
        ("chest", "left_hand"),
        ("chest", "right_hand"),
        ("pelvis", "left_foot"),
        ("pelvis", "right_foot"),
    ),
    center="pelvis",
    parts={
        "trunk": ("pelvis", "chest"),
        "head": ("head",),
        "left": ("left_hand", "left_foot"),
        "right": ("right_hand", "right_foot"),
    },
    part_bones=(("trunk", "head"), ("trunk", "left"), ("trunk", "right")),
    mirror=(("left_hand", "right_hand"), ("left_foot", "right_foot")),
    coordinates="xyz",
    units="m",
)

# y is up, the body faces along z, and its left is along x.
STANDING = torch.tensor(
    [
        (0, 1.0, 0),
        (0, 1.5, 0),
        (0, 1.8, 0),
        (0.7, 1.4, 0.1),
        (-0.7, 1.4, 0.1),
        (0.15, 0, 0.1),
        (-0.15, 0, 0.1),
    ]
)


def stick_motion(num_frames: int = 5, num_persons: int = 1, **fields: Any) -> Motion:
    """Stick figures side by side, two metres apart, that rise by one centimetre per frame."""
    places = torch.tensor([2.0, 0, 0]) * torch.arange(num_persons)[:, None, None, None]
    rise = torch.tensor([0, 0.01, 0]) * torch.arange(num_frames)[None, :, None, None]
    values: dict[str, Any] = {
        "poses": STANDING + places + rise,
        "skeleton": STICK,
        "frame_rate": 10.0,
        "source": "folder/stick.npz",
    }
    return Motion(**values | fields)


def without(motion: Motion, missing: torch.Tensor) -> Motion:
    """Return the motion without the joints of `missing` `[P, T, M]`."""
    present = motion.present & ~missing
    return motion.replace(poses=motion.poses * present[..., None], present=present)
