"""Names in rows that measures give and tables look for."""

MEAN_OF_CLASSES = "mean of classes"
"""The group of a mean over classes, which all weigh the same."""

OF_ZERO_VELOCITY = " of zero velocity"
"""What the metric of the baseline's error ends in."""

MOTION_ERROR = "motion error"
"""Stands for whichever motion error a data set reports first: of joint angles or positions."""

OBSERVATION = "observation"
"""The experiment on clips that are observed in part."""

OBSERVED_SHARE = "share of the clip that is observed"
"""What stands below its curves."""
