r"""Muon: orthogonal steps for matrices, and AdamW for all other parameters."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import AdamW, Optimizer

# Coefficients of the odd polynomial of degree five that maps singular values to about one (Jordan et al.).
# With a larger first coefficient, small singular values grow faster.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
# Norm below which steps fade out. The momentum of a weight without gradients halves every fourteen steps.
# Without this limit, the weight would make full steps for a thousand steps, until the squares of the momentum
# underflow.
_LEAST_NORM = 1e-7
# Root mean square of the entries of AdamW's steps (Liu et al.); steps of matrices get the same size, so that
# one learning rate fits both.
_ADAMW_RMS = 0.2


class Muon(Optimizer):
    r"""Orthogonalised momentum for matrices; AdamW for the other parameters.

    For a weight :math:`W` with :math:`m` outputs, :math:`n` inputs (for a convolution, input channels times
    kernel size) and the gradient :math:`G_t`, a step is

    .. math::
        M_t &= \mu M_{t-1} + (1 - \mu) G_t \\
        W_t &= (1 - \eta \lambda) \, W_{t-1}
            - 0.2 \, \eta \sqrt{\max(m, n)} \; \mathrm{orthogonal}\big(\mu M_t + (1 - \mu) G_t\big)

    with the learning rate :math:`\eta`, the weight decay :math:`\lambda` and the momentum :math:`\mu`; see
    :func:`orthogonal`. The factor gives a step the same size as a step of AdamW, so that both can use the
    same learning rate and weight decay.

    From K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), and J. Liu et
    al., "Muon is scalable for LLM training" (arXiv:2502.16982, 2025). ``torch.optim.Muon`` only accepts
    two-dimensional parameters, and processes one matrix after the other.

    Args:
        params: The parameters, or parameter groups with separate settings. Matrices and convolutions whose
            smaller side has at least ``min_side`` entries get orthogonal steps; biases, norms, stacks of edge
            weights, and first and last layers with few coordinates or classes get AdamW steps.
        lr: Learning rate. (default: ``1e-3``)
        weight_decay: Decoupled weight decay of all parameters. (default: ``1e-2``)
        momentum: Momentum of the matrices, in [0, 1). (default: ``0.95``)
        betas: Coefficients of AdamW. (default: ``(0.9, 0.999)``)
        min_side: Minimum number of inputs and outputs of a matrix for orthogonal steps. (default: ``16``)

    Raises:
        ValueError: If an argument is out of range, or no parameter gets orthogonal steps.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        min_side: int = 16,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"'momentum' is {momentum}, expected a number in [0, 1)")
        if min_side < 1:
            raise ValueError(f"'min_side' is {min_side}, expected at least 1")
        matrices: list[dict[str, Any]] = []
        rest: list[dict[str, Any]] = []
        for group in _as_groups(params):
            orthogonal_steps: list[Parameter] = []
            others: list[Parameter] = []
            for weight in group["params"]:
                is_matrix = weight.ndim in (2, 4) and min(_as_matrix(weight).shape) >= min_side
                (orthogonal_steps if is_matrix else others).append(weight)
            if orthogonal_steps:
                matrices.append({"momentum": momentum, **group, "params": orthogonal_steps})
            if others:  # only groups of matrices have the key 'momentum'
                rest.append({**{key: group[key] for key in group if key != "momentum"}, "params": others})
        if not matrices:
            raise ValueError(f"no parameter is a matrix of at least {min_side} by {min_side} entries")
        self._adamw = AdamW(rest or [{"params": []}], lr, betas, weight_decay=weight_decay)
        super().__init__([*matrices, *self._adamw.param_groups], {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step. If there is a closure, call it first, and return its value."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if "momentum" in group:
                self._step_matrices(group)
        # AdamW gets the current groups and state, because load_state_dict replaces them.
        self._adamw.param_groups = [group for group in self.param_groups if "momentum" not in group]
        self._adamw.state = self.state
        self._adamw.step()
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        ahead: dict[Any, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is not None:
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                average = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                direction = _as_matrix(weight.grad.lerp(average, group["momentum"]))
                ahead[direction.shape, direction.dtype, direction.device].append((weight, direction))
        for same in ahead.values():
            directions = orthogonal(torch.stack([direction for _, direction in same]))
            rate = group["lr"] * _ADAMW_RMS * max(directions.shape[1:]) ** 0.5
            for (weight, _), direction in zip(same, directions, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(direction.view_as(weight), alpha=rate)


def orthogonal(matrices: Tensor) -> Tensor:
    r"""Return matrices with the same singular vectors, and with singular values of about one.

    This step is repeated five times, from :math:`X_0 = M / \max(\|M\|_F, 10^{-7})`,

    .. math::
        X \leftarrow a X + b \, (X X^\top) X + c \, (X X^\top)^2 X

    with :math:`a = 3.4445`, :math:`b = -4.7750`, :math:`c = 2.0315`. These matrix products map singular
    values above a hundredth of the norm to values between 0.68 and 1.14.

    Args:
        matrices: Matrices of one size. Shape: :math:`(..., m, n)`.

    Returns:
        The orthogonal matrices; matrices with a norm below :math:`10^{-7}` approach zero.
        Shape: :math:`(..., m, n)`.
    """
    tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=_LEAST_NORM)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        squared = x @ x.mT
        x = a * x + (b * squared + c * squared @ squared) @ x
    return x.mT if tall else x


def _as_groups(params: Iterable[Any]) -> list[dict[str, Any]]:
    items = list(params)
    return items if items and isinstance(items[0], dict) else [{"params": items}]


def _as_matrix(weight: Tensor) -> Tensor:
    """Return the weight as a matrix with one row per output. Shape: :math:`(m, n)`."""
    return weight.reshape(weight.size(0), -1)
