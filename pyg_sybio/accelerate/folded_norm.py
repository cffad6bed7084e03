r"""Normalisation of the input with prepared statistics."""

from torch import Tensor, nn

from pyg_sybio.nn.input_norm import InputNorm


class FoldedInputNorm(nn.Module):
    """An :class:`~pyg_sybio.nn.input_norm.InputNorm` for evaluation, whose scales are computed once.

    Args:
        module: The trained module.

    Shapes:
        See :class:`~pyg_sybio.nn.input_norm.InputNorm`.
    """

    mean: Tensor
    scale: Tensor
    body_mean: Tensor
    body_scale: Tensor

    def __init__(self, module: InputNorm) -> None:
        super().__init__()
        body_mean, body_scale = module.body()
        statistics = {
            "mean": module.mean,
            "scale": module.scale,
            "body_mean": body_mean,
            "body_scale": body_scale,
        }
        for name, value in statistics.items():
            self.register_buffer(name, value.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Standardise ``x``."""
        return (x - self.mean[:, None, None]) / self.scale[:, None, None]

    def whole_body(self, x: Tensor) -> Tensor:
        """Standardise poses ``[G, T, M, D]`` by one mean and one scale per feature for all joints."""
        return (x - self.body_mean) / self.body_scale
