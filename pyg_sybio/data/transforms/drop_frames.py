r"""Hide frames at random."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range, hide


class DropFrames(MotionTransform):
    r"""Hide each frame with probability `p`: nobody is present in it. The motion keeps its length.

    At least one frame with a person is kept.

    Args:
        p: Probability that a frame is hidden, from 0 to 1.

    Raises:
        ValueError: If `p` is not from 0 to 1.
    """

    def __init__(self, *, p: float) -> None:
        self.p = check_range("p", p, 0, 1)

    def forward(self, motion: Motion) -> Motion:
        draws = torch.rand(motion.num_frames).to(motion.poses.device)
        hidden = draws < self.p
        hidden[draws.where(motion.seen.any(0), -1.0).argmax()] = False
        return hide(motion, hidden[:, None])
