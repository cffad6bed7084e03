"""The forward pass without device synchronisation, and compiled to one graph."""

import copy
import shutil
from typing import Any

import pytest
import torch
from marks import slow
from small_gnn import SMALL
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import randomize

SKELETON = load_skeleton("jhmdb15")
M, D, C, T, T_FUTURE = SKELETON.num_joints, 2, 4, 7, 2
INPUTS = ("clips", "persons", "batch", "batch of persons")
NAMES = ("logits", "future", "actional", "bone_future", "present", "bone_actional")


def build(*, training: bool = False, **overrides: Any) -> SybioGNN:
    arguments = {"num_classes": C, "num_future": T_FUTURE, **SMALL, "actional_iterations": 1, **overrides}
    model = SybioGNN.from_preset("demo", skeleton=SKELETON, **arguments)
    randomize(model)
    return model.train(training)


def clips(kind: str, num_clips: int = 3) -> Tensor | Data:
    """Return clips of the given input type; if clips have two persons, one person of the last clip is
    absent.
    """
    x = torch.randn(num_clips, 2, T, M, D)
    if kind == "clips":
        return x[:, 0]
    if kind == "persons":
        x[-1, 1] = 0
        return x
    counts = [2] * (num_clips - 1) + [1] if kind == "batch of persons" else [1] * num_clips
    return Batch.from_data_list(
        [Data(x=clip[:count].transpose(1, 2).flatten(0, 1)) for clip, count in zip(x, counts, strict=True)]
    )


def compiled(model: SybioGNN, backend: str = "aot_eager") -> Any:
    torch._dynamo.reset()
    return torch.compile(model, fullgraph=True, backend=backend)


def check_same(out: SybioOutput, expected: SybioOutput, tolerance: float = 1e-5) -> None:
    for name in NAMES:
        mine, theirs = getattr(out, name), getattr(expected, name)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            torch.testing.assert_close(mine, theirs, atol=tolerance, rtol=tolerance, msg=name)


def total(out: SybioOutput) -> Tensor:
    """Return a scalar that depends on every output."""
    loss = SymbioticLoss(SKELETON)
    assert out.logits is not None and out.future is not None
    target = torch.linspace(-1, 1, out.future.numel()).view_as(out.future)
    return loss(out, y=torch.arange(len(out.logits)) % C, future=target).total


# No value is read from the device
# ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", INPUTS)
def test_no_value_is_read_back_from_the_device(kind: str, training: bool) -> None:
    model, x = build(training=training), clips(kind)
    # Training removes absent persons, so the mask must be on the host.
    mask = {"present": (x != 0).flatten(2).any(dim=2)} if kind == "persons" and training else {}
    expected = model(x, **mask)
    # Meta tensors have no values: reading one raises an error.
    out = copy.deepcopy(model).to("meta")(x.to("meta"), **mask)
    for name in NAMES:
        mine, theirs = getattr(out, name), getattr(expected, name)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            assert mine.device.type == "meta"
            assert mine.shape == theirs.shape and mine.dtype == theirs.dtype


def test_dense_reads_no_value_back_from_the_device() -> None:
    model, batch = build(), clips("batch of persons")
    assert model.dense(batch.to("meta"), "x").shape == (3, 2, T, M, D)


def test_the_loss_reads_no_value_back_from_the_device() -> None:
    model, x = build(training=True).to("meta"), torch.empty(3, T, M, D, device="meta")
    loss = SymbioticLoss(SKELETON).to("meta")
    future, mask = torch.empty(3, T_FUTURE, M, D, device="meta"), torch.empty(3, T_FUTURE, M, device="meta")
    y = torch.zeros(3, dtype=torch.long, device="meta")
    terms = loss(model(x), y=y, future=future, future_mask=mask.bool())
    terms.total.backward()
    assert terms.total.device.type == "meta"


@pytest.mark.parametrize("filling", [float("nan"), 100.0])
def test_padded_absent_persons_do_not_affect_the_output(
    filling: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = build(), torch.randn(3, 2, T, M, D)
    present = torch.tensor([[True, True], [True, False], [False, True]])
    expected = model(x, present)
    x[~present] = filling
    monkeypatch.setattr("pyg_sybio.models.persons._known_to_host", lambda values: False)
    out = model(x, present)
    check_same(out, expected)
    assert not out.future[~present].any() and not out.actional[~present].any()


# Compilation to one graph
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["batch of persons", slow("clips"), slow("persons"), slow("batch")])
def test_compiled_evaluation_gives_the_same_numbers(kind: str) -> None:
    model, x = build(), clips(kind)
    with torch.inference_mode():
        check_same(compiled(model)(x), model(x))


@pytest.mark.parametrize("training", [False, slow(True)])
def test_a_model_with_only_the_bone_network_compiles_to_one_graph(training: bool) -> None:
    model, x = build(joints=False, training=training).double(), clips("clips")
    twin = copy.deepcopy(model)
    out = compiled(model)(x.double())
    check_same(out, twin(x.double()), 1e-9)
    assert out.bone_future is not None


@pytest.mark.parametrize("kind", ["clips", slow("persons"), slow("batch"), slow("batch of persons")])
def test_compiled_training_gives_the_same_numbers_gradients_and_statistics(kind: str) -> None:
    # In float64, the order of summation has no visible effect.
    model, x = build(training=True).double(), clips(kind)
    x = x.double() if isinstance(x, Tensor) else x.apply(Tensor.double, "x")
    twin = copy.deepcopy(model)
    out, expected = compiled(model)(x), twin(x)
    check_same(out, expected, 1e-9)
    total(out).backward()
    total(expected).backward()
    others = dict(twin.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, others[name].grad, atol=1e-9, rtol=1e-9, msg=name)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name], atol=1e-9, rtol=1e-9, msg=name)


@pytest.mark.parametrize(("kind", "training"), [("batch of persons", False), slow("persons", True)])
def test_one_compiled_graph_is_reused_for_the_same_shapes(kind: str, training: bool) -> None:
    model = build(training=training, bones=False)
    torch._dynamo.reset()
    with torch._dynamo.config.patch(capture_scalar_outputs=True, capture_dynamic_output_shape_ops=True):
        explained = torch._dynamo.explain(model)(clips(kind))
    assert explained.graph_break_count == 0, explained.break_reasons
    assert explained.graph_count == 1

    run = compiled(model, backend="eager")
    run(clips(kind))
    with torch.compiler.set_stance("fail_on_recompile"):
        run(clips(kind))


@pytest.mark.parametrize(
    ("kind", "training"), [("clips", False), slow("batch of persons", False), slow("persons", True)]
)
def test_other_batch_sizes_need_one_recompilation(kind: str, training: bool) -> None:
    model = build(training=training, bones=False)
    twin, run = copy.deepcopy(model), compiled(model, backend="eager")
    # With fewer than 16 sequences, convolutions use another algorithm, and the compiler would recompile
    # again.
    for num_clips in (17, 19):
        x = clips(kind, num_clips)
        check_same(run(x), twin(x))
    with torch.compiler.set_stance("fail_on_recompile"):
        for num_clips in (18, 21):
            x = clips(kind, num_clips)
            check_same(run(x), twin(x))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch._prims_common.check. is deprecated")  # warnings of torch
@pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler, and there is no g++")
def test_the_inductor_backend_gives_the_same_outputs() -> None:
    model, x = build(bones=False, channels=(4,), strides=(2,), fusions=(), hops=1), clips("persons")
    with torch.inference_mode():
        check_same(compiled(model, backend="inductor")(x), model(x), 1e-4)
