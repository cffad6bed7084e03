"""Metrics that accumulate over the batches of a data set."""

import torch
from torch import Tensor


class ErrorByHorizon:
    r"""Mean motion error at each predicted frame, per class and overall.

    An error of NaN means that nothing was recorded in a frame: the mean of this frame leaves the clip out.
    Sums are in double precision, so the result does not depend on the batch size or the order.

    Args:
        num_frames: The number `T` of predicted frames.
        num_classes: The number `C` of classes.
        device: Where the sums are kept. (default: the CPU, as not all devices have double precision)

    Attributes:
        sums: The tensors to add over all processes, in place, to get the means over all processes.
        count: The number of clips per class [C] that were recorded in any frame.
    """

    def __init__(self, num_frames: int, num_classes: int, device: torch.device | str = "cpu") -> None:
        self.num_frames, self.num_classes = num_frames, num_classes
        self._total = torch.zeros(num_classes, num_frames, dtype=torch.float64, device=device)
        self._recorded = torch.zeros_like(self._total, dtype=torch.long)
        self.count = torch.zeros(num_classes, dtype=torch.long, device=device)

    @property
    def sums(self) -> tuple[Tensor, Tensor, Tensor]:
        return self._total, self._recorded, self.count

    def update(self, error: Tensor, y: Tensor) -> None:
        r"""Add clips, from any device.

        Args:
            error: The error of each clip at each frame, NaN if the frame was not recorded.
            y: The class of each clip.

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
        y, error = y.to(self.count), error.detach().to(self._total)
        recorded = ~error.isnan()
        self._total.index_add_(0, y, error.masked_fill(~recorded, 0.0))
        self._recorded.index_add_(0, y, recorded.long())
        self.count.index_add_(0, y, recorded.any(1).long())

    def means(self) -> dict[str, Tensor]:
        r"""The means so far.

        Returns:
            * `mean_of_clips` `[T]`: over all clips that were recorded in the frame;
            * `mean_of_classes` `[T]`: over the classes in `by_class`, the usual average over actions;
            * `by_class` `[C, T]`: over the recorded clips of a class, NaN for a class without recorded clips;
            * `count` `[C]`.
        """
        by_class = self._total / self._recorded  # 0 / 0 is NaN: a class without clips has no error
        return {
            "mean_of_clips": self._total.sum(0) / self._recorded.sum(0),
            "mean_of_classes": by_class.nanmean(0),
            "by_class": by_class,
            "count": self.count.clone(),
        }
