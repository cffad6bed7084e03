r"""The output of a model."""

from dataclasses import dataclass

from torch import Tensor
from torch.export import register_dataclass


@dataclass(frozen=True)
class SybioOutput:
    r"""The output of :class:`~pyg_sybio.models.sybio_gnn.SybioGNN`; missing outputs are None.

    Args:
        logits: Logarithm of the fused class probabilities, up to an additive constant, :math:`(N, C)`.
        future: Predicted poses, :math:`(N, (P,) T_{future}, M, D)`; zeros for absent persons.
        actional: Actional graphs of the joint network, :math:`(N, (P,) M, M)`; zeros for absent persons.
        bone_future: Bones predicted by the bone network, :math:`(N, (P,) T_{future}, B, D)`. If the model has
            a joint network, they are only returned in training.
        present: Which persons are present, :math:`(N, P)`.
        network_logits: Logarithm of the class probabilities of each of the :math:`K` networks, :math:`(K, N,
            C)`, joint network first; only returned in training.
        bone_actional: Actional graphs of the bone network, :math:`(N, (P,) B, B)`; zeros for absent persons.
    """

    logits: Tensor | None
    future: Tensor | None
    actional: Tensor | None
    bone_future: Tensor | None
    present: Tensor
    network_logits: Tensor | None = None
    bone_actional: Tensor | None = None


register_dataclass(SybioOutput)  # so that torch.export supports this output
