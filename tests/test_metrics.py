"""Metrics compared with loops in NumPy and SciPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pyg_sybio import metrics


def random_motion(num_clips: int, num_frames: int, num_joints: int) -> torch.Tensor:
    """Return smooth frames of a translation and one exponential map per joint."""
    steps = 0.05 * torch.randn(num_clips, num_frames, 3 + 3 * num_joints, dtype=torch.float64)
    return torch.randn(num_clips, 1, 3 + 3 * num_joints, dtype=torch.float64) + steps.cumsum(1)


def loop_angle_error(
    prediction: torch.Tensor, target: torch.Tensor, columns: list[int] | None = None
) -> np.ndarray:
    """Return the benchmark's error; its angles are SciPy's intrinsic XYZ angles with opposite signs."""
    num_clips, num_frames, num_values = target.shape
    errors = np.zeros((num_clips, num_frames))
    for n in range(num_clips):
        angles = []
        for frames in (prediction[n], target[n]):
            turns = Rotation.from_rotvec(frames[:, 3:].reshape(-1, 3).numpy()).as_euler("XYZ")
            angles.append(np.concatenate([frames[:, :3].numpy(), -turns.reshape(num_frames, -1)], axis=1))
        angles[1][:, :6] = 0
        used = [v for v in range(num_values) if np.std(angles[1][:, v]) > 1e-4]
        if columns is not None:
            used = [v for v in used if v in columns]
        errors[n] = np.linalg.norm(angles[0][:, used] - angles[1][:, used], axis=1)
    return errors


@pytest.mark.parametrize("columns", [None, [7, 8, 10, 14, 15, 17]])
def test_angle_error_equals_a_naive_loop(columns: list[int] | None) -> None:
    target = random_motion(4, 25, 5)
    target[1, :, 9:12] = target[1, :1, 9:12]  # this joint stands still, but only in one clip
    prediction = target + 0.3 * torch.randn_like(target)
    expected = torch.as_tensor(loop_angle_error(prediction, target, columns))
    torch.testing.assert_close(metrics.angle_error(prediction, target, columns), expected, rtol=0, atol=1e-9)


def test_angle_error_ignores_root_and_joints_that_stand_still() -> None:
    target = random_motion(2, 10, 4)
    target[:, :, 6:9] = 0.3
    prediction = target.clone()
    prediction[:, :, :9] += 1.0
    torch.testing.assert_close(
        metrics.angle_error(prediction, target), torch.zeros(2, 10, dtype=torch.float64)
    )


def test_angle_error_uses_the_population_standard_deviation() -> None:
    # The angles 0 and d have the population deviation d / 2 and the sample deviation d / sqrt(2); 1e-4 is in
    # between.
    target = torch.zeros(1, 2, 9, dtype=torch.float64)
    target[0, 1, 6] = 1.7e-4
    assert not metrics.angle_error(target + 0.1, target).any()
    target[0, 1, 6] = 2.1e-4
    assert metrics.angle_error(target + 0.1, target).all()


def test_angle_error_of_a_clip_does_not_depend_on_its_batch() -> None:
    prediction, target = random_motion(3, 10, 4), random_motion(3, 10, 4)
    together = metrics.angle_error(prediction, target)
    alone = torch.cat([metrics.angle_error(prediction[n : n + 1], target[n : n + 1]) for n in range(3)])
    torch.testing.assert_close(together, alone)


def test_angle_error_of_float32_input_is_float32() -> None:
    prediction, target = random_motion(2, 10, 4), random_motion(2, 10, 4)
    error = metrics.angle_error(prediction.float(), target.float())
    assert error.dtype == torch.float32
    torch.testing.assert_close(error.double(), metrics.angle_error(prediction, target), rtol=1e-4, atol=1e-5)


def test_angle_error_measures_angles_not_exponential_maps() -> None:
    # An additional full turn gives another exponential map for the same rotation, so the error is zero.
    target = torch.zeros(1, 8, 9, dtype=torch.float64)
    target[0, :, 6] = torch.linspace(0.1, 0.9, 8)
    prediction = target.clone()
    prediction[0, :, 6] += 2 * torch.pi
    assert metrics.angle_error(prediction, target).max() < 1e-9
    prediction[0, :, 6] = target[0, :, 6] + 0.25
    torch.testing.assert_close(
        metrics.angle_error(prediction, target), torch.full((1, 8), 0.25, dtype=torch.float64)
    )


def test_top_k_accuracy_is_the_fraction_of_true_classes_with_rank_up_to_k() -> None:
    logits, y = torch.randn(50, 7), torch.randint(7, (50,))
    ranks = (logits > logits.gather(1, y[:, None])).sum(
        1
    )  # number of classes with a higher score than the true class
    for k in range(1, 8):
        torch.testing.assert_close(metrics.top_k_accuracy(logits, y, k), (ranks < k).float().mean())
    assert metrics.top_k_accuracy(logits, y, 7) == 1


def random_scores(num_clips: int = 200, num_classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Return double-precision scores that are often correct, and the true classes."""
    y = torch.randint(num_classes, (num_clips,))
    logits = 2 * torch.randn(num_clips, num_classes, dtype=torch.float64)
    logits[torch.arange(num_clips), y] += 1.5
    return logits, y


