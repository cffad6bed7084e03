r"""Dropout that draws what it drops, and nothing of what it keeps."""

import math

import torch
from torch import Tensor, nn

# Above it, there are about as many places to draw as features, and nothing is gained.
_MOST = 0.5


class Dropout(nn.Dropout):
    r"""Dropout (:class:`torch.nn.Dropout`), a number of times as fast on CPUs where few features are dropped.

    A CPU takes longer to draw a number for each of :math:`n` features than for all else that dropout does.
    Instead, places are drawn, as many as a Poisson distribution says, each uniformly and with replacement,

    .. math::
        N \sim \mathrm{Poisson}(n \lambda), \qquad \lambda = -\ln(1 - p),

    and the features in these places dropped. How often each is hit are then independent Poisson numbers of
    mean :math:`\lambda` (the splitting property), so that each is dropped, independently of all others, with
    the probability :math:`1 - e^{-\lambda} = p`: the same distribution.

    On other devices, in compiled graphs, and for :math:`p > 1/2`, it is torch's own.

    Shapes:
        - **input, output:** :math:`(*)`
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop features in training, and scale those kept by :math:`1 / (1 - p)`."""
        on_cpu = x.device.type == "cpu" and not torch.compiler.is_compiling()
        if not (self.training and on_cpu and 0 < self.p <= _MOST):
            return super().forward(x)
        mean = torch.tensor(-x.numel() * math.log1p(-self.p), dtype=torch.double)
        places = torch.randint(max(x.numel(), 1), (int(torch.poisson(mean)),))
        scale = x.new_full((x.numel(),), 1 / (1 - self.p)).index_fill_(0, places, 0)
        return x * scale.view(x.shape)
