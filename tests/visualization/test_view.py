"""The up axis, and the direction from which a body is viewed."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from stick_body import STANDING, STICK, stick_motion, without

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.visualization.view import view_of

FACING = torch.tensor([0.0, 0, 1])


def turned(rotation: torch.Tensor, poses: torch.Tensor) -> Motion:
    return stick_motion(poses=poses @ rotation.T)


def about_y(degrees: float) -> torch.Tensor:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def from_y_to(axis: str) -> torch.Tensor:
    """A rotation matrix, not a reflection, that maps the y axis to another axis."""
    goal = torch.zeros(3)
    goal["xyz".index(axis[-1])] = -1 if axis.startswith("-") else 1
    side = torch.tensor([0.0, 0, 1]) if axis[-1] != "z" else torch.tensor([1.0, 0, 0])
    rotation = torch.stack([torch.linalg.cross(goal, side), goal, side], dim=1)
    assert torch.det(rotation) == 1
    return rotation


@pytest.mark.parametrize("axis", ["x", "y", "z", "-x", "-y", "-z"])
@pytest.mark.parametrize("degrees", [0, 75, 200])
def test_a_body_stands_upright_and_faces_the_viewer(axis: str, degrees: float) -> None:
    rotation = from_y_to(axis) @ about_y(degrees)
    motion = turned(rotation, STANDING.expand(1, 4, -1, -1))
    motion = motion.replace(skeleton=replace(STICK, up=axis))
    view = view_of(motion)
    right, up, towards = view.axes
    np.testing.assert_allclose(up, rotation[:, 1], atol=1e-6)
    np.testing.assert_allclose(view.axes @ view.axes.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(np.cross(right, up), towards, atol=1e-6)  # not a reflection
    assert view.note == f"up is {axis} (as in skeleton 'stick')"
    drawn = view.project(motion.poses[0, 0].double().numpy())
    place = {name: drawn[index] for index, name in enumerate(STICK.joints)}
    # The left side of a body that faces the viewer is on the right.
    assert place["left_hand"][0] > place["pelvis"][0] > place["right_hand"][0]
    np.testing.assert_allclose(drawn[:, 1], STANDING[:, 1], atol=1e-6)
    # The arms are the widest side, so the camera is nearly in front of the body, at the minimum of 20
    # degrees.
    facing = (rotation @ FACING).numpy()
    assert facing @ towards == pytest.approx(math.cos(math.radians(20)), abs=1e-6)


def test_a_body_with_arms_stretched_forward_is_seen_at_60_degrees() -> None:
    pose = STANDING.clone()
    for side, hand in ((0.2, "left_hand"), (-0.2, "right_hand")):
        pose[STICK.joint_index(hand)] = torch.tensor([side, 1.4, 2.0])
    view = view_of(stick_motion(poses=pose[None, None]))
    assert FACING.numpy() @ view.axes[2] == pytest.approx(0.5, abs=1e-6)  # 60 degrees


def test_the_view_does_not_depend_on_the_direction_of_travel() -> None:
    still = stick_motion()
    away = still.replace(poses=still.poses + torch.arange(5.0)[:, None, None] * FACING)
    np.testing.assert_allclose(view_of(still).axes, view_of(away).axes, atol=1e-6)


def test_two_persons_who_face_each_other_are_seen_side_by_side() -> None:
    other = STANDING @ about_y(180).T + 2 * FACING
    motion = stick_motion(poses=torch.stack([STANDING, other])[:, None])
    pelvis = view_of(motion).project(motion.poses.numpy())[:, 0, 0]
    assert abs(pelvis[1, 0] - pelvis[0, 0]) == pytest.approx(2, abs=1e-5)


@pytest.mark.parametrize("up", ["y", "z"])
def test_a_body_that_lies_or_crawls_is_not_rotated_upright(up: str) -> None:
    lying = turned(from_y_to("z"), STANDING[None, None]).replace(skeleton=replace(STICK, up=up))
    view = view_of(lying)
    assert view.up == up and view.axes[1].tolist() == [0.0, float(up == "y"), float(up == "z")]


def test_y_points_up_if_the_skeleton_has_no_up_axis() -> None:
    view = view_of(turned(from_y_to("z"), STANDING[None, None]))
    assert view.note == "up is y (skeleton 'stick' has no 'up')"
    np.testing.assert_array_equal(view.axes[1], [0, 1, 0])


def test_hidden_joints_of_a_body_far_from_the_origin_are_ignored() -> None:
    far = stick_motion(poses=(STANDING + torch.tensor([50.0, 0, 0])).expand(1, 3, -1, -1))
    missing = torch.zeros(1, 3, 7, dtype=torch.bool)
    missing[..., 3:] = True
    shown = view_of(without(far, missing))
    kept = far.replace(poses=far.poses.where(~missing[..., None], far.poses[:, :, :1]))
    np.testing.assert_allclose(shown.axes, view_of(kept).axes, atol=1e-6)


def test_a_motion_without_persons_has_a_view() -> None:
    motion = without(stick_motion(), torch.ones(1, 5, 7, dtype=torch.bool))
    view = view_of(motion)
    np.testing.assert_allclose(view.axes @ view.axes.T, np.eye(3), atol=1e-9)


def test_the_up_axis_can_be_given() -> None:
    lying = turned(from_y_to("z"), STANDING[None, None])
    view = view_of(lying, up="-y")
    np.testing.assert_array_equal(view.axes[1], [0, -1, 0])
    assert view.note == "up is -y (as asked)"


def test_image_coordinates_are_flipped_because_y_points_down() -> None:
    keypoints = torch.rand(1, 2, 17, 3)
    motion = Motion(poses=keypoints, skeleton=load_skeleton("coco17"))
    drawn = view_of(motion).project(keypoints.numpy())
    np.testing.assert_array_equal(drawn[..., 0], keypoints[..., 0])
    np.testing.assert_array_equal(drawn[..., 1], -keypoints[..., 1])


def test_errors_name_the_cause() -> None:
    rotations = Motion(poses=torch.rand(1, 2, 38, 3), skeleton=load_skeleton("cmu38"), source="a.txt")
    with pytest.raises(ValueError, match=r"a\.txt holds rotations, expected positions"):
        view_of(rotations)
    image = Motion(poses=torch.rand(1, 2, 17, 3), skeleton=load_skeleton("coco17"), source="a.npz")
    with pytest.raises(ValueError, match=r"'up' is 'y', but a\.npz is a motion in an image"):
        view_of(image, up="y")
    with pytest.raises(ValueError, match=r"'up' is 'w', expected x, y or z, or one of them with a minus"):
        view_of(stick_motion(), up="w")
