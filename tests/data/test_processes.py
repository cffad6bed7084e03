"""A function applied to many files in several processes: in order, with errors that name the file."""

import os
from pathlib import Path

import pytest
from made_up_motions import files_of, made_up, read_here_or_there, reads

from pyg_sybio.data import processes
from pyg_sybio.data.store.records import read_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(60):
        (tmp_path / f"{seed}.txt").write_text(str(seed))
    reads.clear()
    return tmp_path


def test_workers_return_results_in_order_until_one_dies(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TRIAL_SECONDS", 0)
    monkeypatch.setattr(processes, "START_UP_SECONDS", 0)
    os.mkfifo(root / "go")
    pipe = os.open(root / "go", os.O_RDWR)
    items, advanced = [], []

    def advance() -> None:
        advanced.append(len(items))
        if len(advanced) == 59:  # all other files are done: the last one may kill its process
            os.write(pipe, b"go\n")

    results = read_files(
        files_of(root), read_here_or_there, None, num_processes=2, folder=root, advance=advance
    )
    with pytest.raises(RuntimeError, match=r"a worker process died while it read \S*/59\.txt: it crashed"):
        items.extend(results)  # keeps the items before the error
    os.close(pipe)

    expected = [path for path in files_of(root)[:-1] for _ in range(20 if path.name == "5.txt" else 1)]
    assert [item.values["source"] for item in items] == [str(path) for path in expected]
    own, *workers = [item.values["ids"]["process"] for item in items]
    assert own == str(os.getpid())  # this process reads the first file, the workers read the rest
    assert own not in workers
    for item, path in zip(items, expected, strict=True):
        motion = made_up(int(path.stem))
        repeats = 100 if path.name == "5.txt" else 1
        poses = motion.poses.repeat(1, repeats, 1, 1).flatten(0, 1).numpy()
        assert (item.arrays["poses"] == poses).all()
    num_bytes = sum(array.nbytes for item in items for array in item.arrays.values())
    assert num_bytes > 2 * processes.MAX_RESULT_BYTES
    assert not list(root.glob("results-*"))  # temporary files are deleted


def test_functions_that_a_worker_cannot_load_are_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes._Worker, "pickled", b"cno_such_module\nread\n.", raising=False)
    with pytest.raises(ValueError, match=r"cannot load 'read' or 'preprocess' .*no_such_module"):
        processes._work(0, root / "0.txt")
