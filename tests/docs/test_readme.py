"""The README's examples run as printed."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_recipe import TINY_MODEL, TINY_TRAINER

from pyg_sybio.cli import main as cli
from pyg_sybio.data.reading import read_motion
from pyg_sybio.skeleton import Skeleton

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def _blocks(language: str, section: str) -> list[str]:
    """The code blocks in a language below a heading."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_model_example_prints_the_shapes_that_it_states(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = _blocks("python", "Ten lines")
    exec(compile(code, "README.md", "exec"), {})
    stated = [json.loads(shape) for shape in re.findall(r"^print.*# (\[[\d, ]+\])", code, flags=re.MULTILINE)]
    printed = [line for line in capsys.readouterr().out.splitlines() if line]
    assert len(stated) == 3
    assert printed == [str(torch.Size(shape)) for shape in stated]


def test_the_folded_example_prints_what_it_states() -> None:
    (code,) = _blocks("python", "Faster")
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["out"].future.shape == (1, 10, 25, 3)


def test_the_stream_example_prints_what_it_states(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = _blocks("python", "Live")
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["True True", "torch.Size([15, 17, 3])"]


def test_the_skeleton_example_is_valid() -> None:
    (text,) = _blocks("json", "Your own skeleton")
    skeleton = Skeleton.from_dict(json.loads(text), where="README.md")
    assert skeleton.num_joints == 7
    assert skeleton.dual().num_joints == skeleton.num_bones


def test_the_motion_examples_are_read_as_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = _blocks("python", "My own data")
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip() == re.findall(r"^print.*?# (.*)$", code, flags=re.MULTILINE)[0]
    assert (~read_motion("wave.npz").present).sum() == 30 * 17
    (text,) = _blocks("json", "My own data")
    (tmp_path / "wave.json").write_text(text)
    motion = read_motion("wave.json")
    assert (motion.label, motion.frame_rate, motion.ids) == ("wave", 15.0, {"subject": "anna"})
    assert motion.poses.shape == (1, 1, 15, 2) and (~motion.present).sum() == 2


BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0 40 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT LeftHand
    {
      OFFSET 50 0 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 10 0 0
      }
    }
    JOINT RightHand
    {
      OFFSET -50 0 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET -10 0 0
      }
    }
  }
}
MOTION
Frames: 50
Frame Time: 0.033333
"""


def _write_bvh(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = rng.normal(0, 5, (50, 15)).cumsum(0)
    path.write_text(BVH + "\n".join(" ".join(f"{value:.4f}" for value in frame) for frame in frames) + "\n")


def test_the_example_with_own_data_runs_from_files_to_a_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (table,) = _blocks("csv", "My own data")
    for row in table.splitlines()[1:]:
        _write_bvh(Path("clips") / row.split(",")[0], rng)
    Path("clips/clips.csv").write_text(table)
    _write_bvh(Path("new.bvh"), rng)
    (commands,) = _blocks("sh", "My own data")
    printed = []
    for line in commands.splitlines():
        program, *argv = shlex.split(line, comments=True)
        assert program == "sybio"
        if argv[0] == "fit":
            argv += [*TINY_MODEL, *TINY_TRAINER, "--data.batch_size=4", "--trainer.max_epochs=1"]
        assert cli.main(argv) == 0, line
        printed.append(capsys.readouterr().out)
    future = read_motion("new_future.npz")
    assert future.skeleton == read_motion("new.bvh", skeleton=future.skeleton).skeleton
    assert future.poses.shape == (1, 15, 4, 3) and future.frame_rate == pytest.approx(30, abs=1e-3)
    for split, count in (("train", 4), ("test", 2)):
        expected = rf"^accuracy \(split {split}\): .* of {count} clips with a known label$"
        assert re.search(expected, printed[-1], flags=re.MULTILINE)
