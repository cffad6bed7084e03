"""CUDA graphs: invalid arguments, and on a CUDA device the same results as the model."""

import pytest
import torch

from pyg_sybio.accelerate.cuda_graph import Graphed, _check_like
from pyg_sybio.models.sybio_gnn import SybioGNN
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


def test_a_model_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'model' is in training mode, .* call model\.eval\(\)"):
        Graphed(build().train(), torch.zeros(1, T, M, 2))


def test_without_a_device_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="a CUDA graph needs a CUDA device, but torch sees none"):
        Graphed(build(), torch.zeros(1, T, M, 2))


def test_an_example_on_the_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_an_input_unlike_the_example_is_refused(x: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _check_like(x, torch.zeros(1, T, M, 2))


@pytest.mark.cuda
@pytest.mark.parametrize("shape", [(1, T, M, 2), (1, 2, T, M, 2)])
def test_a_replay_gives_the_same_numbers(shape: tuple[int, ...]) -> None:
    model = build().cuda()
    run = Graphed(model, torch.zeros(shape, device="cuda"), num_future=5)
    kept = []
    for _ in range(3):
        x = torch.randn(shape, device="cuda")
        kept.append((run(x), model(x, num_future=5)))
    # Compared at the end, because a call must not change earlier results.
    for out, expected in kept:
        assert out.future.shape[-3] == 5
        for name in NAMES:
            torch.testing.assert_close(getattr(out, name), getattr(expected, name), atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="'x' has shape"):
        run(torch.zeros(2, *shape[1:], device="cuda"))


@pytest.mark.cuda
def test_changing_persons_and_a_mask() -> None:
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
def test_a_graph_captured_in_autocast_runs_outside_of_it() -> None:
    model, x = build().cuda(), torch.randn(1, T, M, 2, device="cuda")
    with torch.autocast("cuda", dtype=torch.bfloat16):
        run, expected = Graphed(model, x), model(x)
    torch.testing.assert_close(run(x).logits, expected.logits, atol=1e-3, rtol=1e-3)
    assert torch.is_autocast_cache_enabled()


@pytest.mark.cuda
def test_without_clones_a_call_overwrites_the_last_result() -> None:
    model = build().cuda()
    run = Graphed(model, torch.zeros(1, T, M, 2, device="cuda"), clone=False)
    first = run(torch.randn(1, T, M, 2, device="cuda"))
    assert run(torch.randn(1, T, M, 2, device="cuda")).future.data_ptr() == first.future.data_ptr()


@pytest.mark.cuda
@pytest.mark.parametrize("training", [False, True])
def test_the_forward_pass_needs_no_synchronisation(training: bool) -> None:
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
