r"""The temporal convolution, TC (section 4.1.4)."""

import torch
from torch import Tensor, nn


class TemporalConv(nn.Module):
    r"""Temporal convolution :math:`\mathrm{TC}(X; \tau, s)` along the frames of each joint (Eq. 6b and 8b).

    Each output frame depends on the :math:`\tau` input frames around it; a stride :math:`s` keeps every
    :math:`s`-th frame. The convolution has no bias, because a batch norm always follows it.

    Args:
        in_channels: Number of input features.
        out_channels: Number of output features.
        kernel_size: Kernel size :math:`\tau` in frames, odd.
        stride: Stride :math:`s`. (default: :obj:`1`)

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
        self.stride = stride
        # With a kernel of one frame, the input is subsampled and the convolution has stride 1. The backward
        # pass of a strided 1×1 convolution of three features would access memory out of bounds and crash the
        # process (torch 2.13, CPU with AVX-512).
        self._subsampling = stride if kernel_size == 1 else 1
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            (kernel_size, 1),
            stride=(stride // self._subsampling, 1),
            padding=(kernel_size // 2, 0),
            bias=False,
        )
        # Use the memory format of the input; otherwise every call would convert the weights.
        self.conv.weight = nn.Parameter(
            self.conv.weight.detach().contiguous(memory_format=torch.channels_last)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve along time."""
        if self._subsampling > 1:
            x = x[:, :: self._subsampling].contiguous()
        # Viewed as [G, D, T, M], the features are channels-last images, so neither permutation copies them.
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def __repr__(self) -> str:
        conv = self.conv
        return (
            f"{type(self).__name__}({conv.in_channels} -> {conv.out_channels}, "
            f"kernel_size={conv.kernel_size[0]}, stride={self.stride})"
        )
