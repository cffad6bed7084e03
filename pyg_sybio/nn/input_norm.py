r"""Normalisation of the network's input, separately for each order of difference, joint and feature."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class InputNorm(nn.Module):
    r"""Standardise each order of difference, joint and feature with statistics gathered in training.

    .. math::
        \hat{x} = (x - \mu) / \max(\sigma, 0.1\,\bar{\sigma}_\beta)

    :math:`\mu` and :math:`\sigma^2` are the mean and the variance of all training batches so far. All batches
    have the same weight, so the statistics converge. :math:`\bar{\sigma}_\beta` is the root mean square of
    :math:`\sigma` over the joints and features of order :math:`\beta`. This lower bound prevents joints that
    hardly move in training from being amplified in evaluation.

    The input of AGIM is standardised with one mean and one standard deviation per feature for all joints
    (:meth:`whole_body`), which preserves the relative positions of the joints.

    Args:
        num_orders: Number of orders of difference in the input.
        num_joints: Number of joints :math:`M`.
        in_channels: Number of features :math:`D`.

    Shapes:
        - **input:** :math:`(\text{num\_orders}, G, T, M, D)`, :math:`G` persons
        - **output:** same as the input, dimensionless

    Note:
        In a half-precision model, the statistics and the poses stay in single precision.

        The paper does not say how inputs in different units are normalised. Here training and evaluation use
        the same statistics. The prediction head uses the same statistics to normalise its inputs and to scale
        its displacements, so that training does not depend on the unit of the poses.
    """

    mean: Tensor
    var: Tensor
    num_batches: Tensor
    like: Tensor

    def __init__(self, num_orders: int, num_joints: int, in_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_orders, num_joints, in_channels))
        self.register_buffer("var", torch.ones(num_orders, num_joints, in_channels))
        self.register_buffer("num_batches", torch.tensor(0, dtype=torch.long))
        self.register_buffer("like", torch.empty(0), persistent=False)  # its type is the type of the output

    @property
    def scale(self) -> Tensor:
        """Standard deviation with its lower bound, ``[num_orders, M, D]``."""
        floor = 0.1 * self.var.mean(dim=(1, 2), keepdim=True).sqrt()
        # An order that never varies (a single frame has no velocity) is not scaled.
        return torch.where(floor > 0, torch.maximum(self.var.sqrt(), floor), torch.ones_like(self.var))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise ``x``; in training, update the statistics with ``x`` first."""
        if self.training:
            self._gather(x)
        mean, scale = self.mean.to(x.dtype), self.scale.to(x.dtype)
        return self._lowered((x - mean[:, None, None]) / scale[:, None, None])

    def whole_body(self, x: Tensor) -> Tensor:
        """Standardise poses ``[G, T, M, D]`` by one mean and one scale per feature for all joints."""
        mean, scale = self.body()
        return self._lowered((x - mean.to(x.dtype)) / scale.to(x.dtype))

    def by_joint(self, x: Tensor) -> Tensor:
        """Standardise the output of :meth:`whole_body` by one mean and one scale per joint and feature."""
        mean, scale = self.body()
        poses = x * scale.to(x.dtype) + mean.to(x.dtype)
        return (poses - self.mean[0].to(x.dtype)) / self.scale[0].to(x.dtype)

    def body(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of all joints together, ``[D]`` each."""
        mean = self.mean[0].mean(dim=0)
        var = (self.var[0] + (self.mean[0] - mean).square()).mean(dim=0)
        return mean, torch.where(var > 0, var.sqrt(), 1.0)

    @torch.no_grad()
    def _gather(self, x: Tensor) -> None:
        mean, var = self._moments(x.to(self.mean.dtype))
        self.num_batches += 1
        weight = 1.0 / self.num_batches.to(self.mean.dtype)
        # Total variance: the variance within the batches plus the variance of the batch means.
        self.var.lerp_(var + (1 - weight) * (mean - self.mean).square(), weight)
        self.mean.lerp_(mean, weight)

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        var, mean = torch.var_mean(x, dim=(1, 2), correction=0)
        return mean, var

    def _lowered(self, x: Tensor) -> Tensor:
        """Convert values to half precision if the module has it."""
        return x.to(self.like.dtype) if self.like.dtype.itemsize < 4 else x

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        # Half precision has neither the range of squared millimetres nor the precision of small velocities.
        statistics = {"mean": self.mean, "var": self.var}
        super()._apply(fn, recurse)
        for name, exact in statistics.items():
            if (converted := self._buffers[name]) is not None and converted.dtype.itemsize < 4:
                self._buffers[name] = exact.to(converted.device)
        return self

    def extra_repr(self) -> str:
        """Return the extra representation of the module."""
        num_orders, num_joints, in_channels = self.mean.shape
        return f"num_orders={num_orders}, num_joints={num_joints}, in_channels={in_channels}"
