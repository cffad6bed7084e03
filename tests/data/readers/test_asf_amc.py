"""ASF and AMC files compared with a naive parser that uses SciPy's rotations frame by frame."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mutations import assert_safe, mutations
from naive_asf_amc import Naive, assert_naive

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.amc import find_asf, load_amc, read_amc
from pyg_sybio.data.readers.asf import load_asf
from pyg_sybio.rotations import forward_kinematics
from pyg_sybio.skeleton import load_skeleton

# The rig has several orders of degrees of freedom and of axes, a bone that does not move, limits over several
# lines, and a bone that is listed before its parent.
ASF = """\
# A made skeleton
:version 1.10
:name MADE
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
  begin with whatever :text, it is read over
:root
  order TX TZ TY RZ RX RY
  axis XYZ
  position 0.5 1.5 -0.25
  orientation 0 0 0
:bonedata
  begin
    id 1
    name hip
    direction 0.6 -0.8 0.0
    length 2.5
    axis 0 0 0 XYZ
  end
  begin
    id 3
    name foot
    direction 0.0 -0.6 0.8
    length 2.25
    axis -90 7.62852e-016 20 ZYX
    dof rz rx
    limits (-45.0 90.0)
           (-inf inf)
    bodymass 3.5
  end
  begin
    id 2
    name leg
    direction 0.0 -1.0 0.0
    length 7.5   # a comment
    axis 10 -20 30 YZX
    dof ry rz rx
    limits (-160.0 20.0) (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
    id 4
    name back
    direction 0.0 1.0 0.0
    length 5.0
    axis 0 0 45 XYZ
    dof rx
  end
:hierarchy
  begin
    root hip back
    hip leg
    leg foot
  end
"""
DOF = {"root": 6, "foot": 2, "leg": 3, "back": 1}
JOINTS = ("root", "hip", "leg", "foot", "back")


def amc_with(num_frames: int = 4, first: int = 1, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    lines = ["#!OML:ASF made.asf", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(first, first + num_frames):
        lines.append(str(frame))
        for name, count in DOF.items():
            lines.append(" ".join([name, *(f"{value:.5f}" for value in rng.uniform(-170, 170, count))]))
    return "\n".join(lines) + "\n"


def write(folder: Path, asf: str = ASF, amc: str | None = None) -> Path:
    """Write both files and return the path of the AMC file."""
    (folder / "made.asf").write_text(asf)
    path = folder / "made_01.amc"
    path.write_text(amc_with() if amc is None else amc)
    return path


def test_generated_files_equal_the_naive_parse(tmp_path: Path) -> None:
    path = write(tmp_path, amc=amc_with(6))
    motion = read_amc(path)
    assert_naive(motion, Naive(ASF, path.read_text()))
    assert motion.skeleton.joints == JOINTS and motion.skeleton.units == "m"
    assert motion.frame_rate == 120.0 and motion.source == str(path) and motion.poses.dtype == torch.float32


def test_units_are_converted_to_metres_and_radians(tmp_path: Path) -> None:
    expected = read_amc(write(tmp_path))
    inches = ASF.replace("length 0.45", "length 1.0")
    other = read_amc(write(tmp_path, inches))
    # The unit is 1/0.45 inch in one file and one inch in the other.
    torch.testing.assert_close(other.poses, expected.poses * 0.45, rtol=1e-5, atol=1e-6)

    def in_radians(text: str) -> str:
        def convert(line: str) -> str:
            words = line.split()
            if words and words[0] in DOF and "." in line:
                skip = 4 if words[0] == "root" else 1
                words[skip:] = [repr(np.radians(float(word))) for word in words[skip:]]
            elif words and words[0] == "axis" and len(words) == 5:
                words[1:4] = [repr(float(np.radians(float(word)))) for word in words[1:4]]
            return " ".join(words)

        return re.sub("np.float64|[()]", "", "\n".join(map(convert, text.split("\n"))))

    radians = in_radians(ASF.replace("angle deg", "angle rad"))
    motion = read_amc(write(tmp_path, radians, in_radians(amc_with()).replace(":DEGREES", ":RADIANS")))
    torch.testing.assert_close(motion.poses, expected.poses, rtol=1e-5, atol=1e-5)
    # Each file may have its own angle unit; the default of a motion is the unit of its skeleton.
    mixed = read_amc(write(tmp_path, radians, amc_with()))
    torch.testing.assert_close(mixed.poses, expected.poses, rtol=1e-5, atol=1e-5)
    silent = read_amc(write(tmp_path, radians, in_radians(amc_with()).replace(":DEGREES\n", "")))
    assert silent.equal(motion)


def test_positions_follow_from_the_rig_and_the_rotations(tmp_path: Path) -> None:
    path = write(tmp_path)
    rig = load_asf(find_asf(path))
    values = load_amc(path, rig)
    assert repr(rig) == "AsfRig(4 bones, 12 channels)" and values.shape == (4, 12)
    assert rig.names == JOINTS and rig.parents == (-1, 0, 1, 2, 0)
    assert rig.source == str(tmp_path / "made.asf")
    torch.testing.assert_close(rig.rest_positions[1], rig.offsets[:2].sum(0))
    metre = 0.0254 / 0.45
    torch.testing.assert_close(rig.offsets[2], torch.tensor([0, -7.5 * metre, 0], dtype=torch.float64))
    rotations, steps = rig.pose(values)
    # The end of a bone in its parent's frame is its offset, rotated by the bone's own rotation.
    rotated = (rotations @ rig.offsets[..., None]).squeeze(-1)
    torch.testing.assert_close(steps[:, 1:], rotated[:, 1:])
    positions, _ = forward_kinematics(rotations, steps, rig.parents, steps[:, 0])
    torch.testing.assert_close(rig.positions(values), positions)


def test_any_first_frame_number_and_any_order_of_bones_are_read(tmp_path: Path) -> None:
    expected = read_amc(write(tmp_path)).poses
    assert torch.equal(read_amc(write(tmp_path, amc=amc_with(first=1780))).poses, expected)
    lines = amc_with().split("\n")
    swapped = lines.copy()
    swapped[5:7] = lines[6:4:-1]
    assert swapped != lines
    spaced = "\n".join(swapped).replace("\n", "  # why not\r\n\r\n")
    assert torch.equal(read_amc(write(tmp_path, amc=spaced)).poses, expected)
    # Keywords are not case-sensitive, but names are.
    shouted = re.sub("(?m)^ *(:?[a-z]+)(?= |$)", lambda match: match[0].upper(), ASF).replace(
        "ROOT hip", "root hip"
    )
    shouted = shouted.replace("HIP leg", "hip leg").replace("LEG foot", "leg foot")
    assert "NAME leg" in shouted
    path = write(tmp_path, shouted, amc_with().replace(":DEGREES", ":degrees"))
    assert torch.equal(read_amc(path).poses, expected)


def test_byte_order_marks_are_ignored(tmp_path: Path) -> None:
    path = write(tmp_path)
    motion = read_amc(path)
    for file in (path, tmp_path / "made.asf"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_amc(path).equal(motion)


def test_joints_are_found_by_name(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = read_amc(path)
    asf = (tmp_path / "made.asf").read_text().replace("root hip back", "root back hip")
    other = tmp_path / "other"
    other.mkdir()
    reordered = read_amc(path, asf=find_asf(write(other, asf)), skeleton=whole.skeleton)
    assert reordered.equal(whole)
    with pytest.raises(
        ValueError, match=r"made_01\.amc has no joint 'pelvis'.*'ntu25'; it has root, hip, leg"
    ):
        read_amc(path, skeleton=load_skeleton("ntu25"))


def test_the_skeleton_next_to_the_motion_is_found(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert find_asf(path) == tmp_path / "made.asf"
    (tmp_path / "made.asf").rename(tmp_path / "whatever.ASF")
    assert find_asf(path) == tmp_path / "whatever.ASF"
    (tmp_path / "other.asf").write_text(ASF)
    with pytest.raises(
        FileNotFoundError, match=r"are other\.asf, whatever\.ASF, expected made\.asf, or only one \.asf f"
    ):
        read_amc(path)
    (tmp_path / "made_01.asf").write_text(ASF)
    assert find_asf(path) == tmp_path / "made_01.asf"
    (tmp_path / "MADE.asf").write_text(ASF)
    assert find_asf(path) == tmp_path / "MADE.asf"
    assert read_amc(path, asf=tmp_path / "other.asf").equal(read_amc(path))
    for name in ("other.asf", "whatever.ASF", "made_01.asf", "MADE.asf"):
        (tmp_path / name).unlink()
    (tmp_path / "made.asf").mkdir()  # only regular files are read: reading a pipe would block
    with pytest.raises(FileNotFoundError, match=r"the \.asf files in its folder are none"):
        read_amc(path)
    with pytest.raises(FileNotFoundError, match=r"nothing\.amc: no such file"):
        read_amc(tmp_path / "nothing.amc")


def asf_with(old: str, new: str) -> str:
    assert old in ASF
    return ASF.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " has no section ':units', expected one"),
        (asf_with(":root", ":roots"), ", line 10 has ':roots', expected one of :version"),
        (asf_with(":bonedata", ":root"), ", line 15 has a second section ':root', expected it once, on line"),
        (ASF[: ASF.index(":hierarchy")], " has no section ':hierarchy'"),
        ("stray\n" + ASF, ", line 1 has 'stray', expected one of :version"),
        (asf_with("  angle deg\n", ""), ", line 4: ':units' has no 'angle', expected it"),
        (asf_with("angle deg", "angle grad"), ", line 7: ':units' has the angle 'grad', expected deg or rad"),
        (asf_with("length 0.45", "length 0"), ", line 6: ':units' has the length 0, expected a positive num"),
        (asf_with("length 0.45", "length 1 2"), ", line 6: ':units' has 2 numbers in 'length', expected 1"),
        (asf_with("length 0.45", "width 0.45"), ", line 6 has 'width', expected one of mass, length, angle"),
        (asf_with("TX TZ", "TX TX"), ", line 11: ':root' has 'tx' twice in 'order'"),
        (asf_with("TX TZ", "L TZ"), ", line 11: ':root' has 'l' in 'order', expected some of tx ty tz rx"),
        (asf_with("order TX TZ TY RZ RX RY", "order"), ", line 11: ':root' has an empty 'order'"),
        (asf_with("  axis XYZ\n", ""), ", line 10: ':root' has no 'axis'"),
        (asf_with("axis XYZ", "axis XXZ"), ", line 12: ':root' has the axis 'XXZ', expected an order"),
        (asf_with("orientation 0 0 0", "orientation 0 90 0"), ", line 14: ':root' has a preset orientation"),
        (asf_with("0.5 1.5 -0.25", "0.5 1.5"), ", line 13: ':root' has 2 numbers in 'position', expected 3"),
        (asf_with("name leg", "name foot"), ", line 36: bone 'foot' has the name 'foot', expected a name "),
        (asf_with("name leg", "name root"), ", line 36: bone 'root' has the name 'root', expected a name "),
        (asf_with("    name leg\n", ""), ", line 34: a bone has no 'name', expected it"),
        (asf_with("name leg", "name my leg"), ", line 36: a bone has the name 'my leg', expected one readab"),
        (asf_with("id 2", "id two"), ", line 35 has 'two', expected an integer"),
        (asf_with("length 7.5", "length -7.5"), ", line 38: bone 'leg' has the length -7.5, expected at lea"),
        (asf_with("length 7.5", "length long"), ", line 38 has 'long', expected a number"),
        (asf_with("length 7.5", "length 7.5\n length 7.5"), ", line 39 has a second 'length', .* on line 38"),
        (asf_with("0.0 -1.0 0.0", "0.0 -2.0 0.0"), ", line 37: bone 'leg' has a direction of length 2, expe"),
        (asf_with("0.0 -1.0 0.0", "0.0 -1.0"), ", line 37: bone 'leg' has 2 numbers in 'direction', expecte"),
        (asf_with("axis 10 -20 30 YZX", "axis 10 -20 30"), ", line 39: bone 'leg' has the axis '10 -20 30'"),
        (asf_with("axis 10 -20 30 YZX", "axis 10 -20 YZX"), ", line 39: bone 'leg' has 2 numbers in 'axis'"),
        (asf_with("ry rz rx", "ry tz rx"), ", line 40: bone 'leg' has 'tz' in 'dof', expected some of rx ry"),
        (asf_with("ry rz rx", "ry l rx"), ", line 40: bone 'leg' has 'l' in 'dof', expected some of rx ry r"),
        (asf_with("ry rz rx", "ry rz rz"), ", line 40: bone 'leg' has 'rz' twice in 'dof'"),
        (asf_with("dof rx\n", "dofs rx\n"), ", line 50 has 'dofs', expected one of id, name"),
        (asf_with("  end\n  begin\n    id 3", "    id 3"), ", line 22 has a second 'id'"),
        (asf_with("  end\n  begin\n    id 3", "  begin\n    id 3"), ", line 22 has 'begin', expected 'begin"),
        (asf_with("  begin\n    id 1", "    id 1"), ", line 16 has 'id', expected 'begin'"),
        (asf_with("  end\n:hier", ":hier"), ", line 51 has ':hierarchy', expected 'end' before it"),
        (ASF[: ASF.rindex("  end")], " ends after line 56, expected 'end'"),
        (asf_with("    leg foot\n", ""), ", line 23: bone 'foot' is not below the root"),
        (asf_with("hip leg", "foot leg"), ", line 23: bone 'foot' is not below the root"),
        (asf_with("leg foot", "leg toe"), ", line 56 has 'toe', expected the root or a bone of ':bonedata'"),
        (asf_with("leg foot", "leg foot hip"), ", line 56 has 'hip' as a child, expected it once, on line 5"),
        (asf_with("leg foot", "leg foot root"), ", line 56 has 'root' as a child, expected it only as a pa"),
    ],
)  # fmt: skip
def test_errors_in_a_skeleton_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"made\.asf" + message):
        read_amc(write(tmp_path, text))


def amc_changed(old: str, new: str) -> str:
    assert re.search(old, amc_with())
    return re.sub(old, new, amc_with(), count=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " has no frames"),
        (amc_changed(":DEGREES", ":GRADES"), ", line 3 has ':GRADES', expected :FULLY-SPECIFIED"),
        (amc_changed("\n2\n", "\n:DEGREES\n2\n"), ", line 9 has ':DEGREES', expected a frame number"),
        (amc_changed("\n2\n", "\n3\n"), ", line 9 has frame 3, expected frame 2 after frame 1"),
        (amc_changed("\n2\n", "\n1\n"), ", line 9 has frame 1, expected frame 2 after frame 1"),
        (amc_changed("\n2\n", "\n" + "9" * 30 + "\n"), ", line 9 has '9{30}', expected an integer"),
        (amc_changed("\n1\n", "\n"), ", line 4 has 'root' before a frame number"),
        (amc_changed("\nfoot .*", ""), ", line 8: frame 1 lacks foot, expected .* move in .*made\\.a"),
        (amc_changed("\nroot .*\nfoot .*", ""), ", line 7: frame 1 lacks foot, root"),
        (amc_with().rsplit("back", 1)[0], ", line 22: frame 4 lacks back"),
        (amc_changed("\nfoot", "\nfeet"), ", line 6 has 'feet', expected a frame number, .* in .*made\\.asf"),
        (amc_changed("\nfoot", "\nhip 1\nfoot"), ", line 6 has 'hip', expected a frame number"),
        (amc_changed("\nfoot (.*)", r"\nfoot \1\nfoot \1"), ", line 7 has 'foot' twice in frame 1"),
        (amc_changed("\nfoot", "\nfoot 1"), ", line 6 has 3 values for 'foot', expected 2 as in .*made\\.as"),
        (amc_changed("\nfoot (\\S+)", "\nfoot nan"), ", line 6 has 'nan', expected a finite number"),
        (amc_changed("\nfoot (\\S+)", "\nfoot ten"), ", line 6 has 'ten', expected a number"),
        (amc_changed("\nfoot (\\S+)", "\nfoot 1_0"), ", line 6 has '1_0', expected a number"),
        (amc_changed("\nroot (\\S+)", "\nroot 1e300"), ", frame 1: joint 'root' has no finite position"),
    ],
)  # fmt: skip
def test_errors_in_a_motion_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"made_01\.amc" + message):
        read_amc(write(tmp_path, amc=text))


def test_too_many_bones_are_an_error_but_deep_hierarchies_are_read(tmp_path: Path) -> None:
    def deep(count: int) -> str:
        head, tail = ASF.index("  begin\n    id 1"), ASF.index(":hierarchy")
        bone = "begin\nname b{}\ndirection 0 1 0\nlength 1\naxis 0 0 0 XYZ\nend\n"
        bones = "".join(bone.format(index) for index in range(count))
        links = "".join(f"b{index} b{index + 1}\n" for index in range(count - 1))
        return f"{ASF[:head]}{bones}{ASF[tail:].split('begin')[0]}begin\nroot b0\n{links}end\n"

    amc = "1\nroot 0 0 0 0 0 0\n"
    motion = read_amc(write(tmp_path, deep(999), amc))
    assert motion.poses[0, 0, -1, 1].item() == pytest.approx(1000.5 * 0.0254 / 0.45)
    with pytest.raises(ValueError, match=r"made\.asf, line \d+ has bone number 1001, expected at most 1000"):
        read_amc(write(tmp_path, deep(10_000), amc))


def test_damaged_motions_are_refused_or_read_correctly(tmp_path: Path) -> None:
    path = write(tmp_path)

    def right(content: bytes) -> list[Motion] | None:
        try:
            naive = Naive(ASF, content.decode(errors="replace"))
        except (ValueError, LookupError):
            return None
        motion = read_amc(path)
        assert_naive(motion, naive)
        return [motion]

    damaged = mutations(amc_with(3).encode(), count=220)
    assert assert_safe(read_amc, path, damaged, right=right) > 150


def test_damaged_skeletons_are_refused_or_read_correctly(tmp_path: Path) -> None:
    amc = write(tmp_path)

    def read(path: Path) -> Motion:
        return read_amc(amc, asf=path)

    def right(content: bytes) -> list[Motion] | None:
        try:
            naive = Naive(content.decode(errors="replace"), amc_with())
        except (ValueError, LookupError):
            return None
        motion = read(tmp_path / "made.asf")
        assert_naive(motion, naive)
        return [motion]

    damaged = mutations(ASF.encode(), count=220)
    assert assert_safe(read, tmp_path / "made.asf", damaged, right=right) > 100


# Real recordings ------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_real_files_equal_the_naive_parse(data_root: Path) -> None:
    folder = data_root / "cmu_asf_amc"
    asf = (folder / "02.asf").read_text()
    files = sorted(folder.glob("*.amc"))
    assert len(files) == 9
    for path in files:
        lines = path.read_text().split("\n")
        stop = next(place for place, line in enumerate(lines) if line.strip() == "6")
        motion = read_amc(path).frames(slice(5))
        assert_naive(motion, Naive(asf, "\n".join(lines[:stop])))


@pytest.mark.real_data
def test_bone_lengths_are_constant_and_feet_stay_on_the_floor_in_all_real_files(data_root: Path) -> None:
    for path in sorted((data_root / "cmu_asf_amc").glob("*.amc")):
        motion = read_amc(path)
        skeleton, poses = motion.skeleton, motion.poses[0].double()
        inner, outer = map(list, zip(*skeleton.bone_pairs, strict=True))
        lengths = (poses[:, outer] - poses[:, inner]).norm(dim=-1)
        assert ((lengths.amax(0) - lengths.amin(0)) / lengths.mean(0)).max() < 1e-4, path.name
        feet = [
            joint for joint, name in enumerate(skeleton.joints) if name.endswith(("foot", "toes", "tibia"))
        ]
        assert len(feet) == 6
        # In metres. The floor is at y = 0; fitted toes may be a few centimetres below the floor.
        assert -0.04 < poses[:, feet, 1].min() < 0.06, path.name
        assert 1.5 < poses[:, skeleton.joint_index("head"), 1].median() < 1.8, path.name
