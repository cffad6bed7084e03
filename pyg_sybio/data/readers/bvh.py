r"""BVH files (Biovision hierarchy): a rig, and the channels of its joints in every frame.

Hierarchies with one root are read, with any channels in any order on any joint. Angles are degrees. A joint's
rotation is the product of its rotation channels in their order, `R = R_first R_second R_third`, relative to
its parent. A position channel replaces that coordinate of the joint's `OFFSET`.

Limits: at most :data:`~pyg_sybio.data.readers.kinematic_chain.MAX_JOINTS` joints and end sites, and one line
per frame. Lengths are in the file's own unit, which the format does not name (usually centimetres).
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.kinematic_chain import MAX_JOINTS, Rig, RigJoint, is_name
from pyg_sybio.data.readers.text import Lines, shown, to_count, to_floats
from pyg_sybio.skeleton import Skeleton

BVH_UNITS = "the file's unit"
"""The units of a skeleton from a BVH file, because the format does not name them."""

_CHANNELS = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")
_CHANNEL_OF = {channel.lower(): channel for channel in _CHANNELS}


@dataclass(frozen=True)
class BvhJoint(RigJoint):
    """A joint of the hierarchy, or an end site, which only marks the end of the last bone.

    An end site is named after its joint: `NAME_end` (the second one `NAME_end2`).
    """

    is_end_site: bool


@dataclass(frozen=True, repr=False)
class BvhRig(Rig):
    """The hierarchy of a file: joints and end sites in the order of the file, each after its parent."""

    joints: tuple[BvhJoint, ...]

    def __repr__(self) -> str:
        ends = sum(joint.is_end_site for joint in self.joints)
        return f"BvhRig({len(self.joints) - ends} joints, {ends} end sites, {self.num_channels} channels)"

    def pose(self, values: Tensor) -> tuple[Tensor, Tensor]:
        steps = self.offsets.repeat(len(values), 1, 1)
        for joint, coordinate, column in self.position_columns:
            steps[:, joint, coordinate] = values[:, column]
        return self.rotations(values.deg2rad()), steps

    def skeleton(
        self, *, name: str | None = None, units: str = BVH_UNITS, end_sites: bool = False
    ) -> Skeleton:
        """A skeleton of the joints (:func:`~pyg_sybio.data.readers.proposed_skeleton.skeleton_of_rig`).

        Args:
            name: Name of the skeleton. (default: `rig` and the number of its joints)
            units: Unit of the file.
            end_sites: Whether end sites that do not coincide with their joint also become joints. This is
                needed for rigs in which nothing else marks the ends of the hands or the head.

        Raises:
            ValueError: If an end site has the name of a joint.
        """
        kept = [not joint.is_end_site or (end_sites and any(joint.offset)) for joint in self.joints]
        names = [*compress(self.names, kept)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"'end_sites' would give a second joint '{twice}', expected different names")
        return self.skeleton_of([*compress(range(len(kept)), kept)], name=name, units=units)


def read_bvh(path: str | Path, *, skeleton: Skeleton | None = None) -> Motion:
    r"""The motion of a BVH file: positions of the joints, by forward kinematics in double precision.

    Args:
        path: The file.
        skeleton: The requested skeleton, whose joints are found in the hierarchy by name; an end site is
            `NAME_end`. (default: the file's own, without end sites and without a root that is not part of the
            body, :func:`~pyg_sybio.data.readers.proposed_skeleton.skeleton_of_rig`)

    Returns:
        One person, `[1, T, M, 3]`, in the file's unit and axes, at the file's frame rate
        (:func:`frame_rate_of`).

    Raises:
        ValueError: If the file is not a BVH file (the message names the line), or lacks a joint of the
            skeleton.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    rig, values, frame_rate = load_bvh(path)
    return rig.motion(values, skeleton or rig.skeleton(), frame_rate=frame_rate, path=path)


