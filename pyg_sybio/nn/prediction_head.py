r"""The motion-prediction head (section 5.3, Eq. 10)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.joint_conv import JointConv, receiver_rows
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
        skeleton: The skeleton of the hidden state's graph.
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
        skeleton: Skeleton,
        *,
        hidden_channels: int = 256,
        hops: int,
        actional_weight: float,
    ) -> None:
        super().__init__()
        width = hidden_channels
        self.mlp = nn.Sequential(nn.Linear(in_channels, width), nn.ReLU(), nn.Linear(width, width))
        self.joint_conv = JointConv(width, width, skeleton, hops=hops, actional_weight=actional_weight)
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
        adj, weight = self.joint_conv.kernels(actional)
        rows = receiver_rows(adj)
        mean, scale = norm.mean[:, None], norm.scale[:, None]  # [3, 1, M, D]
        constant, motion_weight = self._constant_terms(probabilities, inputs=mean.size(0) * mean.size(-1))
        hidden = self.mlp(features)  # [G, M, D_h]
        motion = orders[:, :, -1]  # [3, G, M, D]

        poses = []
        for _ in range(num_future):
            gathered = (rows @ hidden).unflatten(-2, (-1, adj.size(-3))).flatten(-2)  # [G, M, K·D_h]
            mixed = F.hardtanh(F.linear(gathered, weight), -MAX_HIDDEN, MAX_HIDDEN)  # Eq. 10a
            inputs = ((motion - mean) / scale).permute(1, 2, 0, 3).flatten(2)  # [G, M, 3D]
            hidden = self._gru(F.linear(inputs, motion_weight) + constant, mixed)  # Eq. 10b
            velocity = scale[1] * self.displacement(hidden)
            pose = motion[0] + velocity  # Eq. 10c
            motion = torch.stack([pose, velocity, velocity - motion[1]])
            poses.append(pose)
        return torch.stack(poses, dim=1)

    def _constant_terms(self, probabilities: Tensor | None, *, inputs: int) -> tuple[Tensor, Tensor]:
        """The gates' share of the label and the bias, the same in every step; the weights of the motion."""
        motion_weight, label_weight = self.gru.weight_ih[:, :inputs], self.gru.weight_ih[:, inputs:]
        if probabilities is None:
            return self.gru.bias_ih, motion_weight
        return F.linear(probabilities, label_weight, self.gru.bias_ih)[:, None], motion_weight  # [G, 1, 3D_h]

    def _gru(self, received: Tensor, hidden: Tensor) -> Tensor:
        """One step of the GRU (:class:`torch.nn.GRUCell`), whose input has been through its weights."""
        recurrent = F.linear(hidden, self.gru.weight_hh, self.gru.bias_hh)
        width = hidden.size(-1)
        # In two pieces and not three slices, whose gradients would each be filled up with zeros and added.
        received_gates, received_candidate = received.split([2 * width, width], dim=-1)
        gates, recurrent_candidate = recurrent.split([2 * width, width], dim=-1)
        reset, update = torch.sigmoid(received_gates + gates).chunk(2, dim=-1)
        candidate = torch.tanh(torch.addcmul(received_candidate, reset, recurrent_candidate))
        return candidate + update * (hidden - candidate)
