"""Size of a typical clip for each preset.

This file does not import pyg_sybio, so that `compare_cases.py` can use it with any version of pyg_sybio.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """The size of a clip."""

    skeleton: str
    persons: int
    observed: int
    future: int
    classes: int


SAMPLES: Mapping[str, Sample] = {
    "ntu": Sample("ntu25", persons=2, observed=290, future=10, classes=60),
    "mocap": Sample("h36m32:used", persons=1, observed=50, future=10, classes=15),
    "demo": Sample("ntu25", persons=1, observed=25, future=10, classes=12),
    "realtime": Sample("ntu25", persons=1, observed=64, future=10, classes=60),
}
"""The sample of each preset."""
