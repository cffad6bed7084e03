r"""Samples with exchanged futures, for the effect of wrong prediction targets on recognition (Table 8)."""

import copy

import torch
from torch import Tensor
from torch_geometric.data import Data, Dataset


class ShuffledFutures(Dataset):
    r"""Data set in which a fraction of the samples exchange their futures.

    The chosen samples are put in a random order, and each gets the future of the sample before it, with its
    mask; the first gets the future of the last. With two or more chosen samples, all of them have a wrong
    future. The choice depends only on the number of samples, `share` and `seed`, not on the global generator
    or the epoch. Samples that are chosen with a smaller `share` are also chosen with a larger one. Everything
    but the future is unchanged.

    Args:
        dataset: The samples: :class:`~torch_geometric.data.Data` with `x`, `future` and, for incomplete
            futures, `future_mask`. The nodes are the joints of the first person, followed by those of the
            second, and so on.
        share: The fraction of the samples that exchange futures; their number is rounded.
        seed: Seed of the choice and of the order.

    Shapes:
        - **x:** `[P·M, T, D]`
        - **future:** `[P·M, T_future, D]`
        - **future_mask:** `[P·M, T_future, 1]`, in every sample, even if `dataset` has no masks

    Raises:
        ValueError: If `share` is not between 0 and 1.

    Note:
        The future keeps the augmentation of the sample it comes from. If that sample has more persons, the
        first ones are used; if it has fewer, the rest of the future is masked.
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
        """The sample whose future each sample has."""

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
        dataset = f"{type(self.dataset).__name__}({len(self.dataset)})"
        return f"{type(self).__name__}({dataset}, share={self.share:g}, seed={self.seed})"


def check_share(share: float) -> None:
    """Raise a :class:`ValueError` unless this is a valid `share` of :class:`ShuffledFutures`."""
    if not 0 <= share <= 1:
        raise ValueError(f"'shuffled_futures' is {share}, expected a fraction between 0 and 1")


def _first_nodes(values: Tensor, num_nodes: int) -> Tensor:
    """The values of the first nodes `[num_nodes, ...]`, padded with zeros."""
    missing = max(num_nodes - values.size(0), 0)
    return torch.cat([values[:num_nodes], values.new_zeros(missing, *values.shape[1:])])
