r"""ASF/AMC files (Acclaim): a skeleton in one file, its motions in others, as in CMU's library.

The skeleton (`.asf`) describes every bone at rest in global axes: a direction :math:`d`, a length :math:`l`
and the axes :math:`C` about which its joint rotates. A frame (`.amc`) gives the rotations :math:`M` about
those axes. With a parent's global rotation :math:`G_p` and end :math:`x_p`,

.. math::
    G = G_p\, C M C^{-1}, \qquad x = x_p + l\, G d .

All rotations are about fixed axes, in the order in which the file lists them: `rx ry rz` is `R_z R_y R_x`.
This applies to the channels in `dof` and in the root's `order`, and to the angles of `axis`.

Lengths become metres: the file's `length` is the number of its units per inch (CMU: 0.45).

Limits: bones rotate but neither shift nor stretch (`tx`, `ty`, `tz` and `l` in a bone's `dof`, and `l` in the
root's `order`, are errors). The root's preset `orientation` must be zero, because programs disagree
about the axes that it refers to. Masses, limits of rotations and the section `:skin` are ignored.

Source: "Acclaim Skeleton File Definition V1.10" (M. Schafer, 1994), and the notes on its lines that come with
Vicon BodyBuilder.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import hypot, radians
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from pyg_sybio.data.readers.kinematic_chain import MAX_JOINTS, Rig, RigJoint, is_name
from pyg_sybio.data.readers.text import Lines, is_number, shown, to_count, to_floats
from pyg_sybio.rotations import euler_to_matrix
from pyg_sybio.skeleton import Skeleton

_INCH = 0.0254  # metres
_ROTATIONS = {"rx": "Xrotation", "ry": "Yrotation", "rz": "Zrotation"}
_TRANSLATIONS = {"tx": "Xposition", "ty": "Yposition", "tz": "Zposition"}
_SECTIONS = (":version", ":name", ":units", ":documentation", ":root", ":bonedata", ":hierarchy", ":skin")
_UNIT_FIELDS = ("mass", "length", "angle")
_ROOT_FIELDS = ("order", "axis", "position", "orientation")
_BONE_FIELDS = ("id", "name", "direction", "length", "axis", "dof", "limits", "bodymass", "cofmass")
# A direction is a unit vector, written with at least three digits.
_DIRECTION_TOLERANCE = 1e-2


@dataclass(frozen=True)
class AsfBone(RigJoint):
    """A bone, represented by the joint at its end; or the root, which has no length.

    A bone starts at the end of its parent. Its `offset` is the vector from its start to its end at rest, in
    metres and global axes; the root's `offset` is the preset position.

    Args:
        axis: Angles of the axes about which the bone rotates, in radians, in the order of `axis_order`.
        axis_order: Order of these angles, about fixed axes, such as `"XYZ"`.
    """

    axis: tuple[float, ...]
    axis_order: str


@dataclass(frozen=True, repr=False)
class AsfRig(Rig):
    """The skeleton of an ASF file: root first, each bone after its parent, in the order of the hierarchy.

    Args:
        joints: Root and bones.
        metres: Length of the file's unit.
        degrees: Whether its angles are in degrees.
        source: The file, for error messages about motions that do not match it.
    """

    joints: tuple[AsfBone, ...]
    metres: float
    degrees: bool
    source: str

    def __repr__(self) -> str:
        return f"AsfRig({len(self.joints) - 1} bones, {self.num_channels} channels)"

    @cached_property
    def axes(self) -> Tensor:
        """The matrices `C` of the axes about which the bones rotate, `[J, 3, 3]`, double precision."""
        # Rotations about fixed axes equal rotations about moving axes in the opposite order.
        angles = torch.tensor([bone.axis[::-1] for bone in self.joints], dtype=torch.float64)
        orders = [bone.axis_order[::-1] for bone in self.joints]
        return torch.stack([euler_to_matrix(*turn) for turn in zip(angles, orders, strict=True)])

    def pose(self, values: Tensor) -> tuple[Tensor, Tensor]:
        rotations = self.axes @ self.rotations(values, about_fixed_axes=True) @ self.axes.mT
        # A bone rotates about its start, so its own rotation also moves the joint at its end.
        steps = (rotations @ self.offsets[..., None]).squeeze(-1)
        steps[:, 0] = self.offsets[0]
        for joint, coordinate, column in self.position_columns:
            steps[:, joint, coordinate] += values[:, column]
        return rotations, steps

    def skeleton(self, *, name: str | None = None) -> Skeleton:
        """A skeleton of the root and the ends of the bones, as
        :func:`~pyg_sybio.data.readers.proposed_skeleton.skeleton_of_rig` proposes it.
        """
        return self.skeleton_of(range(len(self.joints)), name=name, units="m")


class AcclaimLines(Lines):
    """The lines of a file as words, without comments, commas and parentheses; blank lines are left out."""

    _BLANK = str.maketrans("(),", "   ")

    def words(self) -> Iterator[list[str]]:
        for line in self:
            if words := line.partition("#")[0].translate(self._BLANK).split():
                yield words


class _Block:
    """The fields of a block (the units, the root, or a bone), checked when they are requested."""

    def __init__(self, path: Path, title: str, known: Sequence[str], line: int = 0) -> None:
        self.path, self.title, self.known, self.line = path, title, known, line
        self.fields: dict[str, tuple[int, list[str]]] = {}  # field -> its line and words

    def add(self, lines: Lines, words: list[str]) -> None:
        """Add a line of the block: a field and its words, or further limits, which may take several lines."""
        field = words[0].lower()
        if field in self.fields:
            lines.fail(f"a second '{field}'", f"it once, on line {self.fields[field][0]}")
        if field in self.known:
            self.fields[field] = lines.line, words[1:]
        elif not (list(self.fields)[-1:] == ["limits"] and is_number(field)):
            lines.fail(shown(words[0]), f"one of {', '.join(self.known)}")

    def where(self, field: str) -> str:
        return f"{self.path}, line {self.fields[field][0] if field in self.fields else self.line}"

    def fail(self, field: str, found: str, expected: str) -> NoReturn:
        raise ValueError(f"{self.where(field)}: {self.title} has {found}, expected {expected}")

    def words(self, field: str, *, optional: bool = False) -> list[str]:
        if field not in self.fields and not optional:
            self.fail(field, f"no '{field}'", "it")
        return self.fields.get(field, (0, []))[1]

    def numbers(self, field: str, count: int, words: list[str] | None = None) -> list[float]:
        words = self.words(field) if words is None else words
        if len(words) != count:
            self.fail(field, f"{len(words)} numbers in '{field}'", str(count))
        return to_floats(words, self.where(field))

    def axis(self, count: int) -> tuple[list[float], str]:
        """The angles of `axis`, and their order."""
        words = self.words("axis")
        order = words[-1].upper() if words else ""
        if sorted(order) != ["X", "Y", "Z"]:
            self.fail("axis", f"the axis {shown(' '.join(words))}", "an order of axes such as XYZ at its end")
        return self.numbers("axis", count, words[:-1]), order

    def channels(self, field: str, known: Mapping[str, str]) -> tuple[str, ...]:
        words = [word.lower() for word in self.words(field, optional=field == "dof")]
        for word in words:
            if word not in known:
                self.fail(field, f"{shown(word)} in '{field}'", f"some of {' '.join(known)}")
            if words.count(word) > 1:
                self.fail(field, f"'{word}' twice in '{field}'", "it once")
        return tuple(known[word] for word in words)


def load_asf(path: str | Path) -> AsfRig:
    """The skeleton of an ASF file.

    Raises:
        ValueError: If it is damaged; the message names the line.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    lines = AcclaimLines(path)
    sections: dict[str, int] = {}
    units, root = _Block(path, "':units'", _UNIT_FIELDS), _Block(path, "':root'", _ROOT_FIELDS)
    blocks = {":units": units, ":root": root}
    bones: list[_Block] = []
    links: list[tuple[int, list[str]]] = []
    section, inside = "", False
    for words in lines.words():
        word = words[0].lower()
        if word.startswith(":"):
            if inside:
                lines.fail(shown(word), "'end' before it")
            if word not in _SECTIONS:
                lines.fail(shown(word), f"one of {', '.join(_SECTIONS)}")
            if word in sections:
                lines.fail(f"a second section '{word}'", f"it once, on line {sections[word]}")
            section, sections[word] = word, lines.line
        elif section in blocks:
            blocks[section].add(lines, words)
        elif section in (":documentation", ":version", ":name", ":skin"):
            continue
        elif section and word in ("begin", "end"):
            if len(words) > 1 or inside == (word == "begin"):
                lines.fail(shown(" ".join(words)), "'begin' and 'end' alternately, each on its own line")
            inside = word == "begin"
            if section == ":bonedata" and inside:
                if len(bones) == MAX_JOINTS:
                    lines.fail(f"bone number {MAX_JOINTS + 1}", f"at most {MAX_JOINTS}")
                bones.append(_Block(path, "a bone", _BONE_FIELDS, lines.line))
        elif not inside:
            lines.fail(shown(word), "'begin'" if section else f"one of {', '.join(_SECTIONS)}")
        elif section == ":bonedata":
            bones[-1].add(lines, words)
        else:
            links.append((lines.line, words))
    if inside:
        raise ValueError(f"{path} ends after line {lines.line}, expected 'end'")
    for needed in (":units", ":root", ":bonedata", ":hierarchy"):
        if needed not in sections:
            raise ValueError(f"{path} has no section '{needed}', expected one")
    for name, block in blocks.items():
        block.line = sections[name]
    return _rig(path, units, root, bones, links)


