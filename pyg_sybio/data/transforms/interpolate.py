r"""Between two poses."""

import torch
from torch import Tensor

from pyg_sybio.rotations import expmap_to_matrix, matrix_to_expmap


def interpolate(before: Tensor, after: Tensor, weight: Tensor, *, rotations: bool) -> Tensor:
    r"""Values between two others: positions on a line, rotations on the shortest arc at constant speed.

    .. math::
        (1 - w)\,a + w\,b, \qquad \text{or} \qquad R_a \exp\bigl(w \log(R_a^\top R_b)\bigr)

    Args:
        before: What weight 0 gives, to the last bit.
        after: What weight 1 gives, to the last bit.
        weight: From 0 to 1.
        rotations: Whether values are exponential maps (radians).

    Shapes:
        - **before, after:** `[..., D]`
        - **weight:** `[..., 1]`
        - **output:** `[..., D]`
    """
    if not rotations:
        return torch.lerp(before, after, weight)
    start = expmap_to_matrix(before)
    turn = matrix_to_expmap(start.mT @ expmap_to_matrix(after))
    between = matrix_to_expmap(start @ expmap_to_matrix(weight * turn))
    return torch.where(weight == 0, before, torch.where(weight == 1, after, between))
