"""The commands that inspect recordings: output, files, exit codes and one-line errors."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import error_of
from matplotlib.image import imread
from ntu_files import BODY, Body, write_ntu_file
from PIL import Image
from stick_body import STICK, stick_motion

from pyg_sybio.cli.main import main
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.skeleton import load_skeleton

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Head
  {
    OFFSET 0 60 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 10 0
    }
  }
  JOINT LeftLeg
  {
    OFFSET 10 -80 0
    CHANNELS 3 Zrotation Xrotation Yrotation
  }
  JOINT RightLeg
  {
    OFFSET -10 -80 0
    CHANNELS 3 Zrotation Xrotation Yrotation
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 90 0 0 0 0 0 0 0 0 0 0 0 0 0
0 90 0 5 0 0 0 5 0 0 0 5 0 0 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three clips of two classes."""
    for name, label in (("a", "wave"), ("b", "run"), ("c", "wave")):
        write_motion(stick_motion(label=label, ids={"subject": name}), tmp_path / "clips" / f"{name}.npz")
    return tmp_path / "clips"


@pytest.mark.parametrize(
    "argv",
    [
        ["data", "info"],
        ["data", "info", "a", "--labels", "b", "--pattern", "c"],
        ["data", "show", "a", "--frames", "0"],
        ["data", "show", "a", "--entry", "-1"],
        ["data", "show", "a", "--up", "w"],
        ["data", "show", "a", "--out", "b.png"],
        ["skeleton", "from"],
    ],
)
def test_usage_errors_have_exit_code_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2


# Folders --------------------------------------------------------------------------------------------------


def test_info_prints_tables_and_writes_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = folder / "report.json"
    for _ in range(2):  # in the second run, the written report must not be read as a motion
        assert main(["data", "info", str(folder), "--json", str(report)]) == 0
        printed = capsys.readouterr()
        assert "3 files, 3 clips (3 .npz)" in printed.out
        assert f"report: {report}" in printed.out
        assert printed.err == ""
        document = json.loads(report.read_text())
        assert document["all"]["classes"] == {"run": 1, "wave": 2}
        assert document["all"]["frames"]["total"] == 15