def load_bvh(path: str | Path) -> tuple[BvhRig, Tensor, float]:
    """The rig of a BVH file, its channels `[T, C]` (degrees and the file's unit), and its frame rate in Hz.

    Raises:
        ValueError: If the file is not a BVH file; the message names the line.
        FileNotFoundError: If there is no such file.
    """
    words = _Words(Path(path))
    rig = _parse_hierarchy(words)
    if not rig.num_channels:
        words.fail("a hierarchy without channels", "at least one channel that moves")
    num_frames = to_count(_header(words, "Frames"), words.where, least=1)
    counted_on = words.line
    time = _header(words, "Frame Time")
    [frame_time] = to_floats([time], words.where)
    if not (frame_time > 0 and isfinite(1 / frame_time)):
        words.fail(f"the frame time {time}", "a positive number of seconds")

    # The list grows with the lines of the file: the frame count in the file is not trusted.
    values = array("d")
    num_read, expected = 0, f"the {num_frames} of line {counted_on}"
    for line in words.not_blank():
        fields = line.split()
        if num_read == num_frames:
            words.fail("one more frame", expected)
        if len(fields) != rig.num_channels:
            words.fail(f"{len(fields)} values", f"{rig.num_channels}, one for each channel")
        values.extend(to_floats(fields, words.where))
        num_read += 1
    if num_read < num_frames:
        raise ValueError(f"{words.path} ends after {num_read} frames, expected {expected}")
    frames = torch.from_numpy(np.array(values)).view(num_frames, rig.num_channels)
    return rig, frames, frame_rate_of(frame_time)


def load_bvh_rig(path: str | Path) -> BvhRig:
    """The hierarchy of a BVH file only; what comes after it is not read.

    Raises:
        ValueError: If the file is not a BVH file; the message names the line.
        FileNotFoundError: If there is no such file.
    """
    return _parse_hierarchy(_Words(Path(path)))


def frame_rate_of(frame_time: float) -> float:
    r"""The frame rate in Hz of a frame time in seconds.

    Files round the frame time: `0.0333333` means 30 Hz. The rate is therefore the integer nearest to
    :math:`1/\text{time}` if they differ by at most a ten-thousandth, and :math:`1/\text{time}` otherwise.
    (The television rates 23.976, 29.97 and 59.94 Hz differ from integers by ten times as much.)
    """
    rate = 1 / frame_time
    return float(round(rate)) if abs(round(rate) - rate) <= 1e-4 * rate else rate


# The hierarchy --------------------------------------------------------------------------------------------


