"""Image coordinates relative to the center of the image."""

import pytest
import torch
from random_motions import random_motion

from pyg_sybio.data.transforms import Shift


def test_present_joints_are_shifted_and_absent_ones_stay_zero() -> None:
    motion = random_motion("openpose18")
    shifted = Shift(offset=[-0.5, -0.25])(motion)
    assert torch.equal(shifted.poses[..., 2], motion.poses[..., 2])
    for axis, amount in ((0, 0.5), (1, 0.25)):
        before, after = motion.poses[..., axis], shifted.poses[..., axis]
        assert torch.equal(after[motion.present], before[motion.present] - amount)
        assert not after[~motion.present].any()


def test_the_opposite_shift_is_the_inverse() -> None:
    motion = random_motion("jhmdb15", dtype=torch.float64)
    back = Shift(offset=[2, -1])(Shift(offset=[-2, 1])(motion))
    torch.testing.assert_close(back.poses, motion.poses, rtol=0, atol=1e-12)


def test_an_offset_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'offset' has 2 numbers, but skeleton 'ntu25' has 3 coord"):
        Shift(offset=[-0.5, -0.5])(random_motion())
