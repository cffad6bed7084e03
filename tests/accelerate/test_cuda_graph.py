"""CUDA graphs: invalid arguments and, on a CUDA device, the same results as the model."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from pyg_sybio.accelerate import cuda_graph
from pyg_sybio.accelerate.cuda_graph import Graphed, _check_like
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import randomize

SKELETON = load_skeleton("jhmdb15")
M, T = SKELETON.num_joints, 7
NAMES = ("logits", "future", "actional", "present")


def build() -> SybioGNN:
    model = SybioGNN.from_preset(
        "demo", skeleton=SKELETON, num_classes=4, num_future=3, channels=(4, 6), strides=(1, 2), fusions=(1,)
    )
    randomize(model)
    return model.eval()


def test_a_model_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'model' is in training mode, .* call model\.eval\(\)"):
        Graphed(build().train(), torch.zeros(1, T, M, 2))


def test_capturing_without_a_cuda_device_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="a CUDA graph needs a CUDA device, but torch sees none"):
        Graphed(build(), torch.zeros(1, T, M, 2))


def test_an_example_on_the_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match="'example' is on cpu, expected a CUDA device"):
        Graphed(build(), torch.zeros(1, T, M, 2))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(1, T + 1, M, 2), r"'x' has shape \(1, 8, 15, 2\), but .* for shape \(1, 7, 15, 2\)"),
        (torch.zeros(1, T, M, 2).double(), "'x' has type torch.float64, but .* for type torch.float32"),
        (torch.zeros(1, T, M, 2, device="meta"), "'x' has device meta, but .* for device cpu"),
    ],
)
def test_an_input_that_differs_from_the_example_is_refused(x: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _check_like(x, torch.zeros(1, T, M, 2))


class OnDevice(torch.Tensor):
    """A tensor on the host that reports a CUDA device."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cuda:1")


class Toy:
    """A model that returns its input and records the streams on which it runs."""

    def __init__(self, streams: list[str]) -> None:
        self.streams, self.seen = streams, []

    def __call__(self, x: torch.Tensor, **settings: object) -> SybioOutput:
        self.seen.append(self.streams[-1])
        return SybioOutput(logits=x, future=None, actional=None, bone_future=None, present=x)


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The current streams, innermost last, of a mock device that captures nothing."""
    current, stream = ["default"], SimpleNamespace(wait_stream=lambda other: None)

    @contextmanager
    def on(name: str) -> Iterator[None]:
        current.append(name)
        yield
        current.pop()

    device = SimpleNamespace(
        is_available=lambda: True,
        CUDAGraph=lambda: SimpleNamespace(replay=lambda: None),
        Stream=lambda: SimpleNamespace(name="side", **vars(stream)),
        current_stream=lambda: stream,
        device=lambda device: on(str(device)),
        stream=lambda stream: on(stream.name),
        graph=lambda graph, stream: on(f"capture on {stream.name}"),
    )
    monkeypatch.setattr(cuda_graph.torch, "cuda", device)
    return current


def test_a_captured_graph_keeps_a_reference_to_its_model(streams: list[str]) -> None:
    model = Toy(streams)
    run, kept = Graphed(model, torch.zeros(1, T, M, 2).as_subclass(OnDevice)), weakref.ref(model)
    assert model.seen == [*["side"] * 3, "capture on side"]  # capture runs on a stream of the current device
    assert streams == ["default"]
    del model
    gc.collect()
    assert kept() is not None  # the graph must keep the model; otherwise it would read freed memory
    del run
    gc.collect()
    assert kept() is None


@pytest.mark.cuda
def test_a_captured_graph_keeps_the_weights_in_memory_on_cuda() -> None:
    model, x = build().cuda(), torch.randn(1, T, M, 2, device="cuda")
    run, expected = Graphed(model.folded(), x), model(x)
    gc.collect()
    filled = [torch.full((size,), torch.nan, device="cuda") for size in range(1, 4000)]
    torch.testing.assert_close(run(x).future, expected.future, atol=1e-4, rtol=1e-4)
    assert all(each.isnan().all() for each in filled)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_replay_of_a_folded_model_equals_the_model(dtype: torch.dtype) -> None:
    folded, x = build().cuda().folded(dtype), torch.randn(1, 2, T, M, 2, device="cuda")
    run = Graphed(folded, torch.zeros_like(x))
    tolerance = 1e-4 if dtype == torch.float32 else 0.02
    with torch.no_grad():
        torch.testing.assert_close(run(x).future, folded(x).future, atol=tolerance, rtol=tolerance)


@pytest.mark.cuda
@pytest.mark.parametrize("shape", [(1, T, M, 2), (1, 2, T, M, 2)])
def test_a_replay_equals_the_model(shape: tuple[int, ...]) -> None:
    model = build().cuda()
    run = Graphed(model, torch.zeros(shape, device="cuda"), num_future=5)
    kept = []
    for _ in range(3):
        x = torch.randn(shape, device="cuda")
        kept.append((run(x), model(x, num_future=5)))
    # Results are compared at the end, because a later call must not change them.
    for out, expected in kept:
        assert out.future.shape[-3] == 5
        for name in NAMES:
            torch.testing.assert_close(getattr(out, name), getattr(expected, name), atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="'x' has shape"):
        run(torch.zeros(2, *shape[1:], device="cuda"))


@pytest.mark.cuda
def test_present_persons_may_change_between_replays() -> None:
    model, x = build().cuda(), torch.randn(1, 2, T, M, 2, device="cuda")
    gone = x.clone()
    gone[0, 1] = 0
    run = Graphed(model, x)
    for each in (x, gone, x):
        torch.testing.assert_close(run(each).future, model(each).future, atol=1e-4, rtol=1e-4)
    present = torch.tensor([[True, False]])
    masked = Graphed(model, x, present)
    torch.testing.assert_close(masked(x).logits, model(x, present).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.cuda
def test_a_graph_captured_under_autocast_replays_without_autocast() -> None:
    model, x = build().cuda(), torch.randn(1, T, M, 2, device="cuda")
    with torch.autocast("cuda", dtype=torch.bfloat16):
        run, expected = Graphed(model, x), model(x)
    torch.testing.assert_close(run(x).logits, expected.logits, atol=1e-3, rtol=1e-3)
    assert torch.is_autocast_cache_enabled()


@pytest.mark.cuda
def test_a_call_overwrites_the_last_result_if_clone_is_false() -> None:
    model = build().cuda()
    run = Graphed(model, torch.zeros(1, T, M, 2, device="cuda"), clone=False)
    first = run(torch.randn(1, T, M, 2, device="cuda"))
    assert run(torch.randn(1, T, M, 2, device="cuda")).future.data_ptr() == first.future.data_ptr()


@pytest.mark.cuda
@pytest.mark.parametrize("training", [False, True])
def test_the_forward_pass_needs_no_device_synchronisation(training: bool) -> None:
    model, x = build().train(training).cuda(), torch.randn(2, 2, T, M, 2)
    x[1, 1] = 0
    mask, there = (x != 0).flatten(2).any(dim=2), x.cuda()
    model(there, mask)
    torch.cuda.set_sync_debug_mode("error")
    try:
        model(there, mask)
        model(there[:, 0])
        if not training:
            model(there)
    finally:
        torch.cuda.set_sync_debug_mode("default")
