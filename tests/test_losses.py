"""The loss compared with a loop over clips, persons, frames, joints and features."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.skeleton import load_skeleton

SKELETON = load_skeleton("jhmdb15")
M, B = SKELETON.num_joints, SKELETON.num_bones


@dataclass
class Output:
    """The fields of a model's output that the loss uses."""

    logits: Tensor | None
    future: Tensor | None
    bone_future: Tensor | None
    present: Tensor
    network_logits: Tensor | None = None


def output(*, persons: int | None = 2) -> Output:
    shape = (3, 4) if persons is None else (3, persons, 4)
    present = torch.ones(3, persons or 1, dtype=torch.bool)
    present[1, 1:] = False
    return Output(
        logits=torch.randn(3, 5, dtype=torch.float64),
        future=torch.randn(*shape, M, 2, dtype=torch.float64),
        bone_future=torch.randn(*shape, B, 2, dtype=torch.float64),
        present=present,
    )


def target(out: Output) -> tuple[Tensor, Tensor]:
    assert out.future is not None
    return torch.tensor([4, 0, 2]), torch.randn_like(out.future)


def cross_entropy(logits: Tensor, y: Iterable[int]) -> float:
    values = logits.numpy()
    return -float(np.mean([row[k] - np.log(np.exp(row).sum()) for row, k in zip(values, y, strict=True)]))


def distance(prediction: Tensor, truth: Tensor, present: Tensor) -> float:
    """The sum of the absolute differences, averaged over clips, computed in a loop (Eq. 12)."""
    if prediction.dim() == 4:
        prediction, truth = prediction[:, None], truth[:, None]
    differences = [
        abs(prediction[index].item() - truth[index].item())
        for index in np.ndindex(*prediction.shape)
        if present[index[:2]]
    ]
    return math.fsum(differences) / len(prediction)


def bones(joints: Tensor) -> Tensor:
    return torch.stack(
        [joints[..., outer, :] - joints[..., inner, :] for inner, outer in SKELETON.bone_pairs], -2
    )


@pytest.mark.parametrize("persons", [None, 1, 2])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9, 1.0])
def test_the_loss_equals_a_naive_loop(alpha: float, persons: int | None) -> None:
    out = output(persons=persons)
    y, future = target(out)
    assert out.logits is not None
    assert out.future is not None
    assert out.bone_future is not None
    terms = SymbioticLoss(SKELETON, alpha)(out, y=y, future=future)
    assert terms.recognition is not None
    assert terms.prediction is not None
    recognition = cross_entropy(out.logits, y)
    prediction = distance(out.future, future, out.present)
    prediction += distance(out.bone_future, bones(future), out.present)
    assert terms.recognition.item() == pytest.approx(recognition, abs=1e-12)
    assert terms.prediction.item() == pytest.approx(prediction, abs=1e-10)
    assert terms.total.item() == pytest.approx(alpha * recognition + (1 - alpha) * prediction, abs=1e-10)


def test_without_a_bone_prediction_there_is_no_bone_term() -> None:
    out = output()
    y, future = target(out)
    out.bone_future = None
    terms = SymbioticLoss(SKELETON)(out, y=y, future=future)
    assert out.future is not None
    assert terms.prediction is not None
    assert terms.prediction.item() == pytest.approx(distance(out.future, future, out.present), abs=1e-10)


@pytest.mark.parametrize("persons", [None, 2])
def test_without_a_joint_prediction_the_loss_only_includes_bones(persons: int | None) -> None:
    out = output(persons=persons)
    y, future = target(out)
    assert out.bone_future is not None
    terms = SymbioticLoss(SKELETON)(
        Output(out.logits, None, out.bone_future, out.present), y=y, future=future
    )
    assert terms.prediction is not None
    expected = distance(out.bone_future, bones(future), out.present)
    assert terms.prediction.item() == pytest.approx(expected, abs=1e-10)


def test_absent_persons_are_ignored() -> None:
    out = output()
    y, future = target(out)
    loss = SymbioticLoss(SKELETON)
    before = loss(out, y=y, future=future)
    future[1, 1] += 100.0
    assert torch.equal(loss(out, y=y, future=future).total, before.total)
    future[1, 0] += 100.0
    assert loss(out, y=y, future=future).total > before.total + 1


