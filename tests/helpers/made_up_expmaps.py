"""Generated recordings in the format of the CMU Mocap benchmark, identical on every machine."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

# The columns of the 26 joints that the benchmark uses.
_USED = ((9, 21), (27, 39), (42, 60), (66, 81), (84, 87), (93, 108), (111, 114))


def write_cmu_files(
    root: Path,
    *,
    actions: Sequence[str] = ("running", "walking"),
    num_frames: int = 60,
    seed: int = 0,
) -> None:
    """Write `train/ACTION/ACTION_{1..5}.txt` and `test/ACTION/ACTION_1.txt`: slow random walks."""
    # Use the legacy generator, because its numbers never change between versions of NumPy.
    generator = np.random.RandomState(seed)
    moving = [*range(6), *(column for first, last in _USED for column in range(first, last))]
    for action in actions:
        for part, count in (("train", 5), ("test", 1)):
            folder = root / part / action
            folder.mkdir(parents=True)
            for number in range(1, count + 1):
                frames = np.zeros((num_frames + 2 * number, 117))
                steps = 0.03 * generator.normal(size=(len(frames), len(moving)))
                frames[:, moving] = 0.3 * generator.normal(size=len(moving)) + steps.cumsum(0)
                np.savetxt(folder / f"{action}_{number}.txt", frames, delimiter=",", fmt="%.5g")
