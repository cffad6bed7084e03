"""A naive frame-by-frame parser of ASF and AMC files, for the tests of the reader."""

import re

import numpy as np
from scipy.spatial.transform import Rotation

from pyg_sybio.data.motion import Motion


def words_of(text: str) -> list[list[str]]:
    plain = (re.sub("[(),]", " ", line.split("#")[0]).split() for line in re.split("\r\n|\r|\n", text))
    return [words for words in plain if words]


def numbers(words: list[str], count: int) -> list[float]:
    values = [float(word) for word in words]
    need(
        len(values) == count and bool(np.isfinite(values).all()) and not re.search("_|[^ -~]", "".join(words))
    )
    return values


def need(condition: bool) -> None:
    if not condition:
        raise ValueError("damaged")


def turn(order: str, angles: list[float], degrees: bool) -> Rotation:
    """Rotate about fixed axes, one after the other: each later rotation is multiplied from the left."""
    total = Rotation.identity()
    for axis, angle in zip(order.lower(), angles, strict=True):
        total = Rotation.from_euler(axis, angle, degrees=degrees) * total
    return total


class Naive:
    """A naive parser of both files: dictionaries, recursion over the hierarchy, and a loop over frames."""

    def __init__(self, asf: str, amc: str) -> None:
        self.bones: dict[str, dict[str, list[str]]] = {"root": {}}
        self.children: dict[str, list[str]] = {}
        self.read_asf(asf)
        self.frames: list[dict[str, list[float]]] = []
        self.amc_degrees = self.degrees
        self.read_amc(amc)

    def read_asf(self, text: str) -> None:
        sections: dict[str, list[list[str]]] = {}
        for words in words_of(text):
            if words[0].startswith(":"):
                need(words[0].lower() not in sections)
                section = sections.setdefault(words[0].lower(), [])
            else:
                section.append(words)
        known = "version|name|units|documentation|root|bonedata|hierarchy|skin"
        need(all(re.fullmatch(f":({known})", section) for section in sections))
        units: dict[str, list[str]] = {}
        for words in sections[":units"]:
            need(words[0].lower() in ("mass", "length", "angle") and words[0].lower() not in units)
            units[words[0].lower()] = words[1:]
        [length] = numbers(units["length"], 1)
        need(1e-6 <= length <= 1e6)
        self.metre = 0.0254 / length
        need(units["angle"] in (["deg"], ["rad"]))
        self.degrees = units["angle"] == ["deg"]
        for words in sections[":root"]:
            need(words[0].lower() in ("order", "axis", "position", "orientation"))
            need(words[0].lower() not in self.bones["root"])
            self.bones["root"][words[0].lower()] = words[1:]
        need(not any(numbers(self.bones["root"]["orientation"], 3)))
        need(sorted(self.bones["root"]["axis"][0].lower()) == ["x", "y", "z"])
        need(len(self.bones["root"]["axis"]) == 1)
        order = [word.lower() for word in self.bones["root"]["order"]]
        need(bool(order) and set(order) <= {"tx", "ty", "tz", "rx", "ry", "rz"})
        for block in self.blocks(sections[":bonedata"]):
            self.read_bone(block)
        for block in self.blocks(sections[":hierarchy"]):
            for parent, *children in block:
                need(set(children) <= set(self.bones) - {"root"} and parent in self.bones)
                self.children.setdefault(parent, []).extend(children)
        need(
            sorted([child for own in self.children.values() for child in own] + ["root"])
            == sorted(self.bones)
        )
        need(set(self.names()) == set(self.bones))

    def blocks(self, lines: list[list[str]]) -> list[list[list[str]]]:
        found: list[list[list[str]]] = []
        inside = False
        for words in lines:
            word = words[0].lower()
            if word in ("begin", "end"):
                need(len(words) == 1 and inside == (word == "end"))
                inside = not inside
                if inside:
                    found.append([])
            else:
                need(inside)
                found[-1].append(words)
        need(not inside)
        return found

    def read_bone(self, block: list[list[str]]) -> None:
        fields: dict[str, list[str]] = {}
        for words in block:
            if re.fullmatch(r"[+-]?(inf|[\d.].*)", words[0], re.IGNORECASE):
                need(list(fields)[-1] == "limits")  # limits are not read
                continue
            known = "id|name|direction|length|axis|dof|limits|bodymass|cofmass"
            need(bool(re.fullmatch(known, words[0].lower())))
            need(words[0].lower() not in fields)
            fields[words[0].lower()] = words[1:]
        [name] = fields["name"]
        need(name not in self.bones and name.isprintable() and not name.isdecimal() and name[0] != ":")
        need(bool(re.fullmatch(r"\d{0,18}", "".join(fields.get("id", [])), re.ASCII)))
        need(len(fields.get("id", [""])) <= 1)
        direction, [length] = numbers(fields["direction"], 3), numbers(fields["length"], 1)
        need(length >= 0 and (abs(np.linalg.norm(direction) - 1) <= 0.01 or not length))
        numbers(fields["axis"][:3], 3)
        need(sorted(fields["axis"][3].lower()) == ["x", "y", "z"] and len(fields["axis"]) == 4)
        dof = [word.lower() for word in fields.get("dof", [])]
        need(len(set(dof)) == len(dof) and set(dof) <= {"rx", "ry", "rz"})
        self.bones[name] = fields

    def read_amc(self, text: str) -> None:
        count: int | None = None
        for words in words_of(text):
            if words[0].startswith(":"):
                need(count is None and words[0].lower() in (":fully-specified", ":degrees", ":radians"))
                if words[0].lower() != ":fully-specified":
                    self.amc_degrees = words[0].lower() == ":degrees"
            elif re.fullmatch(r"\d{1,18}", words[0], re.ASCII) and len(words) == 1:
                need(count is None or int(words[0]) == count + 1)
                count = int(words[0])
                self.frames.append({})
            else:
                need(count is not None and words[0] not in self.frames[-1])
                self.frames[-1][words[0]] = numbers(words[1:], len(self.dof(words[0])))
        moving = {name for name in self.bones if self.dof(name)}
        need(bool(self.frames) and all(set(frame) == moving for frame in self.frames))

    def dof(self, name: str) -> list[str]:
        key = "order" if name == "root" else "dof"
        need(name in self.bones)
        return [word.lower() for word in self.bones[name].get(key, [])]

    def names(self, start: str = "root") -> list[str]:
        found = [start]
        for child in self.children.get(start, []):
            found += self.names(child)
        return found

    def positions(self) -> dict[str, np.ndarray]:
        """Root and end of each bone, `[T, 3]`, metres."""
        found: dict[str, list[np.ndarray]] = {}
        for frame in self.frames:
            given = dict(zip(self.dof("root"), frame["root"], strict=True))
            shift = [given.get("t" + axis, 0.0) for axis in "xyz"]
            place = (np.array(numbers(self.bones["root"]["position"], 3)) + shift) * self.metre
            found.setdefault("root", []).append(place)
            self.follow("root", place, self.motion("root", frame), frame, found)
        return {name: np.array(path) for name, path in found.items()}

    def motion(self, name: str, frame: dict[str, list[float]]) -> Rotation:
        pairs = [
            (dof[1], value)
            for dof, value in zip(self.dof(name), frame.get(name, []), strict=True)
            if dof[0] == "r"
        ]
        return turn("".join(axis for axis, _ in pairs), [value for _, value in pairs], self.amc_degrees)

    def follow(
        self,
        parent: str,
        start: np.ndarray,
        orientation: Rotation,
        frame: dict[str, list[float]],
        found: dict[str, list[np.ndarray]],
    ) -> None:
        for name in self.children.get(parent, []):
            fields = self.bones[name]
            axes = turn(fields["axis"][3], numbers(fields["axis"][:3], 3), self.degrees)
            own = orientation * axes * self.motion(name, frame) * axes.inv()
            step = np.array(numbers(fields["direction"], 3)) * float(fields["length"][0]) * self.metre
            end = start + own.apply(step)
            found.setdefault(name, []).append(end)
            self.follow(name, end, own, frame, found)


def assert_naive(motion: Motion, naive: Naive, rtol: float = 1e-5) -> None:
    """Assert that the motion equals the naive parse in single precision."""
    positions = naive.positions()
    expected = np.stack([positions[name] for name in motion.skeleton.joints], axis=1)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(motion.poses[0].double().numpy(), expected, rtol=0, atol=rtol * scale)
    assert motion.num_persons == 1 and bool(motion.present.all())
