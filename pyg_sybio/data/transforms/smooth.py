r"""Smooth the trajectories of the joints."""

import torch
from torch.nn import functional

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range, space_of, with_space

# Beyond this many deviations the weights of the filter are below 0.02.
_REACH = 3


class Smooth(MotionTransform):
    r"""Filter each joint's trajectory with a Gaussian in time.

    .. math::
        x'(t) = \frac{\sum_k g_k\, m(t + k)\, x(t + k)}{\sum_k g_k\, m(t + k)}, \qquad
        g_k = e^{-k^2 / 2 \sigma^2}, \quad |k| \le \lceil 3 \sigma \rceil,

    where :math:`m` is 1 in frames with the joint, and 0 in frames without it and outside the clip. A joint
    that is not present remains not present, and a joint at rest does not move. Scores are not changed.

    Velocities and accelerations (Eq. 9) amplify noise between frames. Applied to a whole clip, the filter
    would leak the future into the last observed frames; applied to the observed frames (`fill`), it cannot.

    Args:
        std: The standard deviation :math:`\sigma`, in frames, above 0.

    Raises:
        ValueError: If `std` is not above 0, or the poses are rotations.
    """

    def __init__(self, *, std: float) -> None:
        self.std = check_range("std", std, 1e-3, 100)

    def forward(self, motion: Motion) -> Motion:
        space = space_of(motion, self)  # [P, T, M, S]
        reach = min(-int(-_REACH * self.std // 1), motion.num_frames - 1)  # ceil(3 std)
        offsets = torch.arange(-reach, reach + 1, dtype=space.dtype, device=space.device)
        gains = torch.exp(-0.5 * (offsets / self.std) ** 2)
        mask = motion.present[..., None].to(space.dtype)

        def filtered(values: torch.Tensor) -> torch.Tensor:
            rows = values.transpose(1, -1).flatten(0, -2)[:, None]  # [P S M, 1, T]
            rows = functional.conv1d(rows, gains[None, None], padding=reach)
            return rows.view(values.transpose(1, -1).shape).transpose(1, -1)

        weight = filtered(mask).clamp(min=torch.finfo(space.dtype).tiny)
        return with_space(motion, filtered(space) / weight * mask)
