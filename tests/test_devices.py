"""Every device gives the same results as the CPU, and the forward pass never synchronises.

These tests use double precision, so that results agree closely; `tests/models/test_autocast.py` tests
bfloat16. On a machine without accelerators, the CPU is compared with itself, which only shows that the tests
run.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from marks import DEVICES
from small_gnn import SKELETON, C, D, M, T, build, close, graph_of, motion
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch_geometric.data import Batch

from pyg_sybio.accelerate.dense_actional import use_dense_actional
from pyg_sybio.data.datasets.two_tasks import Part, check_part
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.persons import _to_device
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.trained.evaluation import answers
from pyg_sybio.trained.views import Views
from pyg_sybio.training.muon import Muon, orthogonal

OUTPUTS = ("logits", "future", "actional", "bone_future", "network_logits", "bone_actional")
PRESENT = torch.tensor([[True, False], [True, True]])
INPUTS = ("one person", "several persons", "mask", "batch")
FUTURE = 3
ALL_TRAIN = {
    "message passing": lambda model: model,
    "dense": use_dense_actional,
    "recomputed": lambda model: setattr(model, "checkpoint_activations", True) or model,
}


@pytest.fixture(autouse=True)
def _double() -> None:
    torch.set_default_dtype(torch.float64)


def clips_of(kind: str) -> tuple[Any, ...]:
    """The arguments of a model for two clips."""
    if kind == "one person":
        return (motion(2, T),)
    x = motion(2, 2, T)
    x[0, 1] = 0
    if kind == "batch":
        persons = [x[0, :1], x[1]]
        return (Batch.from_data_list([graph_of(each) for each in persons]),)
    return (x, PRESENT) if kind == "mask" else (x,)


def moved(arguments: tuple[Any, ...], device: str) -> tuple[Any, ...]:
    """Move the motions in the arguments to a device; masks stay on the host."""
    return (arguments[0].to(device), *arguments[1:])


def same(mine: SybioOutput, expected: SybioOutput, tolerance: float = 1e-8) -> None:
    assert torch.equal(mine.present.cpu(), expected.present)
    for name in OUTPUTS:
        ours, theirs = getattr(mine, name), getattr(expected, name)
        assert (ours is None) == (theirs is None), name
        if theirs is not None:
            close(ours.cpu(), theirs, tolerance)


def loss_of(model: SybioGNN, arguments: tuple[Any, ...]) -> Tensor:
    """The loss of two clips with the same future on every device."""
    generator = torch.Generator().manual_seed(3)
    out = model(*arguments)
    device = out.logits.device
    future = torch.randn(out.future.shape, generator=generator).to(device)
    loss = SymbioticLoss(SKELETON).to(device)
    terms = loss(out, y=torch.arange(2, device=device) % C, future=future)
    assert isinstance(terms.total, Tensor)
    return terms.total


# The model ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("device", DEVICES)
def test_the_forward_pass_gives_the_same_results_as_on_the_cpu(
    device: str, training: bool, kind: str
) -> None:
    model, arguments = build().train(training), clips_of(kind)
    on_device = copy.deepcopy(model).to(device)
    out = on_device(*moved(arguments, device))
    assert out.future.device.type == device
    same(out, model(*arguments))
    for name, value in on_device.state_dict().items():  # statistics
        close(value.cpu().double(), model.state_dict()[name].double(), 1e-8)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("device", DEVICES)
def test_a_folded_model_gives_the_same_results_as_on_the_cpu(device: str, dtype: torch.dtype | None) -> None:
    torch.set_default_dtype(torch.float32)
    model, (x,) = build(), clips_of("several persons")
    expected = model(x)
    for folded in (model.folded(dtype).to(device), copy.deepcopy(model).to(device).folded(dtype)):
        out = folded(x.to(device))
        assert out.future.dtype == torch.float32
        for name in ("logits", "future", "actional"):
            mine, theirs = getattr(out, name).cpu(), getattr(expected, name)
            assert (mine - theirs).abs().max() < (1e-4 if dtype is None else 0.1) * theirs.abs().max(), name


# A test in `tests/models/test_autocast.py` shows that autocast to bfloat16 trains on every device.
@pytest.mark.parametrize("optimizer", [Muon, partial(torch.optim.AdamW, fused=True)], ids=["Muon", "AdamW"])
@pytest.mark.parametrize("way", ALL_TRAIN)
@pytest.mark.parametrize("device", DEVICES)
def test_training_steps_give_the_same_results_as_on_the_cpu(device: str, way: str, optimizer: Any) -> None:
    model, arguments = build(channels=(16, 16), head_channels=16).train(), clips_of("mask")
    model = ALL_TRAIN[way](model)
    on_device = copy.deepcopy(model).to(device)
    for where, each in (("cpu", model), (device, on_device)):
        steps = optimizer(each.parameters(), lr=1e-3)
        for _ in range(3):
            steps.zero_grad()
            loss_of(each, moved(arguments, where)).backward()
            steps.step()
    for name, value in on_device.state_dict().items():
        close(value.cpu().double(), model.state_dict()[name].double(), 1e-6)


@pytest.mark.parametrize("shape", [(3, 16, 40), (40, 16)])
@pytest.mark.parametrize("device", DEVICES)
def test_orthogonalised_matrices_are_the_same_as_on_the_cpu(device: str, shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape)
    close(orthogonal(matrices.to(device)).cpu(), orthogonal(matrices), 1e-8)


BACKENDS = [
    ("cpu", "eager"),  # without code generation, which would take minutes
    pytest.param("cuda", "inductor", marks=pytest.mark.cuda),
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS[:2])
@pytest.mark.parametrize(("device", "backend"), BACKENDS)
def test_compiled_evaluation_gives_the_same_results_as_on_the_cpu(
    device: str, backend: str, kind: str
) -> None:
    model, arguments = build(), clips_of(kind)
    compiled = torch.compile(copy.deepcopy(model).to(device).folded(), fullgraph=True, backend=backend)
    with torch.no_grad():
        same(compiled(*moved(arguments, device)), model(*arguments))


@pytest.mark.slow
@pytest.mark.parametrize(("device", "backend"), BACKENDS)
def test_compiled_training_gives_the_same_results_as_on_the_cpu(device: str, backend: str) -> None:
    model, arguments = build().train(), clips_of("one person")
    compiled = copy.deepcopy(model).to(device)
    compiled.compile(fullgraph=True, backend=backend)
    loss_of(model, arguments).backward()
    loss_of(compiled, moved(arguments, device)).backward()
    for mine, expected in zip(compiled.parameters(), model.parameters(), strict=True):
        close(mine.grad.cpu(), expected.grad, 1e-7)


# Streams and evaluation
# ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda model: model, SybioGNN.folded], ids=["reference", "folded"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_stream_gives_the_same_results_as_on_the_cpu(device: str, make: Callable[[SybioGNN], Any]) -> None:
    model, poses = build(), motion(12)
    on_device = make(copy.deepcopy(model).to(device))
    stream = SybioGNN.stream(on_device, num_observed=T)
    for pose in poses:
        out = stream.update(pose)
    expected = model(poses[None, -T:])
    assert out.probabilities is not None and out.future is not None
    assert out.probabilities.device.type == out.future.device.type == "cpu"
    close(out.probabilities.double(), expected.logits[0].softmax(-1), 1e-5)
    close(out.future.double(), expected.future[0], 1e-5)


class Halves(SyntheticMotions):
    """Data set that also returns the halves of clips, for test-time augmentation."""

    def in_part(self, part: Part) -> "Halves":
        check_part(part)
        other = copy.copy(self)
        other.shown = part
        return other

    shown = Part()

    def get(self, idx: int) -> Any:
        data = super().get(idx)
        first, last = (round(share * data.x.size(1)) for share in self.shown[:2])
        data.x = data.x[:, first:last]
        return data


@pytest.mark.parametrize(
    "views", [Views(), Views(mirror="x", parts=((0.0, 0.5), (0.5, 1.0)))], ids=["one", "six"]
)
@pytest.mark.parametrize("device", DEVICES)
def test_evaluation_over_views_gives_the_same_results_as_on_the_cpu(device: str, views: Views) -> None:
    torch.set_default_dtype(torch.float32)
    clips = Halves(num_clips=12, num_observed=8, num_future=9)
    model = build(clips.skeleton, num_classes=len(clips.class_names), num_future=9)
    found = answers(copy.deepcopy(model).to(device).double(), clips, batch_size=5, views=views)
    expected = answers(model.double(), clips, views=views)
    close(found.logits, expected.logits, 1e-5)
    assert found.errors.keys() == expected.errors.keys() != set()
    for name, by_predictor in expected.errors.items():
        for predictor, errors in by_predictor.items():
            mine = found.errors[name][predictor].means()["mean_of_clips"]
            close(mine, errors.means()["mean_of_clips"], 1e-3)


# Synchronisation, tested without a device -----------------------------------------------------------------

READS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount", "equal", "is_nonzero")


class NoWaits(TorchDispatchMode):
    """Raise an error at operations that would make the host wait for an accelerator, which the meta device
    replaces.

    Tensors on the meta device have a shape but no values: an operator that needs values on the host fails
    here,
    where it would wait on CUDA. This mode also checks what would succeed on the meta device: copies between
    host and device, and operators with tensors of both. It does not detect indices in a list and
    ``torch.tensor`` on the device.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.name().removeprefix("aten::")
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        there = [each for each in tensors if each.is_meta]
        # A number on the host is passed to the kernel as an argument.
        host = [each for each in tensors if not each.is_meta and each.dim() > 0]
        if there and name.startswith(READS):
            raise AssertionError(f"waits: {name}")
        if name.startswith(("index.Tensor", "index_put")) and any(
            each.dtype == torch.bool for each in there[1:]
        ):
            raise AssertionError(f"waits: {name} with a mask")
        copies = name.startswith(("_to_copy", "copy_"))
        if there and host and not copies:
            raise AssertionError(f"waits: {name} of tensors on the host and on the device")
        out = func(*args, **kwargs)
        if copies:
            source = args[0] if name.startswith("_to_copy") else args[1]
            unblocked = kwargs.get("non_blocking") or (len(args) > 2 and args[2])
            if source.is_meta != out.is_meta and not unblocked:
                raise AssertionError(f"waits: {name} between host and device")
        return out


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: x.masked_fill_(x.nonzero().bool(), 0),
        lambda x: x.index_select(0, torch.tensor([1])),
        lambda x: torch.zeros(3).to(x),
        lambda x: x + torch.ones(3),
        lambda x: "negative" if (x < 0).any() else "positive",
    ],
)
def test_synchronisations_are_detected(operation: Callable[[Tensor], object]) -> None:
    with pytest.raises(AssertionError, match="waits"), NoWaits():
        operation(torch.ones(3, device="meta"))


