r"""ASF/AMC files (Acclaim): a skeleton in one file, motions of it in others, as in CMU's library.

The skeleton (`.asf`) gives every bone at rest in global axes: a direction :math:`d`, a length :math:`l` and
the axes :math:`C` about which its joint turns. A frame (`.amc`) gives the turns :math:`M` about those axes,
so that with a parent's global rotation :math:`G_p` and end :math:`x_p`

.. math::
    G = G_p\, C M C^{-1}, \qquad x = x_p + l\, G d .

Turns follow each other about fixed axes in the order in which `dof` (or the root's `order`) names them, and
those of `axis` likewise: `rx ry rz` is `R_z R_y R_x`.

Lengths become metres: the file's `length` is how many of its units an inch has (CMU: 0.45).

Limits: bones turn but neither shift nor stretch (`tx`, `ty`, `tz` and `l` in a bone's `dof` are refused, as
is `l` in the root's `order`); the root's preset `orientation` must be zero, because programs disagree about
the axes it refers to; masses and the section `:skin` are read over.

Source: "Acclaim Skeleton File Definition V1.10" (M. Schafer, 1994), and the notes on its lines that come with
Vicon BodyBuilder.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import hypot, inf, radians
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.kinematic_chain import (
    MAX_JOINTS,
    is_name,
    joint_positions,
    rig_motion,
    turns_to_matrices,
)
from pyg_sybio.data.readers.proposed_skeleton import skeleton_of_rig
from pyg_sybio.data.readers.text import lines_of, shown, to_count, to_floats
from pyg_sybio.rotations import euler_to_matrix
from pyg_sybio.skeleton import Skeleton

_INCH = 0.0254  # metres
_ROTATIONS = ("rx", "ry", "rz")
_TRANSLATIONS = ("tx", "ty", "tz")
_IGNORED_IN_BONES = ("bodymass", "cofmass")
_BONE_FIELDS = ("id", "name", "direction", "length", "axis", "dof", "limits", *_IGNORED_IN_BONES)
_SECTIONS = (":version", ":name", ":units", ":documentation", ":root", ":bonedata", ":hierarchy", ":skin")
# A direction is a unit vector, written with at least three digits.
_DIRECTION_TOLERANCE = 1e-2


@dataclass(frozen=True)
class AsfBone:
    """A bone, or the root, which has no length; the joint of its name is the bone's end.

    Args:
        name: Its name; the root's is `root`.
        parent: Index of the bone from whose end it starts, -1 for the root.
        offset: Its end from its start at rest, in metres and global axes; for the root its preset position.
        axis: Angles in radians of the axes about which it turns, in the order of `axis_order`.
        axis_order: Order of these angles, about fixed axes, such as `"XYZ"`.
        dof: What a frame gives for it, in order: of `tx ty tz` (the root alone) and `rx ry rz`.
        limits: Lowest and highest value of each, radians, if the file has them; a motion need not keep
            to them.
    """

    name: str
    parent: int
    offset: tuple[float, float, float]
    axis: tuple[float, float, float]
    axis_order: str
    dof: tuple[str, ...]
    limits: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class AsfRig:
    """The skeleton of an ASF file: root first, each bone after its parent, in the order of the hierarchy.

    Args:
        bones: Root and bones.
        metres: Length of the file's unit.
        degrees: Whether its angles are degrees.
        source: The file, for errors of motions that do not fit it.
    """

    bones: tuple[AsfBone, ...]
    metres: float
    degrees: bool
    source: str

    def __repr__(self) -> str:
        return f"AsfRig({len(self.bones) - 1} bones, {self.num_channels} channels)"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(bone.name for bone in self.bones)

    @property
    def parents(self) -> tuple[int, ...]:
        return tuple(bone.parent for bone in self.bones)

    @cached_property
    def offsets(self) -> Tensor:
        """End of each bone from its start at rest, metres, `[J, 3]`, double precision."""
        return torch.tensor([bone.offset for bone in self.bones], dtype=torch.float64)

    @cached_property
    def rest_positions(self) -> Tensor:
        """Where each bone ends if nothing is turned, metres, `[J, 3]`, double precision."""
        positions: list[Tensor] = []
        for bone, offset in zip(self.bones, self.offsets, strict=True):
            positions.append(offset if bone.parent < 0 else positions[bone.parent] + offset)
        return torch.stack(positions)

    @cached_property
    def axes(self) -> Tensor:
        """The matrices `C` of the axes about which the bones turn, `[J, 3, 3]`, double precision."""
        # About fixed axes one after the other is about moving axes in the opposite order.
        angles = torch.tensor([bone.axis[::-1] for bone in self.bones], dtype=torch.float64)
        return torch.stack(
            [
                euler_to_matrix(angle, bone.axis_order[::-1])
                for bone, angle in zip(self.bones, angles, strict=True)
            ]
        )

    @cached_property
    def columns(self) -> dict[tuple[int, str], int]:
        """The column of each bone's values, by index of the bone and degree of freedom."""
        listed = [(index, dof) for index, bone in enumerate(self.bones) for dof in bone.dof]
        return {key: column for column, key in enumerate(listed)}

    @property
    def num_channels(self) -> int:
        return len(self.columns)

    def pose(self, values: Tensor) -> tuple[Tensor, Tensor]:
        r"""Rotations and steps of all bones in some frames.

        Args:
            values: What the frames give: metres and radians.

        Shapes:
            - **values:** `[T, C]`
            - **output:** rotations `C M C^{-1}` in the parent's frame `[T, J, 3, 3]`, and each bone's end in
              its parent's frame `[T, J, 3]`; the first step is the path of the root
        """
        turns = [
            [(dof[1].upper(), self.columns[index, dof]) for dof in reversed(bone.dof) if dof in _ROTATIONS]
            for index, bone in enumerate(self.bones)
        ]
        rotations = self.axes @ turns_to_matrices(turns, values) @ self.axes.mT
        # A bone turns at its start and ends at its joint: the joint is already turned in its parent's frame.
        steps = (rotations @ self.offsets[..., None]).squeeze(-1)
        steps[:, 0] = self.offsets[0]
        for (index, dof), column in self.columns.items():
            if dof in _TRANSLATIONS:
                steps[:, index, _TRANSLATIONS.index(dof)] += values[:, column]
        return rotations, steps

    def skeleton(self, *, name: str | None = None) -> Skeleton:
        """A skeleton of root and bones' ends, with the proposals of
        :func:`~pyg_sybio.data.readers.proposed_skeleton.skeleton_of_rig`.
        """
        return skeleton_of_rig(self.names, self.parents, self.rest_positions, name=name, units="m")


