"""Pickles as data: plain values and arrays are read, and nothing is executed."""

import io
import os
import pickle
import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyg_sybio.data.readers.plain_pickle import PickledArray, PlainUnpickler, load_plain_pickle

PROTOCOLS = range(6)
ARRAYS = [
    np.arange(24, dtype=dtype).reshape(2, 3, 4)
    for dtype in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f4", ">i2")
] + [
    np.array([True, False]),
    np.array(["walk", "übung"]),
    np.array(2.5),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
    np.arange(12.0)[::3],
]


def load(content: bytes, folder: Path) -> Any:
    path = folder / "file.pkl"
    path.write_bytes(content)
    return load_plain_pickle(path)


def refusal(content: bytes, folder: Path) -> str:
    """Return the error message for an invalid pickle, and check that little memory is used."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"file\.pkl, byte \d+: ") as caught:
            load(content, folder)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    return str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_equal_the_values_from_the_standard_library(tmp_path: Path, protocol: int) -> None:
    twice = ["shared", 1.5]
    value = {
        "text": "übung \\ \n 𝄞",
        "long text": "a" * 300,
        "integers": [0, 255, 256, 65536, -1, 2**31, -(2**40), 2**200],
        "floats": (0.1, -1e300, float("inf")),
        "constants": [None, True, False, (), [], {}, (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "twice": [twice, twice],
        "many": list(range(3000)),
        "set": {1, "two"},
        "no bytes": b"",
        7: {"nested": [{"deeper": ({},)}]},
    }
    content = pickle.dumps(value, protocol)
    loaded = load(content, tmp_path)
    assert loaded == value == pickle.loads(content)
    assert loaded["twice"][0] is loaded["twice"][1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("numpy_1", [False, True])
def test_arrays_equal_the_arrays_from_numpy(tmp_path: Path, protocol: int, numpy_1: bool) -> None:
    content = pickle.dumps(ARRAYS, protocol)
    assert b"numpy._core" in content
    if numpy_1 and protocol < 4:  # names end with a newline, without a stored length
        content = content.replace(b"numpy._core", b"numpy.core")
    elif numpy_1:
        for name in (b"numpy._core.multiarray", b"numpy._core.numeric"):
            old = name.replace(b"_core", b"core")
            content = content.replace(bytes([len(name)]) + name, bytes([len(old)]) + old)
        content = re.sub(rb"\x95.{8}", b"", content, flags=re.DOTALL)  # frame lengths have changed
    assert (b"numpy.core" in content) == numpy_1
    for loaded, expected in zip(load(content, tmp_path), ARRAYS, strict=True):
        assert isinstance(loaded, PickledArray) and loaded.values is not None
        assert not loaded.values.flags.writeable
        assert loaded.values.dtype == expected.dtype
        np.testing.assert_array_equal(loaded.values, expected)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_scalars_become_python_numbers(tmp_path: Path, protocol: int) -> None:
    values = [np.int64(-3), np.float32(0.5), np.bool_(True), np.str_("abc"), np.uint8(200)]
    loaded = load(pickle.dumps(values, protocol), tmp_path)
    assert loaded == [-3, 0.5, True, "abc", 200]
    assert [type(value) for value in loaded] == [int, float, bool, str, int]


def test_arrays_are_views_of_the_file(tmp_path: Path) -> None:
    content = pickle.dumps([np.zeros(2**20) for _ in range(8)], 4)
    tracemalloc.start()
    loaded = load(content, tmp_path)
    assert tracemalloc.get_traced_memory()[0] < 2**20
    tracemalloc.stop()
    assert sum(item.values.nbytes for item in loaded) == 8 * 2**23


class Run:
    """An object that is pickled as a function call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("attack", "name"),
    [
        (lambda flag: Run(os.system, f"touch {flag}"), "posix.system|nt.system"),
        (lambda flag: Run(eval, f"open({str(flag)!r}, 'w')"), "builtins.eval|__builtin__.eval"),
        (lambda flag: Run(open, str(flag), "w"), "io.open|_io.open"),
        (lambda flag: Run(getattr, flag, "touch"), "builtins.getattr|__builtin__.getattr|pathlib"),
        (lambda flag: Run(np.save, str(flag), 0), "numpy.save"),
        (lambda flag: Run(np.load, str(flag)), "numpy.load"),
        (lambda flag: np.array([flag], dtype=object), "numpy.*|object"),
        (lambda flag: pickle.Pickler, "_?pickle.Pickler"),
        (lambda flag: bytearray(b"abc"), "builtins.bytearray|__builtin__.bytearray"),
    ],
)
def test_code_is_reported_and_never_run(tmp_path: Path, attack: Any, name: str, protocol: int) -> None:
    flag = tmp_path / "flag"
    content = pickle.dumps({"annotations": [attack(flag)]}, protocol)
    if protocol == 5 and name.startswith("builtins.bytearray"):
        return  # protocol 5 writes plain bytes
    assert re.search(rf"names '({name})|array.*type 'O8'", refusal(content, tmp_path))
    assert not flag.exists()


