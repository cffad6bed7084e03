"""View alignment compared with two rotations: the spine onto z, then a rotation about z."""

import math

import numpy as np
import pytest
import torch
from random_motions import random_motion
from scipy.spatial.transform import Rotation

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import AlignView

LOW, HIGH, RIGHT, LEFT = 0, 1, 8, 4  # the joints used for NTU RGB+D


def turn_in_two_steps(motion: Motion, frame: int) -> np.ndarray:
    points = motion.poses[0, frame].double().numpy()
    up, across = points[HIGH] - points[LOW], points[LEFT] - points[RIGHT]
    axis = np.cross(up, [0, 0, 1])
    angle = math.acos(up[2] / np.linalg.norm(up))
    upright = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))
    x, y, _ = upright.apply(across)
    return (Rotation.from_euler("z", -math.atan2(y, x)) * upright).as_matrix()


@pytest.mark.parametrize("seed", range(10))
def test_alignment_equals_two_rotations_and_has_an_inverse(seed: int) -> None:
    torch.manual_seed(seed)
    motion = random_motion(dtype=torch.float64)
    aligned, matrix = AlignView().apply(motion)
    frame = next(t for t in range(motion.num_frames) if motion.present[0, t, [LOW, HIGH, RIGHT, LEFT]].all())
    expected = turn_in_two_steps(motion, frame)
    np.testing.assert_allclose(matrix, expected, atol=1e-12)
    for person, poses in enumerate(motion.poses.numpy()):
        for t in range(motion.num_frames):
            turned = [expected @ point for point in poses[t]]
            np.testing.assert_allclose(aligned.poses[person, t], turned, atol=1e-12)
    torch.testing.assert_close(AlignView().invert(aligned, matrix).poses, motion.poses, rtol=0, atol=1e-12)


def test_the_spine_is_upright_and_the_shoulders_along_x() -> None:
    motion = random_motion(missing=0.0, dtype=torch.float64)
    points = AlignView()(motion).poses[0, 0]
    spine, shoulders = points[HIGH] - points[LOW], points[LEFT] - points[RIGHT]
    torch.testing.assert_close(spine[:2], torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12)
    assert spine[2] > 0 and shoulders[0] > 0 and abs(shoulders[1]) < 1e-12


def test_the_result_does_not_depend_on_the_orientation_of_the_clip() -> None:
    motion = random_motion(dtype=torch.float64)
    turn = torch.from_numpy(Rotation.random(rng=3).as_matrix())
    torch.testing.assert_close(
        AlignView()(motion.replace(poses=motion.poses @ turn.T)).poses,
        AlignView()(motion).poses,
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("degenerate", ["no spine", "parallel", "no shoulders", "hidden"])
def test_frames_without_a_direction_are_skipped(degenerate: str) -> None:
    motion = random_motion(missing=0.0, num_frames=5)
    poses, present = motion.poses.clone(), motion.present.clone()
    if degenerate == "no spine":
        poses[0, :3, HIGH] = poses[0, :3, LOW]
    elif degenerate == "no shoulders":
        poses[0, :3, LEFT] = poses[0, :3, RIGHT]
    elif degenerate == "parallel":
        poses[0, :3, LEFT] = poses[0, :3, RIGHT] - 2 * (poses[0, :3, HIGH] - poses[0, :3, LOW])
    else:
        present[0, :3, HIGH] = False
        poses[0, :3, HIGH] = 0
    broken = motion.replace(poses=poses, present=present)
    np.testing.assert_allclose(AlignView().apply(broken)[1], turn_in_two_steps(broken, 3), atol=1e-5)
    start = broken.frames(slice(0, 3))
    assert AlignView()(start).equal(start)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'vertical' is .*, expected the names of two different joints"):
        AlignView(vertical=("pelvis", "pelvis"))
    with pytest.raises(ValueError, match="'horizontal' is 'left_shoulder'"):
        AlignView(horizontal="left_shoulder")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no joint 'navel'"):
        AlignView(vertical=("pelvis", "navel"))(random_motion())
    with pytest.raises(ValueError, match="skeleton 'jhmdb15' has coordinates 'xy', expected 'xyz'"):
        AlignView()(random_motion("jhmdb15"))
