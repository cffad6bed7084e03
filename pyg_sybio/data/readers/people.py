"""People that a file lists frame by frame, as one array."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

MAX_VALUES = 2**26
"""Numbers in one motion: more than this (256 MiB) is no recording, but a few bytes that claim to be one."""


def spread(
    values: np.ndarray,
    *,
    persons: Sequence[int],
    frames: Sequence[int],
    num_persons: int,
    num_frames: int,
    where: str,
) -> Tensor:
    r"""Listed people at their places in an array, and zeros where nobody is listed.

    Args:
        values: What is known about the joints of each listed person.
        persons: Which person each is.
        frames: In which frame.
        num_persons: `P`, at least 1.
        num_frames: `T`, at least 1.
        where: What an error calls the file.

    Shapes:
        - **values:** `[entries, M, K]`
        - **output:** `[P, T, M, K]`, single precision

    Raises:
        ValueError: If the array would have more than :data:`MAX_VALUES` numbers. A file of a few bytes can
            say that the next person comes after a billion frames.
    """
    shape = (num_persons, num_frames, *values.shape[1:])
    if np.prod(shape, dtype=object) > MAX_VALUES:
        raise ValueError(
            f"{where} has {num_persons} persons in {num_frames} frames, "
            f"expected at most {MAX_VALUES} numbers in one motion"
        )
    placed = torch.zeros(shape)
    placed[list(persons), list(frames)] = torch.from_numpy(values.astype(np.float32))
    return placed
