"""Motion predictors without parameters, as baselines for trained models."""

import torch
from torch import Tensor, nn


class ZeroVelocity(nn.Module):
    r"""Repeat the last observed pose, :math:`\hat X(t) = X(T - 1)` for :math:`t \ge T`.

    Tables of motion prediction call this baseline "ZeroV". It is hard to beat within the first 200 ms.
    """

    def forward(self, x: Tensor, num_future: int) -> Tensor:
        r"""Predict `num_future` frames.

        Args:
            x: Observed frames.
            num_future: Number of frames to predict.

        Shapes:
            - **x:** `[..., T, M, D]`
            - **output:** `[..., num_future, M, D]`

        Raises:
            ValueError: If `x` has no frames.
        """
        _check_observed(x, 1)
        return x[..., -1:, :, :].expand(*x.shape[:-3], num_future, *x.shape[-2:]).clone()


class ConstantVelocity(nn.Module):
    r"""Continue each joint at its last velocity, :math:`\hat X(T-1+t) = X(T-1) + t\,(X(T-1) - X(T-2))`."""

    def forward(self, x: Tensor, num_future: int) -> Tensor:
        r"""Predict `num_future` frames.

        Args:
            x: Observed frames.
            num_future: Number of frames to predict.

        Shapes:
            - **x:** `[..., T, M, D]`
            - **output:** `[..., num_future, M, D]`

        Raises:
            ValueError: If `x` has fewer than two frames.
        """
        _check_observed(x, 2)
        last = x[..., -1:, :, :]
        velocity = last - x[..., -2:-1, :, :]
        time = torch.arange(1, num_future + 1, dtype=x.dtype, device=x.device)
        return last + time[:, None, None] * velocity


def _check_observed(x: Tensor, num_frames: int) -> None:
    if x.dim() < 3 or x.shape[-3] < num_frames:
        raise ValueError(
            f"'x' has shape {list(x.shape)}, expected [..., T, M, D] with at least {num_frames} frame(s)"
        )
