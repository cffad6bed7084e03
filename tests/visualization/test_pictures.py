"""The pictures: they are written, they show what they should, and they change with what they show."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton
from pyg_sybio.visualization.actional_figure import draw_actional
from pyg_sybio.visualization.motion_figure import draw_prediction
from pyg_sybio.visualization.skeleton_figure import body_layout, draw_skeleton


def pixels(path: Path) -> np.ndarray:
    return imread(path)[..., :3]


def share_near(picture: np.ndarray, color: str) -> float:
    """Share of the pixels that have a colour."""
    wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return float((np.abs(picture - wanted).max(axis=-1) < 0.02).mean())


# Skeletons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mediapipe33", "hand21"])
def test_draw_skeleton_writes_a_picture(name: str, tmp_path: Path) -> None:
    draw_skeleton(load_skeleton(name), tmp_path / "a.png")
    picture = pixels(tmp_path / "a.png")
    assert min(picture.shape[:2]) > 800
    assert 0.01 < (picture.min(axis=-1) < 0.9).mean() < 0.5  # neither empty nor full


def test_draw_skeleton_shows_a_change_of_parts(tmp_path: Path) -> None:
    body = load_skeleton("jhmdb15").to_dict()
    draw_skeleton(Skeleton.from_dict(body), tmp_path / "a.png")
    draw_skeleton(Skeleton.from_dict(body), tmp_path / "same.png")
    body["parts"]["head"].append(body["parts"]["torso"].pop(0))
    draw_skeleton(Skeleton.from_dict(body), tmp_path / "b.png")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "same.png"))
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


@pytest.mark.parametrize("name", [*available_skeletons(), "cmu38:used"])
@pytest.mark.parametrize("dual", [False, True])
def test_layout_is_symmetric_upright_and_without_collisions(name: str, dual: bool) -> None:
    skeleton = load_skeleton(name)
    skeleton = skeleton.dual() if dual else skeleton
    layout = body_layout(skeleton)
    apart = np.linalg.norm(layout[:, None] - layout[None], axis=-1)
    # Neighbours are about one apart; a node is drawn about 0.2 wide.
    assert apart[~np.eye(len(layout), dtype=bool)].min() > 0.2
    if skeleton.mirror:
        image = layout[list(skeleton.mirror_permutation)]
        np.testing.assert_allclose(image, layout * (-1, 1), atol=1e-6)
    for left, right in skeleton.mirror:
        assert layout[skeleton.joint_index(left), 0] < layout[skeleton.joint_index(right), 0]
    if "head" in skeleton.parts:
        heights = {
            part: layout[[skeleton.joint_index(joint) for joint in joints], 1].mean()
            for part, joints in skeleton.parts.items()
        }
        assert heights["head"] > max(heights["left_thigh"], heights["left_crus"])


def test_layout_of_the_smallest_skeletons() -> None:
    pair = Skeleton("pair", ("a", "b"), (("a", "b"),), "a", {"all": ("a", "b")}, (), (), "xy", "px")
    assert np.linalg.norm(np.diff(body_layout(pair), axis=0)) == pytest.approx(1)
    assert body_layout(pair.dual()).shape == (1, 2)


# Predictions ----------------------------------------------------------------------------------------------


def walk(skeleton: Skeleton, frames: int, seed: int) -> torch.Tensor:
    """Some motion: a random pose that drifts."""
    generator = torch.Generator().manual_seed(seed)
    pose = torch.randn(skeleton.num_joints, skeleton.num_features, generator=generator)
    drift = torch.randn(frames, 1, skeleton.num_features, generator=generator).cumsum(dim=0) / 10
    return pose + drift


@pytest.mark.parametrize("name", ["ntu25", "coco17", "jhmdb15", "cmu38:used"])
def test_draw_prediction_shows_the_prediction(name: str, tmp_path: Path) -> None:
    skeleton = load_skeleton(name)
    motion = walk(skeleton, 30, seed=0)
    observed, future = motion[:20], motion[20:]
    wrong = future + 0.3 * torch.randn_like(future)
    for file, prediction in (("right", future), ("wrong", wrong.requires_grad_()), ("again", wrong)):
        draw_prediction(skeleton, observed, future, prediction, tmp_path / file, frame_rate=25.0)
    right, off, again = (pixels(tmp_path / file) for file in ("right", "wrong", "again"))
    assert right.shape[1] > 1500
    assert right.shape[0] > 250
    np.testing.assert_array_equal(off, again)
    assert right.shape != off.shape or not np.array_equal(right, off)
    # The truth shows beside a prediction that misses it, and is covered by one that does not.
    assert share_near(off, "#8C8C8C") > 2 * share_near(right, "#8C8C8C")
    assert share_near(off, "#D55E00") > 2 * share_near(right, "#D55E00")


def test_draw_prediction_with_one_frame_each_and_a_title(tmp_path: Path) -> None:
    skeleton = load_skeleton("ntu25")
    pose = walk(skeleton, 1, seed=1).numpy()
    draw_prediction(
        skeleton, pose, pose, pose, tmp_path / "a.png", frame_rate=30, title="standing", up_axis=2
    )
    draw_prediction(skeleton, pose, pose, pose, tmp_path / "b.png", frame_rate=30, up_axis=2)
    assert pixels(tmp_path / "a.png").size > 0
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_rate": 0.0}, r"'frame_rate' is 0\.0, expected a positive number of Hz"),
        ({"observed": np.zeros((4, 24, 3))}, r"'observed' has shape \[4, 24, 3\], expected \[T, 25, D\]"),
        ({"future": np.zeros((3, 25, 2))}, r"'future' has shape \[3, 25, 2\], expected \[T_f, 25, 3\]"),
        ({"prediction": np.zeros((2, 25, 3))}, r"'prediction' has shape \[2, 25, 3\], expected \[3, 25, 3\]"),
        ({"observed": np.zeros((0, 25, 3))}, r"'observed' has no frames, expected at least one"),
        ({"prediction": np.full((3, 25, 3), np.nan)}, r"'prediction' has values that are not finite"),
        ({"up_axis": 3}, r"'up_axis' is 3, expected 0, 1 or 2"),
    ],
)
def test_draw_prediction_names_what_is_wrong(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {
        "observed": np.zeros((4, 25, 3)),
        "future": np.zeros((3, 25, 3)),
        "prediction": np.zeros((3, 25, 3)),
        "frame_rate": 25.0,
    }
    with pytest.raises(ValueError, match=message):
        draw_prediction(load_skeleton("ntu25"), path=tmp_path / "a.png", **arguments | change)
    assert not list(tmp_path.iterdir())


# Actional graphs ------------------------------------------------------------------------------------------


def test_draw_actional_shows_direction_and_threshold(tmp_path: Path) -> None:
    skeleton = load_skeleton("ntu25")
    pose = walk(skeleton, 1, seed=2)[0]
    graph = torch.zeros(25, 25)
    graph[skeleton.joint_index("head"), skeleton.joint_index("left_foot")] = 0.8
    graph[skeleton.joint_index("right_hand"), skeleton.joint_index("spine")] = 0.3

    def draw(file: str, graph: torch.Tensor, **options: Any) -> np.ndarray:
        draw_actional(skeleton, {"a": graph}, tmp_path / file, poses={"a": pose}, **options)
        picture = pixels(tmp_path / file)
        return picture[: len(picture) // 2]  # the arrows, without the matrix

    both, turned = draw("both.png", graph), draw("turned.png", graph.T)
    one, strong = draw("one.png", graph, top=1), draw("strong.png", graph, threshold=0.5)
    none = draw("none.png", torch.zeros(25, 25))
    assert min(both.shape[:2]) > 500
    assert not np.array_equal(both, turned)
    assert not np.array_equal(both, one)
    np.testing.assert_array_equal(one, strong)
    assert (
        (np.abs(both - none).max(axis=-1) > 0.05).sum() > (np.abs(one - none).max(axis=-1) > 0.05).sum() > 100
    )


def test_draw_actional_ignores_the_diagonal(tmp_path: Path) -> None:
    skeleton = load_skeleton("coco17")
    pose = walk(skeleton, 1, seed=3)[0]
    for file, graph in (("zero", np.zeros((17, 17))), ("identity", np.eye(17))):
        draw_actional(skeleton, {"a": graph}, tmp_path / file, poses={"a": pose})
    zero, identity = (pixels(tmp_path / file) for file in ("zero", "identity"))
    assert not share_near(identity[: len(identity) // 2], "#D55E00")
    assert not np.array_equal(zero[len(zero) // 2 :], identity[len(identity) // 2 :])  # the matrix shows it


def test_draw_actional_names_what_is_wrong(tmp_path: Path) -> None:
    skeleton, graph, pose = load_skeleton("ntu25"), np.zeros((25, 25)), np.zeros((25, 3))
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="'actionals' is empty, expected at least one"):
        draw_actional(skeleton, {}, path, poses={})
    with pytest.raises(ValueError, match="'poses' has no pose 'kick', expected one for each"):
        draw_actional(skeleton, {"kick": graph}, path, poses={"walk": pose})
    with pytest.raises(ValueError, match=r"'actionals\[kick\]' has shape \[24, 25\], expected \[25, 25\]"):
        draw_actional(skeleton, {"kick": graph[1:]}, path, poses={"kick": pose})
    with pytest.raises(ValueError, match=r"'poses\[kick\]' has shape \[24, 3\], expected \[25, D\]"):
        draw_actional(skeleton, {"kick": graph}, path, poses={"kick": pose[1:]})
