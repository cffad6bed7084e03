"""Attribute time or FLOPs to the modules of a model, with hooks on modules and on the autograd graph."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils._pytree import tree_leaves

FORWARD, BACKWARD = "forward", "backward"


class Place(NamedTuple):
    """The key under which time and FLOPs are counted: the running modules and the direction.

    Args:
        modules: Names of the running modules, outermost first; empty if no module is running.
        direction: ``"forward"`` or ``"backward"``.
    """

    modules: tuple[str, ...] = ()
    direction: str = FORWARD


class ModuleProfile:
    r"""Attribute the increase of a meter, such as a clock, to the modules that run while the profile is
    active.

    .. code-block:: python

        with ModuleProfile(dict(model.named_modules()), time.perf_counter) as profile:
            loss(model(x)).backward()
        profile.spent[Place(("", "encoder"), "forward")]

    Forward hooks mark where each module begins and ends. When a module ends, hooks are added to the autograd
    nodes that it has created, in order to attribute the backward pass. The cost of the hooks themselves is
    not counted.

    Args:
        modules: Modules by name.
        meter: Function that returns an increasing number, such as seconds, or FLOPs counted so far.
    """

    def __init__(self, modules: Mapping[str, nn.Module], meter: Callable[[], float]) -> None:
        self.spent: defaultdict[Place, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._modules, self._meter = modules, meter
        self._handles: list[Any] = []
        # The running modules: their names, and the autograd nodes of their inputs.
        self._running: list[tuple[str, Collection[Node]]] = []
        self._hooked: set[Node] = set()

    def __enter__(self) -> Self:
        """Register the hooks."""
        for name, module in self._modules.items():
            enter = module.register_forward_pre_hook(partial(self._enter, name), with_kwargs=True)
            leave = module.register_forward_hook(self._leave, always_call=True)
            self._handles += [enter, leave]
        self._resume(Place())
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove the hooks."""
        self._pause()
        for handle in self._handles:
            handle.remove()
        self._hooked.clear()

    def _pause(self) -> None:
        self.spent[self._place] += self._meter() - self._since

    def _resume(self, place: Place) -> None:
        self._place, self._since = place, self._meter()

    def _enter(self, name: str, module: nn.Module, args: object, kwargs: object) -> None:
        self._pause()
        self.calls[name] += 1
        self._running.append((name, {x.grad_fn for x in _tensors((args, kwargs)) if x.grad_fn is not None}))
        self._resume(self._here())

    def _leave(self, module: nn.Module, args: object, output: object) -> None:
        self._pause()
        place = self._here()
        _, inputs = self._running.pop()
        pending, seen = [x.grad_fn for x in _tensors(output)], set(inputs)
        while pending:
            node = pending.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            pending += [following for following, _ in node.next_functions]
            # Submodules have ended before this module, so the nodes that they created are already attributed.
            if node not in self._hooked:
                self._hooked.add(node)
                self._handles.append(node.register_prehook(partial(self._backward, place)))
        self._resume(self._here())

    def _backward(self, place: Place, gradients: object) -> None:
        self._pause()
        self._resume(Place(place.modules, BACKWARD))

    def _here(self) -> Place:
        return Place(tuple(name for name, _ in self._running))


def _tensors(value: object) -> Iterator[Tensor]:
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            yield leaf
        elif is_dataclass(leaf):
            yield from _tensors([getattr(leaf, each.name) for each in fields(leaf)])


def synchronised(clock: Callable[[], float], device: torch.device) -> Callable[[], float]:
    """Return a clock that, on CUDA, synchronises the device before each reading."""
    if device.type != "cuda":
        return clock

    def read() -> float:
        torch.cuda.synchronize(device)
        return clock()

    return read