def probabilities_of(logits: torch.Tensor) -> np.ndarray:
    """Softmax, from its definition."""
    powers = np.exp(logits.numpy())
    return powers / powers.sum(1, keepdims=True)


def test_confusion_matrix_equals_counting_clip_by_clip() -> None:
    logits, y = random_scores()
    expected = np.zeros((5, 5), dtype=int)
    for scores, label in zip(logits.tolist(), y.tolist(), strict=True):
        expected[label, int(np.argmax(scores))] += 1
    assert metrics.confusion_matrix(logits, y).tolist() == expected.tolist()
    right = metrics.confusion_matrix(logits, y).diag().sum() / 200
    torch.testing.assert_close(right.double(), metrics.top_k_accuracy(logits, y))
    assert metrics.confusion_matrix(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long)).tolist() == [[3]]


def test_negative_log_likelihood_and_brier_score_equal_naive_loops() -> None:
    logits, y = random_scores()
    surprise, square = [], []
    for row, label in zip(probabilities_of(logits), y.tolist(), strict=True):
        surprise.append(-np.log(row[label]))
        square.append(sum((p - (c == label)) ** 2 for c, p in enumerate(row)))
    assert metrics.negative_log_likelihood(logits, y).item() == pytest.approx(np.mean(surprise))
    assert metrics.brier_score(logits, y).item() == pytest.approx(np.mean(square))


def test_calibration_scores_of_certain_predictions_are_finite() -> None:
    y = torch.tensor([0, 2, 1])
    right = 1000 * torch.eye(3)[y]
    for score in (metrics.negative_log_likelihood, metrics.brier_score, metrics.expected_calibration_error):
        assert score(right, y) == 0
    assert metrics.brier_score(right, (y + 1) % 3) == 2
    assert metrics.expected_calibration_error(right, (y + 1) % 3) == 1
    assert metrics.negative_log_likelihood(right, (y + 1) % 3) == 1000  # finite, unlike log(softmax(x))


@pytest.mark.parametrize("num_bins", [1, 4, 15])
def test_reliability_bins_equal_a_naive_loop(num_bins: int) -> None:
    logits, y = random_scores()
    bins = metrics.reliability_bins(logits, y, num_bins)
    members: list[list[tuple[float, bool]]] = [[] for _ in range(num_bins)]
    for row, label in zip(probabilities_of(logits), y.tolist(), strict=True):
        place = next(b for b in range(num_bins) if row.max() <= (b + 1) / num_bins)
        members[place].append((row.max(), int(row.argmax()) == label))
    assert bins.counts.tolist() == [len(inside) for inside in members]
    error = 0.0
    for b, inside in enumerate(members):
        if not inside:
            assert bins.confidence[b].isnan() and bins.accuracy[b].isnan()
            continue
        confidence, accuracy = np.mean(inside, axis=0)
        assert bins.confidence[b].item() == pytest.approx(confidence)
        assert bins.accuracy[b].item() == pytest.approx(accuracy)
        error += len(inside) / len(y) * abs(accuracy - confidence)
    assert metrics.expected_calibration_error(logits, y, num_bins).item() == pytest.approx(error)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    logits = torch.tensor([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]], dtype=torch.float64).log()
    bins = metrics.reliability_bins(logits, torch.tensor([0, 1, 0]), 4)
    assert bins.counts.tolist() == [0, 1, 1, 1]
    assert bins.accuracy[1:].tolist() == [1, 0, 1]


