"""Input statistics compared with NumPy, their lower bound, and evaluation without updates."""

import numpy as np
import torch

from pyg_sybio.nn.input_norm import InputNorm


def batches(num: int) -> list[torch.Tensor]:
    """Batches of equal size; their means and standard deviations depend on order, joint and feature."""
    scale, shift = torch.rand(3, 1, 1, 4, 2).double() + 0.5, torch.randn(3, 1, 1, 4, 2).double()
    # The means also differ between batches of single clips.
    clips = [torch.randn(3, 5, 1, 4, 2, dtype=torch.float64) for _ in range(num)]
    return [clip + torch.randn(3, 5, 6, 4, 2, dtype=torch.float64) * scale + shift for clip in clips]


def test_statistics_of_several_batches_equal_the_statistics_of_all_batches_together() -> None:
    norm, seen = InputNorm(3, 4, 2).double(), batches(4)
    for batch in seen:
        norm(batch)
    everything = np.concatenate([batch.numpy() for batch in seen], axis=1)
    np.testing.assert_allclose(norm.mean, everything.mean(axis=(1, 2)), atol=1e-12)
    np.testing.assert_allclose(norm.var, everything.var(axis=(1, 2)), atol=1e-12)
    assert norm.num_batches == 4


def test_output_is_standardised_with_the_same_statistics_in_training_and_evaluation() -> None:
    norm = InputNorm(3, 4, 2).double()
    for batch in batches(3):
        trained = norm(batch)
    assert torch.equal(norm.eval()(batch), trained)
    mean, deviation = norm.mean.numpy()[:, None, None], norm.var.sqrt().numpy()[:, None, None]
    np.testing.assert_allclose(trained, (batch.numpy() - mean) / deviation, atol=1e-12)


def test_evaluation_does_not_change_the_statistics() -> None:
    norm = InputNorm(3, 4, 2).double()
    norm(batches(1)[0])
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    norm.eval()(batches(1)[0])
    for key, value in norm.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_an_untrained_norm_is_the_identity() -> None:
    [batch] = batches(1)
    assert torch.equal(InputNorm(3, 4, 2).double().eval()(batch), batch)


def test_the_deviation_of_a_joint_that_hardly_moves_has_a_lower_bound() -> None:
    norm = InputNorm(3, 4, 2).double()
    [batch] = batches(1)
    batch[:, :, :, 1] *= 1e-6
    norm(batch)
    root_mean_square = batch.numpy().var(axis=(1, 2)).mean(axis=(1, 2)) ** 0.5  # [orders]
    expected = np.broadcast_to(0.1 * root_mean_square[:, None], (3, 2))
    np.testing.assert_allclose(norm.scale[:, 1], expected, rtol=1e-9)
    moving = [0, 2, 3]
    np.testing.assert_allclose(norm.scale[:, moving], batch.numpy().std(axis=(1, 2))[:, moving], rtol=1e-9)


def test_an_order_that_never_varies_is_not_scaled() -> None:
    norm = InputNorm(3, 4, 2).double()
    [batch] = batches(1)
    batch[1:] = 0
    out = norm(batch)
    assert torch.equal(norm.scale[1:], torch.ones(2, 4, 2, dtype=torch.float64))
    assert not out[1:].any()


def test_no_gradient_flows_through_the_statistics() -> None:
    [batch] = batches(1)
    norm = InputNorm(3, 4, 2).double()
    batch.requires_grad_()
    norm(batch).sum().backward()
    assert batch.grad is not None
    torch.testing.assert_close(batch.grad, (1 / norm.scale)[:, None, None].expand_as(batch))


def test_the_whole_body_has_one_mean_and_one_deviation_per_feature() -> None:
    norm, seen = InputNorm(3, 4, 2).double(), batches(4)
    for batch in seen:
        norm(batch)
    everything = np.concatenate([batch[0].numpy() for batch in seen])  # [clips, T, M, D]
    mean, deviation = everything.mean(axis=(0, 1, 2)), everything.std(axis=(0, 1, 2))
    poses = torch.randn(2, 6, 4, 2, dtype=torch.float64)
    np.testing.assert_allclose(norm.whole_body(poses), (poses.numpy() - mean) / deviation, atol=1e-12)
    # All training poses together have mean 0 and standard deviation 1, but single joints do not.
    body = norm.whole_body(torch.from_numpy(everything)).numpy()
    np.testing.assert_allclose(body.mean(axis=(0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(body.std(axis=(0, 1, 2)), 1, atol=1e-12)
    assert np.abs(body.mean(axis=(0, 1))).max() > 0.1


def test_whole_body_followed_by_by_joint_standardises_each_joint() -> None:
    norm, seen = InputNorm(3, 4, 2).double(), batches(3)
    for batch in seen:
        out = norm(batch)
    np.testing.assert_allclose(norm.by_joint(norm.whole_body(batch[0])), out[0], atol=1e-12)
    single = norm.float()
    poses = batch[0].float()
    torch.testing.assert_close(single.by_joint(single.whole_body(poses)), single.eval()(batch.float())[0])


def test_a_feature_that_never_varies_is_not_scaled_for_the_whole_body() -> None:
    norm = InputNorm(3, 4, 2).double()
    [batch] = batches(1)
    batch[..., 1] = 5
    norm(batch)
    assert not norm.whole_body(batch[0])[..., 1].any()
    assert norm.whole_body(batch[0]).isfinite().all()


def test_whole_body_does_not_change_the_statistics() -> None:
    norm = InputNorm(3, 4, 2).double()
    norm(batches(1)[0])
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    norm.by_joint(norm.whole_body(batches(1)[0][0]))
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())


def test_the_repr_has_the_sizes_of_the_module() -> None:
    assert repr(InputNorm(3, 25, 2)) == "InputNorm(num_orders=3, num_joints=25, in_channels=2)"
