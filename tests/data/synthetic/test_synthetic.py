"""Synthetic motions are physically plausible, reproducible, and learnable but not trivial."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.loader import DataLoader

from pyg_sybio.data.synthetic.actions import ACTIONS, Action
from pyg_sybio.data.synthetic.body import CONTACTS
from pyg_sybio.data.synthetic.synthetic import GRAVITY, Performance, SyntheticMotions, perform
from pyg_sybio.skeleton import load_skeleton

NAMES = [action.name for action in ACTIONS]
POSITION_SKELETONS = (
    "ntu25", "openpose18", "openpose25", "coco17", "mediapipe33", "azure32", "smpl24", "jhmdb15", "ucla20",
)  # fmt: skip


@pytest.fixture(scope="module")
def clean() -> SyntheticMotions:
    return SyntheticMotions(num_clips=240, noise=0.0)


@pytest.fixture(scope="module")
def noisy() -> SyntheticMotions:
    return SyntheticMotions(num_clips=240)


def _performances(
    action: str, landmarks: tuple[str, ...], rate: float, num_clips: int = 16
) -> tuple[Tensor, Performance]:
    """Two seconds of one action by several people, `[N, T, L, 3]`."""
    performance = Performance.stack([Performance.draw(np.random.default_rng(i)) for i in range(num_clips)])
    labels = torch.full((num_clips,), NAMES.index(action))
    time = torch.arange(int(2 * rate), dtype=torch.float64) / rate
    return perform(labels, performance, time, landmarks), performance


def test_items_have_the_documented_shapes(noisy: SyntheticMotions) -> None:
    item = noisy[3]
    assert item.x.shape == (25, 40, 3) and item.x.dtype == torch.float32
    assert item.future.shape == (25, 15, 3) and item.future.dtype == torch.float32
    assert item.y.shape == (1,) and item.y.dtype == torch.long
    assert item.num_nodes == 25
    assert len(noisy) == 240
    assert "SyntheticMotions(240, skeleton='ntu25'" in repr(noisy)
    assert noisy.class_names == tuple(NAMES)


def test_batches_stack_the_clips(noisy: SyntheticMotions) -> None:
    batch = next(iter(DataLoader(noisy, batch_size=4)))
    assert batch.x.shape == (4 * 25, 40, 3) and batch.future.shape == (4 * 25, 15, 3)
    assert batch.y.tolist() == noisy.labels[:4].tolist()
    torch.testing.assert_close(batch.x[25:50], noisy[1].x)


@pytest.mark.parametrize("name", POSITION_SKELETONS)
def test_shipped_skeletons_have_synthetic_clips(name: str) -> None:
    skeleton = load_skeleton(name)
    data = SyntheticMotions(skeleton=skeleton, num_clips=13)
    assert data.clips.shape == (13, skeleton.num_joints, 55, skeleton.num_features)
    assert data.clips.isfinite().all()
    if skeleton.coordinates == "xy+score":
        score = data.clips[..., 2]
        assert score.min() > 0 and score.max() <= 1 and score.std() > 0.01
        assert (SyntheticMotions(skeleton=name, num_clips=2, noise=0).clips[..., 2] == 1).all()


def test_bones_are_rigid_and_differ_between_people(clean: SyntheticMotions) -> None:
    inner, outer = torch.tensor(clean.skeleton.bone_pairs).T
    lengths = (clean.clips[:, outer] - clean.clips[:, inner]).norm(dim=-1)  # [N, B, T]
    assert (lengths - lengths.mean(dim=-1, keepdim=True)).abs().max() < 1e-5
    assert (lengths[..., 0].std(dim=0) / lengths[..., 0].mean(dim=0)).min() > 0.02
    shape = lengths[..., 0] / lengths[..., 0].sum(dim=1, keepdim=True)
    assert shape.std(dim=0).max() > 1e-3  # proportions differ, not only size


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_soles_are_on_the_ground(action: Action) -> None:
    soles, _ = _performances(action.name, CONTACTS, rate=50.0)
    lowest = soles[..., 1].amin(dim=-1)
    assert lowest.min() > -1e-4
    if action.flights:
        assert lowest.amax(dim=1).min() > 0.005
    else:
        assert lowest.max() < 0.01


@pytest.mark.parametrize("name", ["jumping", "jumping_jacks"])
def test_flights_are_ballistic(name: str) -> None:
    rate, level = 500.0, 0.01
    soles, _ = _performances(name, CONTACTS, rate)
    lowest = soles[..., 1].amin(dim=-1)
    for height in lowest:
        # A body that returns to the same height after a time t has risen by g t² / 8.
        flying = torch.cat([torch.tensor([False]), height > level, torch.tensor([False])]).int()
        edges = flying.diff().nonzero().flatten().tolist()
        starts, ends = edges[::2], edges[1::2]
        whole = [(s, e) for s, e in zip(starts, ends, strict=True) if s > 0 and e < len(height)]
        assert whole
        for start, end in whole:
            apex = height[start:end].max() - level
            expected = GRAVITY * ((end - start) / rate) ** 2 / 8
            # The sole floats up to 7 mm above the smooth ground, and the tempo drifts.
            assert abs(apex - expected) < 0.01 + 0.1 * expected


@pytest.mark.parametrize("name", ["waving", "squatting", "sitting_down", "bending"])
def test_the_feet_of_a_standing_body_do_not_move(name: str) -> None:
    ankles, _ = _performances(name, ("left_ankle", "right_ankle"), rate=25.0)
    # Both feet turn and roll a little, but their centers do not move.
    middle = ankles.mean(dim=2)[..., [0, 2]]
    assert (middle.amax(dim=1) - middle.amin(dim=1)).max() < 0.08


def test_walkers_and_runners_move_in_the_direction_they_face() -> None:
    speed = {}
    for name in ("walking", "running"):
        pelvis, performance = _performances(name, ("pelvis",), rate=25.0)
        ahead = torch.stack([performance.heading.sin(), performance.heading.cos()], dim=-1).float()
        travelled = pelvis[:, -1, 0, [0, 2]] - pelvis[:, 0, 0, [0, 2]]
        forward = (travelled * ahead).sum(dim=-1)
        assert (forward > 0.9 * travelled.norm(dim=-1)).all()
        speed[name] = forward.mean() / 2
    assert 0.7 < speed["walking"] < 1.8 < speed["running"] < 5


def test_clips_are_centred_on_the_last_observed_frame(clean: SyntheticMotions) -> None:
    center = clean.skeleton.joint_index(clean.skeleton.center)
    assert clean.clips[:, center, clean.num_observed - 1].abs().max() < 1e-6
    image = SyntheticMotions(skeleton="coco17", num_clips=24, noise=0)
    center = image.skeleton.joint_index(image.skeleton.center)
    assert image.clips[:, center, image.num_observed - 1, :2].abs().max() < 1e-6


def test_images_are_frontal_views_in_units_of_standing_height() -> None:
    image = SyntheticMotions(skeleton="coco17", num_clips=60, noise=0).clips[..., :2]
    solid = SyntheticMotions(skeleton="mediapipe33", num_clips=60, noise=0)
    # Both data sets are centred on the nose and have these joints.
    joints = ("left_shoulder", "right_wrist", "left_ankle")
    flat = [load_skeleton("coco17").joint_index(name) for name in joints]
    deep = [solid.skeleton.joint_index(name) for name in joints]
    x, y = image[:, flat].unbind(-1)
    X, Y, _ = solid.clips[:, deep].unbind(-1)
    # The same image up to one positive factor per clip: the standing height.
    height = (X * x - Y * y).sum((1, 2)) / (x * x + y * y).sum((1, 2))
    assert height.min() > 1.3 and height.max() < 2.1
    torch.testing.assert_close(X, height[:, None, None] * x, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(Y, -height[:, None, None] * y, atol=1e-5, rtol=1e-4)


def test_a_clip_depends_only_on_seed_and_index(noisy: SyntheticMotions) -> None:
    fewer = SyntheticMotions(num_clips=70)
    torch.testing.assert_close(fewer.clips, noisy.clips[:70], rtol=0, atol=1e-6)
    assert fewer.labels.tolist() == noisy.labels[:70].tolist()
    other = SyntheticMotions(num_clips=70, seed=1)
    assert ((other.clips - fewer.clips).abs().amax(dim=(1, 2, 3)) > 0.05).all()
    assert other.labels.tolist() != fewer.labels.tolist()


def test_labels_are_balanced_and_shuffled(noisy: SyntheticMotions) -> None:
    assert noisy.labels.bincount().tolist() == [240 // len(NAMES)] * len(NAMES)
    counts = SyntheticMotions(num_clips=17).labels.bincount(minlength=len(NAMES))
    assert counts.max() - counts.min() <= 1
    assert noisy.labels[:12].tolist() != noisy.labels[12:24].tolist()


def test_noise_has_the_given_standard_deviation(clean: SyntheticMotions) -> None:
    noise = SyntheticMotions(num_clips=240, noise=0.02).clips - clean.clips
    for part in (noise[:, :, : clean.num_observed], noise[:, :, clean.num_observed :]):
        # The relative error of the deviation of n independent samples is 1/sqrt(2n), here below 0.2 %.
        assert abs(part.std() / 0.02 - 1) < 0.01
        assert abs(part.mean()) < 1e-4
    assert abs((noise[:, :, 1:] * noise[:, :, :-1]).mean() / 0.02**2) < 0.01  # no correlation in time


def test_joints_with_lower_scores_have_more_noise() -> None:
    clips = SyntheticMotions(skeleton="openpose18", num_clips=120, noise=0.01).clips
    exact = SyntheticMotions(skeleton="openpose18", num_clips=120, noise=0).clips
    error = (clips - exact)[..., :2].norm(dim=-1)
    score = clips[..., 2]
    sure = score > score.median()
    assert error[sure].mean() < 0.8 * error[~sure].mean()


def _nearest_mean_accuracy(train: Tensor, y: Tensor, test: Tensor, y_test: Tensor) -> float:
    scale = train.std(dim=0) + 1e-6
    means = torch.stack([train[y == label].mean(dim=0) for label in range(len(NAMES))])
    return float((torch.cdist(test / scale, means / scale).argmin(dim=1) == y_test).float().mean())


def test_the_class_can_be_recognised_from_motion_but_not_from_one_frame() -> None:
    train, test = SyntheticMotions(num_clips=600, seed=0), SyntheticMotions(num_clips=300, seed=1)
    observed = [data.clips[:, :, : data.num_observed] for data in (train, test)]
    frame = [x[:, :, -1].flatten(1) for x in observed]
    motion = [
        torch.cat([x.diff(dim=2).norm(dim=-1).mean(2), (x - x[:, :1]).std(dim=2).flatten(1)], dim=1)
        for x in observed
    ]
    from_frame = _nearest_mean_accuracy(frame[0], train.labels, frame[1], test.labels)
    from_motion = _nearest_mean_accuracy(motion[0], train.labels, motion[1], test.labels)
    assert 1.5 / len(NAMES) < from_frame < 0.75  # above chance, but far from perfect
    assert from_motion - from_frame > 0.2


def test_the_motion_of_the_future_is_large_compared_with_noise(
    clean: SyntheticMotions, noisy: SyntheticMotions
) -> None:
    frames = noisy.clips.transpose(1, 2)
    observed, future = frames[:, :40], frames[:, 40:]
    still = noisy.motion_errors(observed[:, -1:].expand_as(future), future)["mpjpe_mm"].mean(dim=0)
    floor = noisy.motion_errors(clean.clips.transpose(1, 2)[:, 40:], future)["mpjpe_mm"].mean(dim=0)
    assert (still.diff() > 0).all()
    assert (floor[1:] < still[1:] / 3).all()
    speed = clean.clips.diff(dim=2).norm(dim=-1).mean() * clean.frame_rate
    assert speed > 0.5


def test_motion_errors_ignore_scores_and_are_in_metres() -> None:
    solid = SyntheticMotions(num_clips=2)
    target = torch.randn(2, 5, 25, 3)
    off = target + torch.tensor([0.03, 0.0, 0.04])  # every joint is 5 cm away
    errors = solid.motion_errors(off, target)
    torch.testing.assert_close(errors["mpjpe_mm"], torch.full((2, 5), 50.0), rtol=1e-4, atol=1e-3)
    assert (solid.motion_errors(target + 0.02, target)["pck@0.05"] == 1).all()
    assert (solid.motion_errors(target + 0.2, target)["pck@0.05"] == 0).all()

    image = SyntheticMotions(skeleton="coco17", num_clips=2)
    target = torch.randn(2, 5, 17, 3)
    off = target + torch.tensor([0.03, 0.04, 9.0])  # the error ignores scores
    errors = image.motion_errors(off, target)
    torch.testing.assert_close(errors["mpjpe"], torch.full((2, 5), 0.05), rtol=1e-4, atol=1e-5)


def test_all_frame_rates_sample_the_same_motion() -> None:
    slow = SyntheticMotions(num_clips=12, num_observed=21, num_future=5, frame_rate=20.0, noise=0)
    fast = SyntheticMotions(num_clips=12, num_observed=41, num_future=10, frame_rate=40.0, noise=0)
    standing = torch.tensor([NAMES[y] == "bending" for y in slow.labels])
    # Walking integrates one step per frame, so it depends slightly on the frame rate; bending does not.
    torch.testing.assert_close(slow.clips[standing], fast.clips[standing][:, :, ::2], atol=5e-3, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_clips": 0}, "'num_clips' is 0, expected an integer of at least 1"),
        ({"num_observed": 1}, "'num_observed' is 1, expected an integer of at least 2"),
        ({"num_future": 0}, "'num_future' is 0, expected an integer of at least 1"),
        ({"noise": -0.1}, "'noise' is -0.1, expected a number from 0 to inf"),
        ({"seed": -1}, "'seed' is -1, expected an integer of at least 0"),
        ({"frame_rate": 0.0}, "'frame_rate' is 0.0, expected a number from 0.001"),
        ({"skeleton": "hand21"}, "'hand21' has joints that the synthetic body lacks: wrist"),
        ({"skeleton": "cmu38"}, "'cmu38' has rotations"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticMotions(**settings)


def test_partial_observation_moves_the_start_of_the_future() -> None:
    sizes = {"num_clips": 4, "num_observed": 10, "noise": 0.0}
    whole = SyntheticMotions(**sizes, num_future=6)
    part = SyntheticMotions(**sizes, num_future=10, reserved=6, observation_ratio=0.4)
    for clip, early in zip(whole, part, strict=True):
        frames = torch.cat([clip.x, clip.future], dim=1)
        # Four frames are observed, and copies of them fill the front.
        torch.testing.assert_close(early.x, frames[:, [2, 3, 0, 1, 2, 3, 0, 1, 2, 3]])
        torch.testing.assert_close(early.future, frames[:, 4:14])
        assert early.future_mask.all() and early.future_mask.shape == (25, 10, 1)
    late = SyntheticMotions(**sizes, num_future=10, reserved=6)[0]
    assert late.future_mask[0, :, 0].tolist() == [True] * 6 + [False] * 4
    torch.testing.assert_close(late.future[:, :6], whole[0].future)
    drawn = SyntheticMotions(**sizes, num_future=6, observation_ratio=(0.1, 1.0))
    assert len({float(drawn[0].x[0, 0, 0]) for _ in range(8)}) > 1
    with pytest.raises(ValueError, match="'reserved'"):
        SyntheticMotions(**sizes, reserved=0)
