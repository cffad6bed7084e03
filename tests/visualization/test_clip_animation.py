"""Animations: frames, times and colours of a GIF, the input of the video encoder, and the data of a page."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from player_page import data_of
from stick_body import STICK, stick_motion, without

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.visualization.clip_animation import write_gif, write_html, write_mp4
from pyg_sybio.visualization.scene import scene_of
from pyg_sybio.visualization.theme import BLUE, ORANGE, SKY, VERMILLION
from pyg_sybio.visualization.view import view_of


def frames_of(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """The images `[H, W, 3]` of a GIF, and the duration of each in ms."""
    pictures, lengths = [], []
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0  # endless
        for frame in range(gif.n_frames):
            gif.seek(frame)
            pictures.append(np.asarray(gif.convert("RGB")))
            lengths.append(gif.info["duration"])
    return pictures, lengths


def count(picture: np.ndarray, color: str) -> int:
    """The number of pixels with exactly this colour."""
    return int((picture == [int(color[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=-1).sum())


@pytest.mark.parametrize(
    ("num_frames", "rate", "step"),
    [(7, 10.0, 1), (7, 30.0, 1), (9, 50.0, 2), (9, 120.0, 4), (5, None, 1)],
)
def test_a_gif_runs_in_real_time(num_frames: int, rate: float | None, step: int, tmp_path: Path) -> None:
    write_gif(scene_of(stick_motion(num_frames, frame_rate=rate)), tmp_path / "a.gif")
    pictures, lengths = frames_of(tmp_path / "a.gif")
    assert len(pictures) == len(range(0, num_frames, step))
    # The resolution of a GIF is a hundredth of a second, for each frame and in total.
    assert sum(lengths) == pytest.approx(1000 * len(pictures) * step / (rate or 25), abs=5.001)
    assert max(lengths) - min(lengths) <= 10


def test_a_gif_frame_lasts_at_most_655_seconds(tmp_path: Path) -> None:
    write_gif(scene_of(stick_motion(2, frame_rate=1e-3)), tmp_path / "a.gif")
    assert frames_of(tmp_path / "a.gif")[1] == [655_350] * 2


def test_a_motion_of_one_frame_is_a_gif_with_one_frame(tmp_path: Path) -> None:
    write_gif(scene_of(stick_motion(1)), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 1
        assert count(np.asarray(gif.convert("RGB")), BLUE) > 50


def test_a_gif_shows_only_recorded_bodies(tmp_path: Path) -> None:
    missing = torch.zeros(2, 4, 7, dtype=torch.bool)
    missing[1, :2] = True  # the second person appears later ...
    missing[:, 3] = True  # ... and both persons disappear
    write_gif(scene_of(without(stick_motion(4, 2), missing)), tmp_path / "a.gif")
    pictures, _ = frames_of(tmp_path / "a.gif")
    first = [count(picture, BLUE) + count(picture, SKY) for picture in pictures]
    second = [count(picture, VERMILLION) + count(picture, ORANGE) for picture in pictures]
    # Only the legend is left in the last frame; it shows all colours in every frame.
    assert min(first[:3]) > 2 * first[3] > 0
    assert second[2] > 2 * second[3] > 0
    assert second[0] == second[1] == second[3]
    # Legend and title do not move.
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture[:20], pictures[0][:20])
        np.testing.assert_array_equal(picture[-20:], pictures[0][-20:])


# Videos ---------------------------------------------------------------------------------------------------

FAKE = """#!{python}
import sys
frames = sys.stdin.buffer.read()
with open(sys.argv[-1], "wb") as film:
    film.write((" ".join(sys.argv[1:-1]) + "\\n").encode() + frames)
