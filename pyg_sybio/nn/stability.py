r"""Stability of the joint-scale graph convolution under perturbations (Theorem 1)."""

import math

import torch
from torch import Tensor

from pyg_sybio.nn.joint_conv import JointConv


@torch.no_grad()
def stability_bound(conv: JointConv, *, epsilon: float, actional_distortion: float = 0.0) -> float:
    r"""Upper bound on the output change of a JGC with activation under an input perturbation (Theorem 1).

    For :math:`Y = \rho(\mathrm{JGC}(X))` and a perturbed input with :math:`\|X^* - X\|_F \leq \varepsilon`,

    .. math::
        \|Y^* - Y\|_F \leq \sqrt{D_x D_y} \Big( \lambda_{act}\, \mu_{act}\, C \varepsilon^q
        + \varepsilon \sum_{\gamma=1}^{\Gamma} \sqrt{\|\tilde{A}^\gamma\|_0}\; \eta^{(\gamma)}
        \mu_{str}^{(\gamma)} \Big)

    where :math:`\mu_{act}`, :math:`\mu_{str}^{(\gamma)}` and :math:`\eta^{(\gamma)}` are the largest absolute
    entries of :math:`W_{act}`, :math:`W_{str}^{(\gamma)}` and :math:`M^{(\gamma)}`, and
    :math:`\|\tilde{A}^\gamma\|_0` is the number of nonzero entries.

    Args:
        conv: The layer.
        epsilon: Radius :math:`\varepsilon` of the perturbation over all frames, in the unit of the input.
        actional_distortion: Bound :math:`C \varepsilon^q` on :math:`\|A^*_{act} X^* - A_{act} X\|_F`, as
            computed by :func:`fixed_graph_distortion` or :func:`inferred_graph_distortion`. It is ignored for
            a layer without an actional graph.

    Raises:
        ValueError: If ``epsilon`` or ``actional_distortion`` is negative.

    Note:
        The theorem is stated for :math:`D_x = 3`, but its proof holds for any :math:`D_x`. The theorem also
        holds for all frames of a clip together, because squared norms add up over frames on both sides.
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
    r"""Bound on the actional distortion for a fixed graph: :math:`\|A_{act}\|_F\, \varepsilon`.

    This is Theorem 1 with :math:`q = 1` and :math:`C = \|A_{act}\|_F`.

    Args:
        actional: The actional graph of one person, :math:`(M, M)`.
        epsilon: Radius of the perturbation.
    """
    return actional.norm().item() * epsilon


def inferred_graph_distortion(x: Tensor, *, epsilon: float) -> float:
    r"""Bound on the actional distortion if the graph is inferred from the perturbed input.

    .. math::
        \|A^*_{act} X^* - A_{act} X\|_F \leq \sqrt{M}\, \varepsilon
        + \sqrt{M \textstyle\sum_t \mathrm{diam}(X^{(t)})^2}

    for any graph that AGIM can infer. Each row of a graph is a convex combination of joints, so a change of
    the row moves the combination by at most the largest distance between two joints, and the norm of a row is
    at most one.

    Args:
        x: The unperturbed motion of one person, :math:`(T, M, D)`.
        epsilon: Radius of the perturbation.
    """
    # The formula |a|² + |b|² - 2ab would underestimate distances far from the origin and break the bound.
    distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    diameters = distances.flatten(1).amax(dim=1)  # [T]
    num_joints = x.size(1)
    return math.sqrt(num_joints) * epsilon + math.sqrt(num_joints * diameters.square().sum().item())
