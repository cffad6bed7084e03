r"""Pickles from others that hold arrays and plain values: read as data, never run.

A pickle is a program for a small stack machine that may import and call anything. The machine here knows only
the instructions that numbers, text, lists, tuples, dictionaries, sets and numpy arrays need. Nothing is
imported: the few names that numpy's pickles contain stand for the functions below, which check what they are
given.

Note:
    The standard library's machine, with its imports restricted, would still trust every number in the file:
    the size of a text or the place in the memo is allocated before it is looked at. This one slices the file,
    which is mapped into memory; arrays are views of it, so that a file larger than the memory can be read.
"""

import math
import mmap
import pickle
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

_MAX_DIGITS = 700  # of a number written as text
_MAX_LONG = 255  # bytes of an integer
# Containers of one byte in the file take 50 to 200 in memory: beyond the first millions, so many bytes of the
# file go with each. (An annotation has about 25 containers, and thousands of bytes.)
_FREE_OBJECTS = 2**22
_BYTES_PER_OBJECT = 16
_MAX_DIMENSIONS = 8
_NUMERIC = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
_TEXT = re.compile(r"U[1-9][0-9]{0,6}")


@dataclass(eq=False)
class PickledArray:
    """A numpy array in a pickle; `values` is a read-only view of the file."""

    values: np.ndarray | None = None

    def build(self, state: Any) -> None:
        """What numpy's array does with its state."""
        match state:
            case (1, tuple(shape), _DType() as dtype, bool(fortran), memoryview() | bytes() as data):
                self.values = _array(data, dtype, shape, "F" if fortran else "C")
            case (1, tuple(), _DType(), bool(), list()):
                raise ValueError("an array of Python objects, expected numbers or text")
            case _:
                raise ValueError("an array with a state that numpy does not write")


