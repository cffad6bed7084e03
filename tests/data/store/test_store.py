"""The store of prepared motions: exact round trips, reuse, and detection of damage."""

import functools
import json
import pickle
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from made_up_motions import (
    KINECT,
    Scale,
    files_of,
    made_up,
    made_up_rotations,
    only_labelled,
    read,
    read_and_touch,
    read_nothing,
    read_one_bad,
    read_pair,
    read_two_skeletons,
    read_two_types,
    reads,
    touch,
)
from prepared_stores import folders_of, prepared

from pyg_sybio.data.store.store import DamagedStoreError, MotionStore

# Round trips -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cache")
def test_motions_are_restored_exactly(root: Path) -> None:
    for seed in range(8, 40):
        (root / f"{seed}.txt").write_text(str(seed))
    store = prepared(root)
    assert repr(store).startswith("MotionStore(40 clips, 'ntu25', ")
    assert len(store) == len(store.clips) == 40 and store.skeleton == KINECT and store.skipped == ()
    for index, path in enumerate(files_of(root)):
        motion, info = made_up(index, str(path)), store.clips[index]
        assert store.motion(index).equal(motion) and store.motion(index - 40).equal(motion)
        for name in ("num_persons", "num_frames", "label", "ids", "source", "frame_rate", "tracks"):
            assert getattr(info, name) == getattr(motion, name)
        part = slice(motion.num_frames // 3, motion.num_frames // 2 + 1)
        assert store.motion(index, part).equal(motion.frames(part))
    assert store.clips[-1] == store.clips[39] == list(store.clips)[39] == store.clips[38:][1]
    with pytest.raises(IndexError):
        store.motion(40)
    with pytest.raises(ValueError, match=r"'frames' is slice\(900, None, None\), but .*0.txt has"):
        store.motion(0, slice(900, None))


@pytest.mark.usefixtures("cache")
def test_double_precision_and_translation_are_kept(root: Path) -> None:
    store = prepared(root, made_up_rotations)
    for index, path in enumerate(files_of(root)):
        assert store.motion(index).poses.dtype == torch.float64
        assert store.motion(index).equal(made_up_rotations(path))


@pytest.mark.usefixtures("cache")
def test_changing_a_motion_does_not_change_the_store(root: Path) -> None:
    store = prepared(root)
    for name in ("poses", "present", "confidence"):
        getattr(store.motion(0), name).zero_()
    assert store.motion(0).equal(made_up(0, str(root / "0.txt")))


@pytest.mark.usefixtures("cache")
def test_a_pickled_store_opens_the_same_folder(root: Path) -> None:
    store = prepared(root)
    content = pickle.dumps(store)
    assert len(content) < 1000
    assert pickle.loads(content).motion(5).equal(store.motion(5))


def test_a_store_in_a_relative_cache_opens_in_another_working_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = prepared(root, cache=Path("here"))
    monkeypatch.chdir("/")
    again = pickle.loads(pickle.dumps(store))
    assert store.folder.parent == tmp_path / "here" and again.motion(3).equal(store.motion(3))


@pytest.mark.usefixtures("cache")
def test_files_may_have_several_motions_or_none(root: Path) -> None:
    store = prepared(root, read_pair)
    assert [clip.source for clip in store.clips[:3]] == [
        f"{root / '0.txt'}: first",
        f"{root / '0.txt'}: second",
        f"{root / '1.txt'}: first",
    ]
    with pytest.raises(ValueError, match=r"no motion of .*raw can be stored: .*0\.txt has no motion"):
        prepared(root, read_nothing)


@pytest.mark.usefixtures("cache")
def test_left_out_motions_are_listed(root: Path) -> None:
    for _ in ("made", "opened"):
        store = prepared(root, preprocess=only_labelled)
        assert store.skipped == tuple(
            (str(root / name), "left out by only_labelled") for name in ("0.txt", "5.txt")
        )
        assert [Path(clip.source).stem for clip in store.clips] == ["1", "2", "3", "4", "6", "7"]


@pytest.mark.usefixtures("cache")
def test_incompatible_motions_are_refused(root: Path) -> None:
    with pytest.raises(
        ValueError, match=r"2\.txt has skeleton 'cmu38' \(38 joints\), but .*0\.txt has 'ntu25'"
    ):
        prepared(root, read_two_skeletons)
    with pytest.raises(ValueError, match=r"'poses' is float64 in .*1\.txt, but float32 in .*0\.txt"):
        prepared(root, read_two_types)


# Reuse, and preparation after changes ------------------------------------------------------------


def test_files_are_prepared_only_once(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(root)
    assert len(reads) == 8
    monkeypatch.chdir(root.parent)
    store = prepared(Path("raw"))  # the same folder by another path
    assert len(reads) == 8 and len(folders_of(cache)) == 1
    assert store.clips[0].source == str(Path("raw") / "0.txt")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "3.txt").write_text("17"),
        lambda root: (root / "9.txt").write_text("9"),
        lambda root: (root / "7.txt").unlink(),
        lambda root: (root / "6.txt").rename(root / "16.txt"),
        lambda root: touch(root / "0.txt"),
    ],
    ids=["changed", "added", "removed", "renamed", "touched"],
)
def test_a_changed_folder_is_prepared_again_and_the_stale_store_is_removed(
    root: Path, cache: Path, change: Callable[[Path], object]
) -> None:
    before = prepared(root).folder
    change(root)
    store = prepared(root)
    assert folders_of(cache) == [store.folder] != [before]
    assert all(
        store.motion(index).equal(made_up(int(path.read_text()), str(path)))
        for index, path in enumerate(files_of(root))
    )


