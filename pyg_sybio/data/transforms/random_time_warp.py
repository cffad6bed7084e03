r"""Warp motions in time at random."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range
from pyg_sybio.data.transforms.resample import at_times


class RandomTimeWarp(MotionTransform):
    r"""Play a motion from its first frame to its last at a varying tempo.

    Frame `k` of the :math:`T'` frames of the result is the pose at frame

    .. math::
        t_k = (T - 1) \, \frac{\sum_{i \le k} u_i}{\sum_{i < T'} u_i}, \qquad u_0 = 0, \quad
        u_i \sim U(1 - \text{strength}, 1 + \text{strength})

    of the motion, interpolated as by :class:`~pyg_sybio.data.transforms.Resample`. The whole motion may also
    be played faster or slower: :math:`T' - 1 = (T - 1) / v`, rounded and at least 1, with :math:`v` drawn
    log-uniformly from `1 / tempo` to `tempo`. The frame rate does not change.

    Args:
        strength: Largest difference between a step in time and the mean step, from 0 to 1. (default: 0.5)
        tempo: Largest factor by which the motion is played faster or slower, at least 1. With 1, the number
            of frames does not change, as windows require. (default: 1)

    Raises:
        ValueError: If `strength` is not from 0 to 1, or `tempo` is below 1.
    """

    def __init__(self, *, strength: float = 0.5, tempo: float = 1.0) -> None:
        self.strength = check_range("strength", strength, 0, 1)
        self.tempo = check_range("tempo", tempo, 1, 100)

    def forward(self, motion: Motion) -> Motion:
        last = motion.num_frames - 1
        if last == 0:
            return motion
        speed = self.tempo ** (2 * float(torch.rand(())) - 1) if self.tempo > 1 else 1.0
        count = max(1, round(last / speed))
        steps = 1 + self.strength * (2 * torch.rand(count, dtype=torch.float64) - 1)
        times = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
        return at_times(motion, last * times / times[-1])
