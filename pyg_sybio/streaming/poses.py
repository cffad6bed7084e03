r"""The poses that a stream accepts: checked, and reduced to the joints of the model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from pyg_sybio.skeleton import Skeleton

# Larger numbers are not coordinates in any unit, and could overflow in single precision.
_MAX_COORDINATE = 1e9

Pose = Tensor | np.ndarray | Sequence[Sequence[float]]
Confidence = Tensor | np.ndarray | Sequence[float]


class PoseReader:
    """Check poses and select the joints that a model needs.

    Args:
        skeleton: The skeleton of the incoming poses.
        wanted: The skeleton whose joints are selected, by name.
        min_confidence: A joint counts as observed if its confidence exceeds this value.

    Raises:
        ValueError: If the skeletons have different coordinates or units, or a joint is missing.
    """

    def __init__(self, skeleton: Skeleton, wanted: Skeleton, min_confidence: float) -> None:
        for name in ("coordinates", "units"):
            given, expected = getattr(skeleton, name), getattr(wanted, name)
            if given != expected:
                raise ValueError(f"'skeleton' {skeleton.name!r} has {name} {given!r}, expected {expected!r}")
        self.skeleton = skeleton
        self.joints = np.array([skeleton.joint_index(name) for name in wanted.joints])
        self.min_confidence = min_confidence

    def __call__(self, pose: Pose, confidence: Confidence | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the wanted joints `[M, D]`, zero if not observed, and which joints were observed `[M]`.

        Raises:
            ValueError: If the pose or the confidence does not fit the skeleton.
        """
        skeleton = self.skeleton
        values = _array(pose, "pose")
        trust = None if confidence is None else _array(confidence, "confidence")
        if trust is not None and trust.shape != (skeleton.num_joints,):
            raise ValueError(
                f"'confidence' has shape {list(trust.shape)}, expected [{skeleton.num_joints}], one per joint"
            )
        if skeleton.coordinates == "xy+score":
            if trust is not None and values.shape == (skeleton.num_joints, 2):
                values = np.concatenate([values, trust[:, None]], axis=-1)
            elif trust is None and values.ndim == 2:
                trust = values[:, -1]
        if values.shape != (skeleton.num_joints, skeleton.num_features):
            raise ValueError(
                f"'pose' has shape {list(values.shape)}, expected [{skeleton.num_joints}, "
                f"{skeleton.num_features}] for skeleton '{skeleton.name}' ({skeleton.coordinates})"
            )
        too_large = np.abs(values) > _MAX_COORDINATE  # a comparison with NaN is False
        if too_large.any():
            raise ValueError(
                f"'pose' has {values[too_large][0]:g}, expected numbers between -{_MAX_COORDINATE:g} and "
                f"{_MAX_COORDINATE:g}, or NaN for joints that were not observed"
            )
        present = ~np.isnan(values).any(-1)
        if trust is not None:
            if (wrong := (trust < 0) | np.isinf(trust)).any():
                joint = int(wrong.argmax())
                found = f"the confidence of {skeleton.joints[joint]!r} is {trust[joint]:g}"
                raise ValueError(f"{found}, expected a number from 0")
            present &= trust > self.min_confidence  # a comparison with NaN is False
        values, present = values[self.joints], present[self.joints]
        return np.where(present[:, None], values, 0.0), present


def _array(values: Any, name: str) -> np.ndarray:
    """Convert numbers to an array in double precision."""
    if isinstance(values, Tensor):
        return values.detach().cpu().double().numpy()
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"'{name}' is not an array of numbers, such as [[0.1, 0.2, 0.3], ...]") from None
