r"""Correction of the predicted joints with the predicted bones."""

import torch
from torch import Tensor, nn

from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.skeleton import Skeleton


class BoneCorrection(nn.Module):
    r"""Poses that fit the predicted joints and the predicted bones best in the least-squares sense,

    .. math::
        \hat{X}^* = \arg\min_X \|X - \hat{X}\|_2^2 + \mu \|B X - \hat{b}\|_2^2
        = \hat{X} + K (\hat{b} - B \hat{X}), \qquad K = \mu \, (I + \mu B^\top B)^{-1} B^\top

    where :math:`B` maps joints to bones (:class:`~pyg_sybio.nn.bone_vectors.BoneVectors`), so that
    :math:`B^\top B` is the Laplacian of the skeleton. This correction is not in the paper, where only the
    joint network predicts (section 5.5).

    Args:
        skeleton: The skeleton of the joints.
        weight: Weight :math:`\mu > 0` of a bone relative to a joint.

    Shapes:
        - **joints:** :math:`(*, M, D)`, the prediction :math:`\hat{X}`
        - **bones:** :math:`(*, B, D)`, the prediction :math:`\hat{b}`
        - **output:** :math:`(*, M, D)`
    """

    gain: Tensor

    def __init__(self, skeleton: Skeleton, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.bone_vectors = BoneVectors(skeleton)
        joints = torch.eye(skeleton.num_joints, dtype=torch.float64)
        incidence = self.bone_vectors(joints)  # B [B, M]
        gain = torch.linalg.solve(joints + weight * incidence.T @ incidence, weight * incidence.T)
        self.register_buffer("gain", gain.to(torch.get_default_dtype()), persistent=False)

    def forward(self, joints: Tensor, bones: Tensor) -> Tensor:
        """Return the corrected joints."""
        return joints + self.gain.to(joints.dtype) @ (bones - self.bone_vectors(joints))

    def extra_repr(self) -> str:
        """Return the extra representation of the module."""
        return f"weight={self.weight}"
