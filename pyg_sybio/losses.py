r"""The multi-objective loss (section 5.4, Eq. 11 and 12)."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.skeleton import Skeleton


class _Output(Protocol):
    @property
    def logits(self) -> Tensor | None: ...
    @property
    def future(self) -> Tensor | None: ...
    @property
    def bone_future(self) -> Tensor | None: ...
    @property
    def present(self) -> Tensor: ...
    @property
    def network_logits(self) -> Tensor | None: ...


@dataclass(frozen=True)
class LossTerms:
    """The loss and its terms; a task that the model does not have is :obj:`None`."""

    total: Tensor
    recognition: Tensor | None
    prediction: Tensor | None


class SymbioticLoss(nn.Module):
    r"""Convex combination of the recognition and the prediction loss (Eq. 11 and 12).

    .. math::
        \mathcal{L} = \alpha \mathcal{L}_{recg} + (1 - \alpha) \mathcal{L}_{pred}, \qquad
        \mathcal{L}_{recg} = -\frac{1}{N} \sum_n y_n^\top \log \hat{y}_n, \qquad
        \mathcal{L}_{pred} = \frac{1}{N} \sum_n \|(X_{pred})_n - (\hat{X}_{pred})_n\|_1

    In training the bone network predicts as well, and its :math:`\ell_1` distance to the true bones is added
    to the joints'. Without a joint network it is all there is.

    Args:
        skeleton: Gives the bones of the target.
        alpha: :math:`\alpha \in [0, 1]`; the paper's range is 0.8 to 0.95. (default: :obj:`0.9`)
        label_smoothing: The share :math:`\epsilon` of each label that all classes get alike, which keeps
            probabilities from running to 0 and 1 (Szegedy et al., 2016); the paper has none.
            (default: :obj:`0.0`)
        feature_scale: If given, the joints' prediction loss is not the :math:`\ell_1` distance, which weighs
            all features alike, but the mean distance of a joint in the unit of the recording,
            :math:`\| s_i \odot (x_i - \hat{x}_i) \|_2`, where :math:`s` is what 1 in the space of the poses
            is in that unit: 1 for positions, the standard deviations for z-scores. (default: :obj:`None`)
        time_exponent: :math:`p` of the weight :math:`t^{-p}` that frame :math:`t = 1, 2, \dots` of the future
            has in the prediction loss. Errors grow with time, so that without weights, as in the paper, the
            last frames are most of the loss. (default: :obj:`0.0`)
        separate_networks: Train each network's own probabilities,

            .. math::
                \mathcal{L}_{recg} = -\frac{1}{2N} \sum_n y_n^\top
                    \big(\log \hat{y}_{joint, n} + \log \hat{y}_{bone, n}\big),

            and not their mean, as the paper does. The gradient of the mean's loss reaches a network in
            proportion to the probability that it gives the true class: what one network knows, the other is
            not asked to learn. In evaluation, where outputs have no ``network_logits``, the loss is the
            mean's. (default: :obj:`False`)

    Shapes:
        - **feature_scale:** :math:`(M, D)`, or what broadcasts to it
        - **y:** :math:`(N)`, class indices
        - **future:** :math:`(N, (P,) T_{future}, M, D)`, the true poses
        - **future_mask:** :math:`(N, (P,) T_{future}, M)`, which of the joints were recorded

    Note:
        The :math:`\ell_1` norm is the mean over the features of all recorded joints of present persons (with
        weights, their weighted mean), not their sum: :math:`\alpha` then means the same for any number of
        frames and joints. A bone counts where both of its ends were recorded. If nothing was, the term is
        zero. A model with one task has that task's loss alone, unweighted. Both are computed in at least
        float32.
    """

    feature_scale: Tensor | None

    def __init__(
        self,
        skeleton: Skeleton,
        alpha: float = 0.9,
        label_smoothing: float = 0.0,
        feature_scale: Tensor | None = None,
        time_exponent: float = 0.0,
        separate_networks: bool = False,
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
        self.bone_vectors = BoneVectors(skeleton)

    def forward(
        self, output: _Output, *, y: Tensor, future: Tensor, future_mask: Tensor | None = None
    ) -> LossTerms:
        """Return the loss of a model's output; without a mask, everything of the future was recorded."""
        recognition, prediction = None, None
        if output.logits is not None:
            recognition = self._recognition(output, output.logits, y)
        if output.future is not None or output.bone_future is not None:
            mask = self._counted(future, future_mask, output.present)
            distances = []
            if output.future is not None:
                distances.append(self._distance(output.future, future, mask, self.feature_scale))
            if output.bone_future is not None:
                bone_mask = mask[..., self.bone_vectors.inner] & mask[..., self.bone_vectors.outer]
                bones = self.bone_vectors(future)
                distances.append(self._distance(output.bone_future, bones, bone_mask))
            prediction = torch.stack(distances).sum()
        if recognition is None or prediction is None:
            total = recognition if recognition is not None else prediction
            assert total is not None
        else:
            total = self.alpha * recognition + (1 - self.alpha) * prediction
        return LossTerms(total=total, recognition=recognition, prediction=prediction)

    def _recognition(self, output: _Output, logits: Tensor, y: Tensor) -> Tensor:
        """The cross-entropy of the mean of the networks' probabilities, or the mean of theirs."""
        if self.separate_networks and output.network_logits is not None:
            logits, y = output.network_logits.flatten(0, 1), y.repeat(len(output.network_logits))
        return F.cross_entropy(_precise(logits), y, label_smoothing=self.label_smoothing)

    @staticmethod
    def _counted(future: Tensor, future_mask: Tensor | None, present: Tensor) -> Tensor:
        """Which joints count `[N, (P,) T, M]`: the recorded ones of present persons."""
        if future_mask is None:
            future_mask = torch.ones(future.shape[:-1], dtype=torch.bool, device=future.device)
        if future_mask.shape != future.shape[:-1]:
            raise ValueError(
                f"'future_mask' has shape {tuple(future_mask.shape)}, expected {tuple(future.shape[:-1])}"
            )
        return future_mask & present[:, :, None, None] if future_mask.dim() == 4 else future_mask

    def _distance(
        self, prediction: Tensor, target: Tensor, mask: Tensor, scale: Tensor | None = None
    ) -> Tensor:
        """The mean absolute difference, or with a scale the mean norm of a joint's scaled difference, where
        the mask `[N, (P,) T, M]` is true, each frame by its weight, in at least float32."""
        if prediction.shape != target.shape:
            raise ValueError(
                f"'future' has shape {tuple(target.shape)}, but the prediction has {tuple(prediction.shape)}"
            )
        difference = _precise(prediction) - target
        # Chosen before the absolute value, so that not even a NaN that does not count reaches the gradient.
        counted = torch.where(mask[..., None], difference, 0.0)
        if scale is None:
            distances = counted.abs().mean(-1)
        else:
            distances = torch.linalg.vector_norm(scale * counted, dim=-1)
        frames = torch.arange(1, mask.size(-2) + 1, device=mask.device, dtype=distances.dtype)
        weights = mask * frames.pow(-self.time_exponent)[:, None]
        total = weights.sum()
        return (weights * distances).sum() / torch.where(total > 0, total, 1)


def _precise(values: Tensor) -> Tensor:
    """The values in at least float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
