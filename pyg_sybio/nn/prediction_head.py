r"""The motion-prediction head (section 5.3, Eq. 10)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import Data

from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.skeleton import AnySkeleton

MAX_HIDDEN = 10.0
"""Maximum magnitude of the hidden state at the input of the GRU."""


class PredictionHead(nn.Module):
    r"""Motion-prediction head: a graph-convolutional GRU that predicts displacements (Eq. 10).

    Starting from :math:`H^{(0)} = \mathrm{MLP}_{pred}([H_0, H_1, H_2])` and the last observed pose,

    .. math::
        \tilde{H}^{(t)} &= \mathrm{JGC}(H^{(t)}) \\
        H^{(t+1)} &= \mathrm{GRU}\big(
            [\hat{X}^{(t)}, \Delta^1 \hat{X}^{(t)}, \Delta^2 \hat{X}^{(t)}, \hat{y}],
            \tilde{H}^{(t)}\big) \\
        \hat{X}^{(t+1)} &= \hat{X}^{(t)} + f_{pred}(H^{(t+1)})

    for any number of future frames.

    Args:
        in_channels: Total number of features of all branches.
        pose_channels: Number of features :math:`D` per joint of a pose.
        num_classes: Number of class probabilities :math:`\hat{y}` in the input; 0 without recognition.
        graph: The graph of the hidden state, :func:`~pyg_sybio.graphs.skeleton_graph` or
            :func:`~pyg_sybio.graphs.bone_graph`, or the skeleton.
        hidden_channels: Width of the GRU and of both perceptrons. (default: :obj:`256`)
        hops: Number of hops :math:`\Gamma` of the structural graph in JGC; 0 disables it.
        actional_weight: Weight :math:`\lambda_{act}` of the actional graph in JGC; 0 disables it.

    Shapes:
        - **features:** :math:`(G, M, D_{in})`
        - **orders:** :math:`(3, G, T, M, D)`, the differences of the observed motion (only the last frame is
          used)
        - **probabilities:** :math:`(G, C)` or :obj:`None`
        - **actional:** :math:`(G, M, M)` or :obj:`None`
        - **output:** :math:`(G, T_{future}, M, D)`, in the poses' unit

    Note:
        The motion input of the GRU is standardised with the network's input statistics (``norm``), and
        :math:`f_{pred}` predicts displacements in standard deviations of the velocity. The last layer of
        :math:`f_{pred}` is not initialised near zero: this would start from a zero-velocity forecast, but it
        made training slower. Poses are accumulated in at least float32.

        The JGC of Eq. 10a is a linear map inside a recurrence. In training, its weights can grow until the
        hidden state increases by a factor of a million within 25 frames. A training run on CMU Mocap ended in
        NaN for this reason, although gradients were clipped. The hidden state at the input of the GRU is
        therefore clamped to ±:data:`MAX_HIDDEN`, which is twice the largest value observed in two trained
        models (5.01).
    """

    def __init__(
        self,
        in_channels: int,
        pose_channels: int,
        num_classes: int,
        graph: AnySkeleton | Data,
        *,
        hidden_channels: int = 256,
        hops: int,
        actional_weight: float,
    ) -> None:
        super().__init__()
        width = hidden_channels
        self.mlp = nn.Sequential(nn.Linear(in_channels, width), nn.ReLU(), nn.Linear(width, width))
        self.joint_conv = JointConv(width, width, graph, hops=hops, actional_weight=actional_weight)
        self.gru = nn.GRUCell(3 * pose_channels + num_classes, width)
        self.displacement = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, pose_channels))

    def forward(
        self,
        features: Tensor,
        orders: Tensor,
        probabilities: Tensor | None,
        actional: Tensor | None,
        *,
        norm: InputNorm,
        num_future: int,
    ) -> Tensor:
        """Return the next ``num_future`` poses."""
        mean, scale = norm.mean[:, None], norm.scale[:, None]  # [3, 1, M, D]
        hidden = self.mlp(features)  # [G, M, D_h]
        motion = orders[:, :, -1]  # [3, G, M, D]
        label = [] if probabilities is None else [probabilities[:, None].expand(-1, motion.size(2), -1)]

        poses = []
        for _ in range(num_future):
            mixed = self.joint_conv(hidden.unsqueeze(1), actional).squeeze(1)  # Eq. 10a
            mixed = F.hardtanh(mixed, -MAX_HIDDEN, MAX_HIDDEN)
            inputs = torch.cat([*((motion - mean) / scale), *label], dim=-1)  # [G, M, 3D + C]
            inputs = inputs.flatten(0, 1).to(mixed.dtype)
            hidden = self.gru(inputs, mixed.flatten(0, 1)).view_as(mixed)  # Eq. 10b
            velocity = scale[1] * self.displacement(hidden)
            pose = motion[0] + velocity  # Eq. 10c
            motion = torch.stack([pose, velocity, velocity - motion[1]])
            poses.append(pose)
        return torch.stack(poses, dim=1)
