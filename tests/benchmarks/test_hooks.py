"""Hooks attribute time and FLOPs to the right modules, and leave the results unchanged."""

import itertools
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from benchmark_scripts import Scripts
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

ROWS = 5


@pytest.fixture
def hooks(scripts: Scripts) -> ModuleType:
    return scripts["hooks"]


class Out(NamedTuple):
    first: Tensor
    second: Tensor


class Inner(nn.Module):
    """A module with one product and two layers, one of which runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.shared = nn.Linear(4, 8), nn.Linear(8, 8)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, *, scale: Tensor) -> Out:
        hidden = self.shared(self.relu(self.shared(self.wide(x * scale))))
        return Out(hidden @ hidden.mT, hidden)


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = Inner(), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        mixed = x @ x.mT @ x  # called before the inner module, so not attributed to it
        out = self.inner(mixed, scale=torch.ones(()))
        return out.first.sum() + self.last(out.second).sum()


FORWARD = {
    ("", "inner", "inner.wide"): 2 * ROWS * 4 * 8,
    ("", "inner", "inner.shared"): 2 * 2 * ROWS * 8 * 8,
    ("", "inner"): 2 * ROWS * 8 * ROWS,
    ("", "last"): 2 * ROWS * 8 * 2,
    ("",): 2 * (2 * ROWS * 4 * ROWS),
}


def _flops(hooks: ModuleType, model: nn.Module, run: Any) -> Any:
    with FlopCounterMode(display=False) as counter:
        meter = counter.get_total_flops
        with hooks.ModuleProfile(dict(model.named_modules()), meter) as profile:
            run()
    return profile


def test_every_module_gets_the_flops_of_its_own_products(hooks: ModuleType) -> None:
    model, x = Outer(), torch.randn(ROWS, 4)
    with torch.inference_mode():
        profile = _flops(hooks, model, lambda: model(x))
    spent = {place: flops for place, flops in profile.spent.items() if flops}
    assert spent == {hooks.Place(modules, "forward"): flops for modules, flops in FORWARD.items()}
    calls = {"": 1, "inner": 1, "inner.wide": 1, "inner.shared": 2, "inner.relu": 1, "last": 1}
    assert profile.calls == {name: calls[name] for name in profile.calls}
    assert profile.calls["inner.shared"] == 2


def test_a_backward_pass_is_attributed_to_the_modules_of_the_forward_pass(hooks: ModuleType) -> None:
    model, x = Outer(), torch.randn(ROWS, 4, requires_grad=True)
    profile = _flops(hooks, model, lambda: model(x).backward())
    backward = {
        place.modules: flops for place, flops in profile.spent.items() if place.direction == "backward"
    }
    for modules, flops in FORWARD.items():
        assert profile.spent[hooks.Place(modules, "forward")] == flops
        # One product for the gradient of each factor.
        assert backward.pop(modules) == 2 * flops
    assert not any(backward.values())


def test_time_is_counted_once(hooks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that advances by one per reading, each module gets one unit per visit."""
    model, x, clock = Outer(), torch.randn(ROWS, 4), itertools.count()
    with (
        hooks.ModuleProfile(dict(model.named_modules()), lambda: float(next(clock))) as profile,
        torch.no_grad(),
    ):
        model(x)
    stays = {place.modules: ticks for place, ticks in profile.spent.items()}
    assert stays[()] == 2 and stays[("",)] == 3  # once before, between and after its two modules
    assert stays[("", "inner")] == 5 and stays[("", "inner", "inner.shared")] == 2
    assert sum(stays.values()) == next(clock) / 2


def test_hooks_are_removed_after_an_exception(hooks: ModuleType) -> None:
    model = Outer()
    with (
        pytest.raises(RuntimeError, match="shapes"),
        hooks.ModuleProfile(dict(model.named_modules()), lambda: 0.0) as profile,
    ):
        model(torch.randn(ROWS, 3))
    before = dict(profile.calls)
    model(torch.randn(ROWS, 4)).backward()
    assert profile.calls == before


def test_results_and_gradients_do_not_change(hooks: ModuleType) -> None:
    model, x = Outer(), torch.randn(ROWS, 4)
    results = []
    for profiled in (False, True):
        model.zero_grad()
        with hooks.ModuleProfile(dict(model.named_modules()) if profiled else {}, lambda: 0.0):
            out = model(x)
            out.backward()
        results.append([out.detach(), *(each.grad.clone() for each in model.parameters())])
    for plain, same in zip(*results, strict=True):
        assert torch.equal(plain, same)


def test_outputs_may_be_dataclasses(hooks: ModuleType, scripts: Scripts) -> None:
    """The backward pass is attributed even if the model returns a dataclass."""
    model, x = scripts["modes"].build("demo", observed=9, num_future=2)
    model.train()

    def step() -> None:
        output = model(x.squeeze(1))
        (output.logits.sum() + output.future.sum()).backward()

    profile = _flops(hooks, model, step)
    assert profile.spent[hooks.Place((), "backward")] == profile.spent[hooks.Place()] == 0
    directions = {
        way: sum(flops for place, flops in profile.spent.items() if place.direction == way)
        for way in ("forward", "backward")
    }
    assert 1.5 * directions["forward"] < directions["backward"] < 2 * directions["forward"]
