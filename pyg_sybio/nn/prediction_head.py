r"""The motion-prediction head (section 5.3, Eq. 10)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import Data

from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.skeleton import Skeleton

MAX_HIDDEN = 10.0
"""Largest magnitude of a hidden state that enters the GRU."""


class PredictionHead(nn.Module):
    r"""Motion-prediction head: a graph-convolutional GRU that adds displacements (Eq. 10).

    Starting from :math:`H^{(0)} = \mathrm{MLP}_{pred}([H_0, H_1, H_2])` and the last observed pose,

    .. math::
        \tilde{H}^{(t)} &= \mathrm{JGC}(H^{(t)}) \\
        H^{(t+1)} &= \mathrm{GRU}\big(
            [\hat{X}^{(t)}, \Delta^1 \hat{X}^{(t)}, \Delta^2 \hat{X}^{(t)}, \hat{y}],
            \tilde{H}^{(t)}\big) \\
        \hat{X}^{(t+1)} &= \hat{X}^{(t)} + f_{pred}(H^{(t+1)})

    for any number of future frames.

    Args:
        in_channels: Features of all branches together.
        pose_channels: Features :math:`D` of a pose.
        num_classes: The number of actions whose probabilities :math:`\hat{y}` come in; 0 for none.
        graph: The graph of the hidden state, :func:`~pyg_sybio.graphs.skeleton_graph` or
            :func:`~pyg_sybio.graphs.bone_graph`, or the skeleton.
        hidden_channels: Width of the GRU and of both perceptrons. (default: :obj:`256`)
        hops: The hops :math:`\Gamma` of JGC; 0 leaves the structural graph out.
        actional_weight: :math:`\lambda_{act}`; 0 leaves the actional graph out.

    Shapes:
        - **features:** :math:`(G, M, D_{in})`
        - **orders:** :math:`(3, G, T, M, D)`, the differences of the observed motion (its last frame is used)
        - **probabilities:** :math:`(G, C)` or :obj:`None`
        - **actional:** :math:`(G, M, M)` or :obj:`None`
        - **output:** :math:`(G, T_{future}, M, D)`, in the poses' unit

    Note:
        What enters the GRU is standardised with the network's input statistics (``norm``), and a displacement
        is in standard deviations of the velocity: a fixed diagonal map before and after the learned ones.
        Starting the last layer of :math:`f_{pred}` near zero, that is at the zero-velocity forecast, made
        training slower, and is not done. Poses are summed in at least float32.

        The JGC of Eq. 10a is a linear map in a recurrence: where training lets it grow, 25 frames later the
        state is a million times as large (seen on CMU Mocap: with gradients clipped, the run ended in NaN all
        the same). What enters the GRU is therefore cut off at :data:`MAX_HIDDEN`, twice the largest state
        seen in two trained models, which was 5.01.
    """

    def __init__(
        self,
        in_channels: int,
        pose_channels: int,
        num_classes: int,
        graph: Skeleton | Data,
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
            hidden = self.gru(inputs.flatten(0, 1), mixed.flatten(0, 1)).view_as(mixed)  # Eq. 10b
            velocity = scale[1] * self.displacement(hidden)
            pose = motion[0] + velocity  # Eq. 10c
            motion = torch.stack([pose, velocity, velocity - motion[1]])
            poses.append(pose)
        return torch.stack(poses, dim=1)
