"""Blocks with recomputed activations: the same results with fewer stored values."""

import copy
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from pyg_sybio.nn.blocks import GraphTemporalBlock
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.nn.recompute import recompute
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import assert_every_parameter_gets_a_gradient

SKELETON = load_skeleton("jhmdb15")
M = SKELETON.num_joints


def chain(dropout: float = 0.0) -> nn.ModuleList:
    """Three consecutive blocks."""
    widths = [3, 4, 4, 6]
    return nn.ModuleList(
        GraphTemporalBlock(
            JointConv(width, out, SKELETON, hops=2, actional_weight=0.5), kernel_size=3, dropout=dropout
        )
        for width, out in pairwise(widths)
    ).double()


def plain(block: nn.Module, *args: Tensor) -> Tensor:
    return block(*args)


def run(blocks: nn.ModuleList, apply: Callable[..., Tensor], steps: int = 1) -> tuple[list[Tensor], int]:
    """Return outputs and gradients of some steps, and the number of values stored by the last forward."""
    torch.manual_seed(1)
    results, kept = [], 0

    def keep(values: Tensor) -> Tensor:
        nonlocal kept
        kept += values.numel()
        return values

    for _ in range(steps):
        x = torch.randn(2, 9, M, 3, dtype=torch.float64, requires_grad=True)
        actional = torch.randn(2, M, M, dtype=torch.float64).softmax(dim=-1).requires_grad_()
        hidden, kept = x, 0
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
            for block in blocks:
                hidden = apply(block, hidden, actional)
        hidden.square().sum().backward()
        results += [hidden.detach(), x.grad, actional.grad]
    return results, kept


def test_recomputed_blocks_have_the_same_outputs_gradients_and_statistics() -> None:
    blocks = chain(dropout=0.3).train()
    twin = copy.deepcopy(blocks)
    found, _ = run(blocks, recompute, steps=2)
    expected, _ = run(twin, plain, steps=2)
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.equal(mine, theirs)
    assert_every_parameter_gets_a_gradient(blocks)
    for (name, mine), theirs in zip(blocks.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad), name
    counts = [name for name in blocks.state_dict() if name.endswith("num_batches_tracked")]
    assert counts
    for name, value in blocks.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name
    assert all(blocks.state_dict()[name] == 2 for name in counts)


def test_recomputed_blocks_store_fewer_values() -> None:
    blocks = chain()
    _, with_recomputation = run(blocks, recompute)
    _, without = run(blocks, plain)
    assert 0 < with_recomputation < without / 4


def test_batch_norms_keep_their_momentum_after_an_error_in_the_second_pass() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(2)
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            if self.calls == 2:
                raise RuntimeError("in the second pass")
            return self.norm(x).square()

    module = Broken()
    out = recompute(module, torch.randn(3, 2, requires_grad=True))
    with pytest.raises(RuntimeError, match="in the second pass"):
        out.sum().backward()
    assert module.norm.momentum == 0.1
    assert module.norm.num_batches_tracked == 1


def test_compiled_recomputed_blocks_give_the_same_results() -> None:
    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = chain()[:2]

        def forward(self, x: Tensor, actional: Tensor) -> Tensor:
            for block in self.blocks:
                x = recompute(block, x, actional)
            return x

    module = Chain().train()
    twin, compiled = copy.deepcopy(module), torch.compile(module, fullgraph=True, backend="aot_eager")
    x, actional = torch.randn(2, 9, M, 3).double(), torch.rand(2, M, M).double()
    found, expected = compiled(x, actional), twin(x, actional)
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    expected.square().sum().backward()
    for (name, mine), theirs in zip(module.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, msg=name)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name], msg=name)
