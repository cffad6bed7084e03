r"""The multi-objective loss (section 5.4, Eq. 11 and 12)."""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from pyg_sybio.models.output import SybioOutput
from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.skeleton import AnySkeleton


@dataclass(frozen=True)
class LossTerms:
    """The loss and its terms; the term of a task that the model does not have is :obj:`None`."""

    total: Tensor
    recognition: Tensor | None
    prediction: Tensor | None


class SymbioticLoss(nn.Module):
    r"""Convex combination of recognition loss and prediction loss (Eq. 11 and 12).

    .. math::
        \mathcal{L} = \alpha \mathcal{L}_{recg} + (1 - \alpha) \mathcal{L}_{pred}, \qquad
        \mathcal{L}_{recg} = -\frac{1}{N} \sum_n y_n^\top \log \hat{y}_n, \qquad
        \mathcal{L}_{pred} = \frac{1}{N} \sum_n \|(X_{pred})_n - (\hat{X}_{pred})_n\|_1

    The :math:`\ell_1` norm is the sum over all frames, recorded joints and features, and over the persons of
    a clip. The paper's :math:`\alpha` assumes this sum: with a mean instead, the prediction loss would
    contribute less than 2 % of the gradient of the backbone.

    In training, the bone network also predicts, and the :math:`\ell_1` distance to the true bones is added to
    the loss of the joints. Without a joint network, the prediction loss is only the loss of the bones.

    Args:
        skeleton: The skeleton of the joints, which defines the bones of the target.
        alpha: Weight :math:`\alpha \in [0, 1]` of the recognition loss; the paper uses 0.8 to 0.95.
            (default: :obj:`0.9`)
        label_smoothing: Fraction :math:`\epsilon` of each label that is distributed uniformly over all
            classes, to prevent overconfident probabilities (Szegedy et al., 2016). The paper does not use it.
            (default: :obj:`0.0`)
        feature_scale: If given, the **mean** distance per joint and frame, :math:`\| s_i \odot (x_i -
            \hat{x}_i) \|_2`, replaces the :math:`\ell_1` norm. For bones, the mean absolute difference per
            feature replaces it, multiplied by :math:`s` if all joints have the same :math:`s`. The scale
            :math:`s` determines the unit: use the standard deviations for z-scores, and one over the body
            size for positions. (default: :obj:`None`)
        time_exponent: Exponent :math:`p` of the weight :math:`t^{-p}` of future frame :math:`t = 1, 2, \dots`
            in the prediction loss. Errors grow with time, so the last frames dominate a loss without weights,
            as in the paper. (default: :obj:`0.0`)
        separate_networks: Whether to compute the recognition loss from the probabilities of each network,

            .. math::
                \mathcal{L}_{recg} = -\frac{1}{2N} \sum_n y_n^\top
                    \big(\log \hat{y}_{joint, n} + \log \hat{y}_{bone, n}\big),

            instead of the paper's mean of both networks. With the loss of the mean, the gradient of each
            network is proportional to the probability that this network assigns to the true class, so a
            network hardly learns classes that only the other network recognises. In evaluation, the loss is
            computed from the mean, because outputs have no ``network_logits``. (default: :obj:`False`)
        class_weights: Weight of each class in the recognition loss, which is then a weighted mean over the
            clips. (default: equal weights)

    Shapes:
        - **feature_scale:** :math:`(M, D)`, or broadcastable to it
        - **class_weights:** :math:`(C)`
        - **y:** :math:`(N)`, class indices
        - **future:** :math:`(N, (P,) T_{future}, M, D)`, the true poses
        - **future_mask:** :math:`(N, (P,) T_{future}, M)`, which joints were recorded

    Note:
        A bone is included if both of its joints were recorded. The prediction loss is zero if nothing
        was recorded. For a model with a single task, the total is the unweighted loss of that task. Both
        losses are computed in at least float32.
    """

    feature_scale: Tensor | None
    bone_scale: Tensor | None
    class_weights: Tensor | None

    def __init__(
        self,
        skeleton: AnySkeleton,
        alpha: float = 0.9,
        label_smoothing: float = 0.0,
        feature_scale: Tensor | None = None,
        time_exponent: float = 0.0,
        separate_networks: bool = False,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        for name, share in (("alpha", alpha), ("label_smoothing", label_smoothing)):
            if not 0 <= share <= 1:
                raise ValueError(f"'{name}' must be between 0 and 1, but it is {share}")
        if not time_exponent >= 0:
            raise ValueError(f"'time_exponent' must not be negative, but it is {time_exponent}")
        self.alpha = alpha
        self.label_smoothing = label_smoothing
        self.time_exponent = time_exponent
        self.separate_networks = separate_networks
        self.register_buffer("feature_scale", feature_scale, persistent=False)
        self.register_buffer("class_weights", class_weights, persistent=False)
        bone_scale = None
        if feature_scale is not None:
            rows = torch.atleast_2d(feature_scale)
            # If joints have different scales, bones (differences of z-scores) have no common unit.
            bone_scale = rows[:1] if (rows == rows[0]).all() else rows.new_ones(1, 1)
        self.register_buffer("bone_scale", bone_scale, persistent=False)
        self.bone_vectors = BoneVectors(skeleton)

    def forward(
        self, output: SybioOutput, *, y: Tensor, future: Tensor, future_mask: Tensor | None = None
    ) -> LossTerms:
        """Compute the loss of a model's output; without a mask, all future joints count as recorded."""
        recognition, prediction = None, None
        if output.logits is not None:
            recognition = self._recognition(output, output.logits, y)
        if output.future is not None or output.bone_future is not None:
            mask = self._counted(future, future_mask, output.present)
            distances = []
            if output.future is not None:
                distances.append(self._distance(output.future, future, mask, joints=True))
            if output.bone_future is not None:
                bone_mask = mask[..., self.bone_vectors.inner] & mask[..., self.bone_vectors.outer]
                bones = self.bone_vectors(future)
                distances.append(self._distance(output.bone_future, bones, bone_mask, joints=False))
            prediction = torch.stack(distances).sum()
        if recognition is None or prediction is None:
            total = recognition if recognition is not None else prediction
            assert total is not None
        else:
            total = self.alpha * recognition + (1 - self.alpha) * prediction
        return LossTerms(total=total, recognition=recognition, prediction=prediction)

    def _recognition(self, output: SybioOutput, logits: Tensor, y: Tensor) -> Tensor:
        """Return the cross-entropy of the fused probabilities, or the mean over the separate networks."""
        if self.separate_networks and output.network_logits is not None:
            logits, y = output.network_logits.flatten(0, 1), y.repeat(len(output.network_logits))
        logits, weights = _precise(logits), self.class_weights
        weights = None if weights is None else weights.to(logits.dtype)
        return F.cross_entropy(logits, y, weights, label_smoothing=self.label_smoothing)

    @staticmethod
    def _counted(future: Tensor, future_mask: Tensor | None, present: Tensor) -> Tensor:
        """Return the mask `[N, (P,) T, M]` of the recorded joints of present persons."""
        if future_mask is None:
            future_mask = torch.ones(future.shape[:-1], dtype=torch.bool, device=future.device)
        if future_mask.shape != future.shape[:-1]:
            raise ValueError(
                f"'future_mask' has shape {tuple(future_mask.shape)}, expected {tuple(future.shape[:-1])}"
            )
        return future_mask & present[:, :, None, None] if future_mask.dim() == 4 else future_mask

    def _distance(self, prediction: Tensor, target: Tensor, mask: Tensor, *, joints: bool) -> Tensor:
        """Return the distance over the entries where the mask `[N, (P,) T, M]` is true, in at least float32.

        Each frame is weighted by the time exponent.
        """
        if prediction.shape != target.shape:
            raise ValueError(
                f"'future' has shape {tuple(target.shape)}, but the prediction has {tuple(prediction.shape)}"
            )
        difference = _precise(prediction) - target
        # The mask is applied before the absolute value, so that a masked NaN does not reach the gradient.
        counted = torch.where(mask[..., None], difference, 0.0)
        frames = torch.arange(1, mask.size(-2) + 1, device=mask.device, dtype=counted.dtype)
        weights = mask * frames.pow(-self.time_exponent)[:, None]
        scale = self.feature_scale if joints else self.bone_scale
        if scale is None:
            return (weights * counted.abs().sum(-1)).sum() / len(counted)  # Eq. 12
        counted = scale * counted
        distances = torch.linalg.vector_norm(counted, dim=-1) if joints else counted.abs().mean(-1)
        total = weights.sum()
        if self.training and distributed.is_available() and distributed.is_initialized():
            # Gradients are means over the processes: divide by the mean weight, not by each process's own.
            distributed.all_reduce(total)
            total = total / distributed.get_world_size()
        return (weights * distances).sum() / torch.where(total > 0, total, 1)


def _precise(values: Tensor) -> Tensor:
    """Convert values to at least float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
