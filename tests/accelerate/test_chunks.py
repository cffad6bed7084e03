"""Evaluation in chunks of motions."""

import pytest
import torch
from torch import Tensor

from pyg_sybio.accelerate.chunks import apply_in_chunks, num_chunks


@pytest.mark.parametrize("chunks", [1, 2, 3, 5, 7])
def test_evaluation_in_chunks_equals_the_whole_batch(chunks: int) -> None:
    seen: list[int] = []

    def add(x: Tensor, y: Tensor | None, nothing: Tensor | None) -> Tensor:
        assert y is not None
        assert nothing is None
        seen.append(x.size(0))
        return x + y

    x, y = torch.randn(7, 2), torch.randn(7, 2)
    assert torch.equal(apply_in_chunks(add, chunks, x, y, None), x + y)
    assert sum(seen) == 7
    assert len(seen) <= chunks
    assert max(seen) == -(-7 // chunks)


def test_small_motions_share_a_chunk_and_large_motions_do_not() -> None:
    x = torch.zeros(5, 1)
    assert num_chunks(x, 1) == 1
    assert num_chunks(x, 2**40) == 5
    assert 1 < num_chunks(x, 3 * 2**20) < 5


def test_devices_other_than_the_cpu_use_a_single_chunk() -> None:
    assert num_chunks(torch.zeros(5, 1, device="meta"), 2**40) == 1