def test_the_loss_of_a_single_task_is_not_weighted() -> None:
    loss, out = SymbioticLoss(SKELETON, 0.9), output()
    y, future = target(out)
    both = loss(out, y=y, future=future)
    recognition = loss(Output(out.logits, None, None, out.present), y=y, future=future)
    assert recognition.prediction is None
    assert both.recognition is not None
    assert torch.equal(recognition.total, both.recognition)
    prediction = loss(Output(None, out.future, out.bone_future, out.present), y=y, future=future)
    assert prediction.recognition is None
    assert both.prediction is not None
    assert torch.equal(prediction.total, both.prediction)


@pytest.mark.parametrize("smoothing", [0.1, 1.0])
def test_label_smoothing_distributes_a_fraction_of_the_label_over_all_classes(smoothing: float) -> None:
    out = output()
    y, future = target(out)
    assert out.logits is not None
    terms = SymbioticLoss(SKELETON, label_smoothing=smoothing)(out, y=y, future=future)
    each = [[cross_entropy(row[None], [k]) for k in range(5)] for row in out.logits]
    expected = np.mean(
        [
            (1 - smoothing) * losses[k] + smoothing * np.mean(losses)
            for losses, k in zip(each, y.tolist(), strict=True)
        ]
    )
    assert terms.recognition is not None
    assert terms.recognition.item() == pytest.approx(expected, abs=1e-10)


def test_joint_distances_are_in_units_of_the_recording() -> None:
    out = output()
    y, future = target(out)
    assert out.future is not None and out.bone_future is not None
    recorded = torch.rand(future.shape[:-1]) < 0.7
    future[~recorded] = torch.nan  # the values of absent persons must have no effect
    scale = torch.rand(M, 2, dtype=torch.float64)
    predicted = out.future.clone().requires_grad_()
    both = Output(None, predicted, out.bone_future, out.present)
    terms = SymbioticLoss(SKELETON, feature_scale=scale)(both, y=y, future=future, future_mask=recorded)
    distances = [
        math.dist(scale[i[-1]] * out.future[i], scale[i[-1]] * future[i])
        for i in map(tuple, (recorded & out.present[:, :, None, None]).nonzero().tolist())
    ]
    bone_mask = torch.stack(
        [recorded[..., outer] & recorded[..., inner] for inner, outer in SKELETON.bone_pairs], -1
    )
    bone_mask &= out.present[:, :, None, None]
    bone_error = (out.bone_future - bones(future))[bone_mask].abs().mean().item()
    assert terms.prediction is not None
    assert terms.prediction.item() == pytest.approx(float(np.mean(distances)) + bone_error, abs=1e-12)
    terms.prediction.backward()
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()


@pytest.mark.parametrize("mean", [False, True])
def test_frames_are_weighted_by_a_power_of_their_time(mean: bool) -> None:
    out = output()
    y, future = target(out)
    assert out.future is not None and out.bone_future is not None
    recorded = torch.rand(future.shape[:-1]) < 0.7
    counted = recorded & out.present[:, :, None, None]
    ends = torch.stack([counted[..., i] & counted[..., j] for i, j in SKELETON.bone_pairs], -1)
    expected = 0.0
    for prediction, truth, mask in (
        (out.future, future, counted),
        (out.bone_future, bones(future), ends),
    ):
        indices = list(map(tuple, mask.nonzero().tolist()))
        differences = [prediction[index] - truth[index] for index in indices]
        weights = [1 / math.sqrt(1 + index[2]) for index in indices]
        if not mean:
            expected += (
                sum(w * each.abs().sum().item() for w, each in zip(weights, differences, strict=True)) / 3
            )
        elif prediction is out.future:
            expected += float(np.average([each.norm().item() for each in differences], weights=weights))
        else:
            expected += float(np.average([each.abs().mean().item() for each in differences], weights=weights))
    scale = torch.ones(M, 2, dtype=torch.float64) if mean else None
    loss = SymbioticLoss(SKELETON, time_exponent=0.5, feature_scale=scale)
    terms = loss(out, y=y, future=future, future_mask=recorded)
    assert terms.prediction is not None
    assert terms.prediction.item() == pytest.approx(expected, abs=1e-10)
    nothing = loss(out, y=y, future=future, future_mask=torch.zeros_like(recorded)).prediction
    assert nothing is not None and nothing.item() == 0


def test_a_negative_time_exponent_is_an_error() -> None:
    with pytest.raises(ValueError, match="'time_exponent' must not be negative, but it is -1"):
        SymbioticLoss(SKELETON, time_exponent=-1)