def called(name: str, *arguments: Any) -> bytes:
    """A pickle that calls a name with arguments pickled by the standard library."""
    module, _, function = name.rpartition(".")
    inner = pickle.dumps(arguments, 3)[2:-1]
    return b"\x80\x03c" + f"{module}\n{function}\n".encode() + inner + b"R."


DTYPE = (
    b"cnumpy\ndtype\n(X\x02\x00\x00\x00f4\x89\x88tR"
    b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)


def integer(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def array(shape: bytes, data: bytes = b"C\x04abcd") -> bytes:
    """An array with any shape (given as instructions) and any data."""
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    return b"\x80\x03" + made + b"(K\x01" + shape + DTYPE + b"\x89" + data + b"tb."


TEXT_DTYPE = DTYPE.replace(b"f4", b"U1").replace(
    b"\xff" * 4 + b"J" + b"\xff" * 4 + b"K\x00", b"\x04\0\0\0K\x04K\x08"
)


def buffer(axes: bytes) -> bytes:
    """An array of six numbers with its axes in any order."""
    data = b"C\x18" + bytes(24)
    name = b"cnumpy._core.numeric\n_frombuffer\n("
    return b"\x80\x03" + name + data + DTYPE + b"K\x02K\x03\x86X\x01\x00\x00\x00K" + axes + b"tR."


def test_the_handmade_array_is_valid(tmp_path: Path) -> None:
    content = array(b"K\x01\x85")
    expected = np.frombuffer(b"abcd", "<f4")
    np.testing.assert_array_equal(load(content, tmp_path).values, expected)
    np.testing.assert_array_equal(pickle.loads(content), expected)
    assert load(buffer(b"K\x01K\x00\x86"), tmp_path).values.shape == (3, 2)
    content = b"\x80\x03cnumpy.core.multiarray\nscalar\n" + TEXT_DTYPE + b"C\x04a\0\0\0\x86R."
    assert load(content, tmp_path) == pickle.loads(content) == "a"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (array(integer(10**12) + b"\x85"), "array of shape .* with 4 bytes, expected 4000000000000"),
        (array(integer(2**60) + integer(16) + b"\x86"), "array with an invalid shape"),
        (array(integer(-1) + b"\x85"), "array with an invalid shape"),
        (array(b"(" + b"K\x01" * 65 + b"t"), "array with an invalid shape"),
        (array(b"G" + bytes(8) + b"\x85"), "array with an invalid shape"),
        (array(b"K\x02\x85"), "with 4 bytes, expected 8"),
        (array(b"K\x00\x85"), "with 4 bytes, expected 0"),
        (array(b"K\x01\x85", b"]"), "array of Python objects"),
        (array(b"K\x01\x85", b"K\x04"), "array with data of type int, expected bytes"),
        (
            called("numpy._core.multiarray.scalar", 1, b"x"),
            "scalar is called with arguments that numpy does not write",
        ),
        (called("numpy._core.multiarray._reconstruct", (10**12,), b"b"), "_reconstruct is called"),
        (called("numpy._core.numeric._frombuffer", b"x", "f4", (1,), "C"), "_frombuffer is called"),
        (called("numpy.ndarray", (10**12,)), "numpy.ndarray is called"),
        (called("numpy.dtype", "O8", False, True), "type 'O8', expected numbers or text"),
        (called("numpy.dtype", "(1000000,1000000)f8", False, True), "expected numbers or text"),
        (called("numpy.dtype", "U0", False, True), "expected numbers or text"),
        (called("numpy.dtype", "f4", False, True, 1), "expected numbers or text"),
        (called("numpy.dtype"), "numpy.dtype is called"),
        (called("_codecs.encode", "x", "utf-16"), "_codecs.encode is called"),
        (called("_codecs.encode", "\u20ac", "latin1"), "codec can't encode"),
        (called("builtins.bytes", 10**12), "bytes is called with arguments that numpy does not write"),
        (called("builtins.set", 3), "set is called"),
        (buffer(b"K\x01K\x01\x86"), "repeated axis in transpose"),
        (buffer(b"K\x01K\x07\x86"), "axis 7 is out of bounds"),
        (buffer(b"X\x01\x00\x00\x00aK\x00\x86"), "'str' object cannot be interpreted as an integer"),
        (array(b"K\x01\x85").replace(DTYPE, TEXT_DTYPE), "text with invalid characters"),
        (
            b"\x80\x03cnumpy.core.multiarray\nscalar\n" + TEXT_DTYPE + b"C\x04\xff\xff\xff\x7f\x86R.",
            "text with invalid characters",
        ),
    ],
)
def test_hostile_arguments_are_refused_without_memory(tmp_path: Path, content: bytes, message: str) -> None:
    assert re.search(message, refusal(content, tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.", "bytes announced, but the file has"),
        (b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b".", "1099511627776 bytes announced"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".", "1099511627776 bytes announced"),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b".", "1099511627776 bytes announced"),
        (b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b".", "an integer of 1073741824 bytes"),
        (b"\x80\x02\x8b" + struct.pack("<i", -1) + b".", "an integer of 4294967295 bytes"),
        (b"L" + b"9" * 10**5 + b"L\n.", "Exceeds the limit (4300 digits)"),
        (b"I" + b"9" * 600 + b"x\n.", "invalid literal for int"),
        (b"I99999", "a line without an end"),
        (b"Nr" + struct.pack("<I", 2**31) + b".", "memo index 2147483648, expected"),
        (b"Np" + b"9" * 30 + b"\n.", ", expected at most"),
        (b"h\x05.", "Memo value not found at index 5"),
        (b"\x80\x06N.", "unsupported pickle protocol: 6"),
        (b"N", "1 bytes announced, but the file has only 0 more"),
        (b"N.N.", "the file has 2 more bytes"),
        (b"NN.", "values left over"),
        (b"(N.", "values left over"),
        (b".", "values left over"),
        (b"R.", "an instruction without its values"),
        (b"t.", "an instruction without its values"),
        (b"a.", "an instruction without its values"),
        (b"(N}s.", "an instruction without its values"),
        (b"N\x86.", "an instruction without its values"),
        (b"}(K\x01u.", "an instruction without its values"),
        (b"NNa.", "'NoneType' object has no attribute 'append'"),
        (b"N(Ne.", "'NoneType' object has no attribute 'append'"),
        (b"](NNu.", "items for a list, expected a dict"),
        (b"](Nd.", "an instruction without its values"),
        (b"](\x90.", "items for a list, expected a set"),
        (b"\x8f(N\x90.", "a key of type NoneType"),
        (b"]N\x85b.", "a state for a list"),
        (b"N)R.", "a call of something that is not a function"),
        (b"}])s.", "a key of type list"),
        (pickle.dumps({0.123: 1}), "a key of type float"),
        (pickle.dumps({1e300: 1}), "a key of type float"),
        (b"}(" + integer(2**61 - 1) + b"Nu.", "a key of type int"),
        # Hashing this value would overflow the stack.
        (b"}" + b")" + b"\x85" * 10**5 + b"Ns.", "a key of type tuple"),
        (b"P1\n.", "the instruction b'P'"),
        (b"\x82\x01.", "the instruction"),
        (b"(cos\nsystem\no.", "names 'os.system'"),
        (b"(S'id'\nios\nsystem\n.", "the instruction b'S'"),
        (b"X\x02\x00\x00\x00\xff\xfe.", "can't decode"),
    ],
)
def test_broken_instructions_are_refused_without_memory(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(content, tmp_path)


def test_text_is_not_encoded_repeatedly(tmp_path: Path) -> None:
    text = b"X" + struct.pack("<I", 10**5) + b"a" * 10**5 + b"q\x00"
    once = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    content = b"\x80\x02](" + text + once * 1000 + b"e."
    message = refusal(content, tmp_path)
    assert "_codecs.encode is called" in message


@pytest.mark.parametrize("made", [b"}", b"]", b"\x8f", b"C\x00", b"(", b"K\x00\x85"])
def test_the_number_of_containers_is_bounded_by_the_file_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bytes
) -> None:
    monkeypatch.setattr(PlainUnpickler, "free_objects", 1000)
    content = b"\x80\x04" + made * 5000 + b"."
    assert f"container number {1001 + len(content) // 16}, expected arrays" in refusal(content, tmp_path)
    values = [{"id": f"clip {index}", "shape": (3, 4), "values": b"a" * 64} for index in range(1000)]
    assert load(pickle.dumps(values), tmp_path) == values


