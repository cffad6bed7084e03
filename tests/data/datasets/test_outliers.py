"""Clips of another unit, or with wrong values, are left out of data sets."""

import re

import pytest
import torch
from memory_store import Store

from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import load_skeleton

NTU = load_skeleton("ntu25")


def clips_of(factors: list[float]) -> MotionDataset:
    poses = torch.randn(1, 10, 25, 3)
    motions = [
        Motion(poses=factor * poses, skeleton=NTU, frame_rate=30.0, label="sit", source=f"file {number}")
        for number, factor in enumerate(factors)
    ]
    return MotionDataset.from_settings(
        store=Store(motions), class_names=("sit",), num_observed=6, num_future=4
    )


@pytest.mark.parametrize("factor", [1e6, 1e-3])
def test_a_clip_of_another_unit_is_named_and_left_out(factor: float) -> None:
    with pytest.warns(UserWarning, match=rf"left out; .*: file 2 \({re.escape(f'{factor:.3g}')} times\)$"):
        clips = clips_of([1.0, 2.0, factor, 0.5, 1.0])
    assert [span.clip for span in clips.spans] == [0, 1, 3, 4]
    assert max(clip.x.abs().max() for clip in clips) < 20


def test_bodies_of_different_sizes_are_kept() -> None:
    assert len(clips_of([1.0, 50.0, 0.02])) == 3
    assert len(clips_of([0.0, 1.0])) == 2  # all joints in one place


def test_the_body_size_shows_one_wrong_frame_and_ignores_missing_joints() -> None:
    poses, present = torch.randn(1, 4, 25, 3), torch.ones(1, 4, 25, dtype=torch.bool)
    present[0, 1, 5] = False
    poses[0, 1, 5] = 0
    motion = Motion(poses=poses + 100 * present[..., None], present=present, skeleton=NTU)
    assert motion.body_size == pytest.approx(1.73, abs=0.3)
    poses[0, 2, 7] = 1e6
    assert Motion(poses=poses, skeleton=NTU).body_size == pytest.approx(1e6 * 3**0.5 * 24**0.5 / 25, rel=1e-3)
