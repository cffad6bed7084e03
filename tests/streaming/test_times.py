"""Timestamps of a stream: interpolation, gaps, and errors for poses that are out of order."""

import math
import warnings

import numpy as np
import pytest
import torch
from streamed import echo, feed, walk


@pytest.mark.filterwarnings("ignore:poses come at")
def test_irregular_timestamps_are_interpolated() -> None:
    # x(t) = sin(2 t + phase): linear interpolation is off by at most h^2 / 8 max|x''| = h^2 / 2.
    phase = torch.rand(25, 3, dtype=torch.float64)
    generator = np.random.default_rng(0)
    times = 5 + generator.uniform(0.004, 0.016, 150).cumsum()
    stream, model = echo(fps=80)
    for time in times:
        stream.update(torch.sin(2 * time + phase), timestamp=time)
    moments = torch.from_numpy(times[-1] - np.arange(6)[::-1] / 30)
    truth = torch.sin(2 * moments[:, None, None] + phase).float()
    error = (model.seen[-1][0] - truth).abs().max().item()
    assert 0 < error <= 0.016**2 / 2
    assert (model.seen[-1][0, -1] - truth[-1]).abs().max() < 1e-6  # the newest frame is unchanged


@pytest.mark.parametrize("rate", [10.0, 24.0, 30.0, 47.0, 200.0])
def test_a_straight_motion_is_interpolated_exactly(rate: float) -> None:
    start, velocity = torch.randn(2, 25, 3, dtype=torch.float64)
    times = 1.7e9 + np.arange(60) / rate + 0.3 / rate * np.random.default_rng(1).uniform(-1, 1, 60)
    stream, model = echo(fps=rate)
    for time in times:
        stream.update(start + (time - 1.7e9) * velocity, timestamp=time)
    moments = torch.from_numpy(times[-1] - 1.7e9 - np.arange(6)[::-1] / 30)
    truth = (start + moments[:, None, None] * velocity).float()
    torch.testing.assert_close(model.seen[-1][0], truth, rtol=1e-5, atol=1e-5)


def test_poses_at_the_times_of_frames_are_not_interpolated() -> None:
    poses = walk(10)
    stream, model = echo()
    feed(stream, poses, 1.7e9 + np.arange(10) / 30)  # seconds since 1970, which are rounded to 0.2 µs
    assert torch.equal(model.seen[-1][0], poses[-6:].float())


def test_an_unexpected_frame_rate_causes_one_warning() -> None:
    stream, _ = echo(fps=30)
    with pytest.warns(
        UserWarning, match="poses come at 20 Hz, but 'fps' is 30: the timestamps are used"
    ) as told:
        feed(stream, walk(60), np.arange(60) / 20)
    assert len(told) == 1 and told[0].filename == feed.__code__.co_filename
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        feed(echo(fps=20)[0], walk(60), np.arange(60) / 20.5)
        feed(echo(fps=20)[0], walk(60))


def test_timestamps_that_do_not_increase_are_refused() -> None:
    poses = walk(8)
    stream, model = echo()
    feed(stream, poses[:4], np.arange(4) / 30)
    for late in (0.1, 3 / 30, -5):
        with pytest.raises(
            ValueError,
            match=r"is \S+ s, but the newest pose of track 0 is at 0.1 s: expected a later time",
        ):
            stream.update_many({7: poses[0], 0: poses[0]}, timestamp=late)
    with pytest.raises(ValueError, match="'timestamp' is nan, expected a finite number of seconds"):
        stream.update(poses[0], timestamp=math.nan)
    assert stream.track_ids == (0,)
    feed(stream, poses[4:], np.arange(4, 8) / 30)
    assert torch.equal(model.seen[-1][0], poses[-6:].float())
    stream.reset()
    assert stream.update(poses[0], timestamp=0.0).timestamp == 0.0


def test_a_track_restarts_after_a_gap() -> None:
    poses = walk(12)
    stream, model = echo(max_gap=0.25, padding="hold")
    feed(stream, poses[:6], np.arange(6) / 30)
    out = stream.update(poses[6], timestamp=5 / 30 + 0.2)
    assert out.observed_ratio == 1  # the gap of 0.2 s is interpolated
    between = poses[5] + (poses[6] - poses[5]) / 6
    torch.testing.assert_close(model.seen[-1][0, 0], between.float())
    out = stream.update(poses[7], timestamp=5 / 30 + 0.2 + 0.3)
    assert out.observed_ratio == pytest.approx(1 / 6) and not out.enough
    assert torch.equal(model.seen[-1][0], poses[7:8].float().expand(6, 25, 3))


def test_poses_are_evenly_spaced_without_timestamps() -> None:
    poses = walk(8)
    stream, model = echo(frame_rate=30.0, fps=15)
    first = stream.update(poses[0])
    for pose in poses[1:]:
        out = stream.update(pose)
    assert (first.timestamp, out.timestamp) == (0.0, pytest.approx(7 / 15))
    middle = (poses[-2] + poses[-1]) / 2
    torch.testing.assert_close(model.seen[-1][0, -2], middle.float())
    # A track that appears later uses the same clock; all tracks of one update have the same time.
    assert stream.update(poses[0], track_id=1).timestamp == out.timestamp
    both = stream.update_many({0: poses[0], 2: poses[0]})
    assert both[0].timestamp == both[2].timestamp == pytest.approx(8 / 15)


def test_poses_at_a_high_rate_fill_the_whole_window() -> None:
    stream, model = echo(fps=30)
    velocity = torch.randn(25, 3, dtype=torch.float64)
    with pytest.warns(UserWarning, match="poses come at"):
        stream.update(0 * velocity, timestamp=0.0)
        for time in np.arange(1, 2500) / 2500:  # poses of one second
            out = stream.update(time * velocity, timestamp=time)
    assert out.observed_ratio == 1
    moments = torch.from_numpy(2499 / 2500 - np.arange(6)[::-1] / 30)
    torch.testing.assert_close(
        model.seen[-1][0], (moments[:, None, None] * velocity).float(), rtol=0, atol=1e-6
    )