def test_deep_shared_and_circular_values_are_handled(tmp_path: Path) -> None:
    deep = b"]" * 10**5 + b"a" * (10**5 - 1) + b"."
    assert len(load(deep, tmp_path)) == 1
    levels = [b"]q\x00"] + [
        b"](h%ch%ceq%c" % (n, n, n + 1) for n in range(60)
    ]  # 2**60 leaves, but each level is stored once
    shared = b"\x80\x02(" + b"".join(levels) + b"l."
    assert len(load(shared, tmp_path)) == 61
    circular = load(b"]q\x00h\x00a.", tmp_path)
    assert circular[0] is circular


def test_the_error_of_an_empty_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"file\.pkl is empty, expected a pickle"):
        load(b"", tmp_path)
    with pytest.raises(FileNotFoundError):
        load_plain_pickle(tmp_path / "nowhere.pkl")


def test_the_pure_python_pickler_is_also_read(tmp_path: Path) -> None:
    for protocol in PROTOCOLS:
        file = io.BytesIO()
        pickle._Pickler(file, protocol).dump({"a": [1, (2, 3), "x" * 70000], "b": {"c": None}})  # type: ignore[attr-defined]
        assert load(file.getvalue(), tmp_path) == {"a": [1, (2, 3), "x" * 70000], "b": {"c": None}}
