"""From positions to the paper: the plane in which a motion is drawn."""

from collections.abc import Sequence

import numpy as np

from pyg_sybio.skeleton import Skeleton


def project(
    skeleton: Skeleton, motions: Sequence[np.ndarray], reference: np.ndarray, up_axis: int
) -> list[np.ndarray]:
    r"""Positions in the plane of the picture, the same plane for all motions.

    In three dimensions this is the orthographic projection onto the plane of the largest spread among those
    that contain the up axis: right is the first principal direction of the reference as seen from above.

    Args:
        skeleton: Its coordinates say whether the features are positions in space or in an image.
        motions: Positions ``[..., M, D]``. With ``xy`` and ``xy+score`` coordinates the first two features
            count, and the second points down, as image rows do; otherwise the first three count.
        reference: Positions ``[..., M, D]`` that choose the plane.
        up_axis: The axis that points up, in three dimensions.

    Returns:
        One array ``[..., M, 2]`` for each motion: right and up.

    Raises:
        ValueError: If the positions have too few features, or ``up_axis`` is none of 0, 1, 2.
    """
    features = 2 if skeleton.coordinates in ("xy", "xy+score") else 3
    for positions in (*motions, reference):
        if positions.shape[-1] < features:
            raise ValueError(
                f"positions have {positions.shape[-1]} features a joint, expected at least {features} "
                f"for skeleton '{skeleton.name}' with coordinates {skeleton.coordinates}"
            )
    if features == 2:
        return [motion[..., :2] * (1, -1) for motion in motions]
    if up_axis not in (0, 1, 2):
        raise ValueError(f"'up_axis' is {up_axis}, expected 0, 1 or 2")

    ground = [axis for axis in (0, 1, 2) if axis != up_axis]
    points = reference[..., ground].reshape(-1, 2)
    _, _, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    # A principal direction has no sign: the larger component decides, so that the picture is reproducible.
    right = directions[0] * np.sign(directions[0][np.abs(directions[0]).argmax()])
    return [np.stack([motion[..., ground] @ right, motion[..., up_axis]], axis=-1) for motion in motions]
