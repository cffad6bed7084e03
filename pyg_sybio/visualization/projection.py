"""From positions to the paper: the plane in which a motion is drawn."""

from collections.abc import Sequence

import numpy as np

from pyg_sybio.skeleton import Skeleton


def project(skeleton: Skeleton, motions: Sequence[np.ndarray], up_axis: int) -> list[np.ndarray]:
    r"""Positions in the plane of the picture, the same plane for all motions.

    In three dimensions this is the orthographic projection onto the plane of the largest spread among those
    that contain the up axis: right in the picture is the first principal direction of the points from above.

    Args:
        skeleton: Its coordinates say whether the features are positions in space or in an image.
        motions: Positions ``[..., M, D]``. With ``xy`` coordinates only the first two features count, and the
            second points down, as image rows do. Otherwise there must be three.
        up_axis: The axis that points up, in three dimensions.

    Returns:
        One array ``[..., M, 2]`` for each motion: right and up.

    Raises:
        ValueError: If the positions have too few features, or ``up_axis`` is none of 0, 1, 2.
    """
    features = 2 if skeleton.coordinates in ("xy", "xy+score") else 3
    for motion in motions:
        if motion.shape[-1] < features:
            raise ValueError(
                f"positions have {motion.shape[-1]} features a joint, expected {features} "
                f"for skeleton '{skeleton.name}' with coordinates {skeleton.coordinates}"
            )
    if features == 2:
        return [motion[..., :2] * (1, -1) for motion in motions]
    if up_axis not in (0, 1, 2):
        raise ValueError(f"'up_axis' is {up_axis}, expected 0, 1 or 2")

    ground = [axis for axis in (0, 1, 2) if axis != up_axis]
    points = np.concatenate([motion[..., ground].reshape(-1, 2) for motion in motions])
    _, _, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    right = directions[0] * np.sign(directions[0][np.abs(directions[0]).argmax()])
    return [np.stack([motion[..., ground] @ right, motion[..., up_axis]], axis=-1) for motion in motions]