def load_plain_pickle(path: str | Path) -> Any:
    r"""The value in a pickle of plain values and numpy arrays.

    Returns:
        Numbers, text, bytes (some as `memoryview`), lists, tuples, dictionaries, sets and
        :class:`PickledArray`; numpy's scalars as Python's.

    Raises:
        ValueError: If the file is damaged, or names anything else than plain values and arrays; the message
            has the file, the byte, and what is named there.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ValueError(f"{path} is empty, expected a pickle")
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    machine = _Machine(content)
    try:
        return machine.run()
    except IndexError:
        raise ValueError(f"{path}, byte {machine.start}: an instruction without its values") from None
    except ValueError as error:
        raise ValueError(f"{path}, byte {machine.start}: {error}") from None


@dataclass(eq=False)
class _DType:
    """A numpy type in a pickle: made from its code, then given its byte order."""

    code: str
    byte_order: Literal["<", ">", "|", "="] = "="

    def build(self, state: Any) -> None:
        size = np.dtype(self.code).itemsize
        match state:
            case (3, "<" | ">" | "|" | "=" as order, None, None, None, *rest) if rest in (
                [-1, -1, 0],  # a number
                [size, 4, 8],  # text
            ):
                self.byte_order = order
            case _:
                raise ValueError("a numpy type that is no plain number or text")

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.code).newbyteorder(self.byte_order)


@dataclass(frozen=True, eq=False)
class _Global:
    """A name that a pickle may have, and what calling it does."""

    name: str
    call: Callable[["_Machine", tuple[Any, ...]], Any]


def _array(data: memoryview | bytes, dtype: _DType, shape: tuple[Any, ...], order: Any) -> np.ndarray:
    if len(shape) > _MAX_DIMENSIONS or not all(type(size) is int and 0 <= size < 2**40 for size in shape):
        raise ValueError("an array with a shape that is none, expected a few sizes")
    num_bytes = math.prod(shape) * dtype.dtype.itemsize
    if num_bytes != len(data):
        raise ValueError(
            f"an array of shape {list(shape)} and type {dtype.code} with {len(data)} bytes, "
            f"expected {num_bytes}"
        )
    flat = np.frombuffer(data, dtype.dtype) if num_bytes else np.empty(0, dtype.dtype)
    if flat.dtype.kind == "U" and (flat.view(flat.dtype.str[0] + "u4") > sys.maxunicode).any():
        raise ValueError("text with characters that do not exist")  # numpy breaks when it meets them
    return flat.reshape(shape, order=order)


def _make_dtype(machine: "_Machine", arguments: tuple[Any, ...]) -> _DType:
    match arguments:
        case (str(code), False | 0, True | 1) if code in _NUMERIC or _TEXT.fullmatch(code):
            return _DType(code)
        case (str(code), *_):
            raise ValueError(f"an array or scalar of type {code[:20]!r}, expected numbers or text")
    raise _called_wrongly("numpy.dtype")


def _make_array(machine: "_Machine", arguments: tuple[Any, ...]) -> PickledArray:
    match arguments:
        case (_Global(name="numpy.ndarray"), (0,), memoryview() | bytes() as kind) if kind == b"b":
            return PickledArray()  # its state follows
    raise _called_wrongly("_reconstruct")


def _make_scalar(machine: "_Machine", arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (_DType() as dtype, memoryview() | bytes() as data):
            return _array(data, dtype, (1,), "C")[0].item()
    raise _called_wrongly("scalar")


def _from_buffer(machine: "_Machine", arguments: tuple[Any, ...]) -> PickledArray:
    match arguments:
        case (memoryview() | bytes() as data, _DType() as dtype, tuple(shape), "C" | "F" as order):
            return PickledArray(_array(data, dtype, shape, order))
        case (memoryview() | bytes() as data, _DType() as dtype, tuple(shape), "C" | "F" as order, None):
            return PickledArray(_array(data, dtype, shape, order))
        case (memoryview() | bytes() as data, _DType() as dtype, tuple(shape), "K", tuple(axes)):
            # The axes of an array that lies in memory in another order than in its shape.
            if not all(type(axis) is int for axis in axes) or sorted(axes) != list(range(len(shape))):
                raise ValueError("an array with axes that are none of its own")
            return PickledArray(_array(data, dtype, shape, "C").transpose(axes))
    raise _called_wrongly("_frombuffer")


def _encode(machine: "_Machine", arguments: tuple[Any, ...]) -> bytes:
    """How protocols 0 to 2 write bytes: as text with a character a byte."""
    match arguments:
        case (str(text), "latin1"):
            # Each byte is written once: text that is encoded over and over would only fill the memory.
            machine.encoded += len(text)
            if machine.encoded <= len(machine.content):
                return text.encode("latin1")
    raise _called_wrongly("_codecs.encode")


def _make_bytes(machine: "_Machine", arguments: tuple[Any, ...]) -> bytes:
    """How protocols 0 to 2 write no bytes at all, as in an array without values."""
    match arguments:
        case ():
            return b""
    raise _called_wrongly("bytes")


def _make_set(machine: "_Machine", arguments: tuple[Any, ...]) -> set[Any]:
    match arguments:
        case (list(items),):
            return {_key(item) for item in items}
    raise _called_wrongly("set")


def _called_wrongly(name: str) -> ValueError:
    return ValueError(f"{name} is called as numpy's pickles never do")


def _never_called(machine: "_Machine", arguments: tuple[Any, ...]) -> Any:
    """`numpy.ndarray` is there as an argument alone."""
    raise _called_wrongly("numpy.ndarray")


def _key(value: Any) -> str | int:
    """A key of a dictionary: text or a small integer, whose hashes nobody can make collide."""
    if type(value) is str or (type(value) is int and abs(value) < 2**31):
        return value
    raise ValueError(f"a key of type {type(value).__name__}, expected text or a small integer")


_FUNCTIONS: dict[str, Callable[["_Machine", tuple[Any, ...]], Any]] = {
    "numpy.dtype": _make_dtype,
    "numpy.ndarray": _never_called,
    "_codecs.encode": _encode,
    "builtins.bytes": _make_bytes,
    "__builtin__.bytes": _make_bytes,
    "builtins.set": _make_set,
    "__builtin__.set": _make_set,
}
for _package in ("numpy.core", "numpy._core"):  # of numpy 1 and numpy 2
    _FUNCTIONS[f"{_package}.multiarray._reconstruct"] = _make_array
    _FUNCTIONS[f"{_package}.multiarray.scalar"] = _make_scalar
    _FUNCTIONS[f"{_package}.numeric._frombuffer"] = _from_buffer
_GLOBALS = {name: _Global(name, call) for name, call in _FUNCTIONS.items()}


class _Machine:
    """The stack, the memo, and the instructions, each a method."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content = content
        self.view = memoryview(content)
        self.place = 0  # of the next byte
        self.start = 0  # of the instruction
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under the marks
        self.memo: dict[int, Any] = {}
        self.encoded = 0  # characters
        self.objects = 0  # containers, and views of the file

    def run(self) -> Any:
        content, instructions = self.content, _INSTRUCTIONS
        while True:
            self.start = self.place
            if self.place >= len(content):
                raise ValueError("the file ends before the pickle does")
            code = content[self.place]
            self.place += 1
            if code == pickle.STOP[0]:
                break
            instruction = instructions.get(code)
            if instruction is None:
                raise ValueError(f"the instruction {bytes([code])!r}, which no plain values need")
            instruction(self)
        if len(self.stack) != 1 or self.below:
            raise ValueError("the pickle ends with values left over")
        if self.place != len(content):
            raise ValueError(f"the pickle ends, but the file has {len(content) - self.place} more bytes")
        return self.stack[0]

    # What the file has at this place.

    def count_object(self) -> None:
        """One more object that takes many times the bytes which its instruction takes in the file."""
        self.objects += 1
        if self.objects > _FREE_OBJECTS + len(self.content) // _BYTES_PER_OBJECT:
            raise ValueError(
                f"container number {self.objects}, expected arrays rather than so many small values"
            )

    def take(self, count: int) -> memoryview:
        end = self.place + count
        if end > len(self.content):
            raise ValueError(f"{count} bytes announced, but the file has {len(self.content) - self.place}")
        taken = self.view[self.place : end]
        self.place = end
        return taken

    def unsigned(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def line(self, most: int | None = None) -> bytes:
        end = self.content.find(b"\n", self.place)
        if end < 0 or (most is not None and end - self.place > most):
            raise ValueError("a line without an end")
        line = self.content[self.place : end]
        self.place = end + 1
        return line

    # Values.

    def protocol(self) -> None:
        if (version := self.unsigned(1)) > 5:
            raise ValueError(f"protocol {version}, expected at most 5")

    def frame(self) -> None:
        place = self.place + 8
        self.take(self.unsigned(8))
        self.place = place

    def integer_text(self) -> None:
        line = self.line(_MAX_DIGITS).decode("ascii")
        booleans = {"00": False, "01": True}
        self.stack.append(booleans[line] if line in booleans else _decimal(line))

    def long_text(self) -> None:
        self.stack.append(_decimal(self.line(_MAX_DIGITS).decode("ascii").removesuffix("L")))

    def float_text(self) -> None:
        self.stack.append(float(self.line(_MAX_DIGITS).decode("ascii")))

    def integer(self) -> None:
        self.stack.append(int.from_bytes(self.take(4), "little", signed=True))

    def long(self, width: int) -> None:
        if (length := self.unsigned(width)) > _MAX_LONG:
            raise ValueError(f"an integer of {length} bytes, expected at most {_MAX_LONG}")
        self.stack.append(int.from_bytes(self.take(length), "little", signed=True))

    def double(self) -> None:
        self.stack.append(struct.unpack(">d", self.take(8))[0])

    def text(self, width: int) -> None:
        self.stack.append(str(self.take(self.unsigned(width)), "utf-8", "surrogatepass"))

    def text_line(self) -> None:
        self.stack.append(self.line().decode("raw-unicode-escape"))

    def bytes_(self, width: int) -> None:
        self.count_object()
        self.stack.append(self.take(self.unsigned(width)))

    # Containers.

    def empty(self, kind: Callable[[], Any]) -> None:
        self.count_object()
        self.stack.append(kind())

    def mark(self) -> None:
        self.count_object()
        self.below.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        """The values above the last mark."""
        values = self.stack
        self.stack = self.below.pop()
        return values

    def tuple_(self, length: int) -> None:
        if len(self.stack) < length:
            raise IndexError
        self.count_object()
        values = tuple(self.stack[-length:])
        self.stack[-length:] = [values]

    def push_marked(self, kind: Callable[[list[Any]], Any]) -> None:
        values = self.marked()
        self.stack.append(kind(values))

    def dictionary(self) -> None:
        values = self.marked()
        self.stack.append({})
        self.set_items(values)

    def append(self, values: list[Any]) -> None:
        self.top(list).extend(values)

    def set_items(self, values: list[Any]) -> None:
        if len(values) % 2:
            raise IndexError
        target = self.top(dict)
        for place in range(0, len(values), 2):
            target[_key(values[place])] = values[place + 1]

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def add_items(self, values: list[Any]) -> None:
        self.top(set).update(map(_key, values))

    def top(self, kind: type) -> Any:
        target = self.stack[-1]
        if type(target) is not kind:
            raise ValueError(f"items for a {type(target).__name__}, expected a {kind.__name__}")
        return target

    # Memo and names.

    def remember(self, index: int) -> None:
        # Nobody remembers more values than the file has bytes.
        if not 0 <= index <= len(self.content):
            raise ValueError(f"place {index} of the memo, expected 0 to {len(self.content)}")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"place {index} of the memo, where nothing is")
        self.stack.append(self.memo[index])

    def name(self) -> None:
        module, name = self.line(200), self.line(200)
        self.push_global(module.decode("utf-8"), name.decode("utf-8"))

    def stack_name(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name that is no text")
        self.push_global(module, name)

    def push_global(self, module: str, name: str) -> None:
        full = f"{module}.{name}"
        if full not in _GLOBALS:
            raise ValueError(f"the pickle names {full[:80]!r}, expected numpy arrays and plain values alone")
        self.stack.append(_GLOBALS[full])

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, _Global) or type(arguments) is not tuple:
            raise ValueError("a call of what is no function")
        self.stack.append(function.call(self, arguments))

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, PickledArray | _DType):
            raise ValueError(f"a state for a {type(target).__name__}, expected an array or its type")
        target.build(state)


