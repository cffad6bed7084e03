"""Filling compared with NumPy, one joint at a time."""

import numpy as np
import pytest
import torch
from random_motions import random_motion
from scipy.spatial.transform import Rotation, Slerp

from pyg_sybio.data.transforms import FillMissing
from pyg_sybio.data.transforms.base import hide


@pytest.mark.parametrize("name", ["ntu25", "jhmdb15", "openpose18", "h36m32"])
@pytest.mark.parametrize("mode", ["hold", "interpolate"])
@pytest.mark.parametrize("edges", [True, False])
def test_each_joint_is_filled_as_by_numpy(name: str, mode: str, edges: bool) -> None:
    motion = random_motion(name, num_persons=2, missing=0.5, dtype=torch.float64)
    filled = FillMissing(mode=mode, edges=edges)(motion)  # type: ignore[arg-type]
    frames = np.arange(motion.num_frames)
    num_space = motion.num_spatial or 3
    for p in range(2):
        for i in range(motion.skeleton.num_joints):
            path = motion.poses[p, :, i, :num_space].numpy()
            known = frames[motion.present[p, :, i].numpy()]
            if motion.num_spatial and not len(known):
                continue  # see test_a_joint_that_is_never_seen_gets_the_position_of_the_nearest_one
            expected = path.copy()
            present = np.zeros(len(frames), dtype=bool)
            if len(known):
                present = (frames >= known[0]) & (frames <= known[-1]) | edges
                inside = frames[present].clip(known[0], known[-1])
                if mode == "hold":
                    expected[present] = path[[known[known <= t].max() for t in inside]]
                elif name == "h36m32":
                    curve = Slerp(known, Rotation.from_rotvec(path[known]))
                    found = Rotation.from_rotvec(filled.poses[p, present, i])
                    assert (curve(inside).inv() * found).magnitude().max() < 1e-9
                    np.testing.assert_array_equal(filled.poses[p, known, i], path[known])
                    expected = filled.poses[p, :, i].numpy()
                else:
                    for axis in range(num_space):
                        expected[present, axis] = np.interp(frames[present], known, path[known, axis])
            np.testing.assert_allclose(filled.poses[p, :, i, :num_space], expected, rtol=0, atol=1e-12)
            np.testing.assert_array_equal(filled.present[p, :, i], present)
    assert not motion.present[0, :, 3].any()
    assert bool(motion.num_spatial) or not filled.present[0, :, 3].any()
    assert torch.equal(filled.poses[..., num_space:], motion.poses[..., num_space:])
    assert torch.equal(filled.confidence, motion.confidence)


@pytest.mark.parametrize("edges", [True, False])
def test_a_joint_that_is_never_seen_gets_the_position_of_the_nearest_one(edges: bool) -> None:
    motion = random_motion("openpose18", missing=0.2)
    joints = [motion.skeleton.joint_index(f"right_{name}") for name in ("wrist", "elbow", "shoulder")]
    hidden = torch.zeros_like(motion.present)
    hidden[0, :, joints[:2]] = True
    filled = FillMissing(edges=edges)(hide(motion, hidden))
    for joint in joints[:2]:
        assert torch.equal(filled.poses[0, :, joint, :2], filled.poses[0, :, joints[2], :2])
        assert torch.equal(filled.present[0, :, joint], filled.present[0, :, joints[2]])
        assert not filled.poses[0, :, joint, 2].any() and not filled.confidence[0, :, joint].any()


def test_a_person_who_is_never_seen_is_not_filled() -> None:
    motion = random_motion("ntu25", num_persons=2)
    filled = FillMissing()(hide(motion, torch.tensor([True, False])[:, None, None]))
    assert not filled.present[0].any() and filled.present[1].any()


def test_mode_mask_fills_nothing() -> None:
    motion = random_motion()
    assert FillMissing(mode="mask")(motion).equal(motion)


def test_another_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="'mode' is 'zero', expected one of 'hold', 'interpolate', 'mask'"):
        FillMissing(mode="zero")  # type: ignore[arg-type]