def test_operations_without_synchronisation_pass() -> None:
    x = torch.ones(3, device="meta")
    with NoWaits():
        x[torch.tensor([1, 2]).to("meta", non_blocking=True)] = 2.0
        torch.where(x > 0, x, 0.0).masked_fill_(x < 0, 1.0).lerp_(x, x[0])
        torch.arange(3, device=x.device) + torch.tensor(2.0)
        assert torch.ones(3).sum().item() == 3  # tensors on the host may be read


def test_copies_to_cuda_are_non_blocking_and_copies_to_mps_are_blocking() -> None:
    class Freed:
        def to(self, device: torch.device, *, non_blocking: bool) -> bool:
            return non_blocking

    values: Any = Freed()
    assert _to_device(values, torch.device("cuda")) is True
    assert _to_device(values, torch.device("mps")) is False


FORMS: Mapping[str, Callable[[SybioGNN], Any]] = {
    **ALL_TRAIN,
    "folded": SybioGNN.folded,
    "folded-bf16": lambda model: model.folded(torch.bfloat16),
}
UNREAD = ["one person", "mask", "batch"]
"""Clips whose number of persons the host knows."""


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("form", [form for form in FORMS if form != "folded-bf16"])
def test_evaluation_never_synchronises(form: str, kind: str) -> None:
    model, arguments = FORMS[form](build(bone_weight=0.3)).to("meta"), moved(clips_of(kind), "meta")
    with NoWaits(), torch.no_grad():
        out = model(*arguments)
    assert out.future.is_meta and out.logits.is_meta


