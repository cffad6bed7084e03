r"""Safe reading of files that :func:`torch.save` wrote. Tensors are views of the file.

``torch.load(weights_only=True)`` also calls constructors with arguments from the file, such as a buffer of
any size. This module reads only tensors and plain values, calls no function, and takes no more memory than
the file.
"""

import math
import mmap
import os
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from pyg_sybio.data.readers.plain_pickle import Global, PlainUnpickler

_TYPES = ("Bool", "Byte", "Char", "Short", "Int", "Long", "Half", "BFloat16", "Float", "Double")
_STORAGES = {f"torch.{name}Storage": getattr(torch, f"{name}Tensor").dtype for name in _TYPES}
_DICT, _TENSOR = "collections.OrderedDict", "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"
_MAX_PICKLE = 4 * 2**20  # bytes, without the tensors
_MAX_DIMENSIONS = 8
_DAMAGE = (
    *(zipfile.BadZipFile, KeyError, StopIteration, RuntimeError, NotImplementedError, EOFError, struct.error),
    OSError,  # zipfile seeks to places that a damaged file names
)


def read_torch_file(path: Path) -> Any:
    """Read a file that :func:`torch.save` wrote.

    Raises:
        ValueError: If torch.save did not write the file, or if it is damaged or contains objects other than
            tensors and plain values.
        OSError: If the file cannot be opened.
    """
    with path.open("rb") as file:
        try:
            pickled, content, entries, folder = _archive_of(file)
        except (*_DAMAGE, ValueError) as error:
            reason = (
                str(error) if isinstance(error, ValueError) else f"not a file that torch.save wrote: {error}"
            )
            raise ValueError(f"{path}: {reason:.300}; copy it again, or use an earlier checkpoint") from None
    return _TensorUnpickler(pickled, str(path), content, entries, folder).load()


def _archive_of(file: BinaryIO) -> tuple[bytes, mmap.mmap, dict[str, zipfile.ZipInfo], str]:
    """The pickled values, the content, and the entries of an archive that torch wrote, and their folder."""
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        folder = next(iter(entries)).partition("/")[0]
        sizes = [entry.file_size for entry in archive.infolist()]
        # A zip file may announce more data than it contains, or contain the same data under several
        # names.
        if (
            len(entries) < len(sizes)
            or sum(sizes) > os.fstat(file.fileno()).st_size
            or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values())
            or entries[f"{folder}/data.pkl"].file_size > _MAX_PICKLE
        ):
            raise ValueError("its archive differs from the archives that torch writes")
        if damaged := archive.testzip():
            raise ValueError(f"{damaged!r:.80} is damaged")
        if archive.read(f"{folder}/byteorder") != sys.byteorder.encode():
            raise ValueError(f"its numbers are not {sys.byteorder}-endian")
        pickled = archive.read(f"{folder}/data.pkl")
        # Tensors need writable memory; changes are private to this process.
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return pickled, content, entries, folder


class _TensorUnpickler(PlainUnpickler):
    """An unpickler of plain values and of tensors whose numbers are in the same archive."""

    instructions = f"{PlainUnpickler.instructions} BINPERSID"
    names = frozenset([_DICT, _TENSOR, _PARAMETER, *_STORAGES])
    free_objects = 2**19

    def __init__(
        self, pickled: bytes, where: str, archive: mmap.mmap, entries: dict[str, zipfile.ZipInfo], folder: str
    ) -> None:
        super().__init__(pickled, where)
        self.archive, self.entries, self.folder = archive, entries, folder
        self.taken = 0  # total bytes of the tensors

    def persistent_load(self, pid: Any) -> Tensor:
        """Return a storage, as a tensor of one dimension."""
        match pid:
            case ("storage", Global(name), str(key), str(), int(count)) if name in _STORAGES and count >= 0:
                entry, dtype = self.entries.get(f"{self.folder}/data/{key}"), _STORAGES[name]
                if entry is None or count * dtype.itemsize > entry.file_size:
                    raise ValueError(f"the numbers of storage {key!r:.40} are not in the file")
                lengths = self.archive[entry.header_offset + 26 : entry.header_offset + 30]
                start = entry.header_offset + 30 + sum(struct.unpack("<HH", lengths))
                if count == 0:
                    return torch.empty(0, dtype=dtype)
                return torch.frombuffer(self.archive, dtype=dtype, count=count, offset=start)
        raise ValueError("a storage that torch does not write")

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        match name.rpartition(".")[2], *arguments:
            case ["OrderedDict"]:
                return {}
            case "_rebuild_parameter", Tensor() as data, bool(), dict():
                return data
            case "_rebuild_tensor_v2", Tensor() as data, int(first), tuple(size), tuple(stride), *_:
                if not (
                    all(type(number) is int and number >= 0 for number in (first, *size, *stride))
                    and len(size) == len(stride) <= _MAX_DIMENSIONS
                ):
                    raise ValueError("a tensor with invalid sizes")
                last = first + sum((each - 1) * step for each, step in zip(size, stride, strict=True))
                self.taken += math.prod(size) * data.element_size()
                if math.prod(size) > data.numel() or (math.prod(size) and last >= data.numel()):
                    raise ValueError(f"a tensor of shape {list(size)} that has only {data.numel()} numbers")
                if self.taken > 2 * len(self.archive):
                    raise ValueError("many tensors share the same numbers")
                return data.as_strided(size, stride, first)
        raise ValueError(f"{name} is called with arguments that torch does not write")

    def load_build(self) -> None:
        """Ignore the attributes of a dictionary, such as the versions of the modules of a state dict."""
        self.stack.pop()
        self.top(dict)
