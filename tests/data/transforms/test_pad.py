"""Padding by frame number."""

import pytest
import torch
from random_motions import random_motion

from pyg_sybio.data.transforms import Pad


@pytest.mark.parametrize(
    ("mode", "side", "frames"),
    [
        ("repeat", "end", [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]),
        ("repeat", "start", [2, 3, 0, 1, 2, 3, 0, 1, 2, 3]),
        ("hold", "end", [0, 1, 2, 3, 3, 3, 3, 3, 3, 3]),
        ("hold", "start", [0, 0, 0, 0, 0, 0, 0, 1, 2, 3]),
    ],
)
@pytest.mark.parametrize("name", ["openpose18", "h36m32"])
def test_frames_are_repeated_or_held(mode: str, side: str, frames: list[int], name: str) -> None:
    motion = random_motion(name, num_frames=12).frames(slice(2, 6))
    pad = Pad(num_frames=10, mode=mode, side=side)  # type: ignore[arg-type]
    padded, parameters = pad.apply(motion)
    assert padded.equal(motion.frames(torch.tensor(frames)))
    assert pad.invert(padded, parameters).equal(motion)


@pytest.mark.parametrize("side", ["start", "end"])
def test_zero_frames_contain_no_persons(side: str) -> None:
    motion = random_motion("openpose18", num_frames=12).frames(slice(2, 6))
    pad = Pad(num_frames=10, mode="zero", side=side)  # type: ignore[arg-type]
    padded, parameters = pad.apply(motion)
    added = slice(0, 6) if side == "start" else slice(4, 10)
    assert padded.num_frames == 10
    assert not padded.present[:, added].any() and not padded.confidence[:, added].any()
    assert pad.invert(padded, parameters).equal(motion)


def test_a_long_clip_does_not_change() -> None:
    motion = random_motion(num_frames=12)
    padded, parameters = Pad(num_frames=12).apply(motion)
    assert padded.equal(motion) and Pad(num_frames=12).invert(padded, parameters).equal(motion)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="'mode' is 'loop'"):
        Pad(num_frames=3, mode="loop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'side' is 'left', expected one of 'end', 'start'"):
        Pad(num_frames=3, side="left")  # type: ignore[arg-type]
