"""Empty frames at the ends of a clip."""

from random_motions import random_motion

from pyg_sybio.data.transforms import TrimNullFrames


def test_null_frames_are_only_removed_at_the_ends() -> None:
    motion = random_motion(num_frames=20)
    seen = [t for t in range(20) if any(motion.present[p, t].any() for p in range(3))]
    assert seen[0] > 0 and seen[-1] < 19 and len(seen) < seen[-1] - seen[0] + 1
    assert TrimNullFrames()(motion).equal(motion.frames(slice(seen[0], seen[-1] + 1)))


def test_a_clip_without_persons_does_not_change() -> None:
    motion = random_motion()
    nobody = motion.replace(poses=motion.poses * 0, present=motion.present & False)
    assert TrimNullFrames()(nobody).equal(nobody)
