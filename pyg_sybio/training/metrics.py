"""Metrics with state, for loops over a data set."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ErrorByHorizon(Metric):
    r"""Mean motion error at each predicted frame, a class and over all.

    :meth:`compute` returns a dictionary:

    * `mean_of_clips` `[T]`: every clip weighs the same;
    * `mean_of_classes` `[T]`: every class that has clips weighs the same, which is how the field averages its
      tables over actions;
    * `by_class` `[C, T]`: the mean over the clips of a class, NaN where it has none;
    * `count` `[C]`: how many clips a class has.

    Sums are kept in double precision, so that neither the batch size nor the order shows in the result.

    Args:
        num_frames: Number `T` of predicted frames.
        num_classes: Number `C` of classes.
    """

    full_state_update = False
    higher_is_better = False
    is_differentiable = False
    total: Tensor
    count: Tensor

    def __init__(self, num_frames: int, num_classes: int) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.num_classes = num_classes
        total = torch.zeros(num_classes, num_frames, dtype=torch.float64)
        self.add_state("total", total, dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, error: Tensor, y: Tensor) -> None:
        r"""Adds clips.

        Args:
            error: Error of each clip at each frame.
            y: Class of each clip.

        Shapes:
            - **error:** `[N, T]`
            - **y:** `[N]`

        Raises:
            ValueError: If a shape or a class does not fit.
        """
        if error.dim() != 2 or error.shape[1] != self.num_frames or y.shape != error.shape[:1]:
            raise ValueError(
                f"'error' has shape {list(error.shape)} and 'y' {list(y.shape)}, "
                f"expected [N, {self.num_frames}] and [N]"
            )
        if y.numel() and (y.min() < 0 or y.max() >= self.num_classes):
            raise ValueError(
                f"'y' has classes {int(y.min())} to {int(y.max())}, expected 0 to {self.num_classes - 1}"
            )
        y = y.long()
        self.total.index_add_(0, y, error.detach().to(self.total))
        self.count.index_add_(0, y, torch.ones_like(y))

    def compute(self) -> dict[str, Tensor]:
        """The means so far; see the class."""
        by_class = self.total / self.count[:, None]  # 0 / 0 is NaN: a class without clips has no error
        return {
            "mean_of_clips": self.total.sum(0) / self.count.sum(),
            "mean_of_classes": by_class.nanmean(0),
            "by_class": by_class,
            "count": self.count.clone(),
        }
