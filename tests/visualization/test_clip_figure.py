"""The strip of frames: positions and colours of the bones, and the texts next to them."""

from dataclasses import replace
from itertools import combinations, cycle
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from stick_body import STICK, stick_motion, without

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.visualization.clip_figure import strip_figure
from pyg_sybio.visualization.motion_figure import draw_motion
from pyg_sybio.visualization.pose import bone_sides, person_colors
from pyg_sybio.visualization.scene import scene_of
from pyg_sybio.visualization.theme import BLUE, INK, ORANGE, SKY, VERMILLION
from pyg_sybio.visualization.view import view_of

NBSP = "\N{NO-BREAK SPACE}"


def figure_of(motion: Motion, num_frames: int = 8) -> Figure:
    shown = np.unique(np.linspace(0, motion.num_frames - 1, num_frames).round().astype(int))
    return strip_figure(scene_of(motion), view_of(motion), shown)


def bones_of(axes: Axes) -> list[tuple[str, np.ndarray]]:
    """The colour and the ends `[2, 2]` of every line."""
    return [
        (to_hex(color).upper(), np.asarray(segment))
        for lines in axes.collections
        if isinstance(lines, LineCollection)
        for color, segment in zip(cycle(lines.get_colors()), lines.get_segments(), strict=False)
    ]


def dots_of(axes: Axes) -> int:
    return sum(len(dots.get_offsets()) for dots in axes.collections if not isinstance(dots, LineCollection))


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_every_bone_of_every_frame_is_drawn_at_its_length() -> None:
    motion = stick_motion(num_frames=3)
    view = view_of(motion)
    figure = figure_of(motion)
    assert len(figure.axes) == 3
    for frame, axes in enumerate(figure.axes):
        pose = view.project(motion.poses[0, frame].double().numpy())
        expected = sorted(np.linalg.norm(pose[a] - pose[b]) for a, b in STICK.bone_pairs)
        drawn = sorted(np.linalg.norm(ends[0] - ends[1]) for _, ends in bones_of(axes))
        np.testing.assert_allclose(drawn, expected, atol=1e-9)
        assert dots_of(axes) == STICK.num_joints


def test_left_and_right_bones_have_different_colours() -> None:
    (axes,) = figure_of(stick_motion(num_frames=1)).axes
    colors = sorted(color for color, _ in bones_of(axes))
    # The trunk has two bones, and each side an arm and a leg. The body faces the viewer: its left is on the
    # right.
    assert colors == sorted([INK] * 2 + [BLUE] * 2 + [ORANGE] * 2)
    middle = {
        color: np.mean([ends for c, ends in bones_of(axes) if c == color], axis=(0, 1)) for color in colors
    }
    assert middle[BLUE][0] > middle[INK][0] > middle[ORANGE][0]


def test_persons_have_different_colours() -> None:
    (axes,) = figure_of(stick_motion(num_frames=1, num_persons=2)).axes
    colors = [color for color, _ in bones_of(axes)]
    assert {color: colors.count(color) for color in colors} == {BLUE: 4, SKY: 2, VERMILLION: 4, ORANGE: 2}


def test_colours_of_left_and_right_differ_in_luminance() -> None:
    def luminance(color: str) -> float:
        return float(np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) @ (0.2126, 0.7152, 0.0722))

    for colors in (person_colors(1), person_colors(5)):
        for shade in colors:
            assert luminance(shade.right) > luminance(shade.left) + 30


def test_a_bone_between_both_sides_has_the_colour_of_the_middle() -> None:
    skeleton = replace(STICK, bones=(*STICK.bones, ("left_hand", "right_hand")))
    assert bone_sides(skeleton).tolist() == [0, 0, 1, -1, 1, -1, 0]


def test_missing_joints_are_not_drawn() -> None:
    missing = torch.zeros(1, 3, 7, dtype=torch.bool)
    missing[0, 1, STICK.joint_index("chest")] = True  # four bones end at the chest
    missing[0, 2] = True
    figure = figure_of(without(stick_motion(num_frames=3), missing))
    assert [len(bones_of(axes)) for axes in figure.axes] == [6, 2, 0]
    assert [dots_of(axes) for axes in figure.axes] == [7, 6, 0]
    assert texts_of(figure).count("nobody\nseen") == 1
    assert "nobody\nseen" in [text.get_text() for text in figure.axes[2].texts]


