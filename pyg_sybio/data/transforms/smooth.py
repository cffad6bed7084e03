r"""Trajectories without the trembling of a camera."""

import torch
from torch.nn import functional

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range, space_of, with_space

# Beyond this many deviations the weights of the filter are below 0.02.
_REACH = 3


class Smooth(MotionTransform):
    r"""Each joint's trajectory through a Gaussian filter in time.

    .. math::
        x'(t) = \frac{\sum_k g_k\, m(t + k)\, x(t + k)}{\sum_k g_k\, m(t + k)}, \qquad
        g_k = e^{-k^2 / 2 \sigma^2}, \quad |k| \le \lceil 3 \sigma \rceil,

    with :math:`m` 1 where the joint is present and 0 elsewhere, also before the first frame and after the
    last. What is absent stays absent, and a joint at rest stays where it is. A score is left alone.

    Velocities and accelerations (Eq. 9) magnify what changes from frame to frame, and so does a model that
    takes them in. Among the transforms that prepare a whole clip the filter would carry the future into the
    last observed frames; among those of the observed frames (`fill`) it cannot.

    Args:
        std: The standard deviation :math:`\sigma`, in frames, above 0.

    Raises:
        ValueError: If `std` is not above 0, or the poses are rotations.
    """

    def __init__(self, *, std: float) -> None:
        self.std = check_range("std", std, 1e-3, 1e6)

    def forward(self, motion: Motion) -> Motion:
        space = space_of(motion, self)  # [P, T, M, S]
        reach = min(-int(-_REACH * self.std // 1), motion.num_frames - 1)  # rounded up
        offsets = torch.arange(-reach, reach + 1, dtype=space.dtype, device=space.device)
        gains = torch.exp(-0.5 * (offsets / self.std) ** 2)
        mask = motion.present[..., None].to(space.dtype)

        def filtered(values: torch.Tensor) -> torch.Tensor:
            rows = values.transpose(1, -1).flatten(0, -2)[:, None]  # [P S M, 1, T]
            rows = functional.conv1d(rows, gains[None, None], padding=reach)
            return rows.view(values.transpose(1, -1).shape).transpose(1, -1)

        weight = filtered(mask).clamp(min=torch.finfo(space.dtype).tiny)
        return with_space(motion, filtered(space) / weight * mask)
