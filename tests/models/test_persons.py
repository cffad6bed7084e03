"""Conversion of clips to persons and back, for dense tensors and PyG batches."""

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_sybio.models.persons import Persons, persons_of_data, persons_of_tensor

T, M, D = 4, 5, 2


def clip_of(motions: torch.Tensor, **attributes: torch.Tensor) -> Data:
    """Return a graph with the persons ``[P, T, M, D]`` stacked along the node dimension."""
    return Data(x=torch.cat([motion.transpose(0, 1) for motion in motions]), **attributes)


def check_round_trip(persons: Persons, x: torch.Tensor, present: torch.Tensor) -> None:
    """Check that every present person occurs once, at its position, and that no absent person occurs."""
    assert torch.equal(persons.present, present)
    assert len(persons.x) == present.sum()
    for motion, clip, slot in zip(persons.x, persons.clip, persons.slot, strict=True):
        assert torch.equal(motion, x[clip, slot])
    dense = persons.dense(persons.x)
    assert torch.equal(dense[present], x[present])
    assert not dense[~present].any()


def check_padding(persons: Persons, x: torch.Tensor, present: torch.Tensor) -> None:
    """Check that all positions occur in order, and that absent persons are zero and have no clip."""
    assert torch.equal(persons.present, present)
    assert len(persons.x) == present.numel() and persons.num_groups == len(x) + 1
    places = [(clip, slot) for clip in range(x.size(0)) for slot in range(x.size(1))]
    for motion, clip, slot, place in zip(persons.x, persons.clip, persons.slot, places, strict=True):
        assert slot == place[1]
        if present[place]:
            assert clip == place[0]
            assert torch.equal(motion, x[place])
        else:
            assert clip == len(x)
            assert not motion.any()
    dense = persons.dense(torch.ones(present.numel(), 7))
    assert torch.equal(dense, present[..., None].expand(-1, -1, 7).float())
    of_clips = persons.from_clips(10.0 * torch.arange(len(x)))
    assert torch.equal(of_clips.view_as(present)[present], 10.0 * present.nonzero()[:, 0])


def test_dense_clips_of_one_person_are_converted() -> None:
    x = torch.randn(3, T, M, D)
    persons = persons_of_tensor(x)
    assert torch.equal(persons.x, x)
    assert persons.clip.tolist() == [0, 1, 2]
    assert persons.present.tolist() == [[True], [True], [True]]
    assert torch.equal(persons.dense(x), x)


def test_a_mask_removes_absent_persons_of_dense_clips() -> None:
    x = torch.randn(3, 3, T, M, D)
    present = torch.tensor([[True, False, True], [False, True, False], [True, True, True]])
    check_round_trip(persons_of_tensor(x, present), x, present)
    check_round_trip(persons_of_tensor(x, present.int()), x, present)


