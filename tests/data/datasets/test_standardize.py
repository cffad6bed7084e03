"""Statistics and z-scores of the angle-space benchmarks, on small generated motions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pyg_sybio.data.datasets.standardize import Normalisation, Standardize, frames_of, used_columns
from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton

USED = (6, 7, 8, 12, 13, 14)


def fitted() -> tuple[list[torch.Tensor], Normalisation]:
    files = [2 + 3 * torch.randn(num_frames, 15, dtype=torch.float64) for num_frames in (30, 50)]
    for frames in files:
        frames[:, 8] = 0.5  # a hinge
        frames[:, 9:12] = -1.0  # a joint that is not used
    return files, Normalisation.fit(files, USED)


def test_normalisation_equals_numpy_statistics_over_all_frames() -> None:
    files, normalisation = fitted()
    frames = np.concatenate([file.numpy() for file in files])
    varying = [column for column in range(15) if column not in (8, 9, 10, 11)]
    np.testing.assert_allclose(normalisation.mean, frames.mean(0))
    np.testing.assert_allclose(normalisation.deviation[varying], frames.std(0)[varying])
    assert normalisation.deviation[[8, 9, 10, 11]].tolist() == [1, 1, 1, 1]
    assert normalisation.varying == (6, 7, 12, 13, 14)
    scores = torch.cat([normalisation.normalise(file) for file in files]).flatten(1)  # [frames, 6]
    np.testing.assert_allclose(scores.mean(0), np.zeros(6), atol=1e-12)
    np.testing.assert_allclose(scores.std(0, correction=0), [1, 1, 0, 1, 1, 1], atol=1e-12)


def test_restoring_returns_the_used_columns_and_the_mean_of_other_columns() -> None:
    files, normalisation = fitted()
    scores = normalisation.normalise(files[0])
    assert scores.shape == (30, 2, 3)
    frames = normalisation.restore(scores.expand(4, 30, 2, 3))
    assert frames.shape == (4, 30, 15)
    torch.testing.assert_close(frames[3][:, USED], files[0][:, USED])
    rest = [column for column in range(15) if column not in USED]
    torch.testing.assert_close(frames[..., rest], normalisation.mean[rest].expand(4, 30, len(rest)))


def test_constant_columns_are_at_the_mean_in_restored_predictions_and_kept_in_targets() -> None:
    files, normalisation = fitted()
    scores = normalisation.normalise(files[0])
    scores[:, 0, 2] += 0.125  # column 8
    assert torch.allclose(normalisation.restore(scores)[:, 8], torch.tensor(0.5, dtype=torch.float64))
    kept = normalisation.restore(scores, keep_constant=True)[:, 8]
    assert torch.allclose(kept, torch.tensor(0.625, dtype=torch.float64))


CHAIN = Skeleton(
    name="chain",
    joints=("root", "one", "two", "three"),
    bones=(("root", "one"), ("one", "two"), ("two", "three")),
    center="root",
    parts={"all": ("root", "one", "two", "three")},
    part_bones=(),
    mirror=(),
    coordinates="expmap",
    units="rad",
    subsets={"used": ("one", "three")},
)


def test_standardize_returns_the_used_joints_and_its_inverse_returns_all_joints() -> None:
    files, normalisation = fitted()
    used = CHAIN.subset("used")
    assert used_columns(CHAIN, used) == USED
    motion = Motion(
        poses=files[0][:, 3:].unflatten(-1, (4, 3))[None],
        translation=files[0][None, :, :3],
        skeleton=CHAIN,
        label="walking",
    )
    assert torch.equal(frames_of(motion), files[0])
    transform = Standardize(normalisation, used)
    assert repr(transform).startswith(f"Standardize({used.name!r}, Normalisation({len(USED)} of 15 columns, ")
    shifted = replace(normalisation, mean=normalisation.mean + 1)
    assert len(repr(transform)) <= 120 and repr(transform) != repr(Standardize(shifted, used))
    scores = transform(motion)
    assert scores.skeleton == used and scores.label == "walking" and scores.translation is None
    for column, score in zip(USED, scores.poses[0].flatten(1).T, strict=True):
        deviation = normalisation.deviation[column]
        torch.testing.assert_close(score, (files[0][:, column] - normalisation.mean[column]) / deviation)
    back = frames_of(transform.invert(scores, CHAIN))
    torch.testing.assert_close(back[:, USED], files[0][:, USED])
    rest = [column for column in range(15) if column not in USED]
    torch.testing.assert_close(back[:, rest], normalisation.mean[rest].expand(30, -1))


def test_joints_that_are_not_present_have_z_scores_of_zero() -> None:
    files, normalisation = fitted()
    poses, present = (
        files[0][:, 3:].unflatten(-1, (4, 3))[None].clone(),
        torch.ones(1, 30, 4, dtype=torch.bool),
    )
    present[0, 7, 3] = False
    poses[0, 7, 3] = 0
    motion = Motion(poses=poses, present=present, translation=files[0][None, :, :3], skeleton=CHAIN)
    scores = Standardize(normalisation, CHAIN.subset("used"))(motion)
    assert scores.poses[0, 7, 1].tolist() == [0, 0, 0] and not scores.present[0, 7, 1]
    assert scores.present.sum() == 2 * 30 - 1 and scores.poses[0, 6, 1].all()


def test_standardize_needs_the_joints_of_the_columns() -> None:
    with pytest.raises(ValueError, match="'skeleton' 'chain' has 4 joints, expected 2"):
        Standardize(fitted()[1], CHAIN)
