"""The key poses of the actions and the Fourier series computed from them."""

import numpy as np
import pytest
import torch

from pyg_sybio.data.synthetic.actions import ACTIONS, NUM_HARMONICS, Action, alternating, pose_of
from pyg_sybio.data.synthetic.body import FREEDOMS, mirrored


def _curve(action: Action, phases: np.ndarray, freedom: str) -> np.ndarray:
    """The smoothed curve of one degree of freedom, summed harmonic by harmonic."""
    series = action.fourier_series()[:, FREEDOMS.index(freedom)].numpy()
    curve = np.full_like(phases, series[0])
    for k in range(1, NUM_HARMONICS + 1):
        curve += series[2 * k - 1] * np.cos(2 * np.pi * k * phases) + series[2 * k] * np.sin(
            2 * np.pi * k * phases
        )
    return curve


def test_actions_have_different_names() -> None:
    assert len({action.name for action in ACTIONS}) == len(ACTIONS) >= 10


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_key_poses_are_poses_of_the_body(action: Action) -> None:
    assert all(0 <= phase < 1 for phase in action.keys)
    assert {name for pose in action.keys.values() for name in pose} <= set(FREEDOMS)
    assert 0 < action.period[0] < action.period[1]
    assert all(0 <= start < end <= 1 for start, end in action.flights)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_the_series_follows_the_key_poses(action: Action) -> None:
    phases = np.linspace(0, 1, 500, endpoint=False)
    times = sorted(action.keys)
    for freedom in FREEDOMS:
        keys = [action.keys[t].get(freedom, 0.0) for t in times]
        straight = np.interp(phases, times, keys, period=1.0)
        error = np.abs(_curve(action, phases, freedom) - straight)
        # Smoothing with a window of 0.03 cycles moves a curve by at most the change of its slope times that
        # width.
        closed = np.diff([*keys, keys[0]]) / np.diff([*times, times[0] + 1])
        steepest = np.abs(closed).max()
        assert error.max() <= 2 * steepest * 0.03 + 1e-3
        assert abs(error.mean()) <= steepest * 0.03 + 1e-3


def test_the_second_half_of_an_alternating_cycle_is_the_mirror_image() -> None:
    first = {"left_hip": 30, "left_spread": 10, "twist": 20}
    action = Action("hop", (1.0, 2.0), alternating({0.0: first, 0.2: {}}))
    phases = np.linspace(0, 1, 50, endpoint=False)
    for freedom in ("left_hip", "left_spread", "twist"):
        image, sign = mirrored(freedom)
        np.testing.assert_allclose(
            _curve(action, phases + 0.5, image), sign * _curve(action, phases, freedom), atol=0.2
        )


def test_a_constant_pose_is_the_constant_term_of_the_series() -> None:
    series = Action("still", (1.0, 2.0), {0.0: {"bow": 12.0}}).fourier_series()
    expected = torch.zeros_like(series)
    expected[0, FREEDOMS.index("bow")] = 12.0
    torch.testing.assert_close(series, expected)


def test_groups_of_angles_change_a_named_pose() -> None:
    named = {"standing": {"left_hip": 5.0, "bow": 3.0}}
    pose = pose_of({"pose": "standing", "both": {"hip": 1.0, "knee": 2.0}, "right": {"knee": 4.0}}, named)
    assert pose == {"left_hip": 1.0, "right_hip": 1.0, "left_knee": 2.0, "right_knee": 4.0, "bow": 3.0}
    assert named == {"standing": {"left_hip": 5.0, "bow": 3.0}}
