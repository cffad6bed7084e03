"""Atomic writing of files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyg_sybio.cli.errors import describe
from pyg_sybio.files import write_text, write_whole


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process can be larger than 4 kB."""
    resource = pytest.importorskip("resource")  # Windows has no such module
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_keeps_the_previous_version_and_the_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_text(path, "before")
    with pytest.raises(OSError, match=r"cannot be written: File too large: '.*report\.json'") as caught:
        write_text(path, "x" * 5000)
    assert describe(caught.value) == f"{path}: cannot be written: File too large"
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_an_error_names_the_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory") as caught:
        write_text(tmp_path / "file" / "folder" / "report.json", "")
    assert describe(caught.value).startswith(str(tmp_path / "file" / "folder"))


def test_an_error_names_another_file_that_caused_it(tmp_path: Path) -> None:
    def write(file: object) -> None:
        (tmp_path / "missing").read_bytes()

    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "report.json", write)
    assert caught.value.filename == str(tmp_path / "missing")
    assert not list(tmp_path.iterdir())


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    old, recent = tmp_path / ".a[1].json.77.part", tmp_path / ".a[1].json.78.part"
    for part in (old, recent):
        part.touch()
    os.utime(old, (0, 0))
    write_text(tmp_path / "a[1].json", "")
    assert sorted(each.name for each in tmp_path.iterdir()) == [".a[1].json.78.part", "a[1].json"]
