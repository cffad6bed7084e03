"""How evaluation is cut into pieces."""

import pytest
import torch
from torch import Tensor

from pyg_sybio.accelerate.chunks import how_many_pieces, in_pieces


@pytest.mark.parametrize("pieces", [1, 2, 3, 5, 7])
def test_pieces_give_what_the_whole_gives(pieces: int) -> None:
    seen: list[int] = []

    def add(x: Tensor, y: Tensor | None, nothing: Tensor | None) -> Tensor:
        assert y is not None
        assert nothing is None
        seen.append(x.size(0))
        return x + y

    x, y = torch.randn(7, 2), torch.randn(7, 2)
    assert torch.equal(in_pieces(add, pieces, x, y, None), x + y)
    assert sum(seen) == 7
    assert len(seen) <= pieces
    assert max(seen) == -(-7 // pieces)


def test_what_is_small_is_one_piece_and_what_is_large_a_piece_each() -> None:
    x = torch.zeros(5, 1)
    assert how_many_pieces(x, 1) == 1
    assert how_many_pieces(x, 2**40) == 5
    assert 1 < how_many_pieces(x, 3 * 2**20) < 5


def test_other_devices_take_all_at_once() -> None:
    assert how_many_pieces(torch.zeros(5, 1, device="meta"), 2**40) == 1
