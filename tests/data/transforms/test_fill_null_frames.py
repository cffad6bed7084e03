"""Filled null frames compared with the rule, frame by frame."""

import pytest
import torch
from random_motions import NAMES, random_motion

from pyg_sybio.data.transforms import FillNullFrames


@pytest.mark.parametrize("name", NAMES.values())
@pytest.mark.parametrize("mode", ["repeat", "hold"])
def test_every_filled_frame_follows_the_documented_rule(name: str, mode: str) -> None:
    motion = random_motion(name, num_frames=23)
    filled = FillNullFrames(mode=mode)(motion)  # type: ignore[arg-type]
    changed = 0
    for p in range(motion.num_persons):
        seen = [t for t in range(motion.num_frames) if motion.present[p, t].any()]
        sequence = list(range(seen[0], seen[-1] + 1))
        for t in range(motion.num_frames):
            source = t
            while mode == "repeat" and source not in sequence:
                source += len(sequence) if source < seen[0] else -len(sequence)
            if mode == "hold":
                source = seen[0] if t < seen[0] else seen[-1] if t > seen[-1] else t
            changed += source != t
            for values, before in (
                (filled.poses, motion.poses),
                (filled.present, motion.present),
                (filled.confidence, motion.confidence),
                (filled.translation, motion.translation),
            ):
                assert values is before is None or torch.equal(values[p, t], before[p, source])
    assert changed > 10


def test_a_short_sequence_is_repeated_as_often_as_needed() -> None:
    motion = random_motion(num_persons=1, num_frames=12, missing=0.0)
    hidden = torch.ones(12, dtype=torch.bool)
    hidden[4:7] = False
    motion = motion.replace(
        poses=motion.poses.masked_fill(hidden[:, None, None], 0),
        present=motion.present & ~hidden[:, None],
    )
    assert torch.equal(
        FillNullFrames()(motion).poses, motion.poses[:, [6, 4, 5, 6, 4, 5, 6, 4, 5, 6, 4, 5]]
    )  # frames 4, 5, 6 repeat in a loop


def test_gaps_and_absent_persons_do_not_change() -> None:
    motion = random_motion(num_persons=2, num_frames=20)
    unseen = motion.replace(
        poses=motion.poses * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1),
        present=motion.present & torch.tensor([True, False]).view(2, 1, 1),
    )
    filled = FillNullFrames()(unseen)
    assert not filled.present[1].any()
    assert filled.seen[0].tolist() == [t not in (10, 11) for t in range(20)]
    whole = random_motion(missing=0.0)
    assert FillNullFrames()(whole).equal(whole)


def test_another_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="'mode' is 'loop', expected one of 'repeat', 'hold'"):
        FillNullFrames(mode="loop")  # type: ignore[arg-type]
