r"""Hide joints at random."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range, hide, random_stretch


class DropJoints(MotionTransform):
    r"""Hide each joint of each person with probability `p`: not present, zero, with confidence 0.

    Args:
        p: Probability that a joint is hidden, from 0 to 1.
        each_frame: Whether to draw for every frame, like a flickering detector; False hides a joint in
            consecutive frames, like behind a table. (default: False)
        share: Length of the run of frames in which joints may be hidden, as a fraction of the motion, from 0
            to 1. (default: 1)

    Raises:
        ValueError: If `p` or `share` is not from 0 to 1.
    """

    def __init__(self, *, p: float, each_frame: bool = False, share: float = 1.0) -> None:
        self.p = check_range("p", p, 0, 1)
        self.each_frame = each_frame
        self.share = check_range("share", share, 0, 1)

    def forward(self, motion: Motion) -> Motion:
        persons, frames, joints = motion.present.shape
        hidden = torch.rand(persons, frames if self.each_frame else 1, joints) < self.p
        if self.share < 1:
            hidden = hidden & random_stretch(frames, self.share, persons, joints).mT
        return hide(motion, hidden.to(motion.poses.device))