def _decimal(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]+", text):
        raise ValueError(f"{text!r}, expected a whole number")
    return int(text)


def _push(make: Callable[[], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(make())


_INSTRUCTIONS: dict[int, Callable[[_Machine], None]] = {
    code[0]: instruction
    for code, instruction in (
        (pickle.PROTO, _Machine.protocol),
        (pickle.FRAME, _Machine.frame),
        (pickle.NONE, _push(lambda: None)),
        (pickle.NEWTRUE, _push(lambda: True)),
        (pickle.NEWFALSE, _push(lambda: False)),
        (pickle.INT, _Machine.integer_text),
        (pickle.LONG, _Machine.long_text),
        (pickle.FLOAT, _Machine.float_text),
        (pickle.BININT, _Machine.integer),
        (pickle.BININT1, lambda machine: machine.stack.append(machine.unsigned(1))),
        (pickle.BININT2, lambda machine: machine.stack.append(machine.unsigned(2))),
        (pickle.LONG1, lambda machine: machine.long(1)),
        (pickle.LONG4, lambda machine: machine.long(4)),
        (pickle.BINFLOAT, _Machine.double),
        (pickle.UNICODE, _Machine.text_line),
        (pickle.SHORT_BINUNICODE, lambda machine: machine.text(1)),
        (pickle.BINUNICODE, lambda machine: machine.text(4)),
        (pickle.BINUNICODE8, lambda machine: machine.text(8)),
        (pickle.SHORT_BINBYTES, lambda machine: machine.bytes_(1)),
        (pickle.BINBYTES, lambda machine: machine.bytes_(4)),
        (pickle.BINBYTES8, lambda machine: machine.bytes_(8)),
        (pickle.BYTEARRAY8, lambda machine: machine.bytes_(8)),
        (pickle.MARK, _Machine.mark),
        (pickle.EMPTY_TUPLE, _push(tuple)),
        (pickle.TUPLE1, lambda machine: machine.tuple_(1)),
        (pickle.TUPLE2, lambda machine: machine.tuple_(2)),
        (pickle.TUPLE3, lambda machine: machine.tuple_(3)),
        (pickle.TUPLE, lambda machine: machine.push_marked(tuple)),
        (pickle.EMPTY_LIST, lambda machine: machine.empty(list)),
        (pickle.LIST, lambda machine: machine.push_marked(list)),
        (pickle.APPEND, lambda machine: machine.append([machine.stack.pop()])),
        (pickle.APPENDS, lambda machine: machine.append(machine.marked())),
        (pickle.EMPTY_DICT, lambda machine: machine.empty(dict)),
        (pickle.DICT, _Machine.dictionary),
        (pickle.SETITEM, _Machine.set_item),
        (pickle.SETITEMS, lambda machine: machine.set_items(machine.marked())),
        (pickle.EMPTY_SET, lambda machine: machine.empty(set)),
        (pickle.ADDITEMS, lambda machine: machine.add_items(machine.marked())),
        (pickle.PUT, lambda machine: machine.remember(_decimal(machine.line(_MAX_DIGITS).decode("ascii")))),
        (pickle.BINPUT, lambda machine: machine.remember(machine.unsigned(1))),
        (pickle.LONG_BINPUT, lambda machine: machine.remember(machine.unsigned(4))),
        (pickle.MEMOIZE, lambda machine: machine.remember(len(machine.memo))),
        (pickle.GET, lambda machine: machine.recall(_decimal(machine.line(_MAX_DIGITS).decode("ascii")))),
        (pickle.BINGET, lambda machine: machine.recall(machine.unsigned(1))),
        (pickle.LONG_BINGET, lambda machine: machine.recall(machine.unsigned(4))),
        (pickle.GLOBAL, _Machine.name),
        (pickle.STACK_GLOBAL, _Machine.stack_name),
        (pickle.REDUCE, _Machine.reduce),
        (pickle.BUILD, _Machine.build),
    )
}
