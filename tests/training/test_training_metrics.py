"""ErrorByHorizon compared with NumPy over all clips at once."""

import numpy as np
import pytest
import torch

from pyg_sybio.trained.metrics import ErrorByHorizon


def test_means_equal_numpy_and_a_class_without_clips_is_nan() -> None:
    error, y = torch.rand(40, 6, dtype=torch.float64), torch.randint(4, (40,))
    y[y == 2] = 1
    y[0] = 4
    metric = ErrorByHorizon(num_frames=6, num_classes=5)
    metric.update(error, y)
    result = metric.means()
    by_class = [error[y == c].mean(0).numpy() for c in (0, 1, 3, 4)]
    for c, expected in zip((0, 1, 3, 4), by_class, strict=True):
        np.testing.assert_allclose(result["by_class"][c], expected, rtol=1e-12)
    assert result["by_class"].shape == (5, 6)
    assert result["by_class"][2].isnan().all()
    np.testing.assert_allclose(result["mean_of_clips"], error.mean(0), rtol=1e-12)
    np.testing.assert_allclose(result["mean_of_classes"], np.mean(by_class, axis=0), rtol=1e-12)
    assert result["count"].tolist() == [(y == c).sum() for c in range(5)]


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_mean_errors_do_not_depend_on_the_batch_size(batch_size: int) -> None:
    error, y = 1000 * torch.rand(100, 3), torch.randint(3, (100,))
    metric = ErrorByHorizon(3, 3)
    for rows in torch.randperm(100).split(batch_size):
        metric.update(error[rows], y[rows])
    whole = ErrorByHorizon(3, 3)
    whole.update(error, y)
    for name, value in whole.means().items():
        torch.testing.assert_close(metric.means()[name], value, rtol=1e-13, atol=0)


def test_means_of_clips_and_of_classes_differ_if_classes_differ_in_size() -> None:
    metric = ErrorByHorizon(1, 2)
    metric.update(torch.tensor([[1.0], [1.0], [1.0], [5.0]]), torch.tensor([0, 0, 0, 1]))
    result = metric.means()
    assert result["mean_of_clips"].item() == pytest.approx((3 * 1 + 5) / 4)
    assert result["mean_of_classes"].item() == pytest.approx((1 + 5) / 2)


def test_sums_of_several_processes_are_added() -> None:
    first, second = ErrorByHorizon(2, 2), ErrorByHorizon(2, 2)
    first.update(torch.ones(3, 2), torch.tensor([0, 0, 1]))
    second.update(torch.zeros(1, 2), torch.tensor([0]))
    for own, other in zip(second.sums, first.sums, strict=True):
        own += other
    torch.testing.assert_close(second.means()["by_class"][0], torch.full((2,), 2 / 3, dtype=torch.float64))
    assert second.means()["count"].tolist() == [3, 1]


def test_an_empty_batch_adds_nothing() -> None:
    metric = ErrorByHorizon(2, 2)
    metric.update(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))
    assert metric.means()["count"].tolist() == [0, 0]


def test_errors_name_the_expected_value() -> None:
    metric = ErrorByHorizon(num_frames=3, num_classes=2)
    with pytest.raises(
        ValueError, match=r"'error' has shape \[4, 5\] and 'y' \[4\], expected \[N, 3\] and \[N\]"
    ):
        metric.update(torch.zeros(4, 5), torch.zeros(4))
    with pytest.raises(ValueError, match="'y' has classes 0 to 2, expected 0 to 1"):
        metric.update(torch.zeros(2, 3), torch.tensor([0, 2]))


def test_unrecorded_joints_do_not_affect_mean_errors() -> None:
    error, y = torch.rand(60, 4, dtype=torch.float64), torch.randint(3, (60,))
    error[torch.rand(60, 4) < 0.4] = torch.nan
    error[:, 3] = torch.nan
    error[y == 2, 1] = torch.nan
    error[7] = torch.nan
    metric = ErrorByHorizon(num_frames=4, num_classes=3)
    for rows in torch.arange(60).split(9):
        metric.update(error[rows], y[rows])
    result = metric.means()
    rows = error.numpy()
    for c in range(3):
        for t in range(3):
            known = [
                row[t] for row, label in zip(rows, y, strict=True) if label == c and not np.isnan(row[t])
            ]
            if known:
                assert result["by_class"][c, t].item() == pytest.approx(np.mean(known))
            else:
                assert (c, t) == (2, 1) and result["by_class"][c, t].isnan()
    assert result["mean_of_classes"][1].item() == pytest.approx(result["by_class"][:2, 1].mean().item())
    np.testing.assert_allclose(result["mean_of_clips"][:3], np.nanmean(rows[:, :3], axis=0))
    assert result["mean_of_clips"][3].isnan() and result["mean_of_classes"][3].isnan()
    seen = ~error.isnan().all(1)
    assert result["count"].tolist() == [int((seen & (y == c)).sum()) for c in range(3)]


def test_clips_may_be_on_another_device_than_the_metric() -> None:
    # Tensors on the device 'meta' have no values, and operations with tensors of other devices fail.
    metric = ErrorByHorizon(2, 3, "meta")
    metric.update(torch.ones(4, 2), torch.tensor([0, 1, 2, 2]))
    assert all(values.is_meta for values in metric.sums)
