"""Corrupted clips compared with index arithmetic."""

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.data.transforms import DropJoints, FillMissing
from pyg_sybio.experiments.corruption import OtherRate, corrupted
from pyg_sybio.skeleton import load_skeleton


def moving(num_frames: int, name: str = "ntu25") -> Motion:
    skeleton = load_skeleton(name)
    poses = torch.randn(1, num_frames, skeleton.num_joints, 3)
    return Motion(poses=poses, skeleton=skeleton, frame_rate=25.0)


@pytest.mark.parametrize("name", ["ntu25", "cmu38:used"])
@pytest.mark.parametrize(
    ("rate", "resampled", "padding", "frames"),
    [
        # Half the rate: frames 1, 3, 5 and 7 of eight, padded by repeating them or by copies of frame 1.
        (0.5, False, "repeat", [1, 3, 5, 7, 1, 3, 5, 7]),
        (0.5, False, "hold", [1, 1, 1, 1, 1, 3, 5, 7]),
        # Resampled to the rate of the model: frames in between are interpolated, and the first frame is
        # padded.
        (0.5, True, "hold", [1, 1, 2, 3, 4, 5, 6, 7]),
        (0.5, True, "repeat", [7, 1, 2, 3, 4, 5, 6, 7]),
        (0.25, False, "repeat", [3, 7, 3, 7, 3, 7, 3, 7]),
        # Twice the rate: half of the duration, with interpolated frames in between.
        (2.0, False, "repeat", [3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7]),
        (2.0, True, "repeat", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_frames_at_another_rate_equal_index_arithmetic(
    name: str, rate: float, resampled: bool, padding: str, frames: list[float]
) -> None:
    motion = moving(8, name)
    seen = OtherRate(rate, resampled=resampled, padding=padding)(motion)
    # Frames between two recorded frames are interpolated linearly, including z-scores.
    step = 2 if rate == 0.5 and resampled else 1
    for place, frame in enumerate(frames):
        if step == 2 and frame % 2 == 0:
            expected = (motion.poses[0, int(frame) - 1] + motion.poses[0, int(frame) + 1]) / 2
        else:
            low, high = int(frame), min(int(frame + 0.5), 7)
            expected = (motion.poses[0, low] + motion.poses[0, high]) / 2
        torch.testing.assert_close(seen.poses[0, place], expected)
    assert (seen.num_frames, seen.tracks, seen.skeleton) == (8, motion.tracks, motion.skeleton)


def test_missing_joints_stay_missing_at_another_frame_rate() -> None:
    motion = moving(8)
    present = motion.present.clone()
    present[0, 5, 3] = False
    motion = motion.replace(poses=motion.poses * present[..., None], present=present)
    seen = OtherRate(0.5, resampled=True)(motion)
    # Frame 5 is recorded: the joint is missing there and in the frames interpolated from it.
    assert seen.present[0, :, 3].tolist() == [True, True, True, True, False, False, False, True]
    assert seen.present[0, :, 4].all()


def test_a_frame_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="'rate' is 0, expected a positive number"):
        OtherRate(0, resampled=False)


class Longer(BaseTransform):
    """Transform that doubles the observed coordinates."""

    def forward(self, data: Data) -> Data:
        return Data(x=2 * data.x, future=data.future, y=data.y)


class Complete(SyntheticMotions):
    """A data set that neither corrupts nor fills."""

    def __init__(self) -> None:
        super().__init__(num_clips=3, num_observed=6, num_future=2)
        del self.corrupt, self.fill

    def get(self, idx: int) -> Data:
        return Data(x=self.clips[idx, :, :6], future=self.clips[idx, :, 6:], y=self.labels[idx : idx + 1])


def test_complete_samples_are_corrupted_after_their_own_transform() -> None:
    clips = Complete()
    clips.transform = Longer()
    worse = corrupted(clips, DropJoints(p=0.5))
    torch.manual_seed(4)
    item = worse[1]
    torch.manual_seed(4)
    hidden = torch.rand(1, 1, 25)[0, 0] < 0.5
    expected = (2 * clips.clips[1, :, :6]).masked_fill(hidden[:, None, None], 0.0)
    assert torch.equal(item.x, expected)
    assert torch.equal(item.future, clips[1].future) and torch.equal(item.y, clips[1].y)
    assert torch.equal(clips[1].x, 2 * clips.clips[1, :, :6])


def test_synthetic_motions_are_corrupted_and_then_filled() -> None:
    clips = SyntheticMotions(num_clips=3, num_observed=6, num_future=2)
    torch.manual_seed(4)
    item = corrupted(clips, DropJoints(p=0.5, each_frame=True))[1]
    torch.manual_seed(4)
    motion = Motion(poses=clips[1].x.transpose(0, 1)[None], skeleton=clips.skeleton)
    expected = FillMissing()(DropJoints(p=0.5, each_frame=True)(motion))
    assert torch.equal(item.x.transpose(0, 1), expected.poses[0]) and not torch.equal(item.x, clips[1].x)
    assert torch.equal(item.future, clips[1].future) and "future_mask" not in item
