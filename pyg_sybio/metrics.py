r"""Metrics of recognition and motion prediction, as pure functions.

Metrics of motion prediction return one value per clip and frame; :mod:`pyg_sybio.trained.metrics` averages
the values over a data set. Metrics of recognition return one value for all clips.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_sybio.rotations import benchmark_euler_angles, expmap_to_matrix

# Columns with a smaller standard deviation over the target window (in radians) are ignored.
_MOVING = 1e-4


def top_k_accuracy(logits: Tensor, y: Tensor, k: int = 1) -> Tensor:
    r"""Fraction of clips whose class is among the `k` highest logits.

    Args:
        logits: Logits of the classes.
        y: Index of the true class.
        k: Number of predictions per clip. (default: ``1``)

    Shapes:
        - **logits:** `[N, C]`
        - **y:** `[N]`
        - **output:** scalar, 0 to 1

    Raises:
        ValueError: If the shapes disagree or `k` is not between 1 and `C`.
    """
    _check_logits(logits, y)
    if not 1 <= k <= logits.shape[1]:
        raise ValueError(f"'k' is {k}, expected 1 to {logits.shape[1]}, the number of classes")
    guesses = logits.topk(k, dim=-1).indices  # [N, k]
    return (guesses == y[:, None]).any(-1).to(logits.dtype).mean()


def confusion_matrix(logits: Tensor, y: Tensor) -> Tensor:
    r"""Confusion matrix: the number of clips of class `i` whose highest logit belongs to class `j`.

    .. math::
        K_{ij} = |\{n : y_n = i,\ \arg\max_c z_{n,c} = j\}|

    Its diagonal divided by the sums of its rows is the recall of each class.

    Args:
        logits: Logits of the classes.
        y: Index of the true class.

    Shapes:
        - **logits:** `[N, C]`
        - **y:** `[N]`
        - **output:** `[C, C]`, true classes in rows, predicted classes in columns

    Raises:
        ValueError: If the shapes disagree.
    """
    _check_logits(logits, y)
    num_classes = logits.shape[1]
    pairs = num_classes * y + logits.argmax(-1)
    return pairs.bincount(minlength=num_classes**2).view(num_classes, num_classes)


def negative_log_likelihood(logits: Tensor, y: Tensor) -> Tensor:
    r"""Mean negative log-likelihood of the true class, in nats.

    .. math::
        -\frac{1}{N} \sum_n \log p_{n, y_n}, \qquad p_n = \mathrm{softmax}(z_n)

    Args:
        logits: Logits :math:`z` of the classes.
        y: Index of the true class.

    Shapes:
        - **logits:** `[N, C]`
        - **y:** `[N]`
        - **output:** scalar in double precision, at least 0; NaN without clips

    Raises:
        ValueError: If the shapes disagree.
    """
    _check_logits(logits, y)
    return -logits.double().log_softmax(-1).gather(1, y[:, None]).mean()


def brier_score(logits: Tensor, y: Tensor) -> Tensor:
    r"""Mean squared distance between the probabilities and the true class (Brier score).

    .. math::
        \frac{1}{N} \sum_n \sum_c (p_{n,c} - [c = y_n])^2, \qquad p_n = \mathrm{softmax}(z_n)

    From G. W. Brier, "Verification of forecasts expressed in terms of probability" (Monthly Weather Review,
    1950). This is the form for several classes; with two classes, it is twice the common binary form.

    Args:
        logits: Logits :math:`z` of the classes.
        y: Index of the true class.

    Shapes:
        - **logits:** `[N, C]`
        - **y:** `[N]`
        - **output:** scalar in double precision, 0 to 2; NaN without clips

    Raises:
        ValueError: If the shapes disagree.
    """
    _check_logits(logits, y)
    probabilities = logits.double().softmax(-1)
    right = torch.zeros_like(probabilities).scatter(1, y[:, None], 1.0)
    return (probabilities - right).square().sum(-1).mean()


class ReliabilityBins(NamedTuple):
    r"""Statistics of clips in bins of the confidence of their prediction, as in a reliability diagram.

    Args:
        confidence: Mean probability of the predicted classes in each bin, NaN in an empty bin.
        accuracy: Fraction of correct predictions in each bin, NaN in an empty bin.
        counts: Number of clips in each bin.

    Shapes:
        - **confidence, accuracy, counts:** `[B]`
    """

    confidence: Tensor
    accuracy: Tensor
    counts: Tensor


def reliability_bins(logits: Tensor, y: Tensor, num_bins: int = 15) -> ReliabilityBins:
    r"""Compute the mean confidence and the accuracy of clips in confidence bins of equal width.

    The confidence of a clip is the probability of its predicted class, :math:`\max_c p_{n,c}` with :math:`p_n
    = \mathrm{softmax}(z_n)`. Bin `b` of `B`, counted from 1, contains the clips whose confidence is in
    :math:`(\frac{b-1}{B}, \frac{b}{B}]`. From C. Guo et al., "On calibration of modern neural networks" (ICML
    2017), section 2.

    Args:
        logits: Logits :math:`z` of the classes.
        y: Index of the true class.
        num_bins: Number `B` of bins. (default: ``15``, as in the paper)

    Shapes:
        - **logits:** `[N, C]`
        - **y:** `[N]`

    Raises:
        ValueError: If the shapes disagree or `num_bins` is not positive.
    """
    _check_logits(logits, y)
    if num_bins < 1:
        raise ValueError(f"'num_bins' is {num_bins}, expected at least 1")
    confidence, guess = logits.double().softmax(-1).max(-1)
    index = ((confidence * num_bins).ceil().long() - 1).clamp(0, num_bins - 1)
    counts = index.bincount(minlength=num_bins)
    right = (guess == y).double()
    # In an empty bin, 0 / 0 is NaN.
    totals = (index.bincount(values, minlength=num_bins) for values in (confidence, right))
    mean_confidence, accuracy = (total / counts for total in totals)
    return ReliabilityBins(mean_confidence, accuracy, counts)


def expected_calibration_error(logits: Tensor, y: Tensor, num_bins: int = 15) -> Tensor:
    r"""Expected calibration error (ECE): the mean absolute difference of confidence and accuracy.

    .. math::
        \mathrm{ECE} = \sum_b \frac{|B_b|}{N} \bigl|\mathrm{acc}(B_b) - \mathrm{conf}(B_b)\bigr|

    over the bins of :func:`reliability_bins`. From C. Guo et al., "On calibration of modern neural networks"
    (ICML 2017), Eq. 3.

    Args:
        logits: Logits of the classes.
        y: Index of the true class.
        num_bins: Number of bins. (default: ``15``, as in the paper)

    Shapes:
        - **logits:** `[N, C]`
        - **y:** `[N]`
        - **output:** scalar in double precision, 0 to 1; NaN without clips

    Raises:
        ValueError: If the shapes disagree or `num_bins` is not positive.
    """
    bins = reliability_bins(logits, y, num_bins)
    gap = torch.where(bins.counts > 0, (bins.accuracy - bins.confidence).abs(), 0.0)
    return (bins.counts * gap).sum() / bins.counts.sum()


def angle_error(prediction: Tensor, target: Tensor, columns: Sequence[int] | None = None) -> Tensor:
    r"""Error of predicted joint angles, as reported for Human3.6M and CMU Mocap ("MAE").

    Exponential maps are converted to Euler angles (:func:`~pyg_sybio.rotations.benchmark_euler_angles`); the
    error of a frame is the norm of the difference over the columns that move,

    .. math::
        \mathrm{error}_{n,t} = \Bigl(\sum_{v \in \mathcal V_n} (\hat e_{n,t,v} - e_{n,t,v})^2\Bigr)^{1/2},

    where :math:`\mathcal V_n` are the columns of clip `n` whose standard deviation over the target's frames
    exceeds 1e-4. The first six columns, translation and orientation of the whole body, are always excluded.

    Args:
        prediction: Raw (not normalised) frames: a translation, followed by one exponential map per joint.
        target: The recorded frames in the same form.
        columns: Columns that :math:`\mathcal V_n` may contain. The protocol of CMU Mocap uses the columns
            that vary in the training data. (default: all)

    Shapes:
        - **prediction, target:** `[N, T, V]` with `V = 3 + 3 M`
        - **output:** `[N, T]`, radians

    Raises:
        ValueError: If the shapes differ, `V` is not 3 plus three per joint, or a column does not exist.

    Note:
        The benchmark sets the first six columns of the target (the root) to zero and then ignores every
        column in which the target does not move, so the predicted root is ignored as well. The standard
        deviation is the population standard deviation, which depends on the number of target frames. A clip
        with a motionless target has an error of zero. The computation is in double precision; the result has
        the type of the prediction.
    """
    if prediction.dim() != 3 or prediction.shape != target.shape:
        raise ValueError(
            f"'prediction' has shape {list(prediction.shape)} and 'target' {list(target.shape)}, "
            "expected [N, T, V] for both"
        )
    num_values = target.shape[-1]
    if num_values < 6 or num_values % 3:
        raise ValueError(f"'target' has {num_values} values per frame, expected 3 + 3 per joint")
    predicted, recorded = _euler_columns(prediction), _euler_columns(target)
    counts = recorded.std(dim=1, correction=0) > _MOVING  # [N, V]
    counts[:, :6] = False
    if columns is not None:
        counts &= _column_mask(columns, num_values, counts.device)
    difference = torch.where(counts[:, None], predicted - recorded, 0.0)
    return torch.linalg.vector_norm(difference, dim=-1).to(prediction.dtype)


def mean_per_joint_position_error(prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Mean distance between predicted and true joints (MPJPE), in the unit of the coordinates.

    Args:
        prediction: Predicted joint positions.
        target: Recorded joint positions.
        mask: Mask of the recorded joints; the other joints are ignored. (default: all)

    Shapes:
        - **prediction, target:** `[..., T, M, D]`
        - **mask:** `[..., T, M]`
        - **output:** `[..., T]`, NaN in a frame without recorded joints

    Raises:
        ValueError: If the shapes differ or have fewer than three dimensions.
    """
    return _mean_over_joints(_joint_distances(prediction, target, mask), mask)


