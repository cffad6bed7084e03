"""Descriptions of the inputs of a prepared result, identical in every process."""

import functools
import json
import os
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
import xxhash
from torch import Tensor

from pyg_sybio.skeleton import Skeleton


def digest(document: Any) -> str:
    """A checksum of a JSON document."""
    return xxhash.xxh3_128_hexdigest(json.dumps(document, sort_keys=True).encode())


def described(value: Any) -> Any:
    """A value as JSON that is the same in every process, and different for different functions or parameters.

    A function is represented by its name, any other object by its class and the values of its attributes.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return repr(value)
        case list() | tuple():
            return [described(item) for item in value]
        case set() | frozenset():
            return sorted(json.dumps(described(item)) for item in value)
        case Mapping():
            items = sorted([json.dumps(described(key)), described(item)] for key, item in value.items())
            return {"mapping": items}
        case PurePath() | np.dtype() | np.generic() | torch.dtype() | torch.device() | slice():
            return repr(value)
        case Skeleton():
            return value.to_dict()
        case Tensor():
            return described(value.detach().cpu().numpy())
        case np.ndarray():
            content = xxhash.xxh3_128_hexdigest(np.ascontiguousarray(value).tobytes())
            return [value.dtype.str, list(value.shape), content]
        case functools.partial():
            return ["partial", described(value.func), described(value.args), described(value.keywords)]
        case types.MethodType():
            return [described(value.__func__), described(value.__self__)]
        case type() | types.FunctionType() | types.BuiltinFunctionType():
            return f"{value.__module__}.{value.__qualname__}"
        case Enum():
            return str(value)
        case _:
            return [described(type(value)), described(value.__getstate__())]


def listing(files: Sequence[Path], root: Path) -> str:
    """A digest of the names, sizes and modification times of files."""
    prefix = f"{root}{os.sep}"
    checksum = xxhash.xxh3_128()
    for path in files:
        status = path.stat()
        name = str(path).removeprefix(prefix)
        checksum.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return checksum.hexdigest()
