r"""Hide joints at random."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range, hide


class DropJoints(MotionTransform):
    r"""Hide each joint of each person with probability `p`: not present, zero, with confidence 0.

    Args:
        p: Probability that a joint is hidden, from 0 to 1.
        each_frame: Whether to draw for every frame, like a flickering detector; False hides a joint in the
            whole motion, like behind a table. (default: False)

    Raises:
        ValueError: If `p` is not from 0 to 1.
    """

    def __init__(self, *, p: float, each_frame: bool = False) -> None:
        self.p = check_range("p", p, 0, 1)
        self.each_frame = each_frame

    def forward(self, motion: Motion) -> Motion:
        num_draws = motion.num_frames if self.each_frame else 1
        draws = torch.rand(motion.num_persons, num_draws, motion.skeleton.num_joints)
        return hide(motion, (draws < self.p).to(motion.poses.device))
