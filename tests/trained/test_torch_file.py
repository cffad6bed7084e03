"""Files of torch.save give the values of torch.load, without function calls or large allocations."""

import io
import os
import pickle
import random
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pyg_sybio.trained.torch_file import read_torch_file

BASE = torch.arange(24.0)
CONTENT: dict[str, Any] = {
    "state_dict": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).state_dict(),
    "types": [
        torch.zeros(3, dtype=dtype)
        for dtype in (
            torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
            torch.bfloat16, torch.float32, torch.float64,
        )
    ],
    "views": [BASE[5:9], BASE.view(4, 6).T, torch.empty(0, 3), torch.tensor(2.5)],
    "images": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "parameter": nn.Parameter(torch.ones(2)),
    "plain": {"epoch": 3, "names": ["a", "ü"], "rate": 0.5, "none": None, "pair": (1, 2)},
    "ordered": OrderedDict(a=1),
    "numbers": {0: True, 1: 2**40},
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.save(CONTENT, tmp_path / "file.ckpt")
    return tmp_path / "file.ckpt"


def assert_same(mine: Any, theirs: Any) -> None:
    if isinstance(theirs, torch.Tensor):
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)
    elif isinstance(theirs, dict):
        assert list(mine) == list(theirs)
        for key in theirs:
            assert_same(mine[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert type(mine) is type(theirs)
        for one, other in zip(mine, theirs, strict=True):
            assert_same(one, other)
    else:
        assert (type(mine), mine) == (type(theirs), theirs)


def refusal(path: Path) -> str:
    """Return the error message for an invalid file, and check that little memory is used."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"file\.ckpt") as caught:
            read_torch_file(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_values_equal_the_values_that_torch_loads(path: Path) -> None:
    assert_same(read_torch_file(path), torch.load(path, weights_only=True))


def test_tensors_are_views_of_the_file_and_do_not_change_it(tmp_path: Path) -> None:
    path = tmp_path / "file.ckpt"
    torch.save([torch.zeros(2**20) for _ in range(4)], path)
    before = path.read_bytes()
    tracemalloc.start()
    tensors = read_torch_file(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22  # of 2**24
    tracemalloc.stop()
    tensors[0].add_(1)
    assert path.read_bytes() == before


def write(path: Path, pickled: bytes, *, storages: dict[str, bytes] | None = None, **settings: Any) -> None:
    """Write an archive as torch does, with any pickle."""
    with zipfile.ZipFile(path, "w", **settings) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for name, content in (storages or {}).items():
            archive.writestr(f"archive/data/{name}", content)


class Call:
    """An object that is pickled as a function call."""

    def __init__(self, name: str, *arguments: Any) -> None:
        self.name, self.arguments = name, arguments


def pickled(value: Any) -> bytes:
    """A pickle of protocol 2 in which each :class:`Call` calls a name, which need not exist."""
    file = io.BytesIO()

    class Pickler(pickle._Pickler):  # type: ignore[name-defined]
        def save(self, value: Any, save_persistent_id: bool = True) -> None:
            if not isinstance(value, Call):
                super().save(value, save_persistent_id)
                return
            module, _, name = value.name.rpartition(".")
            if module:
                self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            self.save(value.arguments)
            self.write(pickle.REDUCE if module else b"")

    Pickler(file, 2).dump(value)
    return file.getvalue()


def storage(name: str = "Float", key: str = "0", count: int = 4) -> bytes:
    return (
        b"(X\x07\x00\x00\x00storagectorch\n" + f"{name}Storage\n".encode()
        + b"X" + len(key).to_bytes(4, "little") + key.encode() + b"X\x03\x00\x00\x00cpu"
        + pickle.dumps(count, 2)[2:-1] + b"tQ"
    )  # fmt: skip


def tensor(first: Any, size: Any, stride: Any, stored: bytes | None = None) -> bytes:
    rest = b"".join(pickle.dumps(each, 2)[2:-1] for each in (first, size, stride))
    inner = b"ctorch._utils\n_rebuild_tensor_v2\n(" + (stored or storage()) + rest + b"\x89}tR"
    return b"\x80\x02" + inner + b"."


NUMBERS = {"0": torch.arange(4.0).numpy().tobytes()}


def test_a_handmade_file_of_a_tensor_is_read(tmp_path: Path) -> None:
    write(tmp_path / "file.ckpt", tensor(1, (3,), (1,)), storages=NUMBERS)
    assert read_torch_file(tmp_path / "file.ckpt").tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tensor(0, (10**10,), (1,)), r"a tensor of shape \[10000000000\] that has only 4 numbers"),
        (tensor(0, (10**10,), (0,)), "that has only 4 numbers"),
        (tensor(0, (4,), (2,)), "that has only 4 numbers"),
        (tensor(2, (4,), (1,)), "that has only 4 numbers"),
        (tensor(2**62, (1,), (1,)), "that has only 4 numbers"),
        (tensor(-1, (1,), (1,)), "a tensor with invalid sizes"),
        (tensor(0, (-1,), (1,)), "a tensor with invalid sizes"),
        (tensor(0, (2, 2), (1,)), "a tensor with invalid sizes"),
        (tensor(0, (1,) * 99, (1,) * 99), "a tensor with invalid sizes"),
        (tensor(0, (2.5,), (1,)), "a tensor with invalid sizes"),
        (tensor(0, (4,), (1,), storage(count=5)), "the numbers of storage '0' are not in the file"),
        (tensor(0, (4,), (1,), storage(count=2**62)), "the numbers of storage '0' are not in the file"),
        (tensor(0, (4,), (1,), storage("Double")), "the numbers of storage '0' are not in the file"),
        (tensor(0, (4,), (1,), storage(key="../../0")), "are not in the file"),
        (tensor(0, (4,), (1,), storage(count=-1)), "a storage that torch does not write"),
        (tensor(0, (4,), (1,), storage("ComplexFloat")), "the pickle names 'torch.ComplexFloatStorage'"),
        (b"\x80\x02ctorch\nFloatStorage\nJ\x00\x00\x00\x7f\x85R.", "torch.FloatStorage is called"),
        (b"\x80\x02X\x01\x00\x00\x000Q.", "a storage that torch does not write"),
        (pickled(Call("builtins.bytearray", 2**33)), "the pickle names 'builtins.bytearray'"),
        (pickled(Call("torch.FloatTensor", 2**33)), "the pickle names 'torch.FloatTensor'"),
        (pickled(Call("torch.storage.UntypedStorage", 2**33)), "the pickle names 'torch.storage.Untyped"),
        (pickled(Call("posix.system", "touch marker")), "the pickle names 'posix.system'"),
        (pickled(Call("torch.hub.load", "somebody/something", "x")), "the pickle names 'torch.hub.load'"),
        (pickled(Call("_codecs.encode", "text", "latin1")), "the pickle names '_codecs.encode'"),
        (pickled(Call("collections.OrderedDict", 3)), "collections.OrderedDict is called"),
        (b"\x80\x02}" + b")" + b"\x85" * 10**5 + b"Ns.", "a key of type tuple"),
        (b"\x80\x02" + b"]" * 10**6 + b".", "container number"),
        (b"\x80\x02N", "the file has only 0 more"),
        (b"", "the file has only 0 more"),
    ],
)
def test_hostile_pickles_are_refused_without_large_allocations(
    tmp_path: Path, content: bytes, message: str
) -> None:
    write(tmp_path / "file.ckpt", content, storages=NUMBERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        with pytest.raises(ValueError, match=message):
            read_torch_file(tmp_path / "file.ckpt")
    assert [each.name for each in tmp_path.iterdir()] == ["file.ckpt"]


def test_many_tensors_of_one_storage_are_refused(tmp_path: Path) -> None:
    one = tensor(0, (4,), (1,))[2:-1]
    write(tmp_path / "file.ckpt", b"\x80\x02](" + one + b"q\x01" + b"h\x01" * 1000 + b"e.", storages=NUMBERS)
    assert len(read_torch_file(tmp_path / "file.ckpt")) == 1001  # references to one tensor are allowed
    numbers = {"0": bytes(2**20)}
    many = tensor(0, (2**18,), (1,), storage(count=2**18))[2:-1] * 5
    write(tmp_path / "file.ckpt", b"\x80\x02(" + many + b"t.", storages=numbers)
    assert "many tensors share the same numbers" in refusal(tmp_path / "file.ckpt")


def compressed(path: Path) -> None:
    write(path, b"\x80\x02N.", storages={"0": bytes(2**24)}, compression=zipfile.ZIP_DEFLATED)


def twice(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "w") as archive:
        for content in (b"\x80\x02N.", b"\x80\x02K\x01."):
            archive.writestr("archive/data.pkl", content)


def overlapping(path: Path) -> None:
    """An archive whose directory has two entries at the same offset."""
    write(path, b"\x80\x02N.", storages={"0": bytes(2**16), "1": bytes(2**16)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.getinfo("archive/data/1").header_offset = archive.getinfo("archive/data/0").header_offset
        archive._didModify = True  # type: ignore[attr-defined]


def without_a_pickle(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/byteorder", "little")


def of_another_byte_order(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
        archive.writestr("archive/byteorder", "big")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (compressed, "its archive differs from the archives that torch writes"),
        (twice, "its archive differs from the archives that torch writes"),
        (overlapping, "'archive/data/1' is damaged"),
        (without_a_pickle, "not a file that torch.save wrote"),
        (of_another_byte_order, "its numbers are not little-endian"),
        (lambda path: path.write_bytes(b""), "not a file that torch.save wrote"),
        (lambda path: path.write_bytes(b"PK\x05\x06" + bytes(18)), "not a file that torch.save wrote"),
        (lambda path: path.write_bytes(pickle.dumps([1])), "not a file that torch.save wrote"),
        (lambda path: torch.save([1], path, _use_new_zipfile_serialization=False), "not a file that torch"),
    ],
)
def test_archives_not_written_by_torch_are_refused(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "file.ckpt")
    assert message in refusal(tmp_path / "file.ckpt")


def test_a_flipped_bit_is_detected(path: Path) -> None:
    content, expected = path.read_bytes(), torch.load(path, weights_only=True)
    chosen = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path.write_bytes(damaged)
        try:
            assert_same(read_torch_file(path), expected)  # the bit is irrelevant, such as a bit of a date
        except ValueError:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize("place", [0, 100, 1000, -1000, -30, -1])
def test_a_truncated_file_is_refused(path: Path, place: int) -> None:
    path.write_bytes(path.read_bytes()[:place])
    assert "not a file that torch.save wrote" in refusal(path)


@pytest.mark.parametrize("place", [0, 0.2, 0.5, 0.9, 1])
def test_the_error_of_a_file_with_a_gap_of_zeros_says_what_to_do(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    start = int(place * (len(content) - 100))
    content[start : start + 100] = bytes(100)
    path.write_bytes(content)
    assert refusal(path).endswith("; copy it again, or use an earlier checkpoint")


def test_flipped_bits_are_detected_or_harmless(path: Path) -> None:
    whole, generator, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(200):
        content = bytearray(whole)
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(content)
        try:
            assert_same(read_torch_file(path), CONTENT)
        except ValueError as error:
            refused += 1
            assert str(error).startswith(str(path)) and "\n" not in str(error)
    assert refused > 50


def test_the_error_of_a_file_that_cannot_be_opened_names_it(path: Path, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        read_torch_file(tmp_path)
    assert caught.value.filename == str(tmp_path)
    if os.name != "nt" and os.geteuid() != 0:  # the user root can read every file
        path.chmod(0)
        with pytest.raises(PermissionError):
            read_torch_file(path)