"""
BROKEN = """#!{python}
import sys
print("first words\\nunknown encoder", file=sys.stderr)
sys.exit(3)
"""


def on_path(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Replace `ffmpeg` by a mock program."""
    folder.mkdir()
    (folder / "ffmpeg").write_text(program.format(python=sys.executable))
    (folder / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.skipif(os.name == "nt", reason="the program is a script with a #! line")
def test_a_video_contains_every_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(monkeypatch, tmp_path / "bin", FAKE)
    motion = stick_motion(9, frame_rate=50.0)
    write_mp4(scene_of(motion), tmp_path / "a.mp4")
    command, frames = (tmp_path / "a.mp4").read_bytes().split(b"\n", 1)
    size = re.search(rb"-s (\d+)x(\d+) -r ([\d.]+)", command)
    assert size is not None
    width, height = int(size[1]), int(size[2])
    assert width % 2 == height % 2 == 0
    assert float(size[3]) == 25.0  # every second frame
    pictures = np.frombuffer(frames, np.uint8).reshape(-1, height, width, 3)
    assert len(pictures) == 5
    # The body and its drawing rise.
    rows = [np.flatnonzero((picture[30:-60] == [0, 114, 178]).all(-1).any(1))[0] for picture in pictures]
    assert rows == sorted(rows, reverse=True)
    assert rows[0] > rows[-1]


@pytest.mark.skipif(os.name == "nt", reason="the program is a script with a #! line")
def test_a_failed_video_gives_the_reason_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(monkeypatch, tmp_path / "bin", BROKEN)
    with pytest.raises(ValueError, match=r"a\.mp4: ffmpeg failed: unknown encoder"):
        write_mp4(scene_of(stick_motion()), tmp_path / "a.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_a_video_needs_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"a\.mp4: no program ffmpeg, which an \.mp4 needs; try \.gif"
    ):
        write_mp4(scene_of(stick_motion()), tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


# Pages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 170.0])
def test_a_page_contains_every_frame(scale: float, tmp_path: Path) -> None:
    missing = torch.rand(2, 12, 7) < 0.2
    motion = stick_motion(12, 2)
    motion = without(motion.replace(poses=motion.poses * scale), missing)
    view = write_html(scene_of(motion), tmp_path / "a.html")
    data = data_of(tmp_path / "a.html")
    assert len(data["frames"]) == 12
    assert data["rate"] == 10.0
    assert data["bones"] == [list(pair) for pair in STICK.bone_pairs]
    for frame, poses in enumerate(data["frames"]):
        assert len(poses) == 2
        for person, pose in enumerate(poses):
            for joint, place in enumerate(pose):
                assert (place is None) == bool(missing[person, frame, joint])
                if place is not None:
                    expected = view.axes @ motion.poses[person, frame, joint].double().numpy()
                    np.testing.assert_allclose(place, expected, atol=1e-3 * scale)


def test_a_page_loads_no_resources_and_does_not_execute_data(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!--<script>"
    motion = stick_motion(label=evil, ids={"<b>": "&amp;"}, source=f"a{evil}")
    write_html(scene_of(motion), tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|\bsrc\b|\bhref\b|\burl\(|@import|\bfetch\b", page)
    assert page.count("<script>") == page.count("</script>") == 1
    assert "<!--" not in page
    assert f"class {evil}" in data_of(tmp_path / "a.html")["facts"]


def test_pages_show_image_coordinates_and_frames_without_persons(tmp_path: Path) -> None:
    keypoints = torch.rand(1, 3, 17, 3)
    write_html(scene_of(Motion(poses=keypoints, skeleton=load_skeleton("coco17"))), tmp_path / "a.html")
    place = data_of(tmp_path / "a.html")["frames"][1][0][4]
    np.testing.assert_allclose(place, keypoints[0, 1, 4, :2] * torch.tensor([1, -1]), atol=1e-3)
    nobody = without(stick_motion(2, frame_rate=None), torch.ones(1, 2, 7, dtype=torch.bool))
    write_html(scene_of(nobody), tmp_path / "b.html")
    data = data_of(tmp_path / "b.html")
    assert data["frames"] == [[[None] * 7]] * 2
    assert data["times"] == ["frame 0 · nobody seen", "frame 1 · nobody seen"]
    assert len(data["low"]) == len(data["high"]) == 3


# A program that runs the script of the page without a browser, and prints the drawn lines.
BROWSER = r"""
const script = require("fs").readFileSync(process.argv[1], "utf8").match(/<script>([\s\S]*)<\/script>/)[1];
let lines = [], from = null, tick = null;
const context = {
  beginPath() {}, stroke() {}, fill() {}, arc() {},
  moveTo(x, y) { from = [x, y]; },
  lineTo(x, y) { lines.push([context.strokeStyle, ...from, x, y]); },
};
const elements = {};
const element = (id) => ({
  style: {}, listeners: {}, clientWidth: 900, clientHeight: 600, value: id === "speed" ? "1" : 0,
  getContext: () => context, append() {}, addEventListener(kind, run) { this.listeners[kind] = run; },
});
global.window = { addEventListener() {} };
global.document = { getElementById: (id) => elements[id] ??= element(id), createElement: element };
global.requestAnimationFrame = (run) => { tick = run; };
eval(script);
const first = lines;
lines = [];
tick(0);
tick(250);
const later = lines, time = elements.time.textContent;
lines = [];
elements.scene.listeners.pointermove({ buttons: 1, movementX: 150 * Math.PI / 2, movementY: 0 });
console.log(JSON.stringify({ first, later, time, turned: lines, label: elements.title.textContent }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node, which runs the page's script, is not there")
def test_the_player_draws_the_bones(tmp_path: Path) -> None:
    motion = stick_motion(5)
    write_html(scene_of(motion), tmp_path / "a.html")
    done = subprocess.run(
        ["node", "-e", BROWSER, str(tmp_path / "a.html")], capture_output=True, text=True, check=True
    )
    drawn = json.loads(done.stdout)
    assert drawn["label"] == "stick.npz"
    assert drawn["time"] == "0.20 s"  # the frame shown after 0.25 s at 10 Hz
    poses = view_of(motion).project(motion.poses[0].double().numpy())
    scales = []
    ground, drawn["first"] = drawn["first"][:4], drawn["first"][4:]
    drawn["later"] = drawn["later"][4:]
    # The camera looks horizontally at the ground, which is a line at the height of the lowest joint.
    assert {color for color, *_ in ground} == {"#d9d9d9"}
    lowest = max(end for _, _, y1, _, y2 in drawn["first"] for end in (y1, y2))
    assert min(y for _, _, *ys in ground for y in (ys[0], ys[2])) >= lowest - 1e-6
    for lines, frame in ((drawn["first"], 0), (drawn["later"], 2)):
        assert [color for color, *_ in lines] == ["#222222"] * 2 + [BLUE, ORANGE] * 2
        for (_, *ends), (a, b) in zip(lines, STICK.bone_pairs, strict=True):
            # The y axis of the canvas points down.
            step = np.array([ends[2] - ends[0], ends[1] - ends[3]])
            true = poses[frame, b] - poses[frame, a]
            scales.append(np.linalg.norm(step) / np.linalg.norm(true))
            np.testing.assert_allclose(step / scales[0], true, atol=2e-3)
    np.testing.assert_allclose(scales, scales[0], rtol=5e-3)
    # A quarter turn to the side does not change heights, but it changes horizontal positions.
    drawn["turned"] = drawn["turned"][4:]
    assert [line[2] for line in drawn["turned"]] == pytest.approx([line[2] for line in drawn["later"]])
    assert [line[1] for line in drawn["turned"]] != pytest.approx([line[1] for line in drawn["later"]])