@dataclass(frozen=True, eq=False, repr=False)
class AmcRecording:
    r"""An AMC file: the rig it belongs to, and what each frame gives.

    Args:
        rig: The skeleton.
        values: The values in the order of :attr:`AsfRig.columns`: metres and radians.

    Shapes:
        - **values:** `[T, C]`, double precision
    """

    rig: AsfRig
    values: Tensor

    def __repr__(self) -> str:
        return f"AmcRecording({self.rig}, {len(self.values)} frames)"

    @property
    def rotations(self) -> Tensor:
        """Rotation of each bone in its parent's frame, `[T, J, 3, 3]`, double precision."""
        return self.rig.pose(self.values)[0]

    @property
    def root_path(self) -> Tensor:
        """Where the root is, `[T, 3]`, metres."""
        return self.rig.pose(self.values)[1][:, 0]

    @property
    def positions(self) -> Tensor:
        """Where root and bones' ends are, `[T, J, 3]`, metres, double precision."""
        return joint_positions(self.rig.pose, self.rig.parents, self.values)


def read_amc(
    path: str | Path,
    *,
    asf: str | Path | None = None,
    skeleton: Skeleton | None = None,
    frame_rate: float = 120.0,
) -> Motion:
    r"""The motion of an AMC file: root and ends of the bones, by forward kinematics in double precision.

    Args:
        path: The file.
        asf: Its skeleton's file. (default: beside it, `02.asf` for `02_01.amc`, or the only one)
        skeleton: Its joints are taken from root and bones by their names. (default: all of them,
            :func:`~pyg_sybio.data.readers.proposed_skeleton.skeleton_of_rig`)
        frame_rate: In hertz; the format does not say. CMU's is 120.

    Returns:
        One person, `[1, T, M, 3]`, in metres.

    Raises:
        ValueError: If a file is not as it should be, naming the line, or lacks a joint of the skeleton.
        FileNotFoundError: If there is no such file, or no skeleton is beside it or more than one.
    """
    path = Path(path)
    rig = load_asf(asf if asf is not None else find_asf(path))
    recording = load_amc(path, rig)
    return rig_motion(
        rig.names,
        recording.positions,
        skeleton=skeleton or rig.skeleton(),
        frame_rate=frame_rate,
        path=path,
    )


