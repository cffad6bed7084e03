"""Batches: clips are independent, and absent persons have no effect."""

import torch
from small_gnn import D, M, T, build, close, graph_of, motion
from torch_geometric.data import Batch


def test_a_clip_does_not_depend_on_its_batch() -> None:
    model, x = build(), motion(6, T)
    whole = model(x)
    for clips in ([0], [3, 1], [5, 4, 3, 2, 1, 0]):
        part = model(x[clips])
        close(part.logits, whole.logits[clips])
        close(part.future, whole.future[clips])
        close(part.actional, whole.actional[clips])


def test_a_clip_with_several_persons_does_not_depend_on_its_batch() -> None:
    model, x = build(), motion(3, 2, T)
    present = torch.tensor([[True, True], [True, False], [False, True]])
    whole = model(x, present)
    for clip in range(3):
        alone = model(x[clip, None], present[clip, None])
        close(alone.logits[0], whole.logits[clip])
        close(alone.future[0], whole.future[clip])
        close(alone.actional[0], whole.actional[clip])


def test_an_absent_person_does_not_affect_the_output() -> None:
    model, x = build(), motion(2, 2, T)
    present = torch.tensor([[True, True], [True, False]])
    out = model(x, present)
    changed = x.clone()
    for filling in (1e3 * torch.randn(T, M, D), torch.tensor(float("nan"))):
        changed[1, 1] = filling
        other = model(changed, present)
        close(other.logits, out.logits, 0)
        close(other.future, out.future, 0)
    alone = model(x[1, :1])
    close(out.logits[1], alone.logits[0])
    close(out.future[1, 0], alone.future[0])
    assert not out.future[1, 1].any()
    assert not out.actional[1, 1].any()
    assert out.present.tolist() == present.tolist()


def test_an_absent_person_does_not_affect_the_statistics_of_training() -> None:
    x = motion(2, 2, T)
    x[1, 1] = 0
    padded, bare = build().train(), build().train()
    bare.load_state_dict(padded.state_dict())
    padded(x)
    bare(Batch.from_data_list([graph_of(x[0]), graph_of(x[1, :1])]))
    for key, value in padded.state_dict().items():
        torch.testing.assert_close(value, bare.state_dict()[key], atol=1e-6, rtol=1e-5)


def test_both_persons_affect_the_output() -> None:
    model, x = build(), motion(1, 2, T)
    swapped = model(x.flip(1))
    out = model(x)
    close(swapped.logits, out.logits)
    close(swapped.future, out.future.flip(1))
    changed = x.clone()
    changed[0, 1] = motion(T)
    assert not torch.allclose(model(changed).logits, out.logits, atol=1e-3)


def test_batch_and_dense_inputs_give_the_same_numbers() -> None:
    model, x = build(), motion(3, T)
    batch = Batch.from_data_list([graph_of(clip[None]) for clip in x])
    flat, graphs, persons = model(x), model(batch), model(x[:, None])
    for key in ("logits", "future", "actional"):
        close(getattr(graphs, key), getattr(flat, key))
    close(persons.logits, flat.logits)
    close(persons.future, flat.future[:, None])
    close(persons.actional, flat.actional[:, None])
    single = model(graph_of(x[:1]))
    close(single.logits, flat.logits[:1])


def test_stacked_persons_and_separate_graphs_give_the_same_numbers() -> None:
    model, x = build(), motion(3, 2, T)
    present = torch.tensor([[True, True], [True, False], [True, True]])
    dense = model(x, present)
    stacked = model(Batch.from_data_list([graph_of(x[0]), graph_of(x[1, :1]), graph_of(x[2])]))
    own = [
        graph_of(x[clip, slot, None], clip=torch.tensor([clip]))
        for clip in range(3)
        for slot in range(2)
        if present[clip, slot]
    ]
    for out in (stacked, model(Batch.from_data_list(own))):
        for key in ("logits", "future", "actional"):
            close(getattr(out, key), getattr(dense, key))
        assert torch.equal(out.present, present)


def test_dense_returns_attributes_in_the_layout_of_the_outputs() -> None:
    model, x, future = build(), motion(2, 2, T), motion(2, 2, 3)
    graphs = [graph_of(x[clip], future=graph_of(future[clip]).x) for clip in range(2)]
    batch = Batch.from_data_list(graphs)
    assert torch.equal(model.dense(batch, "future"), future)
    assert model.dense(batch, "future").shape == model(batch).future.shape
    alone = Batch.from_data_list([graph_of(x[0, :1], future=graph_of(future[0, :1]).x)])
    assert torch.equal(model.dense(alone, "future"), future[:1, 0])