def percentage_of_correct_keypoints(
    prediction: Tensor, target: Tensor, threshold: float = 0.05, mask: Tensor | None = None
) -> Tensor:
    r"""Percentage of correct keypoints (PCK), as a fraction.

    Args:
        prediction: Predicted joint positions.
        target: Recorded joint positions.
        threshold: Largest error of a correct joint, relative to the size of the body.
        mask: Mask of the recorded joints; other joints are ignored, also for the size of the body. (default:
            all)

    Shapes:
        - **prediction, target:** `[..., T, M, D]`
        - **mask:** `[..., T, M]`
        - **output:** `[..., T]`, 0 to 1, NaN in a frame without recorded joints

    Raises:
        ValueError: If the shapes differ or have fewer than three dimensions.

    Note:
        The paper does not state how it normalises the error. Here the body size is the largest side of the
        axis-aligned box around all target joints in all target frames of the clip. (Each leading index is a
        separate clip.) If the target is a single point, no joint is correct.
    """
    distances = _joint_distances(prediction, target, mask)
    inside = torch.ones_like(distances, dtype=torch.bool) if mask is None else mask
    high = target.masked_fill(~inside[..., None], -torch.inf).amax(dim=(-3, -2))  # [..., D]
    low = target.masked_fill(~inside[..., None], torch.inf).amin(dim=(-3, -2))
    size = (high - low).amax(-1)[..., None, None]
    return _mean_over_joints((distances < threshold * size).to(distances.dtype), mask)


