"""Noise and dropout: the values that they change, and how often."""

import pytest
import torch
from random_motions import NAMES, random_motion

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import DropAxis, DropFrames, DropJoints, JitterJoints


@pytest.mark.parametrize("name", NAMES.values())
def test_noise_is_normal_and_only_on_present_coordinates(name: str) -> None:
    motion = random_motion(name, num_persons=2, num_frames=200)
    noise = JitterJoints(std=0.3)(motion).poses - motion.poses
    size = motion.num_spatial or 3
    on_joints = noise[..., :size][motion.present]
    assert not noise[~motion.present].any() and not noise[..., size:].any()
    assert on_joints.mean().item() == pytest.approx(0, abs=0.02)
    assert on_joints.std().item() == pytest.approx(0.3, abs=0.02)
    for dim in range(3):  # persons, frames and joints have independent values
        assert (noise[..., :size].diff(dim=dim) != 0).float().mean() > 0.5
    assert JitterJoints(std=0)(motion).equal(motion)


def check_hidden(motion: Motion, result: Motion, hidden: torch.Tensor) -> None:
    """Check that hidden joints are missing in every field, and that nothing else changed."""
    expected = motion.replace(
        poses=motion.poses * ~hidden[..., None],
        present=motion.present & ~hidden,
        confidence=motion.confidence * ~hidden,
    )
    assert result.equal(expected)


@pytest.mark.parametrize("name", NAMES.values())
def test_joints_are_hidden_for_the_clip_or_in_each_frame(name: str) -> None:
    motion = random_motion(name, num_persons=40, num_frames=5, missing=0.0)
    whole = DropJoints(p=0.3)(motion)
    hidden = ~whole.present
    check_hidden(motion, whole, hidden)
    assert bool((hidden == hidden[:, :1]).all())
    assert hidden[:, 0].float().mean().item() == pytest.approx(0.3, abs=0.07)
    flickering = DropJoints(p=0.3, each_frame=True)(motion)
    check_hidden(motion, flickering, ~flickering.present)
    assert (~flickering.present).float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert not (flickering.present == flickering.present[:, :1]).all()
    assert DropJoints(p=0)(motion).equal(motion)
    assert not DropJoints(p=1)(motion).present.any()


def test_joints_are_hidden_in_consecutive_frames() -> None:
    motion = random_motion(num_persons=20, num_frames=40, missing=0.0)
    result = DropJoints(p=0.5, share=0.25)(motion)
    check_hidden(motion, result, ~result.present)
    hidden = (~result.present).transpose(1, 2).flatten(0, 1)  # [P * M, T]
    hidden = hidden[hidden.any(1)]
    assert len(hidden) / motion.present[:, 0].numel() == pytest.approx(0.5, abs=0.1)
    assert bool((hidden.sum(1) == 10).all())
    starts = hidden.float().argmax(1)
    assert bool(hidden.gather(1, starts[:, None] + torch.arange(10)).all())
    assert starts.unique().tolist() == list(range(31))
    assert DropJoints(p=1, share=0)(motion).equal(motion)


@pytest.mark.parametrize("name", ["ntu25", "openpose18"])
def test_one_axis_is_zero_in_consecutive_frames(name: str) -> None:
    motion = random_motion(name, num_persons=2, num_frames=40, missing=0.0)
    found = set()
    for _ in range(100):
        changed = DropAxis(p=0.5, share=0.25)(motion)
        zero = (changed.poses == 0).all(2).all(0)  # [T, D]
        assert changed.equal(motion.replace(poses=motion.poses * ~zero[:, None]))
        frames, axes = zero.any(1).nonzero().flatten().tolist(), zero.any(0).nonzero().flatten().tolist()
        if axes:
            assert frames == list(range(frames[0], frames[0] + 10))
        found.add(tuple(axes))
    assert found == {(), *((axis,) for axis in range(motion.num_spatial))}


@pytest.mark.parametrize("name", NAMES.values())
def test_frames_are_hidden_for_all_persons_but_never_all_frames(name: str) -> None:
    motion = random_motion(name, num_frames=400, missing=0.0)
    result = DropFrames(p=0.3)(motion)
    hidden = ~result.present
    check_hidden(motion, result, hidden)
    assert bool((hidden == hidden[:1, :, :1]).all())
    assert hidden.float().mean().item() == pytest.approx(0.3, abs=0.08)
    assert DropFrames(p=0)(motion).equal(motion)
    gaps = random_motion(name, num_frames=12)
    for _ in range(20):
        left = DropFrames(p=1)(gaps).seen.any(0)
        assert left.sum() == 1 and gaps.seen.any(0)[left].all()


def test_wrong_arguments_are_refused() -> None:
    for make in (DropJoints, DropFrames, DropAxis):
        with pytest.raises(ValueError, match=r"'p' is 1.1, expected a number from 0 to 1"):
            make(p=1.1)
    with pytest.raises(ValueError, match=r"'std' is -1"):
        JitterJoints(std=-1)