@pytest.mark.parametrize("filling", [float("nan"), 7.0])
def test_absent_persons_are_padded_if_removing_them_needs_a_synchronisation(
    filling: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(3, 3, T, M, D)
    present = torch.tensor([[True, False, True], [False, True, False], [True, True, True]])
    # On the host, absent persons are removed, because this needs no synchronisation.
    check_round_trip(persons_of_tensor(x, present, padded=True), x, present)
    monkeypatch.setattr("pyg_sybio.models.persons._known_to_host", lambda values: False)
    zeros = x.masked_fill(~present[..., None, None, None], 0.0)
    check_padding(persons_of_tensor(zeros, padded=True), x, present)
    x[~present] = filling
    check_padding(persons_of_tensor(x, present.int(), padded=True), x, present)
    check_round_trip(persons_of_tensor(x, present), x, present)


def test_no_value_is_read_from_the_device_if_the_mask_is_on_the_host() -> None:
    x, present = torch.empty(2, 2, T, M, D, device="meta"), torch.tensor([[True, False], [True, True]])
    for padded in (False, True):
        persons = persons_of_tensor(x, present, padded=padded)
        assert persons.x.shape == (3, T, M, D)
        assert persons.dense(persons.x).shape == x.shape
    with pytest.raises(ValueError, match="none is present in clip 1"):
        persons_of_tensor(x, torch.tensor([[True, False], [False, False]]))
    # Without a mask on the host, persons are either padded or read from the device.
    assert persons_of_tensor(x, padded=True).x.shape == (4, T, M, D)
    with pytest.raises(NotImplementedError, match="nonzero"):
        persons_of_tensor(x)


def test_a_person_of_zeros_is_absent_without_a_mask() -> None:
    x = torch.randn(2, 2, T, M, D)
    x[1, 0] = 0
    x[0, 1] = 0
    x[0, 1, 3, 4, 1] = 1e-6
    check_round_trip(persons_of_tensor(x), x, torch.tensor([[True, True], [False, True]]))


def test_persons_stacked_along_the_nodes_are_separated() -> None:
    x, present = torch.randn(3, 2, T, M, D), torch.tensor([[True, True], [True, False], [True, True]])
    batch = Batch.from_data_list([clip_of(x[0]), clip_of(x[1, :1]), clip_of(x[2])])
    check_round_trip(persons_of_data(batch, M), x, present)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 1, 0, 3, 2]])
def test_persons_in_separate_graphs_are_grouped_by_clip(order: list[int]) -> None:
    motions, clips = torch.randn(5, T, M, D), torch.tensor([0, 0, 1, 2, 2])[order]
    graphs = [clip_of(motion[None], clip=clip) for motion, clip in zip(motions, clips, strict=True)]
    persons = persons_of_data(Batch.from_data_list(graphs), M)
    assert persons.num_clips == 3
    assert torch.equal(persons.clip, clips)
    assert persons.present.tolist() == [[True, True], [True, False], [True, True]]
    # Persons keep their order within a clip.
    seen: dict[int, int] = {}
    for motion, clip, slot in zip(motions, clips.tolist(), persons.slot.tolist(), strict=True):
        assert slot == seen.get(clip, 0)
        seen[clip] = slot + 1
        assert torch.equal(persons.dense(persons.x)[clip, slot], motion)


def test_one_person_per_clip_has_no_person_dimension() -> None:
    x = torch.randn(3, T, M, D)
    persons = persons_of_data(Batch.from_data_list([clip_of(motion[None]) for motion in x]), M)
    assert not persons.has_slots
    assert torch.equal(persons.dense(persons.x), x)


def test_graphs_of_single_persons_are_sorted_by_clip() -> None:
    x, order = torch.randn(3, T, M, D), [2, 0, 1]
    graphs = [clip_of(x[k, None], clip=torch.tensor(k)) for k in order]
    persons = persons_of_data(Batch.from_data_list(graphs), M)
    assert torch.equal(persons.dense(persons.x), x)


@pytest.mark.parametrize("counts", [[1, 1, 1], [2, 1, 3]])
def test_no_value_of_a_collated_batch_is_read_from_its_device(counts: list[int]) -> None:
    batch = Batch.from_data_list([clip_of(torch.randn(count, T, M, D)) for count in counts])
    there = persons_of_data(batch.clone().to("meta"), M)
    here = persons_of_data(batch, M)
    for name in ("x", "clip", "slot", "present"):
        each = getattr(there, name)
        assert each.device.type == "meta" and each.shape == getattr(here, name).shape
    assert there.dense(there.x).shape == here.dense(here.x).shape
    wrong = Batch.from_data_list([*batch.to_data_list(), Data(x=torch.randn(M + 1, T, D))]).to("meta")
    with pytest.raises(ValueError, match="has 6 nodes in graph 3"):
        persons_of_data(wrong, M)


