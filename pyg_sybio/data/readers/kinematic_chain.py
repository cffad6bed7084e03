r"""Base classes for rigs of all file formats: rotations about axes, and forward kinematics."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.people import check_coordinates
from pyg_sybio.data.readers.proposed_skeleton import skeleton_of_rig
from pyg_sybio.data.readers.text import few
from pyg_sybio.rotations import euler_to_matrix, forward_kinematics
from pyg_sybio.skeleton import Skeleton

MAX_JOINTS = 1000
"""A rig with more joints is refused: no body has that many, but a damaged or hostile file may."""

# The number of joints times frames that are processed at once, which takes a few dozen megabytes.
_POSED_AT_ONCE = 2**16


def is_name(text: str) -> bool:
    """Whether a text can be the name of a joint: printable, decoded without loss, up to 90 characters."""
    return 0 < len(text) <= 90 and text.isprintable() and "\ufffd" not in text


@dataclass(frozen=True)
class RigJoint:
    """A joint of a rig.

    Args:
        name: Name of the joint.
        parent: Index of the parent, -1 for the root.
        offset: Position of the joint relative to its parent at rest.
        channels: The channels of the joint in each frame, in the order of the columns: some of `Xposition`,
            ..., `Zrotation`.
    """

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Rig(ABC):
    """A hierarchy of joints, and the columns of a frame that move them.

    Args:
        joints: The joints, the root first, each after its parent.
    """

    joints: tuple[RigJoint, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)

    @property
    def parents(self) -> tuple[int, ...]:
        return tuple(joint.parent for joint in self.joints)

    @property
    def num_channels(self) -> int:
        return sum(len(joint.channels) for joint in self.joints)

    @cached_property
    def offsets(self) -> Tensor:
        """Position of each joint relative to its parent at rest, `[J, 3]`, double precision."""
        return torch.tensor([joint.offset for joint in self.joints], dtype=torch.float64)

    @cached_property
    def rest_positions(self) -> Tensor:
        """Position of each joint at rest, `[J, 3]`, double precision."""
        positions: list[Tensor] = []
        for joint, offset in zip(self.joints, self.offsets, strict=True):
            positions.append(offset if joint.parent < 0 else positions[joint.parent] + offset)
        return torch.stack(positions)

    @cached_property
    def position_columns(self) -> list[tuple[int, int, int]]:
        """Joint, coordinate and column of each position channel."""
        columns = [(joint, *each) for joint, channels in enumerate(self.columns) for each in channels]
        return [(joint, "XYZ".index(name[0]), place) for joint, name, place in columns if "pos" in name]

    @cached_property
    def columns(self) -> list[list[tuple[str, int]]]:
        """Name and column of the channels of each joint."""
        starts = iter(range(self.num_channels))
        return [[(channel, next(starts)) for channel in joint.channels] for joint in self.joints]

    def rotations(self, values: Tensor, *, about_fixed_axes: bool = False) -> Tensor:
        r"""The product of each joint's rotation channels, `R = R_first R_second ...` (intrinsic).

        Args:
            values: The columns of some frames, angles in radians.
            about_fixed_axes: Whether the channels are rotations about fixed axes, which reverses the product.

        Shapes:
            - **values:** `[T, C]`
            - **output:** `[T, J, 3, 3]`
        """
        num_frames, zero_column = values.shape
        padded = torch.cat([values, values.new_zeros(num_frames, 1)], dim=1)
        columns_of: dict[str, dict[int, list[int]]] = {}  # order of axes -> joint -> its columns
        for joint, columns in enumerate(self.columns):
            turns = [(channel[0], column) for channel, column in columns if channel.endswith("rotation")]
            # An axis without a channel gets the angle zero, so that every joint has three rotations.
            column_of = dict(reversed(turns) if about_fixed_axes else turns)
            column_of |= {axis: zero_column for axis in "XYZ" if axis not in column_of}
            columns_of.setdefault("".join(column_of), {})[joint] = [*column_of.values()]
        matrices = values.new_empty(num_frames, len(self.joints), 3, 3)
        for order, joints in columns_of.items():
            matrices[:, [*joints]] = euler_to_matrix(padded[:, [*joints.values()]], order)
        return matrices

    @abstractmethod
    def pose(self, values: Tensor) -> tuple[Tensor, Tensor]:
        r"""Rotations and positions of all joints relative to their parents, in some frames.

        Args:
            values: The columns of the frames.

        Shapes:
            - **values:** `[T, C]`
            - **output:** rotations in the parent's frame `[T, J, 3, 3]`, and the position of each joint
              relative to its parent, in the parent's frame, `[T, J, 3]`; the root's is its position
        """

    def positions(self, values: Tensor) -> Tensor:
        r"""Positions of all joints in all frames, a block of frames at a time.

        Shapes:
            - **values:** `[T, C]`
            - **output:** `[T, J, 3]`
        """
        positions = []
        for block in values.split(max(1, _POSED_AT_ONCE // len(self.joints))):
            rotations, steps = self.pose(block)
            positions.append(forward_kinematics(rotations, steps, self.parents, steps[:, 0])[0])
        return torch.cat(positions)

    def motion(self, values: Tensor, skeleton: Skeleton, *, frame_rate: float, path: Path) -> Motion:
        r"""The motion of one person: the joints of a skeleton, found in the rig by their names.

        Args:
            values: The columns of all frames.
            skeleton: The requested joints.
            frame_rate: In Hz.
            path: The file, for errors and as the motion's source.

        Shapes:
            - **values:** `[T, C]`

        Raises:
            ValueError: If the rig lacks a joint of the skeleton, the skeleton has no positions in space,
                or a position is not a finite number in single precision.
        """
        check_coordinates(skeleton, ("xyz",), str(path))
        index = {name: joint for joint, name in enumerate(self.names)}
        for name in skeleton.joints:
            if name not in index:
                expected = f"expected one for skeleton '{skeleton.name}'"
                raise ValueError(f"{path} has no joint '{name}', {expected}; it has {few(index, 40)}")
        poses = self.positions(values)[:, [index[name] for name in skeleton.joints]].float()
        if not poses.isfinite().all():
            frame, joint, _ = (~poses.isfinite()).nonzero()[0].tolist()
            found = f"joint '{skeleton.joints[joint]}' has no finite position"
            raise ValueError(f"{path}, frame {frame + 1}: {found}, expected one within single precision")
        return Motion(poses=poses[None], skeleton=skeleton, frame_rate=frame_rate, source=str(path))

    def skeleton_of(self, joints: Sequence[int], *, name: str | None, units: str) -> Skeleton:
        """A skeleton of some joints (:func:`~pyg_sybio.data.readers.proposed_skeleton.skeleton_of_rig`)."""
        place = {joint: index for index, joint in enumerate(joints)} | {-1: -1}
        names = [self.joints[joint].name for joint in joints]
        parents = [place[self.joints[joint].parent] for joint in joints]
        return skeleton_of_rig(names, parents, self.rest_positions[list(joints)], name=name, units=units)
