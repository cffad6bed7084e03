"""The temporal convolution compared with a loop over frames and taps."""

import subprocess
import sys

import pytest
import torch

from pyg_sybio.nn.temporal_conv import TemporalConv


@pytest.mark.parametrize("num_frames", [1, 2, 7, 8])
@pytest.mark.parametrize("kernel_size", [1, 3, 9])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_temporal_convolution_equals_a_loop(num_frames: int, kernel_size: int, stride: int) -> None:
    layer = TemporalConv(3, 4, kernel_size, stride=stride).double()
    x = torch.randn(2, num_frames, 5, 3, dtype=torch.float64)
    out = layer(x)
    assert out.shape == (2, -(-num_frames // stride), 5, 4)
    weight = layer.conv.weight.squeeze(-1)  # [D', D, τ]
    for frame in range(out.size(1)):
        expected = torch.zeros(2, 5, 4, dtype=torch.float64)
        for tap in range(kernel_size):
            source = frame * stride + tap - kernel_size // 2
            if 0 <= source < num_frames:
                expected += torch.einsum("gmd,ed->gme", x[:, source], weight[:, :, tap])
        torch.testing.assert_close(out[:, frame], expected, atol=1e-12, rtol=0)


def test_each_joint_is_convolved_independently() -> None:
    layer, x = TemporalConv(3, 4, 5), torch.randn(1, 6, 5, 3)
    changed = x.clone()
    changed[:, :, 2] += 1
    same = (layer(x) == layer(changed)).all(dim=-1).all(dim=1)[0]
    assert same.tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("kernel_size", [0, 2, 8])
def test_an_even_kernel_size_is_an_error(kernel_size: int) -> None:
    with pytest.raises(ValueError, match=rf"'kernel_size' must be odd.* but it is {kernel_size}$"):
        TemporalConv(3, 4, kernel_size)


def test_the_repr_has_the_sizes_and_the_stride() -> None:
    assert repr(TemporalConv(3, 64, 9, stride=2)) == "TemporalConv(3 -> 64, kernel_size=9, stride=2)"


STRIDED_SHORTCUT = """
import torch
from pyg_sybio.nn.temporal_conv import TemporalConv

for num_frames in (25, 36, 50, 64, 100, 120):
    for dtype in (torch.float32, torch.bfloat16):
        layer = TemporalConv(3, 16, 1, stride=2).to(dtype)
        layer(torch.randn(48, num_frames, 26, 3, dtype=dtype)).sum().backward()
print("alive")
"""


def test_the_backward_pass_of_a_strided_shortcut_does_not_corrupt_memory() -> None:
    # In a separate process, because an out-of-bounds access ends the process or corrupts later results.
    done = subprocess.run(
        [sys.executable, "-c", STRIDED_SHORTCUT], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