def find_asf(path: Path) -> Path:
    """The skeleton beside an AMC file: of the name before its first `_`, or of its own, or the only one.

    Raises:
        FileNotFoundError: If there is none, or several of other names.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    beside = sorted(
        other for other in path.parent.iterdir() if other.suffix.lower() == ".asf" and other.is_file()
    )
    for stem in (path.stem.split("_")[0], path.stem):
        if named := [other for other in beside if other.stem.lower() == stem.lower()]:
            return named[0]
    if len(beside) != 1:
        shown = ", ".join(other.name for other in beside[:10]) or "none"
        raise FileNotFoundError(
            f"{path} needs its skeleton: the .asf files beside it are {shown}, "
            f"expected {path.stem.split('_')[0]}.asf or one alone"
        )
    return beside[0]


# AMC ------------------------------------------------------------------------------------------------------


def load_amc(path: str | Path, rig: AsfRig) -> AmcRecording:
    """What an AMC file gives for each frame of a rig.

    Its frames are numbered without gaps from any number, and each has the root and all bones with degrees of
    freedom, in any order.

    Raises:
        ValueError: If something else is in it, naming the line.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    lines = _Lines(path)
    spans = _spans(rig)
    degrees = rig.degrees
    values = array("d")
    frame: list[float] = []
    missing: set[str] = set()
    number: int | None = None
    for fields in lines:
        first = fields[0]
        if first in spans:
            start, stop = spans[first]
            if first not in missing:
                lines.fail(
                    f"'{first}'"
                    + (" before a frame number" if number is None else f" twice in frame {number}")
                )
            if len(fields) - 1 != stop - start:
                lines.fail(f"{len(fields) - 1} values for '{first}'", f"{stop - start} as in {rig.source}")
            frame[start:stop] = to_floats(fields[1:], lines.where)
            missing.remove(first)
        elif first.isdecimal() and len(fields) == 1:
            _check_whole(lines, number, missing, rig)
            values.extend(frame)
            following = to_count(first, lines.where)
            if number is not None and following != number + 1:
                lines.fail(f"frame {following}", f"frame {number + 1} after frame {number}")
            number, frame, missing = following, [0.0] * rig.num_channels, set(spans)
        elif first.startswith(":") and number is None:
            degrees = _amc_keyword(lines, first, degrees)
        else:
            lines.fail(shown(first), f"a frame number, the root or a bone that moves in {rig.source}")
    if number is None:
        raise ValueError(
            f"{path} has no frames, expected frame numbers, each with the root and bones after it"
        )
    _check_whole(lines, number, missing, rig)
    values.extend(frame)
    return AmcRecording(rig, _in_metres(torch.from_numpy(np.array(values)), rig, degrees))


def _spans(rig: AsfRig) -> dict[str, tuple[int, int]]:
    """First and last column (exclusive) of each bone that moves."""
    spans, start = {}, 0
    for bone in rig.bones:
        if bone.dof:
            spans[bone.name] = (start, start + len(bone.dof))
        start += len(bone.dof)
    return spans


