r"""What rigs of every file format share: turns about axes to matrices, and joint positions frame by frame."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.rotations import euler_to_matrix, forward_kinematics
from pyg_sybio.skeleton import Skeleton

MAX_JOINTS = 1000
"""A rig of more joints is refused: no body has them, and a damaged or hostile file may."""

# Joints times frames that are posed at once: a few dozen megabytes, however long the file is.
_POSED_AT_ONCE = 2**16

Pose = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From the values of frames `[T, C]` to the rotations `[T, J, 3, 3]` and steps `[T, J, 3]` of the joints."""


def is_name(text: str) -> bool:
    """Whether a text may name a joint: printable, and read without loss from its bytes."""
    return bool(text) and text.isprintable() and "\ufffd" not in text


def turns_to_matrices(turns: Sequence[Sequence[tuple[str, int]]], values: Tensor) -> Tensor:
    r"""The product of each joint's turns about axes, `R = R_first R_second ...` (intrinsic).

    Args:
        turns: For each joint at most three turns about different axes: the axis (`"X"`, `"Y"`, `"Z"`) and the
            column of `values` that has the angle.
        values: The columns, the angles in radians.

    Shapes:
        - **values:** `[T, C]`
        - **output:** `[T, J, 3, 3]`
    """
    num_frames, zero_column = values.shape
    padded = torch.cat([values, values.new_zeros(num_frames, 1)], dim=1)
    joints_of: dict[str, list[int]] = {}
    columns_of: dict[str, list[list[int]]] = {}
    for joint, own in enumerate(turns):
        # An axis without a turn takes part with the angle zero, so that all joints are three turns.
        column = dict(own) | {axis: zero_column for axis in "XYZ" if axis not in dict(own)}
        order = "".join(column)
        joints_of.setdefault(order, []).append(joint)
        columns_of.setdefault(order, []).append(list(column.values()))
    matrices = values.new_empty(num_frames, len(turns), 3, 3)
    for order, joints in joints_of.items():
        matrices[:, joints] = euler_to_matrix(padded[:, columns_of[order]], order)
    return matrices


def joint_positions(pose: Pose, parents: Sequence[int], values: Tensor) -> Tensor:
    r"""Positions of all joints in all frames, a block of frames at a time.

    Args:
        pose: What makes rotations and steps (each joint in its parent's frame) of the values of a block.
        parents: Index of each joint's parent, -1 for the first joint.
        values: The values of all frames.

    Shapes:
        - **values:** `[T, C]`
        - **output:** `[T, J, 3]`
    """
    positions = []
    for block in values.split(max(1, _POSED_AT_ONCE // len(parents))):
        rotations, steps = pose(block)
        positions.append(forward_kinematics(rotations, steps, parents, steps[:, 0])[0])
    return torch.cat(positions)


def rig_motion(
    names: Sequence[str], positions: Tensor, *, skeleton: Skeleton, frame_rate: float, path: Path
) -> Motion:
    r"""The motion of one person: the joints of a skeleton, found among those of a rig by their names.

    Args:
        names: Names of the rig's joints.
        positions: Their positions.
        skeleton: The joints wanted.
        frame_rate: In hertz.
        path: The file, for errors and as the motion's source.

    Shapes:
        - **positions:** `[T, J, 3]`

    Raises:
        ValueError: If the rig lacks a joint of the skeleton, the skeleton is not of positions in space, or a
            position is no finite number in single precision.
    """
    if skeleton.coordinates != "xyz":
        raise ValueError(
            f"'skeleton' {skeleton.name!r} has coordinates '{skeleton.coordinates}', "
            f"but {path} gives positions: expected 'xyz'"
        )
    index = {name: joint for joint, name in enumerate(names)}
    for name in skeleton.joints:
        if name not in index:
            shown = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
            raise ValueError(
                f"{path} has no joint '{name}', expected one for skeleton '{skeleton.name}'; it has {shown}"
            )
    poses = positions[:, [index[name] for name in skeleton.joints]].float()
    if not poses.isfinite().all():
        frame, joint, _ = (~poses.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"{path}, frame {frame + 1}: joint '{skeleton.joints[joint]}' is at no finite place, "
            "expected positions within single precision"
        )
    return Motion(poses=poses[None], skeleton=skeleton, frame_rate=frame_rate, source=str(path))
