r"""What a model returns."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SybioOutput:
    r"""The output of :class:`~pyg_sybio.models.sybio_gnn.SybioGNN`; a part that the model leaves out is None.

    Args:
        logits: Log of the fused class probabilities, up to a constant, :math:`(N, C)`.
        future: The predicted poses, :math:`(N, (P,) T_{future}, M, D)`; zeros for absent persons.
        actional: The joint network's actional graphs, :math:`(N, (P,) M, M)`; zeros for absent persons. The
            graphs of the bone network are not included, since their nodes are bones.
        bone_future: The bone network's predicted bones, :math:`(N, (P,) T_{future}, B, D)`; next to a joint
            network only in training.
        present: Which persons are present, :math:`(N, P)`.
        network_logits: Log of the class probabilities of each network, the joint network's first,
            :math:`(K, N, C)`, whose mean is in ``logits``; only in training.
    """

    logits: Tensor | None
    future: Tensor | None
    actional: Tensor | None
    bone_future: Tensor | None
    present: Tensor
    network_logits: Tensor | None = None