def _check_whole(lines: "_Lines", number: int | None, missing: set[str], rig: AsfRig) -> None:
    if missing:
        names = ", ".join(sorted(missing)[:5]) + (", ..." if len(missing) > 5 else "")
        raise ValueError(
            f"{lines.where}: frame {number} ends without {names}, "
            f"expected the root and all bones that move in {rig.source}"
        )


def _amc_keyword(lines: "_Lines", word: str, degrees: bool) -> bool:
    angles = {":degrees": True, ":radians": False, ":fully-specified": degrees}
    if word.lower() not in angles:
        lines.fail(shown(word), ":FULLY-SPECIFIED, :DEGREES, :RADIANS or a frame number")
    return angles[word.lower()]


def _in_metres(values: Tensor, rig: AsfRig, degrees: bool) -> Tensor:
    """Values `[T·C]` of a file as `[T, C]` in metres and radians."""
    turn = radians(1) if degrees else 1.0
    factors = [rig.metres if dof in _TRANSLATIONS else turn for _, dof in rig.columns]
    return values.view(-1, rig.num_channels) * torch.tensor(factors, dtype=torch.float64)


# ASF ------------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a file that say something, as words: without comments, commas and parentheses."""

    _BLANK = str.maketrans("(),", "   ")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 0

    @property
    def where(self) -> str:
        return f"{self.path}, line {self.line}"

    def fail(self, found: str, expected: str = "it once, in a frame") -> NoReturn:
        raise ValueError(f"{self.where} has {found}, expected {expected}")

    def __iter__(self) -> Iterator[list[str]]:
        for self.line, line in lines_of(self.path):  # noqa: B020 - the place that errors name
            if fields := line.partition("#")[0].translate(self._BLANK).split():
                yield fields


@dataclass
class _Bone:
    """What has been read of a bone, or of the root: each field's words, with the line of the first."""

    line: int
    fields: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def load_asf(path: str | Path) -> AsfRig:
    """The skeleton of an ASF file.

    Raises:
        ValueError: If it is not as it should be, naming the line.
        FileNotFoundError: If there is no such file.
    """
    lines = _Lines(Path(path))
    sections: dict[str, int] = {}
    units, root = _Bone(0), _Bone(0)
    blocks: list[_Bone] = []
    links: list[tuple[int, list[str]]] = []
    section, inside = "", False
    for fields in lines:
        word = fields[0].lower()
        if word.startswith(":"):
            if inside:
                lines.fail(shown(word), "'end' before it")
            section = _section(lines, word, sections)
        elif section in (":documentation", ":version", ":name", ":skin"):
            continue
        elif section == ":units":
            _add_field(lines, units, fields, ("mass", "length", "angle"))
        elif section == ":root":
            _add_field(lines, root, fields, ("order", "axis", "position", "orientation"))
        elif section in (":bonedata", ":hierarchy") and word in ("begin", "end"):
            if len(fields) > 1 or inside == (word == "begin"):
                lines.fail(shown(" ".join(fields)), "'begin' and 'end' in turn, each on a line of its own")
            inside = word == "begin"
            if section == ":bonedata" and inside:
                if len(blocks) == MAX_JOINTS:
                    lines.fail(f"bone number {MAX_JOINTS + 1}", f"at most {MAX_JOINTS}")
                blocks.append(_Bone(lines.line))
        elif inside and section == ":bonedata":
            _add_field(lines, blocks[-1], fields, _BONE_FIELDS)
        elif inside:
            links.append((lines.line, fields))
        else:
            lines.fail(shown(word), "'begin'" if section else f"one of {', '.join(_SECTIONS)}")
    if inside:
        raise ValueError(f"{lines.path} ends after line {lines.line}, expected 'end'")
    for needed in (":units", ":root", ":bonedata", ":hierarchy"):
        if needed not in sections:
            raise ValueError(f"{lines.path} has no section '{needed}', expected one")
    units.line, root.line = sections[":units"], sections[":root"]
    return _build_rig(lines.path, units, root, blocks, links)


