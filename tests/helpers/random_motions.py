"""Random motions with missing joints, frames and persons, as in real recordings."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton, load_skeleton

# One skeleton per type of coordinates.
NAMES = {"xyz": "ntu25", "xy": "jhmdb15", "xy+score": "openpose18", "expmap": "h36m32"}


def random_motion(
    skeleton: Skeleton | str = "ntu25",
    *,
    num_persons: int = 3,
    num_frames: int = 30,
    missing: float = 0.2,
    dtype: torch.dtype = torch.float32,
) -> Motion:
    """Persons in slow random walks, each with larger steps than the previous one.

    If `missing` is positive, random joints are missing. One joint of the first person is missing in all
    frames, and all joints are missing in two frames at the start, in the middle and at the end. The second
    person appears later than the first.
    """
    if isinstance(skeleton, str):
        skeleton = load_skeleton(skeleton)
    shape = (num_persons, num_frames, skeleton.num_joints)
    scale = torch.arange(1.0, num_persons + 1).view(-1, 1, 1, 1)
    place = torch.randn(num_persons, 1, skeleton.num_joints, skeleton.num_features)
    poses = (place + 0.1 * scale * torch.randn(*shape, skeleton.num_features).cumsum(1)).to(dtype)
    present = torch.rand(shape) >= missing
    if missing:
        present[:, :2] = present[:, -2:] = False
        present[:, num_frames // 2 : num_frames // 2 + 2] = False
        present[1:2, : num_frames // 4] = False
        present[0, :, 3] = False
    confidence = torch.rand(shape) * present
    if skeleton.coordinates == "xy+score":
        poses[..., 2] = confidence
    path = torch.randn(num_persons, num_frames, 3, dtype=dtype) if skeleton.coordinates == "expmap" else None
    return Motion(
        poses=poses * present[..., None],
        skeleton=skeleton,
        present=present,
        confidence=confidence,
        translation=path,
        frame_rate=30.0,
        label="wave",
        ids={"subject": "1"},
        source="a test",
    )
