r"""The multi-objective loss (section 5.4, Eq. 11 and 12)."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pyg_sybio.bone_vectors import BoneVectors
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
    to the joints'.

    Args:
        skeleton: Gives the bones of the target.
        alpha: :math:`\alpha \in [0, 1]`; the paper's range is 0.8 to 0.95. (default: :obj:`0.9`)

    Shapes:
        - **y:** :math:`(N)`, class indices
        - **future:** :math:`(N, (P,) T_{future}, M, D)`, the true poses

    Note:
        The :math:`\ell_1` norm is the mean over the frames, joints and features of all present persons, not
        their sum: :math:`\alpha` then means the same for any number of frames and joints. A model with one
        task has that task's loss alone, unweighted.
    """

    def __init__(self, skeleton: Skeleton, alpha: float = 0.9) -> None:
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"'alpha' must be between 0 and 1, but it is {alpha}")
        self.alpha = alpha
        self.bone_vectors = BoneVectors(skeleton)

    def forward(self, output: _Output, *, y: Tensor, future: Tensor) -> LossTerms:
        """Return the loss of a model's output."""
        recognition, prediction = None, None
        if output.logits is not None:
            recognition = F.cross_entropy(output.logits, y)
        if output.future is not None:
            prediction = self._distance(output.future, future, output.present)
            if output.bone_future is not None:
                prediction = prediction + self._distance(
                    output.bone_future, self.bone_vectors(future), output.present
                )
        if recognition is None or prediction is None:
            total = recognition if recognition is not None else prediction
            assert total is not None
        else:
            total = self.alpha * recognition + (1 - self.alpha) * prediction
        return LossTerms(total=total, recognition=recognition, prediction=prediction)

    @staticmethod
    def _distance(prediction: Tensor, target: Tensor, present: Tensor) -> Tensor:
        """The mean absolute difference over the present persons, in at least float32."""
        if prediction.shape != target.shape:
            raise ValueError(
                f"'future' has shape {tuple(target.shape)}, but the prediction has {tuple(prediction.shape)}"
            )
        if prediction.dim() == 5:
            prediction, target = prediction[present], target[present]
        return F.l1_loss(prediction.to(torch.promote_types(prediction.dtype, torch.float32)), target)