def of_two_networks() -> Output:
    """Return an output whose fused probabilities are the mean of two networks."""
    out = output()
    out.network_logits = torch.randn(2, 3, 5, dtype=torch.float64).log_softmax(-1)
    out.logits = out.network_logits.exp().mean(0).log()
    return out


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_separate_networks_are_trained_on_their_own_probabilities(smoothing: float) -> None:
    out = of_two_networks()
    y, future = target(out)
    assert out.network_logits is not None
    mean_of_both = SymbioticLoss(SKELETON, label_smoothing=smoothing)
    expected = np.mean(
        [
            mean_of_both(Output(each, None, None, out.present), y=y, future=future).total.item()
            for each in out.network_logits
        ]
    )
    loss = SymbioticLoss(SKELETON, label_smoothing=smoothing, separate_networks=True)
    terms = loss(out, y=y, future=future)
    assert terms.recognition is not None
    assert terms.recognition.item() == pytest.approx(expected, abs=1e-10)
    fused = mean_of_both(out, y=y, future=future).recognition
    # The loss of the mean is smaller, because -log is convex.
    assert fused is not None and fused < terms.recognition - 1e-3
    out.network_logits = None  # outputs of evaluation have no network_logits
    assert loss(out, y=y, future=future).recognition == fused


@pytest.mark.parametrize("separate", [False, True])
def test_only_the_fused_loss_makes_gradients_depend_on_the_other_network(separate: bool) -> None:
    logits = torch.tensor([[[4.0, 0, 0, 0, 0]], [[0, 4.0, 0, 0, 0]]], requires_grad=True)
    each = logits.log_softmax(-1)
    out = Output(each.exp().mean(0).log(), None, None, torch.ones(1, 1), each)
    loss = SymbioticLoss(SKELETON, separate_networks=separate)
    loss(out, y=torch.tensor([0]), future=torch.zeros(0)).total.backward()
    assert logits.grad is not None
    right, wrong = logits.grad[:, 0, 0].abs().tolist()
    share = math.exp(each[1, 0, 0].item()) / each[:, 0, 0].exp().sum().item()
    # With the loss of the mean, the gradient is proportional to a network's fraction of the summed
    # probability.
    expected = (1 - math.exp(each[1, 0, 0].item())) * (0.5 if separate else share)
    assert wrong == pytest.approx(expected, rel=1e-5)
    assert (wrong > right) == separate


@pytest.mark.parametrize("smoothing", [-0.1, 1.1])
def test_label_smoothing_out_of_range_is_an_error(smoothing: float) -> None:
    with pytest.raises(ValueError, match="'label_smoothing' must be between 0 and 1"):
        SymbioticLoss(SKELETON, label_smoothing=smoothing)


def test_a_perfect_prediction_has_zero_loss() -> None:
    out = output()
    y, future = target(out)
    perfect = Output(None, future, bones(future), out.present)
    assert SymbioticLoss(SKELETON)(perfect, y=y, future=future).total == 0


def test_the_distance_in_half_precision_is_summed_in_float32() -> None:
    out = output()
    y, future = target(out)
    assert out.future is not None
    half = Output(None, out.future.half(), None, out.present)
    assert SymbioticLoss(SKELETON)(half, y=y, future=future.float()).total.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_losses_of_low_precision_outputs_are_computed_in_float32(dtype: torch.dtype) -> None:
    out = output()
    y, future = target(out)
    assert out.logits is not None and out.future is not None and out.bone_future is not None
    low = Output(out.logits.to(dtype), out.future.to(dtype), out.bone_future.to(dtype), out.present)
    same = Output(
        *(each.to(dtype).float() for each in (out.logits, out.future, out.bone_future)), out.present
    )
    found = SymbioticLoss(SKELETON)(low, y=y, future=future.float())
    expected = SymbioticLoss(SKELETON)(same, y=y, future=future.float())
    for name in ("total", "recognition", "prediction"):
        assert getattr(found, name).dtype == torch.float32
        assert torch.equal(getattr(found, name), getattr(expected, name))


def test_a_shape_mismatch_is_an_error() -> None:
    out = output()
    y, future = target(out)
    message = r"'future' has shape \(3, 2, 3, 15, 2\), but the prediction has \(3, 2, 4, 15, 2\)"
    with pytest.raises(ValueError, match=message):
        SymbioticLoss(SKELETON)(out, y=y, future=future[:, :, :3])
    with pytest.raises(ValueError, match="'future' has shape"):
        SymbioticLoss(SKELETON)(out, y=y, future=future[:, 0])


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_out_of_range_is_an_error(alpha: float) -> None:
    with pytest.raises(ValueError, match=rf"'alpha' must be between 0 and 1, but it is {alpha}"):
        SymbioticLoss(SKELETON, alpha)


