r"""Motions in an uneven tempo."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range
from pyg_sybio.data.transforms.resample import at_times


class RandomTimeWarp(MotionTransform):
    r"""The same movement from the first frame to the last, here a little faster and there a little slower.

    Frame `k` of the :math:`T'` frames of the result is the pose at frame

    .. math::
        t_k = (T - 1) \, \frac{\sum_{i \le k} u_i}{\sum_{i < T'} u_i}, \qquad u_0 = 0, \quad
        u_i \sim U(1 - \text{strength}, 1 + \text{strength})

    of the clip, interpolated as by :class:`~pyg_sybio.data.transforms.Resample`. The whole clip may be played
    faster or slower as well: :math:`T' - 1 = (T - 1) / v`, rounded and at least 1, with :math:`v` on a
    logarithmic scale from `1 / tempo` to `tempo`. The frame rate stays.

    Args:
        strength: How much a step in time may differ from the mean step, from 0 to 1. (default: 0.5)
        tempo: Largest factor between the speed of the clip and that of the result, at least 1. With 1 the
            number of frames stays, as it must in windows. (default: 1)

    Raises:
        ValueError: If `strength` is not from 0 to 1, or `tempo` is below 1.
    """

    def __init__(self, *, strength: float = 0.5, tempo: float = 1.0) -> None:
        self.strength = check_range("strength", strength, 0, 1)
        self.tempo = check_range("tempo", tempo, 1, 1e6)

    def forward(self, motion: Motion) -> Motion:
        last = motion.num_frames - 1
        if last == 0:
            return motion
        speed = self.tempo ** (2 * float(torch.rand(())) - 1) if self.tempo > 1 else 1.0
        count = max(1, round(last / speed))
        steps = 1 + self.strength * (2 * torch.rand(count, dtype=torch.float64) - 1)
        times = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
        return at_times(motion, last * times / times[-1])
