"""Joining of consecutive tracks, compared with a loop over frames."""

import pytest
import torch
from random_motions import NAMES, random_motion

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import JoinTracks


def seen_in(motion: Motion, spans: list[tuple[int, int]]) -> Motion:
    """The motion with each person present in a range of frames."""
    frame = torch.arange(motion.num_frames)
    seen = torch.stack([(frame >= start) & (frame < stop) for start, stop in spans])[..., None]
    return motion.replace(
        poses=motion.poses * seen[..., None],
        present=motion.present & seen,
        confidence=motion.confidence * seen,
    )


@pytest.mark.parametrize("name", NAMES.values())
@pytest.mark.parametrize(
    ("spans", "joined"),
    [
        ([(0, 10), (10, 20), (20, 30)], [[0, 1, 2]]),
        ([(0, 12), (10, 20), (20, 30)], [[0, 2], [1]]),
        ([(0, 12), (10, 20), (11, 12), (13, 30)], [[0, 3], [1], [2]]),
        ([(20, 30), (0, 15), (15, 25), (26, 30)], [[0, 1], [2, 3]]),
        ([(0, 30), (0, 1), (29, 30)], [[0], [1, 2]]),
    ],
)
def test_tracks_that_share_no_frame_are_joined(
    name: str, spans: list[tuple[int, int]], joined: list[list[int]]
) -> None:
    motion = random_motion(name, num_persons=len(spans), missing=0.0)
    motion = seen_in(motion, spans).replace(tracks=tuple(range(7, 7 + len(spans))))
    result = JoinTracks()(motion)
    assert result.tracks == tuple(7 + group[0] for group in joined)
    for g, group in enumerate(joined):
        for t in range(motion.num_frames):
            source = next((p for p in group if motion.present[p, t].any()), group[0])
            for after, before in (
                (result.poses, motion.poses),
                (result.present, motion.present),
                (result.confidence, motion.confidence),
                (result.translation, motion.translation),
            ):
                assert after is before is None or torch.equal(after[g, t], before[source, t])


def test_persons_who_share_a_frame_are_not_joined() -> None:
    motion = random_motion(missing=0.0)
    assert JoinTracks()(motion).equal(motion)
