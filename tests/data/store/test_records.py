"""Reading many files: in order, in parallel, and with errors that name the file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_motions import (
    Scale,
    files_of,
    made_up,
    read,
    read_file_that_went,
    read_no_motion,
    read_some_bad,
    read_with_mistake,
    reads,
)

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.store.records import LeftOut, Record, items_of, name_of, read_files, record_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(60):
        (tmp_path / f"{seed}.txt").write_text(str(seed))
    reads.clear()
    return tmp_path


def reading(root: Path, read: Callable, **changes: object) -> list[Record | LeftOut]:
    arguments: dict[str, object] = {
        "preprocess": None,
        "num_processes": 1,
        "folder": root,
        "advance": lambda: None,
    }
    return list(read_files(files_of(root), read, **(arguments | changes)))  # type: ignore[arg-type]


def test_few_files_are_read_in_this_process(root: Path) -> None:
    assert len(reading(root, read, num_processes=64)) == 60
    assert reads == [path.name for path in files_of(root)]


def test_errors_name_the_first_files_and_count_further_ones(root: Path) -> None:
    with pytest.raises(ValueError) as caught:
        reading(root, read_some_bad)
    shown = "".join(
        f"\n  {root / f'{seed}.txt'}, line {seed} has 'x', expected a number" for seed in range(11, 16)
    )
    # File 11 is the first bad one, and the next 32 files, up to 43, were tried: all except 20, 30 and 40 are
    # bad.
    assert (
        str(caught.value)
        == f"30 files cannot be prepared (found after 44 of 60 files):{shown}\n  and 25 more"
    )


def test_errors_name_the_file_even_if_the_reader_does_not(root: Path) -> None:
    place = f"{root / '4.txt'}: "
    with pytest.raises(ValueError) as mistake:
        reading(root, read_with_mistake)
    assert str(mistake.value) == f"{place}KeyError: '4'"
    assert "in read_with_mistake" in mistake.value.__notes__[0]
    with pytest.raises(ValueError) as missing:
        reading(root, read_file_that_went)
    assert str(missing.value).startswith(f"{place}[Errno 2] No such file") and not hasattr(
        missing.value, "__notes__"
    )
    with pytest.raises(ValueError, match=r"0\.txt: TypeError: 'read' gave str, expected motions"):
        reading(root, read_no_motion)
    with pytest.raises(ValueError, match=r"0\.txt: TypeError: 'preprocess' gave str, expected a motion or N"):
        reading(root, read, preprocess=repr)
    with pytest.raises(ValueError, match=r"here\.txt has 3 as its 'view', expected text"):
        record_of(made_up(1, "here.txt").replace(ids={"view": 3}))


def test_motions_are_read_lazily(root: Path) -> None:
    """A file with many motions is read one motion at a time."""
    given: list[Motion] = []

    def endless(path: Path):  # type: ignore[no-untyped-def]
        while True:
            given.append(made_up(len(given), f"{path}: {len(given)}"))
            yield given[-1]

    items = items_of(root / "0.txt", endless, None)
    for count in range(1, 4):
        item = next(items)
        assert isinstance(item, Record) and item.values["source"] == given[-1].source
        assert len(given) == count


def test_functions_and_transforms_are_shown_by_name() -> None:
    assert name_of(made_up) == "made_up"
    assert name_of(Scale(2.0)) == "Scale"