def test_different_settings_and_parameters_have_separate_stores(root: Path, cache: Path) -> None:
    variants: list[dict[str, object]] = [
        {},
        {"settings": {"version": 2}},
        {"preprocess": Scale(2.0)},
        {"preprocess": Scale(3.0)},
        {"read": functools.partial(read)},
    ]
    for _ in ("made", "opened"):
        stores = [prepared(root, **variant) for variant in variants]  # type: ignore[arg-type]
        assert len(reads) == 8 * len(variants)
    assert sorted(folders_of(cache)) == sorted({store.folder for store in stores})
    original = made_up(1, str(root / "1.txt"))
    for store, factor in zip(stores, (1.0, 1.0, 2.0, 3.0, 1.0), strict=True):
        assert store.motion(1).equal(original.replace(poses=original.poses * factor))


# Damage ------------------------------------------------------------------------------------------


def _damages(path: Path) -> Iterator[Callable[[], object]]:
    content = path.read_bytes()
    for position in {*range(0, len(content), len(content) // 60 + 1), len(content) - 1}:
        flipped = content[position] ^ (1 << position % 8)
        yield functools.partial(
            path.write_bytes, content[:position] + bytes([flipped]) + content[position + 1 :]
        )
    yield functools.partial(path.write_bytes, content[:-1])
    yield functools.partial(path.write_bytes, content + b"\0")
    yield functools.partial(path.write_bytes, b"")
    yield path.unlink


@pytest.mark.usefixtures("cache")
def test_any_damage_is_detected(root: Path, tmp_path: Path) -> None:
    """Flipped bits, and files that are too short, too long, empty or missing."""
    folder = prepared(root).folder
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["confidence.bin", "index.json", "meta.json", "poses.bin", "present.bin"]
    for name in names:
        content = (folder / name).read_bytes()
        for damage in _damages(folder / name):
            damage()
            with pytest.raises(DamagedStoreError, match=name):
                MotionStore(folder, root=root)
            (folder / name).write_bytes(content)
    MotionStore(folder, root=root)


@pytest.mark.parametrize("name", ["confidence.bin", "index.json", "meta.json", "poses.bin", "present.bin"])
def test_a_damaged_store_is_prepared_again(root: Path, cache: Path, name: str) -> None:
    file = prepared(root).folder / name
    content = file.read_bytes()
    middle = len(content) // 2
    for damaged in (
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        content[:middle],
    ):
        file.write_bytes(damaged)
        with pytest.warns(UserWarning, match=rf"{name} .*: .*raw is prepared again"):
            store = prepared(root)
        assert file.read_bytes() == content and folders_of(cache) == [file.parent]
        assert all(
            store.motion(index).equal(made_up(index, str(root / f"{index}.txt"))) for index in range(8)
        )


@pytest.mark.usefixtures("cache")
def test_damage_found_by_another_process_is_reported(root: Path) -> None:
    """Unpickling in another process checks the index and all sizes, but not the arrays."""
    store = prepared(root)
    content = pickle.dumps(store)
    index, poses = store.folder / "index.json", store.folder / "poses.bin"
    text = index.read_text()
    index.write_text(text.replace("30", "60", 1))
    with pytest.raises(DamagedStoreError, match=r"index\.json has changed since it was written"):
        pickle.loads(content)
    index.write_text(text)
    poses.write_bytes(poses.read_bytes()[:-4])
    with pytest.raises(DamagedStoreError, match=r"poses\.bin has \d+ bytes, but \d+ were written"):
        pickle.loads(content)
    shutil.rmtree(store.folder)
    with pytest.raises(DamagedStoreError, match=r"meta\.json cannot be read"):
        pickle.loads(content)


def test_an_error_in_a_file_leaves_no_store(root: Path, cache: Path) -> None:
    with pytest.raises(ValueError, match="2 files cannot be prepared") as caught:
        prepared(root, read_one_bad)
    for name in ("3.txt", "5.txt"):
        assert f"{root / name}, line 1 has 'x', expected a number" in str(caught.value)
    assert folders_of(cache) == []


def test_files_that_change_during_preparation_are_detected(root: Path, cache: Path) -> None:
    with pytest.raises(ValueError, match=r"files of .*raw changed while they were prepared"):
        prepared(root, read_and_touch)
    assert folders_of(cache) == []


def test_a_cache_folder_that_cannot_be_written_is_an_error(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"the cache folder .*file/cache cannot be written .*PYG_SYBIO_CACHE"):
        prepared(root, cache=tmp_path / "file" / "cache")


@pytest.mark.usefixtures("cache")
def test_wrong_arguments_are_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=r"'files' is empty, expected files of .*raw"):
        prepared(root, files=[])
    with pytest.raises(ValueError, match="'num_processes' is 0, expected at least 1"):
        prepared(root, num_processes=0)
    with pytest.raises(ValueError, match=r"'read' is <function .*cannot be sent to another process"):
        prepared(root, lambda path: read(path))
    with pytest.raises(FileNotFoundError, match=r"gone\.txt"):
        prepared(root, files=[root / "gone.txt"])


@pytest.mark.usefixtures("cache")
def test_opening_prints_nothing_and_needs_no_write_access(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(root)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read only")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr("pyg_sybio.data.store.store.FileLock", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(prepared(root)) == 8


@pytest.mark.usefixtures("cache")
def test_the_store_describes_its_origin(root: Path) -> None:
    store = prepared(root, preprocess=Scale(2.0), settings={"split": "all"})
    made_from = json.loads((store.folder / "meta.json").read_text())["made_from"]
    assert made_from["root"] == str(root.resolve()) and "split" in str(made_from["settings"])
    assert "Scale" in str(made_from["preprocess"]) and "2.0" in str(made_from["preprocess"])