MILLIMETRES = {"m": 1000.0, "cm": 10.0, "mm": 1.0}
"""Millimetres per unit of length, for the unit names used in skeletons."""


def position_errors(
    prediction: Tensor, target: Tensor, mask: Tensor | None = None, *, num_spatial: int, units: str
) -> dict[str, Tensor]:
    r"""Compute the usual metrics of predicted positions: MPJPE and PCK.

    Args:
        prediction: Predicted poses.
        target: Recorded poses.
        mask: Mask of the recorded joints; the other joints are ignored. (default: all)
        num_spatial: Number of leading features that are coordinates.
        units: Unit of the coordinates.

    Shapes:
        - **prediction, target:** `[N, T, M, D]`
        - **mask:** `[N, T, M]`

    Returns:
        Two errors `[N, T]`, NaN in a frame without a recorded joint. The mean distance of the joints is
        `mpjpe_mm` in millimetres if the unit is `m`, `cm` or `mm`, else `mpjpe` in the given unit. `pck@0.05`
        is the fraction of joints whose error is below 0.05 of the largest side of the box around the
        recorded clip.

    Raises:
        ValueError: If the shapes do not fit.
    """
    prediction, target = prediction[..., :num_spatial], target[..., :num_spatial]
    distance = mean_per_joint_position_error(prediction, target, mask)
    scale = MILLIMETRES.get(units)
    errors = {"mpjpe": distance} if scale is None else {"mpjpe_mm": scale * distance}
    return errors | {"pck@0.05": percentage_of_correct_keypoints(prediction, target, 0.05, mask)}


def _check_logits(logits: Tensor, y: Tensor) -> None:
    if logits.dim() != 2 or y.shape != logits.shape[:1]:
        raise ValueError(
            f"'logits' has shape {list(logits.shape)} and 'y' {list(y.shape)}, expected [N, C] and [N]"
        )


def _euler_columns(frames: Tensor) -> Tensor:
    """Convert the exponential maps in frames `[N, T, V]` to Euler angles, in double precision."""
    translation, expmaps = frames.double().split((3, frames.shape[-1] - 3), dim=-1)
    angles = benchmark_euler_angles(expmap_to_matrix(expmaps.unflatten(-1, (-1, 3))))
    return torch.cat([translation, angles.flatten(-2)], dim=-1)


def _column_mask(columns: Sequence[int], num_values: int, device: torch.device) -> Tensor:
    index = torch.as_tensor(columns, dtype=torch.long, device=device)
    outside = index[(index < 0) | (index >= num_values)]
    if outside.numel():
        raise ValueError(f"'columns' has {int(outside[0])}, expected 0 to {num_values - 1}")
    return torch.isin(torch.arange(num_values, device=device), index)


def _joint_distances(prediction: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    if prediction.dim() < 3 or prediction.shape != target.shape:
        raise ValueError(
            f"'prediction' has shape {list(prediction.shape)} and 'target' {list(target.shape)}, "
            "expected [..., T, M, D] for both"
        )
    if mask is not None and (mask.shape != target.shape[:-1] or mask.dtype != torch.bool):
        raise ValueError(
            f"'mask' is {mask.dtype} of shape {list(mask.shape)}, "
            f"expected booleans of shape {list(target.shape[:-1])}"
        )
    return torch.linalg.vector_norm(prediction - target, dim=-1)


def _mean_over_joints(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over the recorded joints `[..., M]`, or NaN if no joint was recorded."""
    if mask is None:
        return values.mean(-1)
    return torch.where(mask, values, 0.0).sum(-1) / mask.sum(-1)
