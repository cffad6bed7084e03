r"""Normalisation of what enters the network: every order of difference, joint and feature on its own."""

import torch
from torch import Tensor, nn


class InputNorm(nn.Module):
    r"""Standardises each order of difference, joint and feature with statistics gathered while training.

    .. math::
        \hat{x} = (x - \mu) / \max(\sigma, 0.1\,\bar{\sigma}_\beta)

    :math:`\mu` and :math:`\sigma^2` are the mean and the variance of all training batches so far, each batch
    with the same weight (so they settle), and :math:`\bar{\sigma}_\beta` is the root mean square of
    :math:`\sigma` over the joints and features of an order :math:`\beta`: a joint that hardly moves in
    training is not blown up at test.

    Args:
        num_orders: How many orders of difference come in.
        num_joints: The number of joints :math:`M`.
        in_channels: The number of features :math:`D`.

    Shapes:
        - **input:** :math:`(\text{num\_orders}, G, T, M, D)`, :math:`G` persons
        - **output:** the same, without unit

    Note:
        The paper does not say how inputs of different units are brought to one scale. The same statistics
        normalise in training and in evaluation, and the prediction head reads its poses and scales its
        displacements with them, so that metres, millimetres and pixels train alike.
    """

    mean: Tensor
    var: Tensor
    num_batches: Tensor

    def __init__(self, num_orders: int, num_joints: int, in_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_orders, num_joints, in_channels))
        self.register_buffer("var", torch.ones(num_orders, num_joints, in_channels))
        self.register_buffer("num_batches", torch.tensor(0, dtype=torch.long))

    @property
    def scale(self) -> Tensor:
        """The standard deviation with its floor, ``[num_orders, M, D]``."""
        floor = 0.1 * self.var.mean(dim=(1, 2), keepdim=True).sqrt()
        # An order that never varied (a single frame has no velocity) has nothing to scale.
        return torch.where(floor > 0, torch.maximum(self.var.sqrt(), floor), torch.ones_like(self.var))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` standardised, after taking it into the statistics in training."""
        if self.training:
            self._gather(x)
        mean, scale = self.mean.to(x.dtype), self.scale.to(x.dtype)
        return (x - mean[:, None, None]) / scale[:, None, None]

    @torch.no_grad()
    def _gather(self, x: Tensor) -> None:
        var, mean = torch.var_mean(x.to(self.mean.dtype), dim=(1, 2), correction=0)
        self.num_batches += 1
        weight = 1.0 / self.num_batches.to(self.mean.dtype)
        # The variance of all that was seen: within the batches, and of the batches' means.
        self.var.lerp_(var + (1 - weight) * (mean - self.mean).square(), weight)
        self.mean.lerp_(mean, weight)

    def extra_repr(self) -> str:
        """What tells two of these apart."""
        num_orders, num_joints, in_channels = self.mean.shape
        return f"num_orders={num_orders}, num_joints={num_joints}, in_channels={in_channels}"
