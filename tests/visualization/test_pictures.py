"""Figures of skeletons and actional graphs: their files, their content, and changes with the data."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.image import imread
from matplotlib.patches import FancyArrowPatch
from stick_body import STANDING, STICK

from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton
from pyg_sybio.visualization.actional_figure import draw_actional
from pyg_sybio.visualization.skeleton_figure import body_layout, draw_skeleton


def pixels(path: Path) -> np.ndarray:
    return imread(path)[..., :3]


# Skeletons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mediapipe33", "hand21"])
def test_draw_skeleton_writes_a_picture(name: str, tmp_path: Path) -> None:
    draw_skeleton(load_skeleton(name), tmp_path / "a.png")
    picture = pixels(tmp_path / "a.png")
    assert min(picture.shape[:2]) > 800
    assert 0.01 < (picture.min(axis=-1) < 0.9).mean() < 0.5  # the picture is neither empty nor full


def test_draw_skeleton_shows_a_change_of_parts(tmp_path: Path) -> None:
    body = load_skeleton("jhmdb15").to_dict()
    draw_skeleton(Skeleton.from_dict(body), tmp_path / "a.png")
    draw_skeleton(Skeleton.from_dict(body), tmp_path / "same.png")
    body["parts"]["head"].append(body["parts"]["torso"].pop(0))
    draw_skeleton(Skeleton.from_dict(body), tmp_path / "b.png")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "same.png"))
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


CROWDED = pytest.mark.xfail(
    strict=True, reason="the 68 joints of its face overlap, and pull it below the body"
)


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=CROWDED if name == "coco133" else ()) for name in available_skeletons()),
        "cmu38:used",
        "coco133:body",
    ],
)
@pytest.mark.parametrize("dual", [False, True])
def test_the_layout_is_symmetric_upright_and_without_collisions(name: str, dual: bool) -> None:
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


def test_skeletons_of_one_and_two_joints_have_a_layout() -> None:
    pair = Skeleton("pair", ("a", "b"), (("a", "b"),), "a", {"all": ("a", "b")}, (), (), "xy", "px")
    assert np.linalg.norm(np.diff(body_layout(pair), axis=0)) == pytest.approx(1)
    assert body_layout(pair.dual()).shape == (1, 2)


# Actional graphs ------------------------------------------------------------------------------------------


def pose_of(skeleton: Skeleton, seed: int) -> torch.Tensor:
    return torch.randn(
        skeleton.num_joints, skeleton.num_features, generator=torch.Generator().manual_seed(seed)
    )


def arrows_of(axes: Axes) -> list[tuple[np.ndarray, float]]:
    """The ends `[2, 2]` and the width of each arrow."""
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    return [(np.array(arrow._posA_posB), arrow.get_linewidth()) for arrow in arrows]


@pytest.mark.parametrize("options", [{"strongest": 5}, {"threshold": 0.08}, {"threshold": 0.0}])
def test_arrows_are_the_edges_and_run_from_sender_to_receiver(
    options: dict[str, Any], tmp_path: Path
) -> None:
    skeleton = load_skeleton("ntu25")
    graph = torch.rand(25, 25).mul(4).softmax(-1)
    figure = draw_actional(skeleton, {"a": graph}, tmp_path / "a.png", **options)
    layout = body_layout(skeleton)
    weights = {
        (sender, receiver): float(graph[receiver, sender])
        for sender in range(25)
        for receiver in range(25)
        if sender != receiver
    }
    if "threshold" in options:
        expected = {edge for edge, weight in weights.items() if weight > options["threshold"]}
    else:
        expected = set(sorted(weights, key=weights.__getitem__)[-options["strongest"] :])
    assert len(expected) > 3
    drawn = {}
    for ends, width in arrows_of(figure.axes[0]):
        sender, receiver = (int(np.linalg.norm(layout - end, axis=1).argmin()) for end in ends)
        np.testing.assert_allclose(ends, layout[[sender, receiver]])
        drawn[sender, receiver] = width
    assert drawn.keys() == expected
    # Larger weights have wider arrows, compared among weights above the uniform weight and without ties.
    above = sorted((weights[edge], width) for edge, width in drawn.items() if weights[edge] > 1 / 25)
    widths = [width for _, width in above]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    title = figure.axes[0].get_title()
    assert title == (f"a ({len(expected)})" if "threshold" in options else "a")


@pytest.mark.parametrize("panels", [1, 3, 4, 11])
def test_many_classes_have_one_panel_each_with_a_common_scale(panels: int, tmp_path: Path) -> None:
    skeleton = load_skeleton("coco17")
    graphs = {f"class {n}": torch.rand(17, 17).mul(1 + n).softmax(-1) for n in range(panels)}
    poses = {name: pose_of(skeleton, seed) for seed, name in enumerate(graphs)}
    figure = draw_actional(skeleton, graphs, tmp_path / "a.png", poses=poses, strongest=4)
    shown = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in shown] == list(graphs)
    assert sum(bool(axes.images) for axes in figure.axes) == (panels if panels <= 3 else 0)
    widest = [max(width for _, width in arrows_of(axes)) for axes in shown]
    heaviest = [float(graph.fill_diagonal_(0).max()) for graph in graphs.values()]
    assert np.argsort(widest).tolist() == np.argsort(heaviest).tolist()
    # Titles and panels do not overlap and are inside the figure.
    boxes = [axes.title.get_window_extent() for axes in shown]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    assert all(figure.bbox.contains(*corner) for box in boxes for corner in box.corners())


def test_poses_are_drawn_with_the_up_axis_of_the_skeleton(tmp_path: Path) -> None:
    standing = STANDING[:, [0, 2, 1]] * torch.tensor([1.0, 1.0, -1.0])
    skeleton = replace(STICK, up="-z")
    graphs = {name: torch.rand(7, 7) for name in "abcd"}
    figure = draw_actional(skeleton, graphs, tmp_path / "a.png", poses=dict.fromkeys(graphs, standing))
    for axes in figure.axes[:4]:
        heights = np.asarray(axes.collections[1].get_offsets())[:, 1]
        assert heights[skeleton.joint_index("head")] == heights.max()
        np.testing.assert_allclose(heights, STANDING[:, 1], atol=1e-6)


def test_draw_actional_ignores_the_diagonal(tmp_path: Path) -> None:
    figure = draw_actional(load_skeleton("coco17"), {"a": np.eye(17)}, tmp_path / "a.png")
    assert not arrows_of(figure.axes[0])
    np.testing.assert_array_equal(
        figure.axes[1].images[0].get_array(), np.eye(17)
    )  # the matrix shows the diagonal


def test_draw_actional_errors_name_the_argument(tmp_path: Path) -> None:
    skeleton, graph, pose = load_skeleton("ntu25"), np.zeros((25, 25)), np.zeros((25, 3))
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="'actionals' is empty, expected at least one"):
        draw_actional(skeleton, {}, path, poses={})
    with pytest.raises(ValueError, match="'poses' has no pose 'kick', expected one for each"):
        draw_actional(skeleton, {"kick": graph}, path, poses={"walk": pose})
    with pytest.raises(ValueError, match=r"'actionals\[kick\]' has shape \[24, 25\], expected \[25, 25\]"):
        draw_actional(skeleton, {"kick": graph[1:]}, path, poses={"kick": pose})
    with pytest.raises(ValueError, match=r"'poses\[kick\]' has shape \[24, 3\], expected \[25, 3\]"):
        draw_actional(skeleton, {"kick": graph}, path, poses={"kick": pose[1:]})
    assert not list(tmp_path.iterdir())


def test_a_threshold_above_every_edge_becomes_relative_to_equal_weights(tmp_path: Path) -> None:
    graph = np.full((25, 25), 0.9 / 25)
    graph[3, 7], graph[4, 7] = 0.1, 0.05
    said = []
    for options in (
        {"threshold": 0.5, "strongest": 1},
        {"relative_threshold": 1.5},
        {"relative_threshold": 1.2},
        {"relative_threshold": 3},
    ):
        figure = draw_actional(load_skeleton("ntu25"), {"a": graph}, tmp_path / "a.png", **options)
        said.append((figure.axes[0].get_title(), " ".join(figure.get_suptitle().split())))
    assert [title for title, _ in said] == ["a (1)", "a (1)", "a (2)", "a (0)"]
    assert "No edge weighs more than 0.5. Drawn: edges" in said[0][1]
    # The second heaviest edge weighs 0.05, which is 1.25 times the equal weight.
    assert "more than 0.05 (1.25 times the equal weight)" in said[0][1]
    assert "more than 0.06 (1.5 times the equal weight)" in said[1][1]
    assert all("the heaviest edge weighs 0.1." in words for _, words in said)
    assert "No edge" not in said[1][1]
    assert "more than 0.048 (1.2 times the equal weight)" in said[2][1]
    assert "Equal weights: 1/25 = 0.040, white in the matrix." in said[2][1]
    norm = figure.axes[1].images[0].norm
    assert (norm.vmin, norm.vcenter, norm.vmax) == pytest.approx((0.02, 0.04, 0.1))
    draw_actional(load_skeleton("ntu25"), {"a": np.full((25, 25), 0.04)}, tmp_path / "a.png", threshold=0.5)


@pytest.mark.parametrize("largest", [0.3, 0.05])
def test_a_threshold_relative_to_equal_weights_shows_few_edges(tmp_path: Path, largest: float) -> None:
    rng = np.random.default_rng(0)
    graphs = {name: rng.uniform(0, largest, (25, 25)) for name in "abcd"}
    figure = draw_actional(load_skeleton("ntu25"), graphs, tmp_path / "a.png", threshold=0.5)
    drawn = [len(arrows_of(axes)) for axes in figure.axes[:4]]
    assert 24 <= sum(drawn) <= 48
    assert [axes.get_title() for axes in figure.axes[:4]] == [
        f"{name} ({n})" for name, n in zip("abcd", drawn, strict=True)
    ]
