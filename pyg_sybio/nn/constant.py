r"""Constants that layers derive from the skeleton."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Constant(nn.Module):
    r"""Constant tensor that is always rounded directly from float64 to the type of the module.

    A plain buffer would keep its float32 rounding error when a model is cast to float64. The constant is not
    part of the state dict, because it is derived from the skeleton.

    Args:
        exact: The constant in float64.
    """

    value: Tensor

    def __init__(self, exact: Tensor) -> None:
        super().__init__()
        self._exact = exact
        self.register_buffer("value", exact.to(torch.get_default_dtype()), persistent=False)

    def forward(self) -> Tensor:
        """Return the constant in the module's type and on its device."""
        return self.value

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        self.value = self._exact.to(self.value)
        return self

    def extra_repr(self) -> str:
        """Return the extra representation of the module."""
        return f"{tuple(self.value.shape)}"
