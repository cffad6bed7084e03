r"""Statistics of the global batch in training with several processes."""

import math
from typing import Any

import torch
from lightning.pytorch.plugins import LayerSync
from torch import Tensor, distributed, nn
from torch.nn.modules._functions import SyncBatchNorm as FusedBatchNorm
from torch.nn.modules.batchnorm import _BatchNorm

from pyg_sybio.nn.blocks import FeatureNorm
from pyg_sybio.nn.input_norm import InputNorm


class SynchronisedStatistics(LayerSync):
    """Plugin that normalises by the statistics of the global batch, not of the batch of each process.

    Lightning's own plugin replaces batch norms by a class of torch that only runs on GPUs and expects the
    features in the second dimension. This plugin covers all normalisations of a model, including
    :class:`~pyg_sybio.nn.input_norm.InputNorm`, on all devices. Modules keep their parameters: only their
    class changes. With one process, nothing changes.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Synchronise the statistics of a model, in place."""
        return _exchange(model, _SYNCHRONISED)

    def revert(self, model: nn.Module) -> nn.Module:
        """Restore the model, in place."""
        return _exchange(model, {new: old for old, new in _SYNCHRONISED.items()})


def moments(x: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased variance and number of values, over dimensions (whose size becomes 1) and processes.

    Gradients flow to the values of all processes.
    """
    count = torch.tensor(math.prod(x.size(dim) for dim in dims), dtype=x.dtype, device=x.device)
    distributed.all_reduce(count)
    mean = _Sum.apply(x.sum(dims, keepdim=True)) / count
    return mean, _Sum.apply((x - mean).square().sum(dims, keepdim=True)) / count, count


class _Sum(torch.autograd.Function):
    """Sum over the processes; the gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return _Sum.forward(ctx, grads[0])


class _Synchronised(_BatchNorm):
    """Batch normalisation by the moments of all processes, for features in the second dimension."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        running = self.running_mean, self.running_var
        assert self.momentum is not None and running[0] is not None and running[1] is not None
        if x.device.type != "cpu":
            group, size = distributed.group.WORLD, distributed.get_world_size()
            factors = self.weight, self.bias
            return FusedBatchNorm.apply(x, *factors, *running, self.eps, self.momentum, group, size)
        mean, var, count = moments(x, (0, *range(2, x.dim())))
        with torch.no_grad():
            running[0].lerp_(mean.flatten(), self.momentum)
            running[1].lerp_((var * count / (count - 1)).flatten(), self.momentum)
        shape = mean.shape
        out = (x - mean) * (var + self.eps).rsqrt() * self.weight.view(shape)
        return out if self.bias is None else out + self.bias.view(shape)


class _SynchronisedBatchNorm(nn.BatchNorm1d, _Synchronised):
    pass


class _SynchronisedFeatureNorm(FeatureNorm, _Synchronised):
    pass


class _SynchronisedInputNorm(InputNorm):
    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, var, _ = moments(x, (1, 2))
        return mean.squeeze((1, 2)), var.squeeze((1, 2))


_SYNCHRONISED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _SynchronisedBatchNorm,
    FeatureNorm: _SynchronisedFeatureNorm,
    InputNorm: _SynchronisedInputNorm,
}


def _exchange(model: nn.Module, classes: dict[type[nn.Module], Any]) -> nn.Module:
    if distributed.is_initialized() and distributed.get_world_size() > 1:
        for module in model.modules():
            module.__class__ = classes.get(type(module), type(module))
    return model
