"""The test windows of the angle-space benchmarks."""

import numpy as np
import pytest

from pyg_sybio.data.datasets.expmap import seeded_starts


def test_seeded_starts_alternate_between_files_with_one_generator() -> None:
    bounds = [(16, 500), (16, 900)]
    generator = np.random.RandomState(1234567890)
    expected = []
    for _ in range(4):
        expected += [generator.randint(16, 500), generator.randint(16, 900)]
    assert seeded_starts(bounds) == expected
    assert seeded_starts(bounds) == expected  # the generator is seeded in each call


def test_seeded_starts_of_short_files_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"'bounds' has \(16, 16\), expected a start below the end"):
        seeded_starts([(0, 5), (16, 16)])
