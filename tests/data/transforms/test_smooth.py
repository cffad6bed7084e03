"""Trajectories smoothed with a Gaussian filter."""

import math

import numpy as np
import pytest
import torch
from random_motions import random_motion
from scipy.ndimage import gaussian_filter1d

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import Smooth


def test_the_filter_is_the_weighted_mean_of_the_frames_where_the_joint_is_present() -> None:
    motion = random_motion("jhmdb15", dtype=torch.float64)
    smooth = Smooth(std=0.8)(motion)
    for person, frame, joint in motion.present.nonzero().tolist():
        total, weight = torch.zeros(2, dtype=torch.float64), 0.0
        for other in range(max(0, frame - 3), min(motion.num_frames, frame + 4)):
            if motion.present[person, other, joint]:
                gain = math.exp(-((other - frame) ** 2) / (2 * 0.8**2))
                total, weight = total + gain * motion.poses[person, other, joint], weight + gain
        torch.testing.assert_close(smooth.poses[person, frame, joint], total / weight, rtol=0, atol=1e-12)
    assert not smooth.poses[~motion.present].any()


def test_the_filter_equals_scipy_away_from_the_ends() -> None:
    poses = torch.randn(1, 60, 20, 3, dtype=torch.float64)
    motion = random_motion("smpl24", dtype=torch.float64)
    motion = Motion(poses=poses[:, :, :1].expand(1, 60, 24, 3).contiguous(), skeleton=motion.skeleton)
    expected = gaussian_filter1d(motion.poses.numpy(), 2.0, axis=1, truncate=3.0)
    np.testing.assert_allclose(Smooth(std=2)(motion).poses[:, 6:-6], expected[:, 6:-6], atol=1e-12)


def test_scores_and_static_poses_do_not_change() -> None:
    motion = random_motion("openpose18")
    assert torch.equal(Smooth(std=1)(motion).poses[..., 2], motion.poses[..., 2])
    still = motion.replace(poses=motion.poses[:, :1].expand_as(motion.poses).contiguous(), present=None)
    torch.testing.assert_close(Smooth(std=1.5)(still).poses, still.poses)


def test_a_single_frame_does_not_change() -> None:
    motion = random_motion("ntu25").frames(slice(0, 1))
    torch.testing.assert_close(Smooth(std=2)(motion).poses, motion.poses)


def test_the_deviation_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"'std' is 0, expected a number from 0\.001"):
        Smooth(std=0)
