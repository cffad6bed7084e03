r"""Select the real persons among tracked bodies."""

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_count, check_range, space_of


class SelectBodies(MotionTransform):
    r"""The persons that move most, without spurious bodies of the tracker (the noise of NTU RGB+D).

    The tracker of a depth camera sometimes mistakes chairs for persons, or detects a person for an instant.
    Such bodies are dropped, in this order:

    1. bodies that are never seen;
    2. bodies that are seen in fewer than `min_frames` frames;
    3. bodies that are too wide for a person. The joints of such a body spread more than `max_spread_ratio`
       times as far in x as in y, in more than a fraction `max_wide_share` of the frames in which the body is
       seen.

    A rule that would drop all persons is skipped, so that at least one person is kept (the first one, if no
    person is ever seen). The remaining persons are ordered by their amount of motion,

    .. math::
        \mu_p = \sum_{i=1}^{M} \frac{1}{|\mathcal T_{pi}|} \sum_{t \in \mathcal T_{pi}}
        \lVert x_{pi}(t) - \bar x_{pi} \rVert^2,

    the variance over the frames :math:`\mathcal T_{pi}` in which joint `i` of person `p` is present, and the
    first `num_bodies` are kept; in a tie, the original order decides.

    Args:
        num_bodies: Largest number of persons to keep. (default: 2)
        min_frames: Smallest number of frames of a real body. (default: 12; it is common to drop bodies of up
            to 11)
        max_spread_ratio: Largest plausible ratio of the spreads in x and y, `inf` to allow any. (default:
            0.8, a common choice)
        max_wide_share: Largest fraction of implausible frames, from 0 to 1. (default: 0.69754, a common
            choice)

    Raises:
        ValueError: If an argument is out of range, or poses are rotations.
    """

    def __init__(
        self,
        *,
        num_bodies: int = 2,
        min_frames: int = 12,
        max_spread_ratio: float = 0.8,
        max_wide_share: float = 0.69754,
    ) -> None:
        self.num_bodies = check_count("num_bodies", num_bodies)
        self.min_frames = check_count("min_frames", min_frames, least=0)
        self.max_spread_ratio = check_range("max_spread_ratio", max_spread_ratio, 0, float("inf"))
        self.max_wide_share = check_range("max_wide_share", max_wide_share, 0, 1)

    def forward(self, motion: Motion) -> Motion:
        space = space_of(motion, self)
        if motion.num_persons == 1:
            return motion
        num_seen = motion.seen.sum(1)  # [P]
        kept = num_seen > 0
        for dropped in (num_seen < self.min_frames, self._too_wide(space, motion.present)):
            if (kept & ~dropped).any():
                kept = kept & ~dropped
        order = amount_of_motion(space, motion.present).argsort(descending=True, stable=True)
        chosen = order[kept[order]][: self.num_bodies].tolist()
        return motion.persons(chosen or [0])

    def _too_wide(self, space: Tensor, present: Tensor) -> Tensor:
        """Whether a person is too wide in most frames, `[P]`."""
        hidden = ~present[..., None]
        high = space[..., :2].masked_fill(hidden, -torch.inf).amax(2)
        low = space[..., :2].masked_fill(hidden, torch.inf).amin(2)
        width, height = (high - low).unbind(-1)  # [P, T], -inf where nobody is seen
        wide = width > self.max_spread_ratio * height
        return wide.sum(1) > self.max_wide_share * present.any(2).sum(1)


def amount_of_motion(space: Tensor, present: Tensor) -> Tensor:
    r"""Variance of the coordinates over the frames in which a joint is present, summed over joints and axes.

    Shapes:
        - **space:** `[P, T, M, S]`
        - **present:** `[P, T, M]`
        - **output:** `[P]`, in squared units of the coordinates
    """
    weight = present[..., None].to(space.dtype)
    count = weight.sum(1, keepdim=True).clamp(min=1)
    mean = (space * weight).sum(1, keepdim=True) / count
    deviation = (space - mean) * weight  # (a mean of squares would be inaccurate)
    return (deviation.square().sum(1, keepdim=True) / count).sum((1, 2, 3))
