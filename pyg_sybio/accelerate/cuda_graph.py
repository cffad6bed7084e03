r"""A model's forward pass as one CUDA graph: single samples without the host's share of the time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

import torch
from torch import Tensor

from pyg_sybio.models.sybio_gnn import SybioOutput

# What a model does the first time (choosing algorithms, reserving memory) must not be captured.
_WARM_UP = 3


class Graphed:
    r"""A model's evaluation for one shape of input, captured once and replayed (CUDA graph).

    One clip has too little work for each kernel to hide what launching it costs; a replay launches all of
    them at once. What was captured is what runs: the model's mode, and autocast if it was on.

    .. code-block:: python

        model = SybioGNN.from_pretrained(folder).cuda()
        run = Graphed(model, torch.zeros(1, 64, 25, 3, device="cuda"))
        for window in windows:
            out = run(window)

    Args:
        model: A model in evaluation mode, on a CUDA device.
        example: Motions of the shape, type and device of those to come, ``[N, T, M, D]`` or
            ``[N, P, T, M, D]``; their values do not matter.
        present: Which persons are present, ``[N, P]``, in every call. (default: those that are not zero
            throughout, found anew in every call)
        num_future: The number of future frames, in place of the model's own.
        clone: Whether a call returns tensors of its own. If not, its result is overwritten by the next call,
            which saves one copy. (default: :obj:`True`)

    Raises:
        ValueError: If there is no CUDA device, the model trains, the model or the example is elsewhere, or
            the example does not fit the model.
    """

    def __init__(
        self,
        model: Callable[..., SybioOutput],
        example: Tensor,
        present: Tensor | None = None,
        num_future: int | None = None,
        *,
        clone: bool = True,
    ) -> None:
        if getattr(model, "training", False):
            raise ValueError("'model' is in training mode, expected one in evaluation: call model.eval()")
        if not torch.cuda.is_available():
            raise ValueError("a CUDA graph needs a CUDA device, but torch sees none")
        if example.device.type != "cuda":
            raise ValueError(f"'example' is on {example.device}, expected a CUDA device")
        self.clone = clone
        self._input = example.clone(memory_format=torch.contiguous_format)
        # On the device: a mask on the host would choose the persons there.
        self._present = None if present is None else present.to(example.device)
        self._graph = torch.cuda.CUDAGraph()

        def forward() -> SybioOutput:
            return model(self._input, present=self._present, num_future=num_future)

        with torch.cuda.device(example.device), torch.inference_mode(), _without_autocast_cache():
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP):
                    forward()
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(self._graph):
                self._output = forward()

    def __call__(self, x: Tensor) -> SybioOutput:
        """Recognise and predict a motion of the example's shape.

        Raises:
            ValueError: If shape, type or device are not those of the example.
        """
        _check_like(x, self._input)
        with torch.inference_mode():
            self._input.copy_(x)
            self._graph.replay()
            if not self.clone:
                return self._output
            values = {field.name: getattr(self._output, field.name) for field in fields(self._output)}
            return replace(
                self._output,
                **{name: value.clone() for name, value in values.items() if value is not None},
            )


@contextmanager
def _without_autocast_cache() -> Iterator[None]:
    """Cast weights within the graph: what autocast keeps for the next use is freed when it ends."""
    enabled = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    torch.clear_autocast_cache()
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(enabled)


def _check_like(x: Tensor, example: Tensor) -> None:
    for what, mine, expected in (
        ("shape", tuple(x.shape), tuple(example.shape)),
        ("type", x.dtype, example.dtype),
        ("device", x.device, example.device),
    ):
        if mine != expected:
            raise ValueError(f"'x' has {what} {mine}, but the graph was captured for {what} {expected}")
