"""The map of angles in degrees, for every joint and every frame."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from scipy.spatial.transform import Rotation
from stick_body import stick_motion

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.visualization.rotation_figure import draw_rotations
from pyg_sybio.visualization.theme import BLUE, INK, ORANGE


def test_the_map_shows_the_angle_of_every_joint(tmp_path: Path) -> None:
    skeleton = load_skeleton("cmu38")
    poses = torch.randn(1, 9, 38, 3, dtype=torch.float64)
    present = torch.ones(1, 9, 38, dtype=torch.bool)
    present[0, 2, 5] = False
    poses[0, 2, 5] = 0
    motion = Motion(poses=poses, skeleton=skeleton, present=present, frame_rate=3.0)
    figure = draw_rotations(motion, tmp_path / "a.png")
    axes = figure.axes[0]
    (image,) = axes.images
    drawn = image.get_array()
    assert drawn.shape == (38, 9)
    assert np.isnan(np.ma.filled(drawn.astype(float), np.nan)[5, 2])
    for joint, frame in ((0, 0), (7, 3), (37, 8)):
        # Below an angle of pi, the norm of the exponential map is the angle of the rotation.
        vector = poses[0, frame, joint].numpy()
        if np.linalg.norm(vector) < np.pi:
            expected = np.degrees(Rotation.from_rotvec(vector).magnitude())
            assert drawn[joint, frame] == pytest.approx(expected)
    assert axes.get_xlim() == (0, 3)  # seconds
    labels = {label.get_text(): label.get_color() for label in axes.get_yticklabels()}
    assert list(labels) == list(skeleton.joints)
    assert (labels["pelvis"], labels["left_knee"], labels["right_knee"]) == (INK, BLUE, ORANGE)


def test_two_persons_are_drawn_and_positions_are_refused(tmp_path: Path) -> None:
    rotations = Motion(poses=torch.zeros(2, 3, 32, 3), skeleton=load_skeleton("h36m32"))
    draw_rotations(rotations, tmp_path / "a.png")
    assert min(imread(tmp_path / "a.png").shape[:2]) > 500
    with pytest.raises(ValueError, match=r"stick\.npz has coordinates 'xyz', expected 'expmap'"):
        draw_rotations(stick_motion(), tmp_path / "b.png")
