"""The poses of a track, and the frames of its window."""

import numpy as np
import pytest
import torch
from live_models import NTU

from pyg_sybio.streaming.window import Track, window_of


def track_of(times: np.ndarray, *, num_frames: int = 6, max_rate: float = 120.0) -> Track:
    """A track in which all coordinates of a pose are its time."""
    track = Track(NTU, num_frames=num_frames, frame_rate=30.0, max_rate=max_rate)
    for time in times:
        track.append(time, np.full((25, 3), time), np.ones(25, dtype=bool))
    return track


def test_poses_at_a_high_rate_take_bounded_memory() -> None:
    track = Track(NTU, num_frames=6, frame_rate=30.0, max_rate=120.0)
    memory = track.times.base
    for time in np.arange(2500) / 2500:
        track.append(time, np.full((25, 3), time), np.ones(25, dtype=bool))
        assert track.newest == time
        assert len(track) <= 32
    assert track.times.base is memory
    # Only the newest pose may be closer to the previous pose.
    assert np.all(np.diff(track.times)[:-1] > 0.99 / 120)
    assert track.times[-1] - track.times[0] >= 5 / 30  # the poses cover the whole window


def test_the_window_ends_with_the_newest_pose() -> None:
    track = track_of(np.array([0.0, 1 / 15, 2 / 15, 2 / 15 + 1e-6]))
    # The window starts with the first pose and ends with the newest pose.
    assert track.positions() == pytest.approx([0, 0.5, 1, 1.5, 3], abs=1e-4)
    assert track_of(np.array([7.0])).positions().tolist() == [0]
    track.clear()
    assert len(track) == 0


def test_an_interpolated_joint_is_present_if_both_poses_have_it() -> None:
    first, second = track_of(np.arange(4) / 30), track_of(np.arange(4) / 30 + 10)
    first.append(5 / 30, np.full((25, 3), 5 / 30), np.arange(25) != 3)
    second.append(10 + 5 / 30, np.full((25, 3), 10 + 5 / 30), np.ones(25, dtype=bool))
    tracks = [first, second]
    motion = window_of(tracks, [track.positions() for track in tracks])
    assert (motion.num_persons, motion.num_frames, motion.frame_rate) == (2, 6, 30.0)
    times = torch.arange(6, dtype=torch.float64) / 30
    torch.testing.assert_close(motion.poses[0, :, 0, 0], times, rtol=0, atol=1e-5)
    torch.testing.assert_close(motion.poses[1, :, 3, 2], times + 10, rtol=0, atol=1e-5)
    # Joint 3 is missing in the newest pose, and therefore in the interpolated frame before it.
    assert motion.present[0, :, 3].tolist() == [True] * 4 + [False] * 2
    assert motion.poses[0, 4:, 3].eq(0).all() and motion.present[1].all()