def _rig(
    path: Path, units: _Block, root: _Block, blocks: Sequence[_Block], links: Sequence[tuple[int, list[str]]]
) -> AsfRig:
    [length] = units.numbers("length", 1)
    if not 1e-6 <= length <= 1e6:
        units.fail("length", f"the length {length:g}", "a positive number of units per inch")
    angle = [word.lower() for word in units.words("angle")]
    if angle not in (["deg"], ["rad"]):
        units.fail("angle", f"the angle {shown(' '.join(angle))}", "deg or rad")
    metres, degrees = _INCH / length, angle == ["deg"]

    bones, lines = {"root": _root(root, metres)}, {"root": root.line}
    for block in blocks:
        bone = _bone(block, metres, radians(1) if degrees else 1.0)
        if bone.name in bones:
            block.fail("name", f"the name '{bone.name}'", f"a name not used in line {lines[bone.name]}")
        bones[bone.name], lines[bone.name] = bone, block.line
    children = _children(path, bones, links)

    ordered: list[AsfBone] = []
    waiting = [("root", -1)]
    while waiting:
        name, parent = waiting.pop()
        waiting += [(child, len(ordered)) for child in reversed(children.get(name, ()))]
        ordered.append(replace(bones.pop(name), parent=parent))
    if bones:
        name = next(iter(bones))
        where = f"{path}, line {lines[name]}"
        raise ValueError(f"{where}: bone '{name}' is not below the root in ':hierarchy', expected it there")
    return AsfRig(tuple(ordered), metres, degrees, str(path))