def _section(lines: _Lines, word: str, sections: dict[str, int]) -> str:
    if word not in _SECTIONS:
        lines.fail(shown(word), f"one of {', '.join(_SECTIONS)}")
    if word in sections:
        lines.fail(f"a second section '{word}'", f"it once, on line {sections[word]}")
    sections[word] = lines.line
    return word


def _add_field(lines: _Lines, bone: _Bone, fields: list[str], known: Sequence[str]) -> None:
    """A line of a block: a field and its words, or more limits, which go over several lines."""
    word = fields[0].lower()
    if word in known:
        if word in bone.fields:
            lines.fail(f"a second '{word}'", f"it once, on line {bone.lines[word]}")
        bone.fields[word], bone.lines[word] = fields[1:], lines.line
    elif list(bone.fields)[-1:] == ["limits"] and _is_number(word):
        bone.fields["limits"] += fields
    else:
        lines.fail(shown(fields[0]), f"one of {', '.join(known)}")


class _Block:
    """The fields of a block, checked as they are asked for."""

    def __init__(self, path: Path, bone: _Bone, title: str) -> None:
        self.path, self.bone, self.title = path, bone, title

    def where(self, name: str) -> str:
        return f"{self.path}, line {self.bone.lines.get(name, self.bone.line)}"

    def fail(self, name: str, found: str, expected: str) -> NoReturn:
        raise ValueError(f"{self.where(name)}: {self.title} has {found}, expected {expected}")

    def words(self, name: str, *, optional: bool = False) -> list[str]:
        if name not in self.bone.fields and not optional:
            self.fail(name, f"no '{name}'", "it")
        return self.bone.fields.get(name, [])

    def numbers(self, name: str, count: int) -> list[float]:
        return self._floats(name, self.words(name), count)

    def axis(self, count: int = 3) -> tuple[list[float], str]:
        """The angles of `axis`, and their order."""
        words = self.words("axis")
        order = words[-1].upper() if words else ""
        if sorted(order) != ["X", "Y", "Z"]:
            self.fail("axis", f"the axis {shown(' '.join(words))}", "an order of axes such as XYZ at its end")
        return self._floats("axis", words[:-1], count), order

    def dof(self, name: str, known: Sequence[str]) -> tuple[str, ...]:
        words = [word.lower() for word in self.words(name, optional=name == "dof")]
        for word in words:
            if word not in known:
                self.fail(name, f"{shown(word)} in '{name}'", f"some of {' '.join(known)}")
            if words.count(word) > 1:
                self.fail(name, f"'{word}' twice in '{name}'", "it once")
        return tuple(words)

    def limits(self, dof: Sequence[str], turn: float) -> tuple[tuple[float, float], ...]:
        words = self.words("limits", optional=True)
        if not words:
            return ()
        finite = [word for word in words if word.lower().lstrip("+-") != "inf"]
        self._floats("limits", finite, len(finite))
        if len(words) != 2 * len(dof):
            self.fail("limits", f"{len(words)} limits", f"two for each of {len(dof)} in 'dof'")
        values = [float(word) * turn for word in words]
        return tuple(zip(values[::2], values[1::2], strict=True))

    def _floats(self, name: str, words: list[str], count: int) -> list[float]:
        if len(words) != count:
            self.fail(name, f"{len(words)} numbers in '{name}'", str(count))
        return to_floats(words, self.where(name))


