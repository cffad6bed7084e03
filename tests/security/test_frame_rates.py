"""Recordings of any frame rate are refused with the valid range, or prepared in bounded memory."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from live_models import Echo
from random_motions import random_motion
from stick_body import STICK, stick_motion

from pyg_sybio.data.datasets.motion_folder import at_rate as at_rate_of_folder
from pyg_sybio.data.motion import MAX_RATE, MIN_RATE, Motion
from pyg_sybio.data.reading import read_motion
from pyg_sybio.data.transforms.resample import at_times, most_frames
from pyg_sybio.streaming.motion_stream import MotionStream
from pyg_sybio.trained.preparation import Preparation, at_rate

RATES = [1e-300, 1e-30, 1e-6, 1e-3, 0.1, 24.0, 30.0, 1e4, 1e6, 1e7, 1e30, 1e300]
BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 3 Xposition Yposition Zposition
  JOINT Chest
  {
    OFFSET 0 1 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 1 0
    }
  }
}
MOTION
Frames: 40
Frame Time: FRAME_TIME
"""


def write_bvh(folder: Path, rate: float) -> Path:
    lines = "\n".join("0 0 0 0 0 0" for _ in range(40))
    (folder / "file.bvh").write_text(BVH.replace("FRAME_TIME", repr(1 / rate)) + lines + "\n")
    return folder / "file.bvh"


def write_npz(folder: Path, rate: float) -> Path:
    np.savez(
        folder / "file.npz", poses=np.zeros((40, 15, 2), np.float32), skeleton="jhmdb15", frame_rate=rate
    )
    return folder / "file.npz"


def write_json(folder: Path, rate: float) -> Path:
    document = {"skeleton": "jhmdb15", "poses": np.zeros((40, 15, 2)).tolist(), "frame_rate": rate}
    (folder / "file.json").write_text(json.dumps(document))
    return folder / "file.json"


WRITERS: list[Callable[[Path, float], Path]] = [write_bvh, write_npz, write_json]


def peak_of(work: Callable[[], Any]) -> tuple[Any, int]:
    """Return the result of a function and its peak memory, without tensors."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("write", WRITERS)
def test_every_reader_returns_a_valid_frame_rate_and_refuses_others(
    write: Any, rate: float, tmp_path: Path
) -> None:
    path = write(tmp_path, rate)
    if MIN_RATE <= rate <= MAX_RATE:
        assert read_motion(path).frame_rate == pytest.approx(rate, rel=1e-4)
        return
    with pytest.raises(ValueError, match=r"frame.rate|frame time") as caught:
        read_motion(path)
    assert "\n" not in str(caught.value)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e-300, 1e300, float("nan"), float("inf"), -float("inf")])
def test_the_error_gives_the_valid_range(rate: float) -> None:
    with pytest.raises(ValueError, match=r"'frame_rate' is .*, expected 0\.001 to 1e\+06 Hz"):
        stick_motion(frame_rate=rate)


@pytest.mark.parametrize("frame_rate", [MIN_RATE, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("rate", [rate for rate in RATES if MIN_RATE <= rate <= MAX_RATE])
def test_preparing_any_frame_rate_for_any_model_takes_bounded_memory(rate: float, frame_rate: float) -> None:
    motion = stick_motion(num_frames=200, num_persons=2, frame_rate=rate)
    prepared = at_rate(motion, frame_rate, least=64)
    assert prepared.frame_rate == frame_rate
    assert prepared.num_frames <= max(200, 2**23 // (2 * 7 * 3))
    torch.testing.assert_close(prepared.poses[:, -1], motion.poses[:, -1])  # the last frame is kept
    observed = Preparation(skeleton=STICK, num_observed=64, frame_rate=frame_rate)(motion).observed
    assert observed.num_frames == 64


@pytest.mark.parametrize("rate", [5.0, 12.0, 20.0, 24.0, 25.0, 30.0, 50.0, 60.0, 120.0, 240.0])
def test_the_limit_does_not_change_ordinary_recordings(rate: float) -> None:
    motion = random_motion(num_persons=2, num_frames=500, dtype=torch.float32).replace(frame_rate=rate)
    step, last = rate / 30, motion.num_frames - 1
    times = last - step * torch.arange(int(last / step) + 1, dtype=torch.float64).flip(0)
    expected = motion if rate == 30 else at_times(motion, times.clamp(min=0)).replace(frame_rate=30.0)
    assert at_rate(motion, 30.0).equal(expected)


def test_the_start_of_a_recording_that_is_too_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    motion = stick_motion(num_frames=50, frame_rate=1.0)
    whole = at_rate(motion, 30.0)
    monkeypatch.setattr("pyg_sybio.data.transforms.resample._MAX_NUMBERS", 100 * 7 * 3)
    assert most_frames(motion) == 100
    assert at_rate(motion, 30.0).equal(whole.frames(slice(-100, None)))
    assert at_rate(motion, 30.0, least=400).equal(whole.frames(slice(-400, None)))
    with pytest.raises(
        ValueError, match=r"has 1471 frames at 30 Hz, .* from 50 at 1 Hz: expected at most 100"
    ):
        at_rate_of_folder(motion, 30.0)
    assert at_rate_of_folder(motion, 0.5).num_frames == 25


def test_a_data_set_does_not_resample_to_huge_lengths() -> None:
    motion = stick_motion(num_frames=200, frame_rate=MIN_RATE)
    with pytest.raises(ValueError, match=r"has 5970001 frames at 30 Hz, .*: expected at most 399457"):
        at_rate_of_folder(motion, 30.0)


@pytest.mark.parametrize("fps", [1e-300, 1e-4, 1e7, 1e300, float("nan"), float("inf"), -1])
def test_a_stream_refuses_frame_rates_out_of_range(fps: float) -> None:
    preparation = Preparation(skeleton=STICK, num_observed=64, frame_rate=30.0)
    with pytest.raises(ValueError, match=r"'fps' is .*, expected a number from 0\.001 to 1e\+06"):
        MotionStream(Echo(), preparation, fps=fps)


@pytest.mark.filterwarnings("ignore:poses come at")
@pytest.mark.parametrize("fps", [30.0, 1e4, 1e6])
@pytest.mark.parametrize("frame_rate", [MIN_RATE, 30.0, 1e4])
def test_the_window_of_a_stream_needs_bounded_memory(fps: float, frame_rate: float) -> None:
    preparation = Preparation(skeleton=STICK, num_observed=64, frame_rate=frame_rate)
    stream = MotionStream(Echo(), preparation, fps=fps)
    pose = stick_motion(1).poses[0, 0]

    def show() -> None:
        for frame in range(100):
            out = stream.update(pose, timestamp=frame / fps)
        assert out.future is not None

    _, peak = peak_of(show)
    assert peak < 2**24  # the peak includes NumPy arrays


def test_a_long_recording_with_a_low_frame_rate_is_prepared() -> None:
    motion = Motion(
        poses=torch.zeros(1, 10_000, 25, 3), skeleton=random_motion("ntu25").skeleton, frame_rate=0.1
    )
    preparation = Preparation(skeleton=motion.skeleton, num_observed=64, frame_rate=30.0)
    prepared = preparation(motion)
    assert prepared.observed.num_frames == 64
