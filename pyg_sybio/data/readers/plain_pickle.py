r"""Untrusted pickles with arrays and plain values, which are read as data and never executed.

A pickle is a program for a small stack machine that may import and call anything. :class:`PlainUnpickler`
allows only the instructions that numbers, text, lists, tuples, dictionaries, sets and numpy arrays need.
Nothing is imported: :meth:`PlainUnpickler.call` replaces the few functions that numpy's pickles call.

Note:
    ``pickle.Unpickler`` with a restricted ``find_class`` would still allocate whatever sizes the file
    announces, and hash keys that are nested so deeply that the stack overflows. The class here therefore
    extends the standard library's version in Python, reads the memory-mapped file, and checks each size and
    each key. Arrays are views of the file, so that a file larger than the memory can be read.
"""

import math
import mmap
import pickle
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from typing import Any, Literal

import numpy as np

_MAX_LONG = 255  # bytes of an integer
# A container may take one byte in the file but 50 to 200 bytes in memory: beyond a fixed number of
# containers, each must correspond to this many bytes of the file. (An annotation has about 25 containers, and
# thousands of bytes.)
_BYTES_PER_OBJECT = 16
_MAX_DIMENSIONS = 8
_CORES = ("core", "_core")  # of numpy 1 and numpy 2
_TYPE = re.compile(r"b1|[iu][1248]|f[248]|U[1-9][0-9]{0,6}")


@dataclass(eq=False)
class PickledArray:
    """A numpy array in a pickle; `values` is a read-only view of the file."""

    values: Any = None