def test_all_frames_share_one_scale_and_fit_into_the_axes() -> None:
    motion = stick_motion(num_frames=6)
    motion = motion.replace(poses=motion.poses * torch.linspace(0.5, 2, 6)[:, None, None])
    figure = figure_of(motion)
    figure.draw_without_rendering()
    limits = {(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes}
    assert len(limits) == 1
    left, right, bottom, top = limits.pop()
    ends = np.concatenate([ends for axes in figure.axes for _, ends in bones_of(axes)])
    assert left < ends[:, 0].min() < ends[:, 0].max() < right
    assert bottom < ends[:, 1].min() < ends[:, 1].max() < top
    # The feet of all frames are on the ground line.
    ground = {axes.lines[0].get_ydata()[0] for axes in figure.axes}
    assert ends[:, 1].min() == pytest.approx(ground.pop(), abs=1e-9)
    assert not ground


def test_heights_are_kept_and_horizontal_motion_is_removed() -> None:
    still = stick_motion(5)
    walking = still.replace(poses=still.poses + torch.arange(5.0)[:, None, None] * torch.tensor([1.0, 0, 0]))
    for motion in (still, walking):
        middles = [
            np.mean([ends for _, ends in bones_of(axes)], axis=(0, 1)) for axes in figure_of(motion).axes
        ]
        np.testing.assert_allclose(np.diff(middles, axis=0), [[0, 0.01]] * 4, atol=1e-6)
    # The height of the bodies, 1.8 m, plus 4 cm by which they rise.
    assert f"height{NBSP}1.84{NBSP}m" in figure_of(still).get_suptitle()
    in_words = still.replace(skeleton=replace(still.skeleton, units="the file's unit"))
    assert f"1.84{NBSP}(the{NBSP}file's{NBSP}unit)" in figure_of(in_words).get_suptitle()


def test_the_ground_line_of_a_wide_scene_is_at_the_feet() -> None:
    apart = stick_motion(1, 2)
    apart = apart.replace(poses=apart.poses + torch.tensor([0.0, 90])[:, None, None, None] * torch.eye(3)[0])
    (axes,) = figure_of(apart).axes
    feet = min(ends[:, 1].min() for _, ends in bones_of(axes))
    assert axes.lines[0].get_ydata()[0] == pytest.approx(feet, abs=1e-6)


def test_frames_are_evenly_spaced_and_labelled_with_their_time() -> None:
    times = texts_of(figure_of(stick_motion(num_frames=41), num_frames=5))
    assert times == ["0.00 s", "1.00 s", "2.00 s", "3.00 s", "4.00 s"]
    times = texts_of(figure_of(stick_motion(num_frames=3, frame_rate=None)))
    assert times == ["frame 0", "frame 1", "frame 2"]


@pytest.mark.parametrize(("num_persons", "num_frames"), [(1, 1), (1, 8), (2, 8), (5, 8), (5, 1)])
def test_texts_do_not_overlap(num_persons: int, num_frames: int) -> None:
    motion = stick_motion(20, num_persons, label="waves with both hands", ids={"subject": "7", "view": "2"})
    figure = figure_of(motion, num_frames)
    figure.draw_without_rendering()
    title = figure.get_suptitle()
    for fact in (
        "stick.npz",
        "class waves with both hands",
        "subject 7",
        "view 2",
        "10 Hz",
        "up is y",
        " m",
    ):
        assert fact.replace(" ", NBSP) in title
    written = [text for axes in figure.axes for text in axes.texts]
    written += [figure._suptitle, *(text for legend in figure.legends for text in legend.get_texts())]
    boxes = [text.get_window_extent() for text in written]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for box in boxes:
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height
    assert figure.get_figwidth() <= 16


def test_texts_are_not_parsed_as_formulas() -> None:
    figure = figure_of(stick_motion(label="$\\frac$", source="$^$.npz"))
    figure.draw_without_rendering()
    assert "$\\frac$" in figure.get_suptitle()


def test_a_pose_in_image_coordinates_is_drawn_upright() -> None:
    skeleton = load_skeleton("coco17")
    keypoints = torch.rand(1, 1, 17, 3)
    nose, ankle = skeleton.joint_index("nose"), skeleton.joint_index("left_ankle")
    keypoints[..., 1] = torch.linspace(0.1, 0.9, 17)  # in an image, y points down
    assert keypoints[0, 0, nose, 1] < keypoints[0, 0, ankle, 1]
    (axes,) = figure_of(Motion(poses=keypoints, skeleton=skeleton)).axes
    offsets = np.concatenate([np.asarray(d.get_offsets()) for d in axes.collections if dots_of(axes)][1::2])
    assert len(offsets) == 17
    assert offsets[0, 1] == offsets[:, 1].max()  # the nose is drawn on top


def test_a_picture_is_written_only_without_an_error(tmp_path: Path) -> None:
    assert draw_motion(stick_motion(), tmp_path / "a.png", num_frames=2, up="y") == "up is y (as asked)"
    picture = imread(tmp_path / "a.png")
    assert min(picture.shape[:2]) > 300
    with pytest.raises(ValueError, match="'num_frames' is 0, expected at least 1"):
        draw_motion(stick_motion(), tmp_path / "b.png", num_frames=0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
