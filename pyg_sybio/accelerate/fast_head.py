r"""Prediction head that computes the terms shared by all steps once (Eq. 10)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pyg_sybio.accelerate.folded_block import graphs_and_weights
from pyg_sybio.accelerate.graph_product import all_graphs
from pyg_sybio.nn.graph_product import receiver_rows
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.prediction_head import MAX_HIDDEN, PredictionHead


class FastPredictionHead(nn.Module):
    r"""Faster implementation of :class:`~pyg_sybio.nn.prediction_head.PredictionHead`, sharing its weights.

    All graphs and weights of the JGC are merged into one matrix before the first step. The contribution of
    the class probabilities to the gates of the GRU is the same in every step, so it is also computed once.

    Args:
        head: The reference head; its layers are shared, under the same names.

    Shapes:
        See :class:`~pyg_sybio.nn.prediction_head.PredictionHead`.
    """

    def __init__(self, head: PredictionHead) -> None:
        super().__init__()
        self.mlp, self.joint_conv, self.gru, self.displacement = (
            head.mlp, head.joint_conv, head.gru, head.displacement,
        )  # fmt: skip
        self.train(head.training)

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
        fixed, weight = graphs_and_weights(self.joint_conv)
        adj = all_graphs(fixed, self.joint_conv.actional_weight, actional, weight.dtype)
        rows, num_terms = receiver_rows(adj), adj.size(-3)
        mean, scale = norm.mean[:, None], norm.scale[:, None]  # [3, 1, M, D]
        constant, motion_weight = self._constant_terms(probabilities, inputs=mean.size(0) * mean.size(-1))
        hidden = self.mlp(features)  # [G, M, D_h]
        motion = orders[:, :, -1]  # [3, G, M, D]

        poses = []
        for _ in range(num_future):
            gathered = (rows @ hidden).unflatten(-2, (-1, num_terms)).flatten(-2)  # [G, M, K·D_h]
            mixed = F.hardtanh(F.linear(gathered, weight), -MAX_HIDDEN, MAX_HIDDEN)  # Eq. 10a
            inputs = ((motion - mean) / scale).permute(1, 2, 0, 3).flatten(2)  # [G, M, 3D]
            hidden = self._gru(F.linear(inputs, motion_weight) + constant, mixed)  # Eq. 10b
            velocity = scale[1] * self.displacement(hidden)
            pose = motion[0] + velocity  # Eq. 10c
            motion = torch.stack([pose, velocity, velocity - motion[1]])
            poses.append(pose)
        return torch.stack(poses, dim=1)

    def _constant_terms(self, probabilities: Tensor | None, *, inputs: int) -> tuple[Tensor, Tensor]:
        """Return what the class and the bias contribute to the gates, and the gate weights of the motion."""
        motion_weight, label_weight = self.gru.weight_ih[:, :inputs], self.gru.weight_ih[:, inputs:]
        if probabilities is None:
            return self.gru.bias_ih, motion_weight
        return F.linear(probabilities, label_weight, self.gru.bias_ih)[:, None], motion_weight  # [G, 1, 3D_h]

    def _gru(self, received: Tensor, hidden: Tensor) -> Tensor:
        """Apply a step of the GRU (:class:`torch.nn.GRUCell`) to inputs already multiplied by its weights."""
        recurrent = F.linear(hidden, self.gru.weight_hh, self.gru.bias_hh)
        width = hidden.size(-1)
        received_gates, received_candidate = received.split([2 * width, width], dim=-1)
        gates, recurrent_candidate = recurrent.split([2 * width, width], dim=-1)
        reset, update = torch.sigmoid(received_gates + gates).chunk(2, dim=-1)
        candidate = torch.tanh(torch.addcmul(received_candidate, reset, recurrent_candidate))
        return candidate + update * (hidden - candidate)
