"""Shuffled futures: their source samples and their masks."""

import pytest
import torch
from torch_geometric.data import Batch, Data, Dataset
from torch_geometric.loader import DataLoader

from pyg_sybio.data.datasets.shuffled_futures import ShuffledFutures

M, T, T_FUTURE, D = 4, 5, 3, 2


class Numbered(Dataset):
    """Samples in which every value is the sample's index; `persons` has the number of persons per sample."""

    def __init__(self, persons: list[int], *, masks: bool = True) -> None:
        super().__init__()
        self.persons, self.masks = persons, masks

    def len(self) -> int:
        return len(self.persons)

    def get(self, idx: int) -> Data:
        nodes = M * self.persons[idx]
        data = Data(
            x=torch.full((nodes, T, D), float(idx)),
            future=torch.full((nodes, T_FUTURE, D), float(idx)),
            y=torch.tensor([idx % 3]),
        )
        if self.masks:
            data.future_mask = torch.ones(nodes, T_FUTURE, 1, dtype=torch.bool)
            data.future_mask[:, 1 + idx % T_FUTURE :] = False
        return data


def futures(clips: Dataset) -> list[int]:
    return [int(clip.future[0, 0, 0]) for clip in clips]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("number", [2, 7, 40])
def test_chosen_samples_exchange_futures_and_none_keeps_its_own(number: int, share: float) -> None:
    clips = ShuffledFutures(Numbered([1] * number), share)
    found = futures(clips)
    assert sorted(found) == list(range(number))
    moved = sum(index != source for index, source in enumerate(found))
    chosen = round(share * number)
    assert moved == (chosen if chosen > 1 else 0)
    assert [int(clip.x[0, 0, 0]) for clip in clips] == list(range(number))
    assert [int(clip.y) for clip in clips] == [index % 3 for index in range(number)]


def test_the_choice_depends_only_on_the_seed() -> None:
    clips = Numbered([1] * 30)
    state = torch.get_rng_state()
    found = futures(ShuffledFutures(clips, 0.5))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(77)
    again = ShuffledFutures(clips, 0.5)
    assert futures(again) == futures(again) == found
    assert futures(ShuffledFutures(clips, 0.5, seed=1)) != found
    more = futures(ShuffledFutures(clips, 0.8))
    assert all(more[i] != i for i in range(30) if found[i] != i)


def test_every_exchanged_future_keeps_its_mask() -> None:
    clips = ShuffledFutures(Numbered([1] * 12), 0.75)
    for clip in clips:
        source = int(clip.future[0, 0, 0])
        assert clip.future_mask[0, :, 0].tolist() == [
            frame < 1 + source % T_FUTURE for frame in range(T_FUTURE)
        ]


@pytest.mark.parametrize("masks", [True, False])
def test_futures_with_fewer_or_more_persons_are_masked_or_truncated(masks: bool) -> None:
    persons = [1, 2, 3, 1, 2, 3]
    numbered = Numbered(persons, masks=masks)
    clips = ShuffledFutures(numbered, 1.0)
    fewer = 0
    for index, clip in enumerate(clips):
        source = clips.sources[index]
        shared = M * min(persons[index], persons[source])
        fewer += persons[source] < persons[index]
        assert clip.future.shape == (M * persons[index], T_FUTURE, D)
        assert clip.future_mask.shape == (M * persons[index], T_FUTURE, 1)
        assert (clip.future[:shared] == source).all() and not clip.future[shared:].any()
        expected = numbered[source].future_mask[:shared] if masks else torch.ones(shared, T_FUTURE, 1).bool()
        assert torch.equal(clip.future_mask[:shared], expected)
        assert not clip.future_mask[shared:].any()
    assert fewer
    batch = next(iter(DataLoader(clips, batch_size=6)))
    assert isinstance(batch, Batch)
    assert batch.future_mask.shape[:2] == batch.future.shape[:2]


def test_the_original_samples_do_not_change() -> None:
    kept = [Numbered([1] * 6)[i] for i in range(6)]

    class InMemory(Numbered):
        def get(self, idx: int) -> Data:
            return kept[idx]

    futures(ShuffledFutures(InMemory([1] * 6), 1.0))
    assert [int(data.future[0, 0, 0]) for data in kept] == list(range(6))


def test_repr_shows_the_share_and_wrong_shares_are_refused() -> None:
    assert repr(ShuffledFutures(Numbered([1, 1]), 0.5)) == "ShuffledFutures(Numbered(2), share=0.5, seed=0)"
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(
            ValueError, match=rf"'shuffled_futures' is {share}, expected a fraction between 0 and"
        ):
            ShuffledFutures(Numbered([1]), share)
