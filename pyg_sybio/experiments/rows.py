"""Measured numbers, and names that measures write and tables look for."""

from typing import NamedTuple

MEAN_OF_CLASSES = "mean of classes"
"""Group of a mean over classes with equal weights."""

OF_ZERO_VELOCITY = " of zero velocity"
"""Suffix of the metric of the baseline's error."""

MOTION_ERROR = "motion error"
"""Stands for the first motion error of a data set: of joint angles or of positions."""

POSITION_ERROR = "mpjpe_mm"
"""Mean distance between predicted and true joints, in millimetres."""

OBSERVATION = "observation"
"""Name of the experiment on partly observed clips."""

OBSERVED_RATIO = "observed part of the clip"
"""Label of the axis of its curves."""


class Row(NamedTuple):
    """One measured number of one trained model.

    Args:
        metric: Name of the quantity: ``"top1"``, ``"parameters"``, ``"mpjpe_mm"``, ...
        group: The action, corruption, ... that it belongs to; may be empty.
        at: The horizon (ms), frame, observation ratio, noise, ... that it belongs to, or None.
        value: The number.
    """

    metric: str
    group: str
    at: float | None
    value: float