def random_mask(out: Output) -> Tensor:
    assert out.future is not None
    return torch.rand(out.future.shape[:-1]) > 0.4


def masked_distance(prediction: Tensor, truth: Tensor, mask: Tensor) -> float:
    """Return the sum over recorded joints, averaged over clips, in a loop over joints."""
    rows = [(prediction[index] - truth[index]).abs() for index in np.ndindex(*mask.shape) if mask[index]]
    return float(torch.cat(rows).sum()) / len(mask)


@pytest.mark.parametrize("persons", [None, 2])
def test_the_loss_only_includes_recorded_joints(persons: int | None) -> None:
    out = output(persons=persons)
    y, future = target(out)
    mask = random_mask(out)
    terms = SymbioticLoss(SKELETON)(out, y=y, future=future, future_mask=mask)
    counted = mask if persons is None else mask & out.present[:, :, None, None]
    ends = torch.stack([counted[..., i] & counted[..., j] for i, j in SKELETON.bone_pairs], -1)
    assert out.future is not None
    assert out.bone_future is not None
    assert terms.prediction is not None
    expected = masked_distance(out.future, future, counted) + masked_distance(
        out.bone_future, bones(future), ends
    )
    assert terms.prediction.item() == pytest.approx(expected, abs=1e-10)


def gradients(out: Output, y: Tensor, future: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    assert out.future is not None
    assert out.bone_future is not None
    joints = out.future.detach().clone().requires_grad_()
    bone_future = out.bone_future.detach().clone().requires_grad_()
    leaf = Output(out.logits, joints, bone_future, out.present)
    total = SymbioticLoss(SKELETON)(leaf, y=y, future=future, future_mask=mask).total
    total.backward()
    assert joints.grad is not None
    assert bone_future.grad is not None
    return total.detach(), joints.grad, bone_future.grad


@pytest.mark.parametrize("wrong", [1e6, float("nan"), float("inf")])
def test_unrecorded_joints_affect_neither_loss_nor_gradient(wrong: float) -> None:
    out = output()
    y, future = target(out)
    mask = random_mask(out)
    counted = mask & out.present[:, :, None, None]
    expected = gradients(out, y, future, mask)
    found = gradients(out, y, future.masked_fill(~counted[..., None], wrong), mask)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    _, joints, bone_gradient = found
    assert ((joints != 0).any(-1) == counted).all()
    ends = torch.stack([counted[..., i] & counted[..., j] for i, j in SKELETON.bone_pairs], -1)
    assert ((bone_gradient != 0).any(-1) == ends).all()


def test_a_mask_that_is_true_everywhere_has_no_effect() -> None:
    out = output()
    y, future = target(out)
    everywhere = torch.ones(future.shape[:-1], dtype=torch.bool)
    for one, other in zip(
        gradients(out, y, future, everywhere), gradients(out, y, future, None), strict=True
    ):
        assert torch.equal(one, other)


def test_the_loss_is_zero_and_has_a_gradient_without_recorded_joints() -> None:
    out = output()
    y, future = target(out)
    nothing = torch.zeros(future.shape[:-1], dtype=torch.bool)
    out.logits = None
    total, joints, bone_gradient = gradients(out, y, future, nothing)
    assert total == 0
    assert not joints.any() and not bone_gradient.any()


def test_a_mask_has_the_shape_of_the_joints() -> None:
    out = output()
    y, future = target(out)
    message = r"'future_mask' has shape \(3, 2, 4, 15, 1\), expected \(3, 2, 4, 15\)"
    with pytest.raises(ValueError, match=message):
        SymbioticLoss(SKELETON)(
            out, y=y, future=future, future_mask=torch.ones(3, 2, 4, M, 1, dtype=torch.bool)
        )


@pytest.mark.parametrize("separate", [False, True])
def test_class_weights_give_a_weighted_mean_over_clips(separate: bool) -> None:
    out, weights = output(), [1.0, 2.0, 4.0, 8.0, 16.0]
    out.network_logits = torch.randn(2, 3, 5, dtype=torch.float64)
    y, future = target(out)
    loss = SymbioticLoss(SKELETON, separate_networks=separate, class_weights=torch.tensor(weights))
    assert out.logits is not None
    logits = out.network_logits if separate else out.logits[None]
    each = [
        (cross_entropy(network[[n]], [c]), weights[c]) for network in logits for n, c in enumerate(y.tolist())
    ]
    expected = sum(value * weight for value, weight in each) / sum(weight for _, weight in each)
    recognition = loss(out, y=y, future=future).recognition
    assert recognition is not None
    assert recognition.item() == pytest.approx(expected)
