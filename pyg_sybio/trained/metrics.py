"""Metrics with state, for loops over a data set."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ErrorByHorizon(Metric):
    r"""Mean motion error at each predicted frame, a class and over all.

    An error that is NaN was not measured, since nothing was recorded in that frame: the clip does not count
    there. :meth:`compute` returns a dictionary:

    * `mean_of_clips` `[T]`: every clip that was recorded there weighs the same;
    * `mean_of_classes` `[T]`: every class that has such clips weighs the same, which is how the field
      averages its tables over actions;
    * `by_class` `[C, T]`: the mean over such clips of a class, NaN where it has none;
    * `count` `[C]`: how many clips a class has that were recorded in any frame.

    Sums are kept in double precision, so that neither the batch size nor the order shows in the result.

    Args:
        num_frames: Number `T` of predicted frames.
        num_classes: Number `C` of classes.
    """

    full_state_update = False
    higher_is_better = False
    is_differentiable = False
    total: Tensor
    recorded: Tensor
    count: Tensor

    def __init__(self, num_frames: int, num_classes: int) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.num_classes = num_classes
        total = torch.zeros(num_classes, num_frames, dtype=torch.float64)
        self.add_state("total", total, dist_reduce_fx="sum")
        self.add_state("recorded", torch.zeros_like(total, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, error: Tensor, y: Tensor) -> None:
        r"""Adds clips, from whatever device they are on.

        Args:
            error: Error of each clip at each frame, NaN where there is none.
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
        y, error = y.to(self.count), error.detach().to(self.total)
        recorded = ~error.isnan()
        self.total.index_add_(0, y, error.masked_fill(~recorded, 0.0))
        self.recorded.index_add_(0, y, recorded.long())
        self.count.index_add_(0, y, recorded.any(1).long())

    def compute(self) -> dict[str, Tensor]:
        """The means so far; torchmetrics takes its dimensions away from a tensor of one number."""
        return self.means()

    def means(self) -> dict[str, Tensor]:
        """The means so far, each in the shape that the class says; what other processes hold is left out."""
        by_class = self.total / self.recorded  # 0 / 0 is NaN: a class without clips has no error
        return {
            "mean_of_clips": self.total.sum(0) / self.recorded.sum(0),
            "mean_of_classes": by_class.nanmean(0),
            "by_class": by_class,
            "count": self.count.clone(),
        }
