r"""Crop motions in time at random."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range


class RandomCrop(MotionTransform):
    r"""Keep a run of consecutive frames of random length and start.

    .. math::
        T' = \max(1, \operatorname{round}(u\,T)), \quad u \sim U(\text{min\_share}, \text{max\_share}), \qquad
        t_0 \sim U\{0, \dots, T - T'\}

    Args:
        min_share: Smallest fraction of the frames to keep, from 0 to 1. (default: 0.5)
        max_share: Largest fraction of the frames to keep. (default: 1)

    Raises:
        ValueError: If a fraction is not from 0 to 1, or `min_share` is above `max_share`.
    """

    def __init__(self, *, min_share: float = 0.5, max_share: float = 1.0) -> None:
        self.max_share = check_range("max_share", max_share, 0, 1)
        self.min_share = check_range("min_share", min_share, 0, self.max_share)

    def forward(self, motion: Motion) -> Motion:
        share = self.min_share + (self.max_share - self.min_share) * float(torch.rand(()))
        length = max(1, round(share * motion.num_frames))
        start = int(torch.randint(motion.num_frames - length + 1, ()))
        return motion.frames(slice(start, start + length))
