r"""The stability of the joint-scale graph convolution (Theorem 1)."""

import math

import torch
from torch import Tensor

from pyg_sybio.nn.joint_conv import JointConv


@torch.no_grad()
def stability_bound(conv: JointConv, *, epsilon: float, actional_distortion: float = 0.0) -> float:
    r"""Upper bound of the change of an activated JGC's output under a perturbed input (Theorem 1).

    For :math:`Y = \rho(\mathrm{JGC}(X))` and a perturbed input with :math:`\|X^* - X\|_F \leq \varepsilon`,

    .. math::
        \|Y^* - Y\|_F \leq \sqrt{D_x D_y} \Big( \lambda_{act}\, \mu_{act}\, C \varepsilon^q
        + \varepsilon \sum_{\gamma=1}^{\Gamma} \sqrt{\|\tilde{A}^\gamma\|_0}\; \eta^{(\gamma)}
        \mu_{str}^{(\gamma)} \Big)

    with the largest absolute entries :math:`\mu_{act}` of :math:`W_{act}`, :math:`\mu_{str}^{(\gamma)}` of
    :math:`W_{str}^{(\gamma)}` and :math:`\eta^{(\gamma)}` of :math:`M^{(\gamma)}`, and the number
    :math:`\|\tilde{A}^\gamma\|_0` of entries that are not zero.

    Args:
        conv: The layer.
        epsilon: The radius :math:`\varepsilon` of the perturbation, in the input's unit, over all frames.
        actional_distortion: A bound :math:`C \varepsilon^q` of
            :math:`\|A^*_{act} X^* - A_{act} X\|_F`, such as :func:`fixed_graph_distortion` or
            :func:`inferred_graph_distortion` gives. A layer without an actional graph has none.

    Raises:
        ValueError: If ``epsilon`` or ``actional_distortion`` is negative.

    Note:
        The theorem is stated for :math:`D_x = 3`; nothing in its proof needs that. It holds for the frames of
        a clip together as for one, because the norms of the frames add up in squares on both sides.
    """
    if epsilon < 0 or actional_distortion < 0:
        raise ValueError(
            f"'epsilon' and 'actional_distortion' must not be negative, but they are {epsilon} and "
            f"{actional_distortion}"
        )
    bound = 0.0
    if conv.actional is not None:
        bound += conv.actional_weight * conv.actional.linear.weight.abs().max().item() * actional_distortion
    if conv.structural is not None:
        weights = conv.structural.linear.weight.chunk(conv.structural.hops, dim=1)  # W^(γ)
        for power, edge_weight, weight in zip(
            conv.structural.powers(), conv.structural.edge_weight, weights, strict=True
        ):
            nonzero = math.sqrt(torch.count_nonzero(power).item())
            bound += epsilon * nonzero * edge_weight.abs().max().item() * weight.abs().max().item()
    return math.sqrt(conv.in_channels * conv.out_channels) * bound


def fixed_graph_distortion(actional: Tensor, *, epsilon: float) -> float:
    r"""Bound of the actional distortion when the graph stays as it is: :math:`\|A_{act}\|_F\, \varepsilon`.

    This is Theorem 1 with :math:`q = 1` and :math:`C = \|A_{act}\|_F`.

    Args:
        actional: The actional graph of one person, :math:`(M, M)`.
        epsilon: The radius of the perturbation.
    """
    return actional.norm().item() * epsilon


def inferred_graph_distortion(x: Tensor, *, epsilon: float) -> float:
    r"""Bound of the actional distortion when the graph is inferred anew from the perturbed input.

    .. math::
        \|A^*_{act} X^* - A_{act} X\|_F \leq \sqrt{M}\, \varepsilon
        + \sqrt{M \textstyle\sum_t \mathrm{diam}(X^{(t)})^2}

    whatever AGIM infers: each row of a graph is a convex combination, so that a changed row moves its sum by
    no more than the largest distance of two joints, and a row's norm is at most one.

    Args:
        x: The unperturbed motion of one person, :math:`(T, M, D)`.
        epsilon: The radius of the perturbation.
    """
    # Not through |a|² + |b|² - 2ab: far from the origin that is too small, and the bound would not hold.
    distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    diameters = distances.flatten(1).amax(dim=1)  # [T]
    num_joints = x.size(1)
    return math.sqrt(num_joints) * epsilon + math.sqrt(num_joints * diameters.square().sum().item())
