r"""Learning rate schedules."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    r"""Linear warm-up to the optimiser's learning rate, followed by cosine decay to zero.

    .. math::
        \eta_s = \eta \min\left(\frac{s + 1}{w}, \; \frac{1 + \cos(\pi \, (s - w)/(S - w))}{2}\right)

    where the cosine applies for :math:`s \ge w`, with :math:`w` steps of warm-up and :math:`S` steps in
    total.

    Args:
        optimizer: The optimiser, whose learning rate is the highest of the run.
        total_steps: Optimiser steps of the whole run.
        warmup: Fraction of the steps in which the learning rate rises. (default: ``0.1``)

    Note:
        The number of steps is not part of the saved state, so a run that is resumed with more steps follows
        the longer schedule. (``CosineAnnealingLR`` and ``MultiStepLR`` restore the number of steps from the
        checkpoint, and ``OneCycleLR`` raises an error after the last step.)
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup: float = 0.1) -> None:
        if not 0 <= warmup < 1:
            raise ValueError(f"'warmup' is {warmup}, expected a fraction of the steps in [0, 1)")
        warmup_steps = math.ceil(warmup * total_steps)

        def factor(step: int) -> float:
            if step < warmup_steps:
                return (step + 1) / warmup_steps
            progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
            return (1 + math.cos(math.pi * min(1.0, progress))) / 2

        super().__init__(optimizer, factor)


class StepDecay(LambdaLR):
    r"""Multiply the learning rate by a factor at given fractions of the run.

    .. math::
        \eta_s = \eta \, f^{\,|\{i : \, s \ge m_i S\}|}

    with the milestones :math:`m_i`, the factor :math:`f` and :math:`S` steps in total. The defaults are the
    paper's schedule for NTU RGB+D and Kinetics (section 6.1.2), which divides the rate by 10 after every 30
    of 100 epochs.

    Args:
        optimizer: The optimiser, whose learning rate is used until the first milestone.
        total_steps: Optimiser steps of the whole run.
        milestones: Increasing fractions of the steps, between 0 and 1. (default: ``(0.3, 0.6, 0.9)``)
        factor: Positive factor of the learning rate. (default: ``0.1``)

    Raises:
        ValueError: If the milestones do not increase between 0 and 1, or the factor is not positive.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        milestones: Sequence[float] = (0.3, 0.6, 0.9),
        factor: float = 0.1,
    ) -> None:
        shares = [0.0, *milestones, 1.0]
        if not all(share < later for share, later in pairwise(shares)):
            raise ValueError(
                f"'milestones' is {list(milestones)}, expected increasing fractions between 0 and 1"
            )
        if not factor > 0:
            raise ValueError(f"'factor' is {factor}, expected a positive number")

        def power(step: int) -> float:
            # Milestones are rounded to steps: 0.3 of 10 steps are 3, not 3.0000000000000004.
            return factor ** sum(step >= round(share * total_steps) for share in milestones)

        super().__init__(optimizer, power)