def test_a_calibrated_model_has_a_small_calibration_error() -> None:
    logits = 2 * torch.randn(20_000, 4)
    y = torch.multinomial(logits.softmax(-1), 1).squeeze(
        1
    )  # the classes are drawn from the model's probabilities
    assert metrics.expected_calibration_error(logits, y) < 0.02
    assert metrics.expected_calibration_error(3 * logits, y) > 0.1  # overconfident


def test_scores_are_nan_without_clips() -> None:
    nothing = torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)
    for score in (metrics.negative_log_likelihood, metrics.brier_score, metrics.expected_calibration_error):
        assert score(*nothing).isnan()
    assert not metrics.confusion_matrix(*nothing).any()
    assert metrics.reliability_bins(*nothing, 4).counts.tolist() == [0, 0, 0, 0]


def test_mean_per_joint_position_error_equals_a_naive_loop() -> None:
    prediction, target = torch.randn(2, 3, 4, 5, 3), torch.randn(2, 3, 4, 5, 3)
    error = metrics.mean_per_joint_position_error(prediction, target)
    assert error.shape == (2, 3, 4)
    expected = sum(np.linalg.norm((prediction - target)[1, 2, 3, joint].numpy()) for joint in range(5)) / 5
    assert error[1, 2, 3].item() == pytest.approx(expected, rel=1e-5)


def test_percentage_of_correct_keypoints_counts_the_joints_within_the_threshold() -> None:
    target = torch.rand(2, 3, 4, 2)
    target[..., 0, :] = torch.tensor([0.0, 0.0])
    target[..., 1, :] = torch.tensor([4.0, 2.0])  # the box around each clip has the size 4 by 2
    prediction = target.clone()
    prediction[0, 1, 0, 0] += 0.19  # just below 0.05 · 4
    prediction[0, 1, 1, 0] += 0.21
    prediction[0, 2, :, 1] -= 0.3
    correct = metrics.percentage_of_correct_keypoints(prediction, target)
    torch.testing.assert_close(correct, torch.tensor([[1, 0.75, 0], [1, 1, 1]]))
    loose = metrics.percentage_of_correct_keypoints(prediction, target, threshold=0.06)
    torch.testing.assert_close(loose, torch.tensor([[1, 1, 0], [1, 1, 1.0]]))


def test_percentage_of_correct_keypoints_does_not_depend_on_scale_or_position() -> None:
    target = torch.rand(3, 5, 6, 3, dtype=torch.float64)
    prediction = target + 0.04 * torch.randn_like(target)
    correct = metrics.percentage_of_correct_keypoints(prediction, target)
    assert 0 < correct.mean() < 1
    moved = metrics.percentage_of_correct_keypoints(30 * prediction + 7, 30 * target + 7)
    torch.testing.assert_close(moved, correct)


