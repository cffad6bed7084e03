r"""Learning rates over a run."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    r"""The learning rate rises linearly to the optimiser's own, then falls to zero on half a cosine.

    .. math::
        \eta_s = \eta \min\left(\frac{s + 1}{w}, \; \frac{1 + \cos(\pi \, (s - w)/(S - w))}{2}\right)

    with the cosine only for :math:`s \ge w`, :math:`w` steps of warm-up and :math:`S` steps in all.

    Args:
        optimizer: The optimiser, with the highest learning rate of the run.
        total_steps: Optimiser steps of the whole run.
        warmup: Share of the steps in which the rate rises. (default: ``0.1``)

    Note:
        The length is no part of the saved state: a run that is resumed with more steps follows the longer
        schedule from where it stands. (``OneCycleLR`` would refuse the additional steps.)
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup: float = 0.1) -> None:
        if not 0 <= warmup < 1:
            raise ValueError(f"'warmup' must be a share of the steps in [0, 1), but is {warmup}")
        warmup_steps = math.ceil(warmup * total_steps)

        def factor(step: int) -> float:
            if step < warmup_steps:
                return (step + 1) / warmup_steps
            progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
            return (1 + math.cos(math.pi * min(1.0, progress))) / 2

        super().__init__(optimizer, factor)