@pytest.mark.parametrize("kind", UNREAD)
@pytest.mark.parametrize("way", ALL_TRAIN)
def test_a_training_step_never_synchronises(way: str, kind: str) -> None:
    model = ALL_TRAIN[way](build(channels=(16, 16), head_channels=16, dropout=0.1).to("meta").train())
    arguments, optimizer = moved(clips_of(kind), "meta"), Muon(model.parameters())
    loss = SymbioticLoss(SKELETON, label_smoothing=0.1, time_exponent=0.5, separate_networks=True).to("meta")
    future = torch.randn(2, *([] if kind == "one person" else [2]), FUTURE, M, D, device="meta")
    mask, y = future[..., 0] != 0, torch.zeros(2, dtype=torch.long, device="meta")
    with NoWaits():
        loss(model(*arguments), y=y, future=future, future_mask=mask).total.backward()
        optimizer.step()
        optimizer.zero_grad()


# Synchronisation on a device ------------------------------------------------------------------------------


@contextmanager
def no_synchronisation() -> Iterator[None]:
    """Raise an error if the host waits for the device."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("form", FORMS)
def test_evaluation_does_not_synchronise(form: str, kind: str) -> None:
    torch.set_default_dtype(torch.float32)
    model, arguments = FORMS[form](build().cuda()), moved(clips_of(kind), "cuda")
    with torch.no_grad():
        model(*arguments)  # the first call selects algorithms
        with no_synchronisation():
            model(*arguments)


@pytest.mark.cuda
@pytest.mark.parametrize("kind", UNREAD)
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("way", ALL_TRAIN)
def test_a_training_step_does_not_synchronise(way: str, bf16: bool, kind: str) -> None:
    torch.set_default_dtype(torch.float32)
    model, arguments = (
        build(channels=(16, 16), head_channels=16).cuda().train(),
        moved(clips_of(kind), "cuda"),
    )
    model = ALL_TRAIN[way](model)
    loss = SymbioticLoss(SKELETON).cuda()
    optimizer = Muon(model.parameters())
    future = torch.randn(2, *([] if kind == "one person" else [2]), FUTURE, M, D, device="cuda")
    y = torch.tensor([1, 2], device="cuda")

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
            terms = loss(model(*arguments), y=y, future=future)
        terms.total.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    with no_synchronisation():
        step()
