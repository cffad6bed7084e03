"""Centring compared with a loop, and its inverse."""

import pytest
import torch
from random_motions import random_motion

from pyg_sybio.data.transforms import Center
from pyg_sybio.skeleton import load_skeleton


@pytest.mark.parametrize("name", ["ntu25", "jhmdb15", "openpose18"])
@pytest.mark.parametrize("frame", ["first", "each"])
def test_centring_equals_the_loop_and_has_an_inverse(name: str, frame: str) -> None:
    motion = random_motion(name, dtype=torch.float64)
    joint = motion.skeleton.joints[5]
    transform = Center(joint=joint, frame=frame)  # type: ignore[arg-type]
    centred, offset = transform.apply(motion)

    recorded = [t for t in range(motion.num_frames) if motion.present[0, t, 5]]
    expected = motion.poses.clone()
    for t in range(motion.num_frames):
        earlier = [s for s in recorded if s <= t]
        source = earlier[-1] if frame == "each" and earlier else recorded[0]
        for p in range(motion.num_persons):
            for i in range(motion.skeleton.num_joints):
                if motion.present[p, t, i]:
                    for axis in range(motion.num_spatial):
                        expected[p, t, i, axis] -= motion.poses[0, source, 5, axis]
    torch.testing.assert_close(centred.poses, expected, rtol=0, atol=1e-12)
    assert torch.equal(transform(motion).poses, centred.poses)
    torch.testing.assert_close(transform.invert(centred, offset).poses, motion.poses, rtol=0, atol=1e-12)


def test_the_joint_is_at_the_origin_and_distances_do_not_change() -> None:
    motion = random_motion(missing=0.0, dtype=torch.float64)
    center = motion.skeleton.joint_index(motion.skeleton.center)
    assert not Center()(motion).poses[0, 0, center].any()
    assert not Center(frame="each")(motion).poses[0, :, center].any()
    for frame in ("first", "each"):
        moved = Center(joint="spine", frame=frame)(motion)  # type: ignore[arg-type]
        torch.testing.assert_close(
            moved.poses[0] - moved.poses[1], motion.poses[0] - motion.poses[1], rtol=0, atol=1e-12
        )


def test_positions_are_relative_to_the_first_person_with_the_joint() -> None:
    motion = random_motion("ntu25")  # person 0 never shows joint 3
    head = motion.skeleton.joints[3]
    first = int(motion.present[1, :, 3].nonzero()[0])
    assert torch.equal(Center(joint=head).apply(motion)[1], motion.poses[1, first, 3][None])
    alone = motion.persons([0])
    assert Center(joint=head)(alone).equal(alone)
    assert Center(joint=head, frame="each")(alone).equal(alone)


def test_the_last_frame_with_the_joint_is_at_the_origin() -> None:
    motion = random_motion()
    joint = motion.skeleton.joint_index(motion.skeleton.center)
    person = next(i for i in range(motion.num_persons) if motion.present[i, :, joint].any())
    frame = int(motion.present[person, :, joint].nonzero()[-1])
    centred, parameters = Center(frame="last").apply(motion)
    assert torch.equal(parameters[0], motion.poses[person, frame, joint, : motion.num_spatial])
    assert not centred.poses[person, frame, joint, : motion.num_spatial].any()


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="'frame' is 'middle'"):
        Center(frame="middle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no joint 'navel'"):
        Center(joint="navel")(random_motion())
    with pytest.raises(ValueError, match="Center is only for positions, but skeleton 'h36m32' has rotations"):
        Center()(random_motion(load_skeleton("h36m32")))
