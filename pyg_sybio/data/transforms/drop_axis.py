r"""Erase a coordinate at random."""

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range, random_stretch, space_of, with_space


class DropAxis(MotionTransform):
    r"""Set a random coordinate to zero in random consecutive frames, the same for all persons.

    .. math::
        x'_{t,d} = 0 \quad \text{for } t_0 \leq t < t_0 + \operatorname{round}(\text{share} \cdot T), \qquad
        d \sim U\{1, \dots, S\}

    The joints remain present. A model trained with it relies less on any single direction.

    Args:
        p: Probability that a coordinate is erased, from 0 to 1. (default: 0.5)
        share: Fraction of the frames in which it is erased, from 0 to 1. (default: 1)

    Raises:
        ValueError: If `p` or `share` is not from 0 to 1, or poses are rotations.
    """

    def __init__(self, *, p: float = 0.5, share: float = 1.0) -> None:
        self.p = check_range("p", p, 0, 1)
        self.share = check_range("share", share, 0, 1)

    def forward(self, motion: Motion) -> Motion:
        space = space_of(motion, self)
        drop, axis = torch.rand(()) < self.p, torch.randint(motion.num_spatial, ())
        frames = random_stretch(motion.num_frames, self.share) & drop
        erased = frames[:, None] & (torch.arange(motion.num_spatial) == axis)  # [T, S]
        return with_space(motion, space.masked_fill(erased[:, None].to(space.device), 0))
