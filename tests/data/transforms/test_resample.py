"""Resampling compared with NumPy and SciPy, joint by joint."""

import numpy as np
import pytest
import torch
from random_motions import random_motion
from scipy.spatial.transform import Rotation, Slerp

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import LimitLength, RandomTimeWarp, Resample, ResampleLength


def check_against_loop(motion: Motion, result: Motion, times: np.ndarray) -> None:
    """Compare with the rule at each time (in frames of the motion), person by person and joint by joint."""
    frames = np.arange(motion.num_frames)
    assert result.num_frames == len(times)
    for p in range(motion.num_persons):
        for i in range(motion.skeleton.num_joints):
            there = motion.present[p, :, i].numpy()
            path = motion.poses[p, :, i].numpy()
            present = np.array([there[int(np.floor(t))] and there[int(np.ceil(t))] for t in times])
            np.testing.assert_array_equal(result.present[p, :, i], present)
            assert not result.poses[p, ~present, i].any()
            if motion.skeleton.coordinates == "expmap":
                expected = Slerp(frames, Rotation.from_rotvec(path))(times[present])
                found = Rotation.from_rotvec(result.poses[p, present, i])
                assert not present.any() or (expected.inv() * found).magnitude().max() < 1e-9
            else:
                for axis in range(path.shape[-1]):
                    expected = np.interp(times[present], frames, path[:, axis])
                    np.testing.assert_allclose(result.poses[p, present, i, axis], expected, atol=1e-12)
            sure = np.interp(times, frames, motion.confidence[p, :, i]) * present
            np.testing.assert_allclose(result.confidence[p, :, i], sure, atol=1e-6)
        if motion.translation is not None:
            for axis in range(3):
                expected = np.interp(times, frames, motion.translation[p, :, axis])
                np.testing.assert_allclose(result.translation[p, :, axis], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["ntu25", "openpose18", "h36m32"])
@pytest.mark.parametrize("frame_rate", [50.0, 7.5, 29.97])
def test_resampling_to_a_frame_rate_equals_the_loop(name: str, frame_rate: float) -> None:
    motion = random_motion(name, num_persons=2, num_frames=21, dtype=torch.float64)
    result = Resample(frame_rate=frame_rate)(motion)
    times = [0.0]  # in seconds; the last input frame is at 20/30 s
    while len(times) / frame_rate <= 20 / 30 + 1e-9:
        times.append(len(times) / frame_rate)
    check_against_loop(motion, result, np.array(times).clip(max=20 / 30) * 30)
    assert result.frame_rate == frame_rate


@pytest.mark.parametrize("name", ["ntu25", "openpose18", "h36m32"])
@pytest.mark.parametrize("num_frames", [2, 9, 33])
def test_resampling_to_a_length_equals_the_loop(name: str, num_frames: int) -> None:
    motion = random_motion(name, num_persons=2, num_frames=21, dtype=torch.float64)
    result = ResampleLength(num_frames=num_frames)(motion)
    check_against_loop(motion, result, np.linspace(0, 20, num_frames))
    assert result.frame_rate == pytest.approx(30 * (num_frames - 1) / 20)


@pytest.mark.parametrize("name", ["ntu25", "openpose18", "h36m32"])
@pytest.mark.parametrize(
    ("old", "new", "step"), [(30, 30, 1), (50, 25, 2), (120, 30, 4), (2.1, 0.3, 7), (0.7, 0.1, 7)]
)
def test_integer_steps_return_the_exact_frames(name: str, old: float, new: float, step: int) -> None:
    """In floating point, 2.1 / 0.3 is greater than 7, and 0.7 / 0.1 is less than 7."""
    motion = random_motion(name, num_frames=701 if name == "ntu25" else 43).replace(frame_rate=old)
    motion = motion.replace(confidence=torch.rand(motion.present.shape))  # including absent joints
    expected = motion.frames(slice(0, None, step)).replace(frame_rate=new)
    assert Resample(frame_rate=new)(motion).equal(expected)


def test_resampling_keeps_exact_frames_and_repeats_a_single_frame() -> None:
    motion = random_motion("h36m32", num_frames=21)
    assert ResampleLength(num_frames=21)(motion).equal(motion)
    assert ResampleLength(num_frames=11)(motion).equal(
        motion.frames(slice(0, None, 2)).replace(frame_rate=15.0)
    )
    assert ResampleLength(num_frames=1)(motion).equal(motion.frames(slice(10, 11)))
    still = motion.frames(slice(4, 5))
    assert ResampleLength(num_frames=3)(still).equal(motion.frames(torch.tensor([4, 4, 4])))
    assert Resample(frame_rate=100.0)(still).equal(still.replace(frame_rate=100.0))
    unknown = motion.replace(frame_rate=None)
    assert ResampleLength(num_frames=5)(unknown).frame_rate is None


def test_short_motions_keep_their_tempo_if_the_length_is_limited() -> None:
    limit = LimitLength(num_frames=15)
    for num_frames in (1, 2, 14, 15):
        motion = random_motion(num_frames=num_frames, missing=0.0)
        assert limit(motion).equal(motion)
    motion = random_motion(num_frames=16)
    assert limit(motion).equal(ResampleLength(num_frames=15)(motion))


def test_a_motion_without_a_frame_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="Resample needs 'frame_rate', but a test has none"):
        Resample(frame_rate=25.0)(random_motion().replace(frame_rate=None))
    for rate in (0.0, 1e-4, 2e6, float("nan")):
        with pytest.raises(ValueError, match=r"'frame_rate' is .*, expected a number from 0\.001 to 1e\+06"):
            Resample(frame_rate=rate)
    with pytest.raises(ValueError, match="'num_frames' is 0"):
        ResampleLength(num_frames=0)


@pytest.mark.parametrize("name", ["ntu25", "openpose18", "h36m32"])
@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_time_warps_equal_the_loop(name: str, strength: float) -> None:
    motion = random_motion(name, num_persons=2, num_frames=21, dtype=torch.float64)
    torch.manual_seed(3)
    steps = np.array([1 - strength + 2 * strength * torch.rand(20, dtype=torch.float64).numpy()]).ravel()
    torch.manual_seed(3)
    result = RandomTimeWarp(strength=strength)(motion)
    times = np.array([0, *(20 * steps.cumsum() / steps.sum())]).clip(max=20)
    assert np.diff(times).min() < 1 < np.diff(times).max()
    check_against_loop(motion, result, times)
    assert result.frame_rate == motion.frame_rate


def test_a_clip_may_be_sped_up_or_slowed_down() -> None:
    motion = random_motion(num_frames=61, missing=0.0, dtype=torch.float64)
    lengths = []
    for _ in range(50):
        result = RandomTimeWarp(strength=0, tempo=2)(motion)
        check_against_loop(motion, result, np.linspace(0, 60, result.num_frames))
        lengths.append(result.num_frames)
    assert 31 <= min(lengths) < 40 and 95 < max(lengths) <= 121
    assert 15 < sum(length < 61 for length in lengths) < 35


def test_a_constant_tempo_changes_nothing() -> None:
    motion = random_motion(num_frames=21)
    assert RandomTimeWarp(strength=0)(motion).equal(motion)


def test_a_tempo_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="'strength'"):
        RandomTimeWarp(strength=1.1)
    with pytest.raises(ValueError, match="'tempo'"):
        RandomTimeWarp(tempo=0.5)