def _build_rig(
    path: Path, units: _Bone, root: _Bone, blocks: Sequence[_Bone], links: Sequence[tuple[int, list[str]]]
) -> AsfRig:
    block = _Block(path, units, "':units'")
    [length] = block.numbers("length", 1)
    if not 1e-6 <= length <= 1e6:
        block.fail("length", f"the length {length:g}", "a positive number of units an inch")
    angle = [word.lower() for word in block.words("angle")]
    if angle not in (["deg"], ["rad"]):
        block.fail("angle", f"the angle {shown(' '.join(angle))}", "deg or rad")
    metres, degrees = _INCH / length, angle == ["deg"]
    turn = radians(1) if degrees else 1.0

    bones = {"root": _root(_Block(path, root, "':root'"), metres)}
    lines = {"root": root.line}
    for block in (_Block(path, bone, "a bone") for bone in blocks):
        bone = _bone(block, metres, turn)
        if bone.name in bones:
            block.fail("name", f"the name '{bone.name}'", f"another than that of line {lines[bone.name]}")
        bones[bone.name], lines[bone.name] = bone, block.bone.line
    children = _children(path, bones, links)

    ordered: list[AsfBone] = []
    waiting = [("root", -1)]
    while waiting:
        name, parent = waiting.pop()
        bone = bones.pop(name)
        waiting += [(child, len(ordered)) for child in reversed(children.get(name, ()))]
        ordered.append(AsfBone(name, parent, bone.offset, bone.axis, bone.axis_order, bone.dof, bone.limits))
    if bones:
        name = next(iter(bones))
        raise ValueError(
            f"{path}, line {lines[name]}: the hierarchy does not lead from the root to bone '{name}', "
            "expected it to reach every bone"
        )
    return AsfRig(tuple(ordered), metres, degrees, str(path))


def _root(block: _Block, metres: float) -> AsfBone:
    dof = block.dof("order", (*_TRANSLATIONS, *_ROTATIONS))
    if not dof:
        block.fail("order", "an empty 'order'", "some of tx ty tz rx ry rz")
    _, order = block.axis(0)
    x, y, z = block.numbers("position", 3)
    if any(block.numbers("orientation", 3)):
        block.fail("orientation", "a preset orientation", "0 0 0: programs disagree about what others mean")
    return AsfBone("root", -1, (x * metres, y * metres, z * metres), (0, 0, 0), order, dof)


def _bone(block: _Block, metres: float, turn: float) -> AsfBone:
    """A bone; its parent is not known yet."""
    name = " ".join(block.words("name"))
    if not is_name(name) or name[0] == ":" or " " in name or name.isdecimal():
        block.fail("name", f"the name {shown(name)}", "one readable word that is no number")
    block.title = f"bone '{name}'"
    to_count(" ".join(block.words("id", optional=True)) or "0", block.where("id"))
    [length] = block.numbers("length", 1)
    if length < 0:
        block.fail("length", f"the length {length:g}", "at least 0")
    x, y, z = block.numbers("direction", 3)
    norm = hypot(x, y, z)
    if abs(norm - 1) > _DIRECTION_TOLERANCE and length:
        block.fail("direction", f"a direction of length {norm:g}", "a unit vector")
    step = metres * length
    (a, b, c), order = block.axis()
    dof = block.dof("dof", _ROTATIONS)
    limits = block.limits(dof, turn)
    return AsfBone(
        name, -1, (x * step, y * step, z * step), (a * turn, b * turn, c * turn), order, dof, limits
    )


def _children(
    path: Path, bones: Mapping[str, AsfBone], links: Sequence[tuple[int, list[str]]]
) -> dict[str, list[str]]:
    """The children of each bone that has some."""
    children: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    for line, (parent, *own) in links:
        for name in (parent, *own):
            if name not in bones:
                raise ValueError(
                    f"{path}, line {line} has {shown(name)}, expected the root or a bone of ':bonedata'"
                )
        for name in own:
            if name in seen or name == "root":
                at = f"it once, on line {seen[name]}" if name in seen else "it as a parent alone"
                raise ValueError(f"{path}, line {line} has '{name}' as a child, expected {at}")
            seen[name] = line
        children.setdefault(parent, []).extend(own)
    return children


def _is_number(word: str) -> bool:
    try:
        return -inf <= float(word) <= inf
    except ValueError:
        return False