def test_info_uses_the_given_skeleton_labels_and_pattern(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = STICK.to_dict() | {
        "name": "legs",
        "joints": ["pelvis", "left_foot", "right_foot"],
        "bones": [["pelvis", "left_foot"], ["pelvis", "right_foot"]],
        "parts": {"all": ["pelvis", "left_foot", "right_foot"]},
        "part_bones": [],
        "mirror": [["left_foot", "right_foot"]],
    }
    (folder / "legs.json").write_text(json.dumps(small))
    argv = ["data", "info", str(folder), "--skeleton", str(folder / "legs.json")]
    assert main([*argv, "--pattern", r"(?P<label>.)\.npz"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["skeleton", "legs"] in rows
    assert ["classes", "3"] in rows
    (folder / "my.csv").write_text("file,label,split\na.npz,x,train\nb.npz,x,val\nc.npz,y,test\n")
    assert main([*argv, "--labels", str(folder / "my.csv")]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["all", "train", "val", "test"] in rows
    assert ["x", "2", "1", "1", "0"] in rows


def test_info_reports_bad_files_and_then_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.bvh").write_text("HIERARCHY\nROOT")
    assert main(["data", "info", str(folder), "--json", str(folder.parent / "a.json")]) == 1
    printed = capsys.readouterr()
    assert "cannot be read" in printed.out
    assert "3 clips" in printed.out
    lines = printed.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"sybio: error: 1 of 4 files cannot be read, such as {folder / 'bad.bvh'}")
    failures = json.loads((folder.parent / "a.json").read_text())["failures"]
    assert list(failures) == [str(folder / "bad.bvh")]


def test_info_errors_name_the_cause(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no folder" in error_of(capsys, "data", "info", str(folder / "absent"))
    assert "unknown skeleton 'ntu99'" in error_of(capsys, "data", "info", str(folder), "--skeleton", "ntu99")
    (folder / "clips.csv").write_text("file,label\na.npz,x\n")
    assert "column 'file' lacks b.npz, c.npz" in error_of(capsys, "data", "info", str(folder))


# Files ----------------------------------------------------------------------------------------------------


def test_show_writes_every_file_type(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "a.gif", "a.html"):
        output = folder.parent / name
        assert main(["data", "show", str(folder / "a.npz"), "--output", str(output)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines == [
            repr(stick_motion(label="wave", source=str(folder / "a.npz"))),
            "up is y (skeleton 'stick' has no 'up')",
            str(output),
        ]
    assert min(imread(folder.parent / "a.png").shape[:2]) > 300
    with Image.open(folder.parent / "a.gif") as gif:
        assert gif.n_frames == 5
    assert '"title":"a.npz"' in (folder.parent / "a.html").read_text()


def test_show_uses_the_given_number_of_frames_and_up_axis(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.parent)
    assert main(["data", "show", str(folder / "a.npz"), "--frames", "2", "--up=y"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["up is y (as asked)", "a.png"]
    two = imread(folder.parent / "a.png").shape
    assert main(["data", "show", str(folder / "a.npz"), "--frames", "5", "--up=y"]) == 0
    assert imread(folder.parent / "a.png").shape[1] > two[1]


def test_show_draws_an_ntu_file_of_two_persons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "S001C002P003R002A050.skeleton"
    write_ntu_file(path, np.random.default_rng(0), 20, [Body(), Body(BODY + 1, start=5, stop=15)])
    assert main(["data", "show", str(path), "--output", str(tmp_path / "a.png")]) == 0
    assert "up is y (as in skeleton 'ntu25')" in capsys.readouterr().out


def test_show_draws_the_first_or_the_selected_motion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).random((3, 6, 150), np.float32)
    y = np.eye(3, dtype=np.float32)
    path = tmp_path / "NTU.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    output = tmp_path / "a.html"
    assert main(["data", "show", str(path), "--output", str(output)]) == 0
    assert "the first of several motions" in capsys.readouterr().out
    first = output.read_text()
    assert main(["data", "show", str(path), "--output", str(output), "--entry", "2"]) == 0
    assert "first of several" not in capsys.readouterr().out
    assert output.read_text() != first
    argv = ["data", "show", str(path), "--output", str(output), "--entry", "4"]
    assert "'--entry' is 4, but" in (error := error_of(capsys, *argv))
    assert "has 4 motions, counted from 0" in error


def test_show_draws_rotations_as_angles_or_as_a_body(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.txt"
    np.savetxt(path, np.random.default_rng(0).random((4, 117)), delimiter=",")
    assert main(["data", "show", str(path), "--output", str(tmp_path / "a.png"), "--angles"]) == 0
    assert "the angles of rotations are shown" in capsys.readouterr().out
    assert (tmp_path / "a.png").is_file()
    line = error_of(capsys, "data", "show", str(path), "--output", str(tmp_path / "a.gif"), "--angles")
    assert "a picture of the angles" in line
    assert main(["data", "show", str(path), "--output", str(tmp_path / "a.gif")]) == 0
    assert "(as in skeleton 'cmu38')" in capsys.readouterr().out


def test_show_errors_name_the_cause_and_write_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show = ["data", "show", str(folder / "a.npz")]
    (folder / "junk.npz").write_text("hello")
    images = Motion(poses=torch.rand(1, 2, 17, 3), skeleton=load_skeleton("coco17"))
    write_motion(images, folder / "image.npz")
    monkeypatch.setenv("PATH", "")
    before = set(folder.iterdir())
    for argv, message in (
        (["data", "show", str(folder / "absent.npz")], "no file"),
        (["data", "show", str(folder / "junk.npz")], "junk.npz"),
        ([*show, "--output", str(folder / "a.mp4")], "no program ffmpeg"),
        ([*show, "--output", str(folder / "absent" / "a.png")], "no such folder"),
        ([*show, "--skeleton", "coco17"], "coco17"),
        (["data", "show", str(folder / "image.npz"), "--up", "y"], "where y points down"),
    ):
        assert message in error_of(capsys, *argv)
    line = error_of(capsys, *show, "--output", str(folder / "a.jpeg"), code=2)
    assert "expected a name that ends in .png, .svg, .pdf, .gif, .mp4 or .html" in line
    assert set(folder.iterdir()) == before


# Skeletons ------------------------------------------------------------------------------------------------


def test_the_skeleton_from_a_file_is_accepted_by_other_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bvh, output = tmp_path / "a.bvh", tmp_path / "mine.json"
    bvh.write_text(BVH)
    argv = ["skeleton", "from", str(bvh), "--name", "mine", "--units", "cm", "--output", str(output)]
    assert main(argv) == 0
    printed = capsys.readouterr().out
    skeleton = load_skeleton(output)
    assert (skeleton.name, skeleton.units) == ("mine", "cm")
    assert skeleton.joints == ("Hips", "Head", "LeftLeg", "RightLeg")
    assert f"centre  {skeleton.center}" in printed
    assert "LeftLeg - RightLeg" in printed
    for part, joints in skeleton.parts.items():
        assert any(line.split() == [part, *", ".join(joints).split()] for line in printed.splitlines())
    assert f"sybio data info FOLDER --skeleton {output}" in printed
    # Other commands accept the skeleton.
    assert main(["skeleton", "validate", str(output)]) == 0
    assert main(["data", "info", str(bvh), "--skeleton", str(output)]) == 0
    assert ["skeleton", "mine"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    # An existing file may have been edited, so it is not overwritten.
    output.write_text(text := output.read_text().replace('"cm"', '"inches"'))
    assert f"{output} already exists" in error_of(capsys, *argv)
    assert output.read_text() == text


def test_a_skeleton_from_a_rig_may_include_end_sites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.bvh").write_text(BVH)
    assert main(["skeleton", "from", "a.bvh", "--end-sites"]) == 0
    (written,) = tmp_path.glob("*.json")
    assert load_skeleton(written).num_joints == 5
    assert f"skeleton: {written.name}" in capsys.readouterr().out


def test_skeleton_command_errors_name_the_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.npz").write_text("")
    (tmp_path / "a.bvh").write_text("HIERARCHY")
    for name, message in (
        ("absent.bvh", "no file"),
        ("a.npz", "is not a rig"),
        ("a.bvh", "a.bvh ends after line 1"),
    ):
        assert message in error_of(capsys, "skeleton", "from", str(tmp_path / name))
    assert not list(tmp_path.glob("*.json"))


# Real recordings ------------------------------------------------------------------------------------------


@pytest.mark.real_data
@pytest.mark.parametrize(
    "pattern", ["bandai2/*run_active_001.bvh", "cmu_asf_amc/02_01.amc", "nw_ucla/a01_s01_e00_v01.json"]
)
def test_real_files_are_drawn_upright(
    pattern: str, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = data_root.glob(pattern)
    assert main(["data", "show", str(path), "--output", str(tmp_path / "a.png")]) == 0
    assert "up is y (as in skeleton" in capsys.readouterr().out


@pytest.mark.real_data
def test_info_of_a_real_folder_equals_counts_of_its_files(
    data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "info", str(data_root / "nw_ucla")]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["clips", "1020"] in rows
    assert ["classes", "10"] in rows
    lengths = [
        len(json.loads(path.read_text())["skeletons"]) for path in (data_root / "nw_ucla").glob("*.json")
    ]
    assert ["frames,", "median", f"{statistics.median(lengths):g}"] in rows