def test_a_batch_made_by_hand_is_split_into_persons() -> None:
    x, present = torch.randn(3, 2, T, M, D), torch.tensor([[True, True], [True, False], [True, True]])
    nodes = torch.cat([clip_of(x[0]).x, clip_of(x[1, :1]).x, clip_of(x[2]).x])
    vector = torch.tensor([0, 0, 1, 2, 2]).repeat_interleave(M)
    for batch in (Data(x=nodes, batch=vector), Batch(x=nodes, batch=vector)):
        check_round_trip(persons_of_data(batch, M), x, present)
    # If a tensor was replaced after collation, the slices stored by collation do not fit the new tensor.
    batch = Batch.from_data_list([clip_of(motion[None]) for motion in x[:, 0]])
    batch.x, batch.batch = nodes, vector
    check_round_trip(persons_of_data(batch, M), x, present)


def test_a_single_graph_is_a_batch_of_one() -> None:
    x = torch.randn(2, T, M, D)
    persons = persons_of_data(clip_of(x), M)
    assert torch.equal(persons.dense(persons.x), x[None])


def test_another_node_attribute_is_converted() -> None:
    x, future = torch.randn(2, 1, 1, T, M, D).unbind()
    data = clip_of(x[0])
    data.future = clip_of(future[0]).x
    assert torch.equal(persons_of_data(data, M, "future").x, future[0])


def test_values_of_absent_persons_are_zero() -> None:
    x = torch.randn(2, 2, T, M, D)
    persons = persons_of_tensor(x, torch.tensor([[True, False], [True, True]]))
    values = torch.full((3, 7), 2.0)
    assert persons.dense(values).tolist() == [[[2.0] * 7, [0.0] * 7], [[2.0] * 7, [2.0] * 7]]


@pytest.mark.parametrize(
    ("shape", "present", "message"),
    [
        ((2, T, M, D), torch.ones(2, 1), "'present' is given, but 'x' has no person dimension"),
        ((T, M, D), None, r"'x' must be \[N, T, M, D\] or \[N, P, T, M, D\], but it has shape \(4, 5, 2\)"),
        ((2, 3, T, M, D), torch.ones(2, 2), r"'present' must be \[2, 3\], but it has shape \(2, 2\)"),
        ((2, 3, T, M, D), torch.tensor([[1, 0, 0], [0, 0, 0]]), "but none is present in clip 1"),
    ],
)
def test_invalid_dense_clips_are_refused(
    shape: tuple[int, ...], present: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        persons_of_tensor(torch.randn(shape), present)


def test_invalid_batches_are_refused() -> None:
    person = torch.randn(1, T, M, D)
    with pytest.raises(ValueError, match=r"'x' of the batch must be \[nodes, T, D\], but it is missing"):
        persons_of_data(Data(pos=torch.randn(M, 3)), M)
    with pytest.raises(ValueError, match=r"'future' of the batch must be .* but it is missing"):
        persons_of_data(clip_of(person), M, "future")
    with pytest.raises(ValueError, match=r"but it has shape \(5, 2\)"):
        persons_of_data(Data(x=torch.randn(M, D)), M)
    wrong = Data(x=torch.randn(M + 1, T, D))
    with pytest.raises(
        ValueError, match="'x' has 6 nodes in graph 1, expected a multiple of the skeleton's 5 joints"
    ):
        persons_of_data(Batch.from_data_list([clip_of(person), wrong]), M)
    with pytest.raises(ValueError, match="has 1 entries, expected one for each of 2 persons"):
        persons_of_data(clip_of(torch.randn(2, T, M, D), clip=torch.tensor([0])), M)
    with pytest.raises(ValueError, match=r"is \[0, 2\], expected clip indices from 0 without gaps"):
        persons_of_data(Batch.from_data_list([clip_of(person, clip=torch.tensor(k)) for k in (0, 2)]), M)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_clip_graph_without_nodes_is_an_error(place: int) -> None:
    graphs = [clip_of(torch.randn(1, T, M, D)) for _ in range(2)]
    graphs.insert(place, Data(x=torch.zeros(0, T, D)))
    with pytest.raises(
        ValueError, match=f"'x' has 0 nodes in graph {place}, expected a multiple of the skeleton's 5 joints"
    ):
        persons_of_data(Batch.from_data_list(graphs), M)
