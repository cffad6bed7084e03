r"""Frames by number: the nearest one in which something was recorded, and others for each person."""

from typing import Any

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion


def last_present(present: Tensor) -> Tensor:
    r"""Number of the last frame up to each one where something is present, -1 if there is none.

    Shapes:
        - **input:** `[P, T, ...]`
        - **output:** `[P, T, ...]`
    """
    return _frame_numbers(present).where(present, -1).cummax(1).values


def next_present(present: Tensor) -> Tensor:
    r"""Number of the first frame from each one on where something is present, `T` if there is none.

    Shapes:
        - **input:** `[P, T, ...]`
        - **output:** `[P, T, ...]`
    """
    return _frame_numbers(present).where(present, present.size(1)).flip(1).cummin(1).values.flip(1)


def held_frames(present: Tensor) -> Tensor:
    r"""The frame to repeat for each one: the last present, before the first of them the first.

    Where nothing is ever present, each frame is its own.

    Shapes:
        - **input:** `[P, T, ...]`
        - **output:** `[P, T, ...]`
    """
    last, first = last_present(present), next_present(present)
    held = last.where(last >= 0, first)
    return held.where(held < present.size(1), _frame_numbers(present))


def take_frames(motion: Motion, person: Tensor, frame: Tensor, **changes: Any) -> Motion:
    r"""The motion put together of other frames: for each new person and frame, whose and which one to take.

    Args:
        motion: The motion.
        person: Numbers of persons.
        frame: Numbers of frames.
        changes: Fields to change with it.

    Shapes:
        - **person, frame:** together `[P', T']`
    """
    return motion.mapped(lambda values: values[person, frame], **changes)


def _frame_numbers(present: Tensor) -> Tensor:
    numbers = torch.arange(present.size(1), device=present.device)
    return numbers.view(-1, *[1] * (present.dim() - 2)).expand(present.shape)
