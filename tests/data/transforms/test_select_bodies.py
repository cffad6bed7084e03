"""Selection of bodies compared with loops."""

import numpy as np
import pytest
import torch
from random_motions import random_motion

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import SelectBodies
from pyg_sybio.skeleton import load_skeleton


def naive_selection(
    motion: Motion, num_bodies: int, min_frames: int, ratio: float, share: float
) -> list[int]:
    """The documented rules, person by person, frame by frame."""
    facts = {}
    for p in range(motion.num_persons):
        num_seen, num_wide, moved = 0, 0, 0.0
        for t in range(motion.num_frames):
            points = motion.poses[p, t][motion.present[p, t]].double().numpy()
            if len(points):
                num_seen += 1
                num_wide += np.ptp(points[:, 0]) > ratio * np.ptp(points[:, 1])
        for i in range(motion.skeleton.num_joints):
            path = motion.poses[p, :, i][motion.present[p, :, i]].double().numpy()
            if len(path):
                moved += path[:, : motion.num_spatial].var(axis=0).sum()
        if num_seen:
            facts[p] = (num_seen, num_wide / num_seen, moved)
    long = {p for p in facts if facts[p][0] >= min_frames} or set(facts)
    plausible = {p for p in long if facts[p][1] <= share} or long
    return sorted(plausible, key=lambda p: -facts[p][2])[:num_bodies] or [0]


@pytest.mark.parametrize("seed", range(40))
def test_selection_equals_a_naive_version(seed: int) -> None:
    torch.manual_seed(seed)
    motion = random_motion(("ntu25", "openpose18")[seed % 2], num_persons=1 + seed % 6, num_frames=24)
    # Persons are present for different times; some are flattened, so that they are wide.
    hidden = torch.arange(24)[None] >= torch.randint(0, 25, (motion.num_persons, 1))
    flat = torch.rand(motion.num_persons, motion.num_frames, 1) < torch.rand(motion.num_persons, 1, 1)
    poses = motion.poses.masked_fill(hidden[:, :, None, None], 0)
    poses[..., 1] = torch.where(flat, 0.2 * poses[..., 1], 2 * poses[..., 1])
    motion = motion.replace(poses=poses, present=motion.present & ~hidden[..., None])

    arguments = (1 + seed % 3, 6, 0.8, 0.5)
    selected = SelectBodies(num_bodies=arguments[0], min_frames=6, max_spread_ratio=0.8, max_wide_share=0.5)(
        motion
    )
    assert list(selected.tracks) == naive_selection(motion, *arguments)
    assert selected.equal(motion.persons(selected.tracks))


def standing_person(num_frames: int, amplitude: float) -> torch.Tensor:
    """A person `[60, 25, 3]` standing along y with swinging hands; zero from frame `num_frames`."""
    poses = torch.zeros(60, 25, 3)
    poses[:, :, 1] = torch.linspace(0, 1.7, 25)
    poses[:, :, 0] = torch.linspace(-0.3, 0.3, 25)
    poses[:, [7, 11], 2] = amplitude * torch.sin(torch.arange(60.0))[:, None]
    poses[num_frames:] = 0
    return poses


def test_spurious_bodies_are_removed_and_the_others_ordered() -> None:
    chair = standing_person(60, 9.0)[..., [1, 0, 2]]  # a body as wide as a person is tall
    ghost = standing_person(11, 9.0)
    poses = torch.stack(
        [chair, standing_person(60, 0.1), ghost, standing_person(12, 0.5), torch.zeros(60, 25, 3)]
    )
    motion = Motion(
        poses=poses,
        skeleton=load_skeleton("ntu25"),
        present=(poses != 0).any(-1),
        tracks=(5, 6, 7, 8, 9),
    )
    assert SelectBodies()(motion).tracks == (8, 6)
    assert SelectBodies(num_bodies=5, min_frames=11)(motion).tracks == (7, 8, 6)
    lenient = SelectBodies(num_bodies=5, min_frames=0, max_spread_ratio=float("inf"))
    assert lenient(motion).tracks == (5, 7, 8, 6)


def test_at_least_one_body_is_kept() -> None:
    lying = standing_person(60, 0.5)[..., [1, 0, 2]]
    skeleton = load_skeleton("ntu25")
    for person in (lying, standing_person(3, 1.0), torch.zeros(60, 25, 3)):
        motion = Motion(poses=person[None], skeleton=skeleton, present=(person != 0).any(-1)[None])
        assert SelectBodies()(motion).equal(motion)


def test_bodies_with_equal_motion_keep_their_order() -> None:
    alike = Motion(poses=standing_person(60, 0.5).expand(64, -1, -1, -1), skeleton=load_skeleton("ntu25"))
    assert SelectBodies(num_bodies=64)(alike).tracks == tuple(range(64))


def test_a_body_that_stands_still_far_away_does_not_move() -> None:
    poses = standing_person(60, 0.0)
    moving = standing_person(60, 1e-3)
    pair = torch.stack([poses, moving]) + torch.tensor([1000.0, 0.0, 3000.0])
    assert SelectBodies(num_bodies=1)(Motion(poses=pair, skeleton=load_skeleton("ntu25"))).tracks == (1,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_bodies": 0}, "'num_bodies' is 0, expected an integer of at least 1"),
        ({"num_bodies": 1.5}, "'num_bodies' is 1.5"),
        ({"min_frames": -1}, "'min_frames' is -1"),
        ({"max_spread_ratio": -0.1}, "'max_spread_ratio' is -0.1"),
        ({"max_wide_share": 1.2}, "'max_wide_share' is 1.2, expected a number from 0 to 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SelectBodies(**arguments)  # type: ignore[arg-type]
