"""Measured values, and names that measures and tables share."""

from typing import NamedTuple

MEAN_OF_CLASSES = "mean of classes"
"""Group of means in which each class has the same weight."""

OF_ZERO_VELOCITY = " of zero velocity"
"""Suffix of metrics of the zero-velocity baseline."""

MOTION_ERROR = "motion error"
"""Placeholder for the first motion error of a data set, which is of joint angles or of positions."""

POSITION_ERROR = "mpjpe_mm"
"""Mean distance between predicted and true joints, in millimetres."""

OBSERVATION = "observation"
"""Name of the experiment on partly observed clips."""

OBSERVED_RATIO = "observed part of the clip"
"""Axis label of the observation ratio in the figures of that experiment."""


class Row(NamedTuple):
    """One measured value of one trained model.

    Args:
        metric: Name of the quantity, such as ``"top1"``, ``"parameters"`` or ``"mpjpe_mm"``.
        group: The action, corruption or other group that the value belongs to; may be empty.
        at: The horizon in ms, frame, observation ratio, noise or other x value that the value belongs to, or
            None.
        value: The measured value.
    """

    metric: str
    group: str
    at: float | None
    value: float
