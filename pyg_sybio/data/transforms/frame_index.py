r"""Indices of the nearest frames in which something is present."""

import torch
from torch import Tensor


def last_present(present: Tensor) -> Tensor:
    r"""For each frame, the index of the last frame up to it in which something is present; -1 if none.

    Shapes:
        - **input:** `[P, T, ...]`
        - **output:** `[P, T, ...]`
    """
    return _frame_numbers(present).where(present, -1).cummax(1).values


def next_present(present: Tensor) -> Tensor:
    r"""For each frame, the index of the first frame from it on in which something is present; `T` if none.

    Shapes:
        - **input:** `[P, T, ...]`
        - **output:** `[P, T, ...]`
    """
    return _frame_numbers(present).where(present, present.size(1)).flip(1).cummin(1).values.flip(1)


def held_frames(present: Tensor) -> Tensor:
    r"""For each frame, the frame to hold: the last present frame up to it, or else the first one after it.

    If nothing is present in any frame, the result is the index of the frame itself.

    Shapes:
        - **input:** `[P, T, ...]`
        - **output:** `[P, T, ...]`
    """
    last, first = last_present(present), next_present(present)
    held = last.where(last >= 0, first)
    return held.where(held < present.size(1), _frame_numbers(present))


def _frame_numbers(present: Tensor) -> Tensor:
    numbers = torch.arange(present.size(1), device=present.device)
    return numbers.view(-1, *[1] * (present.dim() - 2)).expand(present.shape)
