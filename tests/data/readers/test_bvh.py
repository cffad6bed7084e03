"""BVH files compared with a naive parser that uses SciPy's rotations frame by frame."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mutations import assert_safe, mutations
from scipy.spatial.transform import Rotation

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.bvh import frame_rate_of, load_bvh, load_bvh_rig, read_bvh
from pyg_sybio.rotations import forward_kinematics
from pyg_sybio.skeleton import load_skeleton

# Position channels on a joint other than the root, joints with one channel or none, and several orders.
TEXT = """\
HIERARCHY
ROOT Hips
{
  OFFSET 1.0 90.0 -2.0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0.5 20.0 0.0
    CHANNELS 3 Yrotation Zrotation Xrotation
    JOINT Arm L
    {
      OFFSET 10.0 12.0 0.25
      CHANNELS 2 Xrotation Zrotation
      JOINT Hand_L
      {
        OFFSET 25.0 0.0 0.0
        CHANNELS 1 Yrotation
        End Site
        {
          OFFSET 8.0 0.0 1.0
        }
      }
    }
    JOINT Arm R
    {
      OFFSET -10.0 12.0 0.25
      CHANNELS 2 Xrotation Zrotation
      JOINT Hand_R
      {
        OFFSET -25.0 0.0 0.0
        CHANNELS 1 Yrotation
        End Site
        {
          OFFSET -8.0 0.0 1.0
        }
      }
    }
    JOINT Head
    {
      OFFSET 0.0 15.0 0.0
      CHANNELS 0
      End Site
      {
        OFFSET 0.0 0.0 0.0
      }
    }
  }
  JOINT Tail
  {
    OFFSET 0.0 0.0 -5.0
    CHANNELS 5 Zrotation Zposition Xrotation Yposition Yrotation
    End Site
    {
      OFFSET 0.0 0.0 -30.0
    }
  }
}
MOTION
Frames: 4
Frame Time: 0.0333333
"""
NUM_CHANNELS = 20


def text_with(num_frames: int = 4, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-180, 180, (num_frames, NUM_CHANNELS))
    lines = "".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in rows)
    return TEXT.replace("Frames: 4", f"Frames: {num_frames}") + lines


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


class Naive:
    """A naive BVH parser: recursion over the joints, and a loop over the frames."""

    def __init__(self, text: str) -> None:
        spaced = re.sub("[{}]", r"\n\g<0>\n", text)
        self.lines = [line.strip() for line in re.split("\r\n|\r|\n", spaced) if line.strip()]
        self.place = 0
        self.joints: list[tuple[str, int, np.ndarray, list[str]]] = []
        self.take("HIERARCHY")
        self.joint(-1, "ROOT (.+)")
        self.take("MOTION")
        num_frames = int(self.take(r"Frames:\s*(\d+)"))
        self.frame_time = float(self.take(r"Frame Time:\s*(\S+)"))
        self.rows = [[float(value) for value in line.split()] for line in self.lines[self.place :]]
        self.need(len(self.rows) == num_frames > 0 and 0 < self.frame_time < np.inf)
        self.need(not re.search("_|[^\0-\x7f]", "".join(self.lines[self.place :])))
        num_channels = sum(len(channels) for *_, channels in self.joints)
        self.need(all(len(row) == num_channels and np.isfinite(row).all() for row in self.rows))
        names = [name for name, *_ in self.joints if name != "End Site"]
        self.need(len(set(names)) == len(names))

    def need(self, condition: bool) -> None:
        if not condition:
            raise ValueError(f"line {self.place}")

    def take(self, pattern: str) -> str:
        self.need(self.place < len(self.lines))
        match = re.fullmatch(pattern, re.sub(r"\s+", " ", self.lines[self.place]), re.IGNORECASE)
        self.place += 1
        if not match:
            raise ValueError(f"{pattern} in line {self.place}")
        return match[1] if match.groups() else ""

    def joint(self, parent: int, pattern: str) -> None:
        name = self.take(pattern)
        self.need(name.isprintable())
        self.take("{")
        count, *channels = ["0"]
        if channels_first := self.lines[self.place].upper().startswith("CHANNELS"):
            count, *channels = self.take("CHANNELS (.+)").split()
        offset = np.array([float(value) for value in self.take("OFFSET (.+)").split()])
        self.need(len(offset) == 3 and bool(np.isfinite(offset).all()))
        index = len(self.joints)
        if name.lower() == "end site":
            self.joints.append(("End Site", parent, offset, []))
            self.take("}")
            return
        if not channels_first:
            count, *channels = self.take("CHANNELS (.+)").split()
        channels = [channel.capitalize() for channel in channels]
        self.need(int(count) == len(channels) == len(set(channels)))
        self.need(all(re.fullmatch("[XYZ](position|rotation)", channel) for channel in channels))
        self.joints.append((name, parent, offset, channels))
        while self.lines[self.place] != "}":
            is_end = self.lines[self.place].lower().startswith("end")
            self.joint(index, "(End Site)" if is_end else "JOINT (.+)")
        self.take("}")

    def positions(self) -> dict[str, np.ndarray]:
        """The position of each joint `[T, 3]`; an end site has the name of its joint with `_end`."""
        found: dict[str, list[np.ndarray]] = {}
        for row in self.rows:
            values = iter(row)
            places: list[np.ndarray] = []
            turns: list[Rotation] = []
            for name, parent, offset, channels in self.joints:
                step, turn = offset.copy(), Rotation.identity()
                for channel in channels:
                    value = next(values)
                    if channel.endswith("position"):
                        step["XYZ".index(channel[0])] = value
                    else:
                        turn = turn * Rotation.from_euler(channel[0].lower(), value, degrees=True)
                root = parent < 0
                places.append(step if root else places[parent] + turns[parent].apply(step))
                turns.append(turn if root else turns[parent] * turn)
                key = self.joints[parent][0] + "_end" if name == "End Site" else name
                found.setdefault(key, []).append(places[-1])
        return {name: np.array(path) for name, path in found.items()}


def assert_naive(motion: Motion, naive: Naive, rtol: float = 1e-5) -> None:
    """Assert that the motion equals the naive parse in single precision."""
    positions = naive.positions()
    expected = np.stack([positions[name] for name in motion.skeleton.joints], axis=1)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(motion.poses[0].double().numpy(), expected, rtol=0, atol=rtol * scale)
    assert motion.frame_rate == pytest.approx(1 / naive.frame_time, rel=1e-4)
    assert motion.num_persons == 1 and bool(motion.present.all())


def test_a_generated_file_equals_the_naive_parse(tmp_path: Path) -> None:
    path = write(tmp_path / "made.bvh", text_with(7))
    motion = read_bvh(path)
    assert_naive(motion, Naive(path.read_text()))
    assert motion.skeleton.joints == ("Hips", "Spine", "Arm L", "Hand_L", "Arm R", "Hand_R", "Head", "Tail")
    assert motion.poses.dtype == torch.float32 and motion.frame_rate == 30.0
    assert motion.source == str(path) and motion.label is None


def test_end_sites_are_joints_if_the_skeleton_has_them(tmp_path: Path) -> None:
    path = write(tmp_path / "made.bvh", text_with())
    skeleton = load_bvh_rig(path).skeleton(end_sites=True)
    # The end site of the head is at the position of the head, so it is not a joint.
    assert set(skeleton.joints) - set(read_bvh(path).skeleton.joints) == {
        "Hand_L_end",
        "Hand_R_end",
        "Tail_end",
    }
    assert_naive(read_bvh(path, skeleton=skeleton), Naive(path.read_text()))
    path = write(tmp_path / "taken.bvh", text_with().replace("Arm L", "Hand_L_end"))
    with pytest.raises(ValueError, match="'end_sites' would give a second joint 'Hand_L_end'"):
        load_bvh_rig(path).skeleton(end_sites=True)
    assert "Hand_L_end" in read_bvh(path).skeleton.joints


def test_positions_follow_from_the_rotations_and_translations(tmp_path: Path) -> None:
    rig, values, frame_rate = load_bvh(write(tmp_path / "made.bvh", text_with()))
    assert repr(rig) == "BvhRig(8 joints, 4 end sites, 20 channels)"
    assert values.shape == (4, 20) and frame_rate == 30.0
    assert rig.names[:4] == ("Hips", "Spine", "Arm L", "Hand_L") and rig.parents[:5] == (-1, 0, 1, 2, 3)
    rotations, steps = rig.pose(values)
    assert rig.offsets.shape == (12, 3) and rotations.shape == (4, 12, 3, 3)
    torch.testing.assert_close(steps[:, 0], values[:, :3])
    positions, _ = forward_kinematics(rotations, steps, rig.parents, steps[:, 0])
    torch.testing.assert_close(rig.positions(values), positions)
    torch.testing.assert_close(rig.rest_positions[3], rig.offsets[:4].sum(0))
    # Position channels replace the corresponding coordinates of the offset.
    tail = rig.names.index("Tail")
    torch.testing.assert_close(steps[:, tail, 0], torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(steps[:, tail, 2], values[:, 16])


def test_long_files_are_processed_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "made.bvh", text_with(9))
    whole = read_bvh(path)
    monkeypatch.setattr("pyg_sybio.data.readers.kinematic_chain._POSED_AT_ONCE", 12 * 2)
    assert read_bvh(path).equal(whole)


def test_case_and_spaces_do_not_matter(tmp_path: Path) -> None:
    plain = write(tmp_path / "made.bvh", text_with())
    head, motion = text_with().split("MOTION\n")
    one_line = re.sub(r"\s+", " ", re.sub(r"(JOINT|ROOT) (.+)\n\s*{", r"\1 \2{", head))
    odd = [
        text_with().replace("\n", "\r\n"),
        text_with().replace("\n", "\n\n").replace("  ", "\t"),
        re.sub("(ROOT|JOINT|OFFSET|CHANNELS|rotation|position)", lambda m: m[0].swapcase(), text_with()),
        text_with()
        .replace("End Site", "End site")
        .replace("Frames: ", "FRAMES :\t")
        .replace("Time:", "time:"),
        one_line + "\nMOTION\n" + motion.rstrip("\n"),
    ]
    expected = read_bvh(plain)
    for text in odd:
        assert read_bvh(write(plain, text)).equal(expected)


@pytest.mark.parametrize("rate", [24, 25, 30, 48, 50, 60, 72, 90, 100, 120, 240])
def test_a_rounded_frame_time_gives_an_integer_frame_rate(rate: int) -> None:
    for digits in (6, 7, 9):
        assert frame_rate_of(float(f"{1 / rate:.{digits}f}")) == rate
    assert frame_rate_of(float(np.float32(1 / rate))) == rate


@pytest.mark.parametrize("rate", [23.976, 29.97, 59.94, 0.5, 33.3])
def test_other_frame_times_are_kept(rate: float) -> None:
    assert frame_rate_of(1 / rate) == pytest.approx(rate, rel=1e-12)


def test_missing_joints_and_rotation_skeletons_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "made.bvh", text_with())
    with pytest.raises(
        ValueError, match=r"made\.bvh has no joint 'pelvis'.* skeleton 'ntu25'; it has Hips, Spine"
    ):
        read_bvh(path, skeleton=load_skeleton("ntu25"))
    with pytest.raises(ValueError, match=r"'skeleton' 'cmu38' has coordinates 'expmap'.*made\.bvh"):
        read_bvh(path, skeleton=load_skeleton("cmu38"))
    with pytest.raises(FileNotFoundError):
        read_bvh(tmp_path / "nothing.bvh")


def replaced(old: str, new: str) -> str:
    text = text_with()
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends after line 0, expected HIERARCHY"),
        (replaced("HIERARCHY", "SKELETON"), "line 1 has 'SKELETON', expected HIERARCHY"),
        (replaced("ROOT Hips", "JOINT Hips"), "line 2 has JOINT, expected it inside of a ROOT or JOINT"),
        (replaced("ROOT Hips", "ROOT"), "line 2 has a ROOT with the name ''"),
        (replaced("MOTION", "ROOT Other"), r"line 58 has a second ROOT 'Other', expected only one"),
        (replaced("JOINT Spine", "ROOT Spine"), r"line 6 has a second ROOT 'Spine'"),
        (replaced("JOINT Spine\n  {", "JOINT Spine"), r"line 7 has 'OFFSET', expected { after 'Spine'"),
        (replaced("  }\n}\n", "  }\n"), r"line 57 has MOTION, expected a brace that closes 'Hips' of line 2"),
        (replaced("MOTION", "}\nMOTION"), "line 58 has '}' outside of every joint"),
        (replaced("    OFFSET 0.5 20.0 0.0\n", ""), r"line 46 has the end of 'Spine' without an OFFSET"),
        (replaced("      CHANNELS 0\n", ""), "line 45 has the end of 'Head' without CHANNELS"),
        (replaced("20.0", "twenty"), "line 8 has 'twenty', expected a number"),
        (replaced("20.0", "nan"), "line 8 has 'nan', expected a finite number"),
        (replaced("OFFSET 0.5 20.0 0.0", "OFFSET 0.5 20.0"), "line 8 has 2 words left, expected the three"),
        (replaced("CHANNELS 3", "CHANNELS three"), "line 9 has 'three', expected an integer"),
        (replaced("CHANNELS 3", "CHANNELS 7"), "line 9 has 7 channels, expected at most 6"),
        (replaced("CHANNELS 3", "CHANNELS 2"), "line 9 has 'Xrotation' in joint 'Spine', expected OFF"),
        (replaced("CHANNELS 3", "CHANNELS 4"), "line 9 has 3 words left, expected the names of 4 channels"),
        (replaced("Yrotation Zrotation Xrotation", "Yrotation Zrotation Wrotation"), "line 9 has the channe"),
        (replaced("Yrotation Zrotation X", "Yrotation Yrotation X"), "line 9 has the channel Yrot"),
        (replaced("JOINT Hand_R", "JOINT Hand_L"), "line 28 has a second joint 'Hand_L', .* on line 14"),
        (replaced("End Site", "End Tip"), "line 18 has End 'Tip', expected End Site"),
        (replaced("OFFSET 8.0", "CHANNELS 1 Xrotation OFFSET 8.0"), r"line 20 has channels in 'Hand_L_end'"),
        (replaced("OFFSET 8.0 0.0 1.0", "OFFSET 8.0 0.0 1.0 JOINT x { OFFSET"), "line 20 has JOINT"),
        (replaced("OFFSET 8.0", "OFFSET 1 1 1\n OFFSET 8.0"), "line 21 has 'OFFSET' in joint 'Hand_L_end'"),
        (replaced("Frames: 4", "Frames: four"), "line 59 has 'four', expected an integer of at least 1"),
        (replaced("Frames: 4", "Frames: 0"), "line 59 has '0', expected an integer of at least 1"),
        (replaced("Frames: 4", "Frames: 3"), "line 64 has one more frame, expected the 3 of line 59"),
        (replaced("Frames: 4", "Frames: 5"), r"made\.bvh ends after 4 frames, expected the 5 of line 59"),
        (replaced("Frames: 4", "Frames: 99999999999999"), "ends after 4 frames, expected the 99999999999999"),
        (replaced("Frames: 4\n", ""), "line 59 has 'Frame Time: 0.0333333', expected 'Frames:' and a number"),
        (replaced("Frame Time: 0.0333333\n", ""), "line 60 has '.*', expected 'Frame Time:' and a number"),
        (replaced("0.0333333", "-0.03"), "line 60 has the frame time -0.03, expected a positive number"),
        (replaced("0.0333333", "1e-310"), "line 60 has the frame time 1e-310, expected a positive number"),
        (replaced("0.0333333\n", "0.0333333\n1.5 "), "line 61 has 21 values, expected 20"),
        (replaced("0.0333333\n", "0.0333333\n1.5\n"), "line 61 has 1 values, expected 20"),
        (replaced("0.0333333\n", "0.0333333\n" + "1 " * 19 + "inf\n"), "line 61 has 'inf'"),
        (replaced("0.0333333\n", "0.0333333\n" + "1 " * 19 + "1_0\n"), "line 61 has '1_0'"),
        (text_with()[: TEXT.index("MOTION")], "ends after line 57, expected MOTION"),
        (text_with()[: TEXT.index("Frames")], "ends after line 58, expected 'Frames:'"),
        ("HIERARCHY\nMOTION\n", "line 2 has MOTION, expected a ROOT before it"),
        (
            "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 0\n}\nMOTION\nFrames: 1\nFrame Time: 1\n",
            "line 7 has a hierarchy without channels",
        ),
    ],
)  # fmt: skip
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"made\.bvh.*" + message.replace(r"made\.bvh ", "")):
        read_bvh(write(tmp_path / "made.bvh", text))


def test_errors_of_positions_beyond_single_precision_name_the_joint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"made\.bvh, frame 1: joint 'Hand_L' has no finite position"):
        read_bvh(write(tmp_path / "made.bvh", replaced("OFFSET 25.0", "OFFSET 1e300")))


@pytest.mark.parametrize("name", [b"Spi\xe9ne", b"Spi\0ne", b"Spi\x1bne"])
def test_undecodable_names_are_refused(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "made.bvh"
    path.write_bytes(text_with().encode().replace(b"Spine", name))
    with pytest.raises(
        ValueError, match=r"made\.bvh, line 6 has a JOINT with the name .*, expected a readable"
    ):
        read_bvh(path)
    path.write_bytes(text_with().replace("Spine", "背骨").encode())
    assert read_bvh(path).skeleton.joints[1] == "背骨"


def nested(depth: int) -> str:
    opening = "".join(
        f"{'JOINT' if joint else 'ROOT'} j{joint} {{ OFFSET 0 1 0 CHANNELS 1 Xrotation\n"
        for joint in range(depth)
    )
    values = "0 " * depth
    return f"HIERARCHY\n{opening}{'}' * depth}\nMOTION\nFrames: 1\nFrame Time: 0.01\n{values}\n"


def test_deep_nesting_is_read_but_too_many_joints_are_an_error(tmp_path: Path) -> None:
    motion = read_bvh(write(tmp_path / "deep.bvh", nested(1000)))
    assert motion.poses[0, 0, -1].tolist() == [0, 1000, 0]
    with pytest.raises(ValueError, match=r"line 1002 has joint number 1001, expected at most 1000"):
        read_bvh(write(tmp_path / "deep.bvh", nested(10_000)))


def test_damaged_files_are_refused_or_read_correctly(tmp_path: Path) -> None:
    path = tmp_path / "made.bvh"

    def right(content: bytes) -> list[Motion] | None:
        try:
            naive = Naive(content.decode())
        except ValueError:
            return None
        motion = read_bvh(path)
        assert_naive(motion, naive)
        return [motion]

    damaged = mutations(text_with(3).encode(), count=220)
    assert assert_safe(read_bvh, path, damaged, right=right) > 150


# Real recordings ------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_real_files_equal_the_naive_parse(data_root: Path) -> None:
    files = sorted((data_root / "bandai2").glob("*.bvh"), key=lambda path: (path.stat().st_size, path.name))
    for path in files[:6]:
        assert_naive(read_bvh(path), Naive(path.read_text()))


@pytest.mark.real_data
def test_bone_lengths_are_constant_and_feet_stay_on_the_floor_in_all_real_files(data_root: Path) -> None:
    files = sorted((data_root / "bandai2").glob("*.bvh"))
    assert len(files) == 400
    skeleton = load_bvh_rig(files[0]).skeleton()
    feet = [joint for joint, name in enumerate(skeleton.joints) if name.startswith(("Foot", "Toes"))]
    inner, outer = map(list, zip(*skeleton.bone_pairs, strict=True))
    assert len(feet) == 4
    for path in files:
        motion = read_bvh(path, skeleton=skeleton)
        poses = motion.poses[0].double()
        lengths = (poses[:, outer] - poses[:, inner]).norm(dim=-1)
        spread = (lengths.amax(0) - lengths.amin(0)) / lengths.mean(0)
        assert spread.max() < 1e-4, path.name
        height = poses[:, feet, 1]
        # Heights are in centimetres. The joints are inside the foot, a few centimetres above the flat floor
        # at y = 0.
        assert -3 < height.min() < 12, path.name
        assert motion.frame_rate == 30.0
