r"""Untrusted NumPy archives and arrays: pickles are refused, and memory grows only with the bytes read."""

import io
import math
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

MAX_BYTES = 2**28
"""Largest size of an array: a compressed archive of a few kilobytes can claim or contain terabytes."""
_CHUNK = 2**20
_ENCRYPTED = 0x1
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MAGIC = b"\x93NUMPY\x01\x00"  # version 1.0, used for all arrays of plain values


class ArrayHeader(NamedTuple):
    """The header of an array; `num_bytes` is the size of its values."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class NpzFile(AbstractContextManager):
    r"""An open ``.npz`` archive, from which only plain arrays (numbers, booleans, text) can be read.

    Args:
        path: The file.

    Attributes:
        names: Names of the arrays, in the order of the archive.

    Raises:
        ValueError: If the file is not an ``.npz`` archive, is damaged, or has a name twice.
        FileNotFoundError: If there is no such file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with _named(str(path), ", expected an .npz archive"):
            self._zip = zipfile.ZipFile(self.path)
        try:
            self.names = self._check_members()
        except ValueError:
            self._zip.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @contextmanager
    def open(self, name: str) -> Iterator[tuple[ArrayHeader, IO[bytes]]]:
        r"""The header of an array, and a stream of its values, whose size agrees with the header.

        Raises:
            ValueError: If the array is damaged or a pickle, or its header contradicts its size.
        """
        info = self._zip.getinfo(f"{name}.npy")
        with _named(self._where(name)), self._zip.open(info) as stream:
            yield _read_header(stream, info.file_size), stream

    def array(self, name: str, *, max_bytes: int = MAX_BYTES) -> np.ndarray:
        r"""A whole array.

        Raises:
            ValueError: If the array is damaged, a pickle, or larger than `max_bytes`.
        """
        with self.open(name) as (header, stream):
            if header.num_bytes > max_bytes:
                raise ValueError(f"{header.num_bytes} bytes, expected at most {max_bytes}")
            # The buffer grows with the bytes that are read; the size in the header is not trusted.
            content = bytearray()
            while chunk := stream.read(_CHUNK):
                content += chunk
            if len(content) != header.num_bytes:
                raise ValueError(f"ends after {len(content)} of {header.num_bytes} bytes")
            return _as_array(content, header)

    def pickle(self, name: str) -> bytes:
        r"""The pickle of an array of Python objects, which is not loaded.

        Raises:
            ValueError: If the array is damaged or larger than :data:`MAX_BYTES`.
        """
        info = self._zip.getinfo(f"{name}.npy")
        with _named(self._where(name)), self._zip.open(info) as stream:
            if info.file_size > MAX_BYTES:
                raise ValueError(f"{info.file_size} bytes, expected at most {MAX_BYTES}")
            start = stream.read(len(_MAGIC) + 2)
            if start[:-2] != _MAGIC:
                raise ValueError(f"begins with {start[:-2]!r}, expected {_MAGIC!r}")
            stream.read(int.from_bytes(start[-2:], "little"))
            return stream.read()

    def _check_members(self) -> tuple[str, ...]:
        members = Counter(self._zip.namelist())
        for member, count in members.items():
            if count > 1:
                raise ValueError(f"{self.path} has {member!r} twice, expected it once")
            if not member.endswith(".npy"):
                raise ValueError(f"{self.path} has {member!r}, expected an archive of only .npy arrays")
            name = member.removesuffix(".npy")
            info = self._zip.getinfo(member)
            if info.flag_bits & _ENCRYPTED or info.compress_type not in _PACKINGS:
                raise ValueError(f"{self._where(name)} is encrypted or not compressed as by numpy.savez")
            with _named(self._where(name)):
                # Opening compares both copies of the name in the archive, which detects changes.
                self._zip.open(member).close()
        return tuple(member.removesuffix(".npy") for member in members)

    def _where(self, name: str) -> str:
        return f"{self.path}, array {name[:60]!r}"


def read_npy(path: Path) -> np.ndarray:
    r"""The array of an ``.npy`` file: numbers, booleans or text.

    Raises:
        ValueError: If the file is damaged, a pickle, or not of the size that its header says.
        FileNotFoundError: If there is no such file.
    """
    with _named(str(path), ", expected an .npy array"), path.open("rb") as stream:
        header = _read_header(stream, path.stat().st_size)
        return _as_array(stream.read(), header)


def _read_header(stream: IO[bytes], file_size: int) -> ArrayHeader:
    """The header at the start of a stream, which must be followed by the announced number of bytes."""
    start = stream.read(len(_MAGIC) + 2)
    if start[:-2] != _MAGIC:
        raise ValueError(f"begins with {start[:-2]!r}, expected {_MAGIC!r}")
    rest = stream.read(int.from_bytes(start[-2:], "little"))
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(start[-2:] + rest))
    if dtype.hasobject:
        raise ValueError("holds pickled Python objects, which are not read: expected numbers or text")
    if dtype.kind not in "fiubU":
        raise ValueError(f"holds {dtype}, expected numbers, booleans or text")
    if not all(size >= 0 for size in shape):
        raise ValueError(f"has shape {list(shape)}, expected no negative size")
    header = ArrayHeader(tuple(shape), dtype, fortran_order)
    size = file_size - stream.tell()
    if header.num_bytes != size:
        raise ValueError(f"{size} bytes of values, but {dtype} {list(shape)} takes {header.num_bytes}")
    return header


def _as_array(content: bytes | bytearray, header: ArrayHeader) -> np.ndarray:
    values = np.frombuffer(content, header.dtype)
    return values.reshape(header.shape, order="F" if header.fortran_order else "C")


@contextmanager
def _named(where: str, expected: str = "") -> Iterator[None]:
    """Name the file and array in which the content is damaged, in an error of one line."""
    try:
        yield
    except FileNotFoundError:
        raise
    # Damaged content raises many kinds of errors in zipfile, zlib, numpy and (for headers) Python's parser.
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{where}: {text if len(text) <= 200 else text[:197] + '...'}{expected}") from error