def test_percentage_of_correct_keypoints_uses_the_body_size_of_the_whole_clip() -> None:
    # The body is small only in the last frame; the size is still taken from the whole clip.
    target = torch.zeros(1, 2, 2, 3)
    target[0, 0, 1] = torch.tensor([1.0, 0, 0])
    prediction = target + torch.tensor([0, 0.04, 0])
    torch.testing.assert_close(metrics.percentage_of_correct_keypoints(prediction, target), torch.ones(1, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: metrics.angle_error(torch.zeros(1, 5, 9), torch.zeros(1, 4, 9)),
            r"'prediction' has shape \[1, 5, 9\] and 'target' \[1, 4, 9\], expected \[N, T, V\] for both",
        ),
        (
            lambda: metrics.angle_error(torch.zeros(1, 5, 10), torch.zeros(1, 5, 10)),
            "'target' has 10 values per frame, expected 3 \\+ 3 per joint",
        ),
        (
            lambda: metrics.angle_error(torch.zeros(1, 5, 9), torch.zeros(1, 5, 9), [6, 9]),
            "'columns' has 9, expected 0 to 8",
        ),
        (
            lambda: metrics.mean_per_joint_position_error(torch.zeros(2, 4, 3), torch.zeros(2, 5, 3)),
            r"'prediction' has shape \[2, 4, 3\] and 'target' \[2, 5, 3\]",
        ),
        (
            lambda: metrics.percentage_of_correct_keypoints(torch.zeros(4, 3), torch.zeros(4, 3)),
            r"expected \[..., T, M, D\] for both",
        ),
        (
            lambda: metrics.top_k_accuracy(torch.zeros(2, 5), torch.zeros(3)),
            r"'logits' has shape \[2, 5\] and 'y' \[3\]",
        ),
        (lambda: metrics.top_k_accuracy(torch.zeros(2, 5), torch.zeros(2), 6), "'k' is 6, expected 1 to 5"),
        *(
            (
                lambda metric=metric: metric(torch.zeros(2, 5), torch.zeros(3)),
                r"'logits' has shape \[2, 5\] and 'y' \[3\], expected \[N, C\] and \[N\]",
            )
            for metric in (
                metrics.confusion_matrix,
                metrics.negative_log_likelihood,
                metrics.brier_score,
                metrics.reliability_bins,
                metrics.expected_calibration_error,
            )
        ),
        (
            lambda: metrics.expected_calibration_error(torch.zeros(2, 5), torch.zeros(2), 0),
            "'num_bins' is 0, expected at least 1",
        ),
    ],
)
def test_errors_name_the_expected_value(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("units", ["m", "cm", "mm", "px"])
def test_position_errors_of_recorded_joints_are_in_skeleton_units(units: str) -> None:
    target, mask = torch.randn(3, 4, 6, 3, dtype=torch.float64), torch.rand(3, 4, 6) > 0.4
    mask[0, 1], mask[2] = False, False
    prediction = target + 0.1 * torch.randn_like(target)
    prediction[..., 2] += 100.0  # a score, which is not a coordinate
    errors = metrics.position_errors(prediction, target, mask, num_spatial=2, units=units)
    name, scale = {
        "m": ("mpjpe_mm", 1000),
        "cm": ("mpjpe_mm", 10),
        "mm": ("mpjpe_mm", 1),
        "px": ("mpjpe", 1),
    }[units]
    assert list(errors) == [name, "pck@0.05"]
    for n in range(3):
        recorded = target[n][mask[n]][:, :2].numpy()
        size = np.ptp(recorded, axis=0).max() if len(recorded) else None
        for t in range(4):
            rows = [m for m in range(6) if mask[n, t, m]]
            distances = [np.linalg.norm((prediction - target)[n, t, m, :2].numpy()) for m in rows]
            found = errors[name][n, t].item(), errors["pck@0.05"][n, t].item()
            expected = (
                (scale * np.mean(distances), np.mean(np.array(distances) < 0.05 * size)) if rows else None
            )
            assert np.isnan(found).all() if expected is None else found == pytest.approx(expected, rel=1e-9)


def test_unrecorded_joints_do_not_change_a_position_error() -> None:
    target, mask = torch.randn(2, 3, 5, 3), torch.rand(2, 3, 5) > 0.3
    prediction = target + 0.1 * torch.randn_like(target)
    expected = metrics.position_errors(prediction, target, mask, num_spatial=3, units="m")
    for wrong in (7.0, float("nan"), float("inf")):
        elsewhere = target.masked_fill(~mask[..., None], wrong)
        found = metrics.position_errors(prediction, elsewhere, mask, num_spatial=3, units="m")
        for name, error in expected.items():
            torch.testing.assert_close(found[name], error, equal_nan=True)
    whole = torch.ones_like(mask)
    for name, error in metrics.position_errors(prediction, target, whole, num_spatial=3, units="m").items():
        torch.testing.assert_close(
            error, metrics.position_errors(prediction, target, num_spatial=3, units="m")[name]
        )


def test_a_mask_has_the_shape_of_the_joints() -> None:
    frames = torch.zeros(2, 3, 5, 3)
    for mask in (torch.ones(2, 3), torch.ones(2, 3, 5), torch.ones(2, 3, 5, 1, dtype=torch.bool)):
        with pytest.raises(ValueError, match=r"'mask' is .* expected booleans of shape \[2, 3, 5\]"):
            metrics.mean_per_joint_position_error(frames, frames, mask)
