r"""The temporal convolution, TC (section 4.1.4)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TemporalConv(nn.Module):
    r"""Temporal convolution :math:`\mathrm{TC}(X; \tau, s)`: each joint along time (Eq. 6b and 8b).

    A frame sees :math:`\tau` frames around it; a stride :math:`s` keeps every :math:`s`-th. No bias: a batch
    norm follows it wherever it is used.

    Args:
        in_channels: Features in.
        out_channels: Features out.
        kernel_size: The number of frames :math:`\tau`, odd.
        stride: The stride :math:`s`. (default: :obj:`1`)

    Shapes:
        - **input:** :math:`(G, T, M, D)`
        - **output:** :math:`(G, \lceil T/s \rceil, M, D')`
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(
                f"'kernel_size' must be odd, so that it has a middle frame, but it is {kernel_size}"
            )
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            (kernel_size, 1),
            stride=(stride, 1),
            padding=(kernel_size // 2, 0),
            bias=False,
        )
        # As its input lies: otherwise every call would lay the weights out anew.
        self.conv.weight = nn.Parameter(
            self.conv.weight.detach().contiguous(memory_format=torch.channels_last)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve along time."""
        return convolve_in_time(x, self.conv.weight, stride=self.conv.stride[0])

    def __repr__(self) -> str:
        conv = self.conv
        return (
            f"{type(self).__name__}({conv.in_channels} -> {conv.out_channels}, "
            f"kernel_size={conv.kernel_size[0]}, stride={conv.stride[0]})"
        )


def convolve_in_time(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1) -> Tensor:
    """Convolve ``[G, T, M, D]`` along time with ``weight`` ``[D', D, τ, 1]``: ``[G, ⌈T/s⌉, M, D']``."""
    if weight.size(2) == 1:
        # One linear map of every s-th frame. As a strided 1×1 convolution of three features, its backward
        # pass leaves its memory: the process crashes, sooner or later (torch 2.13, a CPU with AVX-512).
        return F.linear(x[:, ::stride], weight.flatten(1), bias)
    # [G, T, M, D] seen as [G, D, T, M] is an image in channels-last memory: neither view is a copy.
    padding = (weight.size(2) // 2, 0)
    return F.conv2d(x.permute(0, 3, 1, 2), weight, bias, (stride, 1), padding).permute(0, 2, 3, 1)
