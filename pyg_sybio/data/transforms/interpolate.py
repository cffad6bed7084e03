r"""Interpolation between two poses."""

import torch
from torch import Tensor

from pyg_sybio.rotations import expmap_to_quaternion, quaternion_to_expmap


def interpolate(before: Tensor, after: Tensor, weight: Tensor, *, rotations: bool) -> Tensor:
    r"""Interpolate between two values: positions linearly, rotations on the shortest arc at constant speed.

    .. math::
        (1 - w)\,a + w\,b, \qquad \text{or, for unit quaternions,} \qquad
        \frac{\sin((1 - w)\,\omega)\,q_a + \sin(w\,\omega)\,q_b}{\sin\omega}, \quad
        \cos\omega = q_a \cdot q_b \ge 0

    Args:
        before: The result for weight 0, exactly.
        after: The result for weight 1, exactly.
        weight: From 0 to 1.
        rotations: Whether values are exponential maps (radians).

    Shapes:
        - **before, after:** `[..., D]`
        - **weight:** `[..., 1]`
        - **output:** `[..., D]`
    """
    if not rotations:
        return torch.lerp(before, after, weight)
    start, end = expmap_to_quaternion(before), expmap_to_quaternion(after)
    end = torch.where((start * end).sum(-1, keepdim=True) < 0, -end, end)  # the shorter of two arcs
    # The angle between unit vectors from two lengths, because the cosine is inaccurate for small angles.
    apart, along = (end - start).norm(dim=-1, keepdim=True), (end + start).norm(dim=-1, keepdim=True)
    arc = 2 * torch.atan2(apart, along)
    turns = arc / torch.pi
    first, second = (w * torch.sinc(w * turns) / torch.sinc(turns) for w in (1 - weight, weight))
    between = quaternion_to_expmap(first * start + second * end)
    return torch.where(weight == 0, before, torch.where(weight == 1, after, between))
