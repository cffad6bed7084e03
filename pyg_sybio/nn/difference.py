r"""The difference operator on input motions (section 4.3, Eq. 9)."""

import torch
from torch import Tensor, nn


class Difference(nn.Module):
    r"""Motion differences of increasing order: positions, velocities, accelerations (Eq. 9).

    .. math::
        \Delta^0 X^{(t)} = X^{(t)}, \qquad
        \Delta^{\beta+1} X^{(t)} = \Delta^{\beta} X^{(t)} - \Delta^{\beta} X^{(t-1)}

    A difference of order :math:`\beta` needs :math:`\beta` earlier frames, so it is zero in the first
    :math:`\beta` frames.

    Args:
        max_order: Highest order :math:`\beta`. (default: :obj:`2`)

    Shapes:
        - **input:** :math:`(*, T, M, D)`, in the poses' unit :math:`u`
        - **output:** :math:`(\text{max\_order} + 1, *, T, M, D)`, in :math:`u`, :math:`u`/frame,
          :math:`u`/frame²

    Note:
        As in the paper, zeros are padded after the differences are taken. The acceleration of the second
        frame is therefore zero, instead of the difference between a padded and a real velocity.
    """

    def __init__(self, max_order: int = 2) -> None:
        super().__init__()
        self.max_order = max_order

    @property
    def num_orders(self) -> int:
        """Number of orders, including order 0."""
        return self.max_order + 1

    def forward(self, x: Tensor) -> Tensor:
        """Return all orders of difference of ``x``, stacked along a new first dimension."""
        orders = [x]
        for order in range(1, self.num_orders):
            step = orders[-1].diff(dim=-3)  # [*, T - 1, M, D]
            # Frame `order` is the first frame whose difference of this order contains no padding.
            orders.append(
                torch.cat([torch.zeros_like(x[..., :order, :, :]), step[..., order - 1 :, :, :]], dim=-3)
            )
        return torch.stack(orders)

    def extra_repr(self) -> str:
        """Return the extra representation of the module."""
        return f"max_order={self.max_order}"
