r"""Digests of weights, which detect damage to a file."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """The SHA-256 of a state dict: name, type, shape and bytes of each tensor, in the order of the names."""
    return arrays_digest(
        (name, str(value.dtype).removeprefix("torch."), value.shape, _bytes(value))
        for name, value in sorted(weights.items())
    )


def graph_digest(graph: Any) -> str:
    """The SHA-256 of the weights and the operators in the protocol buffer of an ONNX graph."""
    weights = (
        (each.name, str(each.data_type), each.dims, each.raw_data or each.SerializeToString())
        for each in sorted(graph.initializer, key=lambda each: str(each.name))
    )
    operators = ((each.name, each.op_type, (), each.SerializeToString()) for each in graph.node)
    return arrays_digest(chain(weights, operators))


def arrays_digest(arrays: Iterable[tuple[str, str, Sequence[int], bytes]]) -> str:
    """The SHA-256 of the names, types, shapes and bytes of arrays, in the given order."""
    digest = hashlib.sha256()
    for name, dtype, shape, content in arrays:
        # The lengths separate the bytes of successive arrays.
        digest.update(f"{name!r} {dtype} {list(shape)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _bytes(value: Tensor) -> bytes:
    flat = value.detach().cpu().contiguous().flatten()
    # As bytes, because NumPy has no bfloat16.
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
