r"""Samples with the futures of others: what wrong targets of prediction do to recognition (Table 8)."""

import copy

import torch
from torch import Tensor
from torch_geometric.data import Data, Dataset


class ShuffledFutures(Dataset):
    r"""The samples of a dataset, a share of which trade futures among themselves.

    The chosen samples, in an order of their own, each get the future of the one before, the first that of the
    last, with its mask: two or more of them all have a wrong one. Which they are depends on the number of
    samples, the share and the seed, and neither on the global generator nor on the epoch; those of a smaller
    share are among those of a larger. Everything but the future stays.

    Args:
        dataset: The samples: :class:`~torch_geometric.data.Data` with `x`, `future` and, where not all of it
            was recorded, `future_mask`, person after person.
        share: The share of the samples that trade, rounded to whole samples.
        seed: Of the choice and the order.

    Shapes:
        - **x:** `[P·M, T, D]`
        - **future:** `[P·M, T_future, D]`
        - **future_mask:** `[P·M, T_future, 1]`, in every sample, whether or not the dataset has one

    Raises:
        ValueError: If the share is not between 0 and 1.

    Note:
        A future is what a reading of the other sample gives, with its own augmentation. Where that one has
        more persons than the sample, the first ones count; where it has fewer, the rest of the futures are
        masked.
    """

    def __init__(self, dataset: Dataset, share: float, *, seed: int = 0) -> None:
        check_share(share)
        super().__init__()
        self.dataset = dataset
        self.share = share
        self.seed = seed
        num_samples = len(dataset)
        order = torch.randperm(num_samples, generator=torch.Generator().manual_seed(seed))
        chosen = order[: round(share * num_samples)]
        sources = torch.arange(num_samples)
        sources[chosen] = chosen.roll(1)
        self.sources: list[int] = sources.tolist()
        """Whose future each sample has."""

    def len(self) -> int:
        """Number of samples."""
        return len(self.dataset)

    def get(self, idx: int) -> Data:
        """The sample `idx`."""
        sample, source = copy.copy(self.dataset[idx]), self.sources[idx]
        other = sample if source == idx else self.dataset[source]
        mask = other.get("future_mask")
        if mask is None:
            mask = torch.ones_like(other.future[..., :1], dtype=torch.bool)
        num_nodes = sample.x.size(0)
        sample.future = _first_nodes(other.future, num_nodes)
        sample.future_mask = _first_nodes(mask, num_nodes)
        return sample

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dataset}, share={self.share:g}, seed={self.seed})"


def check_share(share: float) -> None:
    """Raise a :class:`ValueError` unless it is a share of samples whose futures can be shuffled."""
    if not 0 <= share <= 1:
        raise ValueError(f"'shuffled_futures' is {share}, expected a share between 0 and 1")


def _first_nodes(values: Tensor, num_nodes: int) -> Tensor:
    """The values of the first nodes `[num_nodes, ...]`, zero where there are no more."""
    missing = num_nodes - values.size(0)
    if missing <= 0:
        return values[:num_nodes]
    return torch.cat([values, values.new_zeros(missing, *values.shape[1:])])