class _Words(Lines):
    """A file that is read word by word (the hierarchy), then line by line (the frames)."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._words: list[str] = []  # the rest of this line in reverse order

    def next(self, expected: str) -> str:
        """The next word; braces are separate words."""
        while not self._words:
            line = next(self.not_blank(), None)
            if line is None:
                raise ValueError(f"{self.path} ends after line {self.line}, expected {expected}")
            self._words = line.replace("{", " { ").replace("}", " } ").split()[::-1]
        return self._words.pop()

    def name(self) -> str:
        """A name, which may contain spaces: the rest of the line up to a brace."""
        words = []
        while self._words and self._words[-1] not in ("{", "}"):
            words.append(self._words.pop())
        return " ".join(words)

    def not_blank(self) -> Iterator[str]:
        """The lines that are not blank, from the next one."""
        return (line for line in self if not line.isspace())

    def of_line(self, count: int, expected: str) -> list[str]:
        """The next `count` words, all of which must be on this line."""
        if len(self._words) < count:
            self.fail(f"{len(self._words)} words left", expected)
        return [self._words.pop() for _ in range(count)]


@dataclass
class _Open:
    """A joint whose closing brace has not been read."""

    name: str
    parent: int
    is_end_site: bool
    line: int
    offset: tuple[float, float, float] | None = None
    channels: tuple[str, ...] | None = None

    def closed(self) -> BvhJoint:
        return BvhJoint(
            self.name, self.parent, self.offset or (0, 0, 0), self.channels or (), self.is_end_site
        )


def _parse_hierarchy(words: _Words) -> BvhRig:
    """Parse everything up to the word `MOTION`."""
    if (word := words.next("HIERARCHY")).upper() != "HIERARCHY":
        words.fail(shown(word), "HIERARCHY")
    joints: list[_Open] = []
    stack: list[int] = []  # the joints whose braces are open (deep nesting would overflow a recursion)
    while (
        word := words.next("MOTION" if joints and not stack else "the rest of the hierarchy")
    ).upper() != "MOTION":
        inside = joints[stack[-1]] if stack else None
        match word.upper():
            case "ROOT" | "JOINT" | "END" as kind:
                _open(words, kind, joints, stack)
            case "OFFSET" if inside and inside.offset is None:
                x, y, z = to_floats(words.of_line(3, "the three numbers of an OFFSET"), words.where)
                inside.offset = (x, y, z)
            case "CHANNELS" if inside and inside.channels is None and stack[-1] == len(joints) - 1:
                inside.channels = _parse_channels(words, inside)
            case "}" if inside:
                _check_complete(words, inside)
                stack.pop()
            case _:
                place = f"in joint '{inside.name}'" if inside else "outside of every joint"
                words.fail(f"{shown(word)} {place}", "OFFSET and CHANNELS once, then JOINT, End Site or }")
    if stack:
        unclosed = joints[stack[-1]]
        words.fail("MOTION", f"a brace that closes '{unclosed.name}' of line {unclosed.line}")
    if not joints:
        words.fail("MOTION", "a ROOT before it")
    found = (
        BvhJoint(j.name, j.parent, j.offset or (0, 0, 0), j.channels or (), j.is_end_site) for j in joints
    )
    return BvhRig(tuple(found))


def _open(words: _Words, kind: str, joints: list[_Open], stack: list[int]) -> None:
    """A new joint, up to its opening brace."""
    if kind == "ROOT" and joints:
        first = joints[0]
        words.fail(f"a second ROOT '{words.name()}'", f"only one, '{first.name}' of line {first.line}")
    if kind != "ROOT" and (not stack or joints[stack[-1]].is_end_site):
        words.fail(kind, "it inside of a ROOT or JOINT")
    if len(joints) == MAX_JOINTS:
        words.fail(f"joint number {MAX_JOINTS + 1}", f"at most {MAX_JOINTS} joints and end sites")
    parent = stack[-1] if stack else -1
    if kind == "END":
        if (word := words.next("Site")).upper() != "SITE":
            words.fail(f"End {shown(word)}", "End Site")
        earlier = sum(joint.is_end_site and joint.parent == parent for joint in joints)
        name = f"{joints[parent].name}_end{earlier + 1 if earlier else ''}"
    else:
        name = words.name()
        if not is_name(name):
            words.fail(f"a {kind} with the name {shown(name)}", "a readable name, in UTF-8")
        for joint in joints:
            if joint.name == name and not joint.is_end_site:
                words.fail(f"a second joint {shown(name)}", f"it once, on line {joint.line}")
    stack.append(len(joints))
    joints.append(_Open(name, parent, kind == "END", words.line))
    if (word := words.next("{")) != "{":
        words.fail(shown(word), f"{{ after '{name}'")


def _parse_channels(words: _Words, joint: _Open) -> tuple[str, ...]:
    if joint.is_end_site:
        words.fail(f"channels in '{joint.name}'", "none in an End Site")
    count = to_count(words.of_line(1, "the number of channels")[0], words.where)
    if count > len(_CHANNELS):
        words.fail(f"{count} channels", f"at most {len(_CHANNELS)}")
    channels: list[str] = []
    for word in words.of_line(count, f"the names of {count} channels"):
        channel = _CHANNEL_OF.get(word.lower())
        if channel is None:
            words.fail(f"the channel {shown(word)}", f"{count} of {', '.join(_CHANNELS)}")
        if channel in channels:
            words.fail(f"the channel {channel} twice", "it once")
        channels.append(channel)
    return tuple(channels)


def _check_complete(words: _Words, joint: _Open) -> None:
    if joint.offset is None:
        words.fail(f"the end of '{joint.name}' without an OFFSET", "one")
    if joint.channels is None and not joint.is_end_site:
        words.fail(f"the end of '{joint.name}' without CHANNELS", "CHANNELS 0 if it has none")


def _header(words: _Words, key: str) -> str:
    """Read the value of a line `key: value`, in upper or lower case and with any spaces."""
    line = words.name() or next(words.not_blank(), None)
    if line is None:
        raise ValueError(f"{words.path} ends after line {words.line}, expected '{key}:'")
    found, colon, value = line.partition(":")
    if not colon or found.lower().split() != key.lower().split():
        words.fail(shown(line), f"'{key}:' and a number")
    return value.strip()
