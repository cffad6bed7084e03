r"""The difference operator on input motions (section 4.3, Eq. 9)."""

import torch
from torch import Tensor, nn


class Difference(nn.Module):
    r"""Motion differences of increasing order: positions, velocities, accelerations (Eq. 9).

    .. math::
        \Delta^0 X^{(t)} = X^{(t)}, \qquad
        \Delta^{\beta+1} X^{(t)} = \Delta^{\beta} X^{(t)} - \Delta^{\beta} X^{(t-1)}

    A difference of order :math:`\beta` needs :math:`\beta` earlier frames. Where they do not exist, at the
    first :math:`\beta` frames, it is zero.

    Args:
        max_order: The highest order :math:`\beta`. (default: :obj:`2`)

    Shapes:
        - **input:** :math:`(*, T, M, D)`, in the poses' unit :math:`u`
        - **output:** :math:`(\text{max\_order} + 1, *, T, M, D)`, in :math:`u`, :math:`u`/frame,
          :math:`u`/frame²

    Note:
        The padding follows the differences, as the paper says: the second frame's acceleration is zero
        and not the jump from a padded velocity to the first real one.
    """

    def __init__(self, max_order: int = 2) -> None:
        super().__init__()
        self.max_order = max_order

    @property
    def num_orders(self) -> int:
        """How many orders there are, the zeroth included."""
        return self.max_order + 1

    def forward(self, x: Tensor) -> Tensor:
        """Return every order of difference of ``x``, stacked in front."""
        orders = [x]
        for order in range(1, self.num_orders):
            step = orders[-1].diff(dim=-3)  # [*, T - 1, M, D]
            # The step into frame `order` is the first whose both ends are real.
            orders.append(
                torch.cat([torch.zeros_like(x[..., :order, :, :]), step[..., order - 1 :, :, :]], dim=-3)
            )
        return torch.stack(orders)

    def extra_repr(self) -> str:
        """What tells two of these apart."""
        return f"max_order={self.max_order}"