def load_plain_pickle(path: str | Path) -> Any:
    r"""The value in a pickle of plain values and numpy arrays.

    Returns:
        Numbers, text, bytes (some as `memoryview`), lists, tuples, dictionaries, sets and
        :class:`PickledArray`; numpy scalars become Python values.

    Raises:
        ValueError: If the file is damaged, or names anything other than plain values and arrays; the message
            contains the file, the byte, and the name.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ValueError(f"{path} is empty, expected a pickle")
        return PlainUnpickler(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), str(path)).load()


@dataclass(eq=False)
class _DType:
    """A numpy type in a pickle: made from its code, then given its byte order."""

    code: str
    byte_order: Literal["<", ">", "|", "="] = "="


def _array(data: Any, dtype: _DType, shape: tuple[Any, ...], order: Any) -> np.ndarray:
    if not isinstance(data, memoryview | bytes):
        raise ValueError(f"an array with data of type {type(data).__name__}, expected bytes")
    if len(shape) > _MAX_DIMENSIONS or not all(type(size) is int and 0 <= size < 2**40 for size in shape):
        raise ValueError("an array with an invalid shape, expected a few sizes")
    values = np.dtype(dtype.code).newbyteorder(dtype.byte_order)
    num_bytes = math.prod(shape) * values.itemsize
    if num_bytes != len(data):
        found = f"an array of shape {list(shape)} and type {dtype.code} with {len(data)} bytes"
        raise ValueError(f"{found}, expected {num_bytes}")
    flat = np.frombuffer(data, values) if num_bytes else np.empty(0, values)
    if values.kind == "U" and (flat.view(flat.dtype.str[0] + "u4") > sys.maxunicode).any():
        raise ValueError("text with invalid characters")  # numpy would fail later
    return flat.reshape(shape, order=order)


@dataclass(frozen=True, eq=False)
class Global:
    """A function or class that a pickle names."""

    name: str


def _key(value: Any) -> str | int | float:
    """A key for which hash collisions cannot be forced: text, a small integer, or a fraction such as 0.5."""
    if type(value) is str or (type(value) is int and abs(value) < 2**31):
        return value
    if type(value) is float and 0 <= value <= 1 and value == round(value, 2):  # in 'valid' of annotations
        return value
    raise ValueError(f"a key of type {type(value).__name__}, expected text or a small integer")


class PlainUnpickler(pickle._Unpickler):
    """An unpickler of plain values and numpy arrays.

    Args:
        content: The pickle.
        where: Name of the pickle in error messages.
    """

    instructions = """
        PROTO FRAME NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT UNICODE
        SHORT_BINUNICODE BINUNICODE BINUNICODE8 EMPTY_TUPLE TUPLE LIST APPEND APPENDS DICT SETITEM SETITEMS
        ADDITEMS PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD
    """
    # Instructions that create containers or views, which take much more space in memory than in the file.
    large_instructions = """
        MARK TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST EMPTY_DICT EMPTY_SET SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8
    """
    names = frozenset(
        ["numpy.dtype", "numpy.ndarray", "_codecs.encode"]
        + [f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("bytes", "set")]
        + [f"numpy.{core}.multiarray.{name}" for core in _CORES for name in ("_reconstruct", "scalar")]
        + [f"numpy.{core}.numeric._frombuffer" for core in _CORES]
    )
    free_objects = 2**21

    pop_mark: Callable[[], list[Any]]

    def __init__(self, content: mmap.mmap | bytes, where: str) -> None:
        self.content, self.where = content, where
        self.view, self.place = memoryview(content), 0  # index of the next byte
        self.stack: list[Any] = []
        self.append = self.stack.append
        self.metastack: list[list[Any]] = []  # the stacks below the marks
        self.memo: dict[int, Any] = {}
        self.encoded = 0  # characters

    def load(self) -> Any:
        """Return the value.

        Raises:
            ValueError: If the pickle is damaged or holds anything other than plain values.
        """
        large = {getattr(pickle, name)[0] for name in self.large_instructions.split()}
        codes = large | {getattr(pickle, name)[0] for name in self.instructions.split()}
        standard = pickle._Unpickler.dispatch
        instructions = {code: getattr(self, standard[code].__name__) for code in codes}
        objects, most, start = 0, self.free_objects + len(self.content) // _BYTES_PER_OBJECT, 0
        try:
            while (code := self.read(1)[0]) != pickle.STOP[0]:
                if code not in instructions:
                    raise ValueError(f"the instruction {bytes([code])!r}, which plain values do not need")
                objects += code in large
                if objects > most:
                    raise ValueError(f"container number {objects}, expected arrays, not many small values")
                instructions[code]()
                start = self.place
            if len(self.stack) != 1 or self.metastack:
                raise ValueError("the pickle ends with values left over")
            if (last := max(self.memo, default=0)) > len(self.content):
                raise ValueError(f"memo index {last}, expected at most {len(self.content)}")
            if rest := len(self.content) - self.place:
                raise ValueError(f"the pickle ends, but the file has {rest} more bytes")
        except (ValueError, TypeError, AttributeError, OverflowError, pickle.UnpicklingError) as error:
            raise ValueError(f"{self.where}, byte {start}: {error!s:.300}") from None
        except IndexError:
            raise ValueError(f"{self.where}, byte {start}: an instruction without its values") from None
        return self.stack[0]

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Return the result of calling a function in :attr:`names`."""
        match name.rpartition(".")[2], arguments:
            case "dtype", (str(code), False | 0, True | 1) if _TYPE.fullmatch(code):
                return _DType(code)
            case "dtype", (str(code), *_):
                raise ValueError(f"an array or scalar of type {code[:20]!r}, expected numbers or text")
            case "_reconstruct", (Global("numpy.ndarray"), (0,), kind) if kind == b"b":
                return PickledArray()  # BUILD sets its state later
            case "scalar", (_DType() as dtype, data):
                return _array(data, dtype, (1,), "C")[0].item()
            case "_frombuffer", (data, _DType() as dtype, tuple(shape), order, *axes):
                if order in ("C", "F") and axes in ([], [None]):
                    return PickledArray(_array(data, dtype, shape, order))
                if order == "K" and len(axes) == 1:
                    return PickledArray(_array(data, dtype, shape, "C").transpose(axes[0]))
            # Protocols 0 to 2 write bytes as text, with one character per byte, and empty bytes as a call.
            case "encode", (str(text), "latin1") if self.encoded + len(text) <= len(self.content):
                self.encoded += len(text)
                return text.encode("latin1")
            case "bytes", ():
                return b""
            case "set", (list(items),):
                return set(map(_key, items))
        raise ValueError(f"{name} is called with arguments that numpy does not write")

    def read(self, count: int) -> bytes:
        return bytes(self.take(count))

    def take(self, count: int) -> memoryview:
        """Return a view of the next bytes."""
        taken = self.view[self.place : self.place + count]
        if len(taken) < count:
            raise ValueError(f"{count} bytes announced, but the file has only {len(taken)} more")
        self.place += count
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def readline(self) -> bytes:
        end = self.content.find(b"\n", self.place)
        if end < 0:
            raise ValueError("a line without an end")
        return self.read(end + 1 - self.place)

    def find_class(self, module: str, name: str) -> Global:
        if (full := f"{module}.{name}") not in self.names:
            raise ValueError(f"the pickle names {full[:80]!r}, expected only arrays and plain values")
        return Global(full)

    def load_frame(self) -> None:
        size, place = self.number(8), self.place
        self.take(size)  # check that the frame is complete
        self.place = place

    def load_long4(self) -> None:
        if (length := self.number(4)) > _MAX_LONG:
            raise ValueError(f"an integer of {length} bytes, expected at most {_MAX_LONG}")
        self.append(int.from_bytes(self.take(length), "little", signed=True))

    def load_bytes(self, width: int) -> None:
        self.append(self.take(self.number(width)))

    load_short_binbytes = partialmethod(load_bytes, 1)
    load_binbytes = partialmethod(load_bytes, 4)
    load_binbytes8 = load_bytearray8 = partialmethod(load_bytes, 8)

    def top(self, kind: type) -> Any:
        """Return the container on the top of the stack."""
        target = self.stack[-1]
        if type(target) is not kind:
            raise ValueError(f"items for a {type(target).__name__}, expected a {kind.__name__}")
        return target

    def load_additems(self) -> None:
        items = self.pop_mark()
        self.top(set).update(map(_key, items))

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.top(dict)[_key(key)] = value

    def load_setitems(self) -> None:
        items = self.pop_mark()
        if len(items) % 2:
            raise IndexError
        self.top(dict).update(zip(map(_key, items[::2]), items[1::2], strict=True))

    def load_dict(self) -> None:
        self.metastack[-1].append({})
        self.load_setitems()

    def load_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Global) or type(arguments) is not tuple:
            raise ValueError("a call of something that is not a function")
        self.append(self.call(function.name, arguments))

    def load_build(self) -> None:
        match self.stack.pop(), self.stack[-1]:
            case (1, tuple(shape), _DType() as dtype, bool(fortran), data), PickledArray() as array:
                if isinstance(data, list):
                    raise ValueError("an array of Python objects, expected numbers or text")
                array.values = _array(data, dtype, shape, "F" if fortran else "C")
            case (3, "<" | ">" | "|" | "=" as order, None, None, None, *rest), _DType() as dtype:
                # The sizes and flags of number and text types, which follow from the type code.
                if rest not in ([-1, -1, 0], [np.dtype(dtype.code).itemsize, 4, 8]):
                    raise ValueError("a numpy type that is not a plain number or text")
                dtype.byte_order = order
            case _, target:
                raise ValueError(f"a state for a {type(target).__name__} that numpy does not write")


class ObjectUnpickler(PlainUnpickler):
    """An unpickler that also reads a single value in an array of objects, as numpy saves a dictionary.

    The value becomes the `values` of the :class:`PickledArray`.
    """

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "numpy.dtype" and arguments in (("O8", False, True), ("O8", 0, 1)):
            return _DType("O8")
        return super().call(name, arguments)

    def load_build(self) -> None:
        match self.stack[-1], self.stack[-2]:
            case (1, (), _DType(code="O8"), False | 0, [value]), PickledArray() as array:
                array.values = value
            case (3, "|", None, None, None, -1, -1, 63), _DType(code="O8"):
                pass
            case _:
                super().load_build()
                return
        del self.stack[-1]
