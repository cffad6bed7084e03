r"""Checks of an untrusted ONNX file before onnxruntime reads it.

An ONNX graph is a program. Here it may only use standard operators, without loops, branches or functions, and
its tensors must be in the file, although ONNX also allows tensors in other files.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

_MAX_NODES = 50_000
_MAX_METADATA = 4 * 2**20  # characters


def parse_onnx(content: bytes, where: str) -> onnx.ModelProto:
    """Return the protocol buffer of an ONNX file.

    Args:
        content: The bytes of the file.
        where: Name of the file in error messages.

    Raises:
        ValueError: If the content is not an ONNX file, names other files, or uses operators or sizes that no
            model needs.
    """
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise ValueError(f"{where} is not an ONNX file") from None
    graph = model.graph
    domains = {each.domain for each in graph.node}
    if model.functions or model.training_info or not domains <= {"", "ai.onnx"}:
        raise ValueError(f"{where}: the graph defines functions, expected only standard operators")
    if len(graph.node) > _MAX_NODES:
        raise ValueError(f"{where}: the graph has {len(graph.node)} nodes, expected at most {_MAX_NODES}")
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise ValueError(
                    f"{where}: the graph has loops or branches ({node.op_type:.40}), expected none"
                )
    for tensor in _tensors(graph):
        if tensor.data_location != onnx.TensorProto.DEFAULT or tensor.external_data:
            raise ValueError(f"{where}: the numbers of {tensor.name!r:.80} are in another file")
        # No number takes less than half a byte.
        if any(size < 0 for size in tensor.dims) or math.prod(tensor.dims) > 2 * tensor.ByteSize():
            raise ValueError(
                f"{where}: {tensor.name!r:.80} has shape {list(tensor.dims)!s:.80}, but fewer numbers"
            )
    if sum(len(each.key) + len(each.value) for each in model.metadata_props) > _MAX_METADATA:
        raise ValueError(f"{where}: the metadata are too long, expected at most {_MAX_METADATA} characters")
    return model


def _tensors(graph: Any) -> Iterator[Any]:
    """Return every tensor in a graph."""
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    sparse: Iterable[Any] = [
        *graph.sparse_initializer,
        *(each.sparse_tensor for each in attributes if each.HasField("sparse_tensor")),
        *(tensor for each in attributes for tensor in each.sparse_tensors),
    ]
    yield from graph.initializer
    yield from (each.t for each in attributes if each.HasField("t"))
    yield from (tensor for each in attributes for tensor in each.tensors)
    yield from (tensor for each in sparse for tensor in (each.values, each.indices))
