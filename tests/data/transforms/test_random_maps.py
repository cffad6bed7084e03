"""Random rotations, scalings and shears: their invariants and distributions."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from random_motions import random_motion
from scipy.spatial.transform import Rotation

from pyg_sybio.data.transforms import LinearTransform, RandomRotation, RandomScale, RandomShear

MAPS: dict[str, Callable[[], LinearTransform]] = {
    "rotation": lambda: RandomRotation(max_degrees=[30, 180, 60]),
    "scale": lambda: RandomScale(low=0.5, high=2.0, each_axis=True),
    "shear": lambda: RandomShear(amount=0.4),
}


@pytest.mark.parametrize("name", ["ntu25", "jhmdb15", "openpose18"])
@pytest.mark.parametrize("make", MAPS.values(), ids=MAPS)
def test_one_matrix_transforms_every_point(name: str, make: Callable[[], LinearTransform]) -> None:
    motion = random_motion(name, num_persons=2, num_frames=6, dtype=torch.float64).frames(slice(1, 5))
    moved, matrix = make().apply(motion)
    size = motion.num_spatial
    for p in range(motion.num_persons):
        for t in range(motion.num_frames):
            expected = [
                [sum(row[b] * point[b] for b in range(size)) for row in matrix.tolist()]
                for point in motion.poses[p, t].tolist()
            ]
            np.testing.assert_allclose(moved.poses[p, t, :, :size], expected, atol=1e-12)
    assert torch.equal(moved.poses[..., size:], motion.poses[..., size:])


@pytest.mark.parametrize("name", ["ntu25", "jhmdb15"])
def test_a_rotation_keeps_distances_and_handedness(name: str) -> None:
    motion = random_motion(name, missing=0.0, dtype=torch.float64)
    moved, matrix = RandomRotation(max_degrees=180).apply(motion)
    assert not moved.equal(motion)
    torch.testing.assert_close(
        torch.cdist(moved.poses, moved.poses), torch.cdist(motion.poses, motion.poses), rtol=0, atol=1e-7
    )
    assert torch.linalg.det(matrix) == pytest.approx(1)


def test_random_angles_cover_their_ranges() -> None:
    motion = random_motion(num_frames=1, dtype=torch.float64)
    rotation = RandomRotation(max_degrees=[10, 20, 60])
    matrices = torch.stack([rotation.matrix(motion) for _ in range(300)]).numpy()
    angles = Rotation.from_matrix(matrices).as_euler("XYZ", degrees=True)
    limits = np.array([10, 20, 60])
    assert (np.abs(angles) <= limits + 1e-9).all()
    assert (angles.max(0) > 0.9 * limits).all() and (angles.min(0) < -0.9 * limits).all()
    upright = RandomRotation(max_degrees=[0, 180, 0]).matrix(motion)
    np.testing.assert_allclose(upright[1], [0, 1, 0], atol=1e-12)
    plane = RandomRotation(max_degrees=[90, 90, 0]).matrix(random_motion("jhmdb15"))
    assert torch.equal(plane, torch.eye(2))


def test_random_factors_cover_their_range() -> None:
    motion = random_motion(num_frames=1, dtype=torch.float64)
    for each_axis in (False, True):
        scale = RandomScale(low=0.5, high=2.0, each_axis=each_axis)
        factors = torch.stack([scale.matrix(motion).diagonal() for _ in range(300)])
        assert factors.min() >= 0.5 and factors.max() <= 2.0
        assert (factors.amin(0) < 0.55).all() and (factors.amax(0) > 1.9).all()
        assert bool((factors[:, 0] == factors[:, 1]).all()) is not each_axis


def test_random_shears_cover_their_range_and_can_be_inverted() -> None:
    motion = random_motion(num_frames=1, dtype=torch.float64)
    matrices = torch.stack([RandomShear(amount=0.5).matrix(motion) for _ in range(300)])
    slants = matrices - torch.eye(3)
    assert not slants.diagonal(dim1=1, dim2=2).any()
    assert slants.abs().max() <= 0.5
    off_diagonal = slants[:, ~torch.eye(3, dtype=torch.bool)]
    assert (off_diagonal.amin(0) < -0.45).all() and (off_diagonal.amax(0) > 0.45).all()
    assert (torch.linalg.det(matrices) > 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: RandomRotation(max_degrees=[1, 2]),
            r"'max_degrees' is \[1, 2\], expected one angle or three",
        ),
        (lambda: RandomRotation(max_degrees=181), "'max_degrees' is 181, expected a number from 0 to 180"),
        (lambda: RandomScale(low=0.0), "'low' is 0.0"),
        (lambda: RandomScale(low=2.0, high=1.0), "'low' is 2.0, expected a number from 1e-06 to 1"),
        (lambda: RandomShear(amount=0.6), "'amount' is 0.6, expected a number from 0 to 0.5"),
    ],
)
def test_wrong_arguments_are_refused(make: Callable[[], LinearTransform], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
