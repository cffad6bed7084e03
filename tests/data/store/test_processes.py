"""Several processes prepare one store: one works, the others wait, and killed processes leave no store."""

import multiprocessing
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import made_up_motions
import pytest
from prepared_stores import folders_of, prepared


@pytest.fixture
def go(root: Path) -> Iterator[Callable[[], object]]:
    """Let the processes that wait at the third file continue."""
    os.mkfifo(root / "go")
    pipe = os.open(root / "go", os.O_RDWR)
    yield lambda: os.write(pipe, b"go\n")
    os.close(pipe)


@pytest.fixture
def start(root: Path, cache: Path) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Start processes that prepare `root` in `cache`."""
    running: list[subprocess.Popen[str]] = []

    def run(num_processes: int) -> subprocess.Popen[str]:
        command = "import sys, made_up_motions; made_up_motions.prepare_from_command_line(*sys.argv[1:])"
        running.append(
            subprocess.Popen(
                # Ignore the deprecation warnings of libraries.
                [sys.executable, "-W", "ignore", "-c", command, str(root), str(num_processes)],
                env=os.environ | {"PYTHONPATH": str(Path(made_up_motions.__file__).parent)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def first_lines(*pipes: IO[str]) -> list[str]:
    """Return the first line of the first two pipes that have one."""
    lines: list[str] = []
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while len(lines) < 2:
            for key, _ in selector.select():
                lines.append(key.fileobj.readline())  # type: ignore[union-attr]
                selector.unregister(key.fileobj)
    return sorted(lines)


def test_a_second_process_waits_and_uses_the_result(
    root: Path,
    cache: Path,
    start: Callable[[int], subprocess.Popen[str]],
    go: Callable[[], object],
) -> None:
    processes = [start(1), start(1)]
    pipes = [pipe for process in processes for pipe in (process.stdout, process.stderr) if pipe]
    assert first_lines(*pipes) == ["started\n", f"waiting for another process that prepares {root}\n"]
    go()
    for process in processes:
        assert process.communicate(timeout=60)[0].endswith("8 clips\n")
        assert process.returncode == 0
    assert (root / "count").read_text().split() == [f"{seed}.txt" for seed in range(8)]
    assert len(folders_of(cache)) == 1


def test_a_killed_process_leaves_no_valid_store(
    root: Path,
    cache: Path,
    start: Callable[[int], subprocess.Popen[str]],
    go: Callable[[], object],
) -> None:
    killed = start(2)
    assert killed.stdout is not None and killed.stdout.readline() == "started\n"
    [part] = folders_of(cache)
    assert part.name.startswith(".")
    killed.kill()
    killed.communicate(timeout=60)  # returns once its workers, which also hold the pipe, have ended
    assert folders_of(cache) == [part]

    go()
    store = prepared(root, made_up_motions.read_and_wait)
    assert folders_of(cache) == [store.folder] and len(store) == 8


@pytest.mark.slow
@pytest.mark.usefixtures("go")
def test_an_interrupted_process_exits_cleanly(
    cache: Path, start: Callable[[int], subprocess.Popen[str]]
) -> None:
    process = start(2)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    os.killpg(process.pid, signal.SIGINT)  # like Ctrl+C, to the process and its workers
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT, errors
    assert "SpawnProcess" not in errors and errors.count("Traceback") == 1
    assert folders_of(cache) == []


def test_a_script_without_main_guard_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker imports the script that started it, and must not wait for its own parent there."""
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(RuntimeError, match="under `if __name__ == '__main__':`"):
        prepared(root)
