"""Minimal filtering compared with direct convolution."""

import pytest
import torch

from pyg_sybio.accelerate.graph_product import convolve_in_time
from pyg_sybio.accelerate.minimal_filtering import can_be_tiled, convolve_in_tiles, tile_kernels


@pytest.mark.parametrize("kernel_size", [3, 9, 15])
@pytest.mark.parametrize("num_frames", [1, 2, 3, 4, 10, 73])
def test_tiled_convolution_equals_the_direct_convolution(kernel_size: int, num_frames: int) -> None:
    x = torch.randn(2, num_frames, 3, 4, dtype=torch.float64)
    weight, bias = torch.randn(5, 4, kernel_size, 1, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    out = convolve_in_tiles(x, tile_kernels(weight), bias)
    torch.testing.assert_close(out, convolve_in_time(x, weight, bias), atol=1e-11, rtol=0)
    assert out.is_contiguous()


def test_float32_tiles_are_about_as_accurate_as_the_direct_convolution() -> None:
    x, weight = (
        torch.randn(1, 60, 4, 256),
        torch.randn(256, 256, 9, 1) / 48,
    )  # outputs with a magnitude of about one
    bias = torch.randn(256)
    exact = convolve_in_time(x.double(), weight.double(), bias.double())
    error = (convolve_in_tiles(x, tile_kernels(weight), bias) - exact).abs().max()
    assert error < 1e-5 * exact.abs().max()


def test_only_supported_kernels_are_tiled() -> None:
    wide = torch.randn(128, 128, 9, 1)
    assert can_be_tiled(wide, 1)
    assert not can_be_tiled(wide, 2)
    assert not can_be_tiled(wide[:, :, :5], 1)
    assert not can_be_tiled(wide[:64], 1)
    assert not can_be_tiled(wide.bfloat16(), 1)
