"""Crops by frame number, fixed and random."""

import pytest
import torch
from random_motions import random_motion

from pyg_sybio.data.transforms import Crop, RandomCrop


@pytest.mark.parametrize(
    ("position", "frames"), [("start", [0, 1, 2, 3]), ("center", [3, 4, 5, 6]), ("end", [7, 8, 9, 10])]
)
def test_the_selected_frames_are_kept(position: str, frames: list[int]) -> None:
    motion = random_motion("h36m32", num_frames=11)
    crop = Crop(num_frames=4, position=position)  # type: ignore[arg-type]
    assert crop(motion).equal(motion.frames(torch.tensor(frames)))
    short = motion.frames(slice(0, 3))
    assert crop(short).equal(short)


def test_random_crops_have_all_allowed_lengths_and_positions() -> None:
    motion = random_motion(num_persons=1, num_frames=10, missing=0.0)
    number = {tuple(pose): t for t, pose in enumerate(motion.poses[0, :, 0].tolist())}
    crops = set()
    for _ in range(400):
        part = RandomCrop(min_share=0.3, max_share=0.5)(motion)
        frames = [number[tuple(pose)] for pose in part.poses[0, :, 0].tolist()]
        assert part.equal(motion.frames(slice(frames[0], frames[-1] + 1)))
        crops.add((frames[0], len(frames)))
    assert crops == {(start, length) for length in (3, 4, 5) for start in range(11 - length)}
    assert RandomCrop(min_share=1.0)(motion).equal(motion)
    assert RandomCrop(min_share=0.0, max_share=0.0)(motion).num_frames == 1


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="'num_frames' is 0"):
        Crop(num_frames=0)
    with pytest.raises(ValueError, match="'position' is 'middle', expected one of 'start', 'center', 'end'"):
        Crop(num_frames=3, position="middle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'min_share' is 0.6, expected a number from 0 to 0.5"):
        RandomCrop(min_share=0.6, max_share=0.5)
    with pytest.raises(ValueError, match=r"'max_share' is nan"):
        RandomCrop(max_share=float("nan"))
