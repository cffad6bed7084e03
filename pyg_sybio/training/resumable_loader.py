"""A loader of clips that continues within an epoch."""

from collections.abc import Iterator
from typing import Any

import torch
from torch_geometric.loader import DataLoader


class ResumableLoader(DataLoader):
    """PyG's loader with a state: a resumed run gets the remaining batches of the interrupted epoch.

    The state consists of the number of batches so far and of two states of torch's generator: the state at
    the start of the epoch, which determines the order of the clips, and the present state, which determines
    random transforms.

    Note:
        With `num_workers`, each worker process has its own generator, so that the random transforms of the
        remaining batches differ from the transforms of a run that was not interrupted.
    """

    _batches = 0  # batches of this epoch so far
    _start: torch.Tensor | None = None
    _resumed: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """The position in the epoch."""
        return {"batches": self._batches, "start": self._start, "random": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the batches of the state."""
        self._resumed = state_dict

    def __iter__(self) -> Iterator[Any]:
        self._batches = 0 if self._resumed is None else self._resumed["batches"]
        for batch in super().__iter__():
            self._batches += 1
            yield batch

    @property
    def _index_sampler(self) -> Any:
        return _Batches(super()._index_sampler, self)


class _Batches:
    """The indices of the clips of each batch."""

    def __init__(self, sampler: Any, loader: ResumableLoader) -> None:
        self.sampler, self.loader = sampler, loader

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Any]:
        loader, resumed = self.loader, self.loader._resumed
        loader._resumed = None
        if resumed is not None:
            torch.set_rng_state(resumed["start"])
        loader._start = torch.get_rng_state()
        for number, indices in enumerate(self.sampler):
            if resumed is not None and number == resumed["batches"]:
                torch.set_rng_state(resumed["random"])
            if resumed is None or number >= resumed["batches"]:
                yield indices
