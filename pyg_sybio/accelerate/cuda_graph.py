r"""Evaluation of a model as a CUDA graph, which removes the host overhead of small batches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from pyg_sybio.models.sybio_gnn import SybioOutput

# Number of calls before the capture; the first calls select algorithms and reserve memory.
_WARM_UP = 3


class Graphed:
    r"""Evaluation of a model as a CUDA graph, captured once for a fixed input shape and replayed.

    With a single clip, launching a kernel takes longer than running it; a replay launches all kernels at
    once. The graph is captured with the current mode of the model and the current autocast setting.

    .. code-block:: python

        model = SybioGNN.from_pretrained(folder).cuda()
        run = Graphed(model, torch.zeros(1, 64, 25, 3, device="cuda"))
        for window in windows:
            out = run(window)

    Args:
        model: A model in evaluation mode, on a CUDA device.
        example: Motions with the shape, type and device of later inputs, ``[N, T, M, D]`` or
            ``[N, P, T, M, D]``; the values are not used.
        present: Which persons are present in every call, ``[N, P]``. (default: in each call, the persons
            whose motion is not all zeros)
        num_future: Number of future frames. (default: the model's ``num_future``)
        clone: Whether each call returns new tensors. If :obj:`False`, the next call overwrites the result,
            which saves one copy. (default: :obj:`True`)

    Raises:
        ValueError: If there is no CUDA device, the model is in training mode, the model or the example is on
            another device, or the shape of the example does not fit the model.
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
            raise ValueError("'model' is in training mode, expected evaluation mode: call model.eval()")
        if not torch.cuda.is_available():
            raise ValueError("a CUDA graph needs a CUDA device, but torch sees none")
        if example.device.type != "cuda":
            raise ValueError(f"'example' is on {example.device}, expected a CUDA device")
        self.clone = clone
        self._model = model  # a reference keeps the weights in memory, which the graph reads
        self._input = example.clone(memory_format=torch.contiguous_format)
        # With a mask on the host, the model would remove absent persons on the host, outside of the graph.
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
            # torch's default capture stream belongs to the device of its first use, which may be another
            # device.
            with torch.cuda.graph(self._graph, stream=side):
                self._output = forward()

    def __call__(self, x: Tensor) -> SybioOutput:
        """Evaluate the model on motions with the shape, type and device of the example.

        Raises:
            ValueError: If the shape, type or device differs.
        """
        _check_like(x, self._input)
        with torch.inference_mode():
            self._input.copy_(x)
            self._graph.replay()
            if not self.clone:
                return self._output
            values = {name: value.clone() for name, value in vars(self._output).items() if value is not None}
            return replace(self._output, **values)


@contextmanager
def _without_autocast_cache() -> Iterator[None]:
    """Disable the weight cache of autocast during a capture, because the cache is freed when autocast
    ends.
    """
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