def _root(block: _Block, metres: float) -> AsfBone:
    channels = block.channels("order", _TRANSLATIONS | _ROTATIONS)
    if not channels:
        block.fail("order", "an empty 'order'", "some of tx ty tz rx ry rz")
    _, order = block.axis(0)
    x, y, z = block.numbers("position", 3)
    if any(block.numbers("orientation", 3)):
        block.fail("orientation", "a preset orientation", "0 0 0: programs disagree about other values")
    return AsfBone("root", -1, (x * metres, y * metres, z * metres), channels, (0.0, 0.0, 0.0), order)


def _bone(block: _Block, metres: float, turn: float) -> AsfBone:
    """A bone whose parent is not known yet."""
    name = " ".join(block.words("name"))
    if not is_name(name) or name[0] == ":" or " " in name or name.isdecimal():
        block.fail("name", f"the name {shown(name)}", "one readable word that is not a number")
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
    angles, order = block.axis(3)
    axis = tuple(angle * turn for angle in angles)
    return AsfBone(name, -1, (x * step, y * step, z * step), block.channels("dof", _ROTATIONS), axis, order)


def _children(
    path: Path, bones: Mapping[str, AsfBone], links: Sequence[tuple[int, list[str]]]
) -> dict[str, list[str]]:
    """The children of each bone that has children."""
    children: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    for line, (parent, *own) in links:
        for name in (parent, *own):
            if name not in bones:
                expected = "expected the root or a bone of ':bonedata'"
                raise ValueError(f"{path}, line {line} has {shown(name)}, {expected}")
        for name in own:
            if name in seen or name == "root":
                at = f"it once, on line {seen[name]}" if name in seen else "it only as a parent"
                raise ValueError(f"{path}, line {line} has '{name}' as a child, expected {at}")
            seen[name] = line
        children.setdefault(parent, []).extend(own)
    return children
