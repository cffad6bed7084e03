"""The view of a motion: its up axis, and the direction from which the body is seen best."""

from dataclasses import dataclass

import numpy as np

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.skeleton.skeleton import AXES

# Angle in degrees between the camera and the direction in which the body faces: at smaller angles, a step
# forward is not visible; at larger angles, one arm hides the other.
_ASIDE = (20, 60)


@dataclass(frozen=True, eq=False)
class View:
    """Directions of a figure in the coordinates of a motion.

    Args:
        axes: Unit vectors to the right, up and (in 3D) towards the viewer, in rows; `[2, 2]` or `[3, 3]`.
        note: Which axis points up, and the source of this information, as text for the user.
        up: The axis that points up in 3D, as for :func:`view_of`.
    """

    axes: np.ndarray
    note: str
    up: str | None = None

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points `[..., D]` to the figure `[..., 2]`; features after the coordinates are ignored."""
        return points[..., : len(self.axes)] @ self.axes[:2].T


def view_of(motion: Motion, *, up: str | None = None) -> View:
    r"""The view in which a motion is drawn.

    In image coordinates, y points down. In 3D, the field `up` of the skeleton names the axis that points up;
    without it, y points up. The camera faces the widest side of the body, at 20 to 60 degrees from the
    direction in which the body faces; if persons face each other, this range does not apply.

    Args:
        motion: Positions.
        up: The axis that points up in 3D, `"x"`, `"y"` or `"z"`, with a minus if it points down. (default:
            the field `up` of the skeleton)

    Raises:
        ValueError: If the motion contains rotations, `up` is not an axis, or `up` is given for image
            coordinates.

    Note:
        The coordinates are assumed to be right-handed, as in Kinect, BVH and ASF/AMC files.
    """
    name = motion.source or "the motion"
    if motion.num_spatial == 0:
        raise ValueError(f"{name} holds rotations, expected positions")
    if motion.num_spatial == 2:
        if up is not None:
            raise ValueError(f"'up' is {up!r}, but {name} is a motion in an image, where y points down")
        return View(np.array([[1.0, 0.0], [0.0, -1.0]]), "image, y down")
    points = np.where(motion.present[..., None], motion.poses.double(), np.nan)
    if up is not None:
        how = "as asked"
    elif motion.skeleton.up:
        up, how = motion.skeleton.up, f"as in skeleton '{motion.skeleton.name}'"
    else:
        up, how = "y", f"skeleton '{motion.skeleton.name}' has no 'up'"
    if up not in AXES:
        raise ValueError(f"'up' is {up!r}, expected x, y or z, or one of them with a minus")
    upwards = np.eye(3)["xyz".index(up[-1])] * (-1 if up.startswith("-") else 1)
    towards = _camera(motion, points, upwards)
    return View(np.stack([np.cross(upwards, towards), upwards, towards]), f"up is {up} ({how})", up)


def _camera(motion: Motion, points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """The horizontal direction from the body to the camera."""
    flat = points * (1 - np.abs(up))
    around = _known(flat - _mean(flat, axis=(0, 2))[:, None])
    _, _, directions = np.linalg.svd(around.T @ around)
    # If all joints coincide, the first direction may be vertical: use any horizontal direction.
    widest = directions[0] if around.any() else np.roll(np.abs(up), 1)
    opposite = np.cross(widest, up)
    opposite *= np.sign(opposite[np.abs(opposite).argmax()])

    facing = _facing(motion, points, up)
    if facing is None:
        return opposite
    if opposite @ facing < 0:
        opposite = -opposite
    aside = np.cross(up, facing)
    angle = np.degrees(np.arctan2(opposite @ aside, opposite @ facing))
    angle = np.radians(np.clip(abs(angle), *_ASIDE)) * (-1 if angle < -1e-6 else 1)
    return np.cos(angle) * facing + np.sin(angle) * aside


def _facing(motion: Motion, points: np.ndarray, up: np.ndarray) -> np.ndarray | None:
    """Mean direction in which the bodies face, from their left and right joints; None if undetermined."""
    pairs = _pairs_at_trunk(motion.skeleton)
    if not pairs:
        return None
    left, right = np.array(pairs).T
    across = _mean(points[:, :, left] - points[:, :, right])
    forward = _unit(np.cross(_known(across), up))
    mean = forward.sum(axis=0) / max(len(forward), 1)
    length = np.linalg.norm(mean)
    return mean / length if length > 0.3 else None


def _pairs_at_trunk(skeleton: Skeleton) -> list[tuple[int, int]]:
    """Mirror pairs connected to a joint without a mirror image, such as hips and shoulders, or else all."""
    pairs = [(skeleton.joint_index(left), skeleton.joint_index(right)) for left, right in skeleton.mirror]
    middle = set(range(skeleton.num_joints)).difference(*pairs)
    neighbours = {joint: set(skeleton.graph()[joint]) for pair in pairs for joint in pair}
    at_trunk = [(left, right) for left, right in pairs if neighbours[left] & neighbours[right] & middle]
    return at_trunk or pairs


def _mean(points: np.ndarray, axis: int | tuple[int, int] = 2) -> np.ndarray:
    """Mean of points `[P, T, M, 3]` over some axes, ignoring NaN; NaN if all points are NaN."""
    total = np.nansum(points, axis=axis)
    with np.errstate(invalid="ignore"):
        return total / (~np.isnan(points)).sum(axis=axis)


def _known(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors `[n, 3]` without NaN."""
    return vectors[~np.isnan(vectors[..., 0])]


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
