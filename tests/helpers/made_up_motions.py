"""Random motions, and functions that read and prepare them, also in other processes."""

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch_geometric.transforms import BaseTransform

from pyg_sybio.data import processes
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.store.storage import Storage
from pyg_sybio.data.store.store import prepare
from pyg_sybio.skeleton import load_skeleton

KINECT, CMU = load_skeleton("ntu25"), load_skeleton("cmu38")
reads: list[str] = []
"""The files for which this process has called `read`."""


def files_of(root: Path) -> list[Path]:
    """Return the files `0.txt`, `1.txt`, ..., each of which holds a seed."""
    return sorted(root.glob("*.txt"), key=lambda path: int(path.stem))


def touch(path: Path) -> None:
    """Change only the modification time."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def wait_for_go(root: Path) -> None:
    """Wait up to a minute for a line in the pipe `go`, which the test holds open."""
    with (root / "go").open() as go:
        select.select([go], [], [], 60)


def made_up(seed: int, source: str = "") -> Motion:
    """A different motion for each seed: one to three persons, with gaps; optional fields may be missing."""
    generator = np.random.default_rng(seed)
    persons, frames = int(generator.integers(1, 4)), int(generator.integers(1, 40))
    poses = torch.from_numpy(generator.normal(size=(persons, frames, 25, 3)).astype(np.float32))
    present = torch.from_numpy(generator.random((persons, frames, 25)) > 0.2)
    ids = {name: str(generator.integers(5)) for name in ("subject", "view") if generator.random() > 0.3}
    return Motion(
        poses=poses * present[..., None],
        present=present,
        confidence=torch.from_numpy(generator.random((persons, frames, 25))) if seed % 3 == 0 else None,
        skeleton=KINECT,
        frame_rate=None if seed % 4 == 0 else 30 / 1.001,
        label=None if seed % 5 == 0 else f"wave at the café {seed}",
        ids=ids,
        tracks=tuple(int(number) for number in generator.integers(2**62, size=persons)),
        source=source,
    )


def made_up_rotations(path: Path) -> Motion:
    generator = torch.Generator().manual_seed(int(path.read_text()))
    poses, translation = (
        torch.randn(1, 7, *shape, generator=generator, dtype=torch.float64) for shape in ((38, 3), (3,))
    )
    return Motion(poses=poses, skeleton=CMU, translation=translation, source=str(path))


def read(path: Path) -> Motion:
    reads.append(path.name)
    return made_up(int(path.read_text()), str(path))


def read_pair(path: Path) -> Iterator[Motion]:
    yield read(path).replace(source=f"{path}: first")
    yield read(path).replace(source=f"{path}: second", label="second")


def read_one_bad(path: Path) -> Motion:
    if path.name in ("3.txt", "5.txt"):
        raise ValueError(f"{path}, line 1 has 'x', expected a number")
    return read(path)


def only_labelled(motion: Motion) -> Motion | None:
    return motion if motion.label else None


class Scale(BaseTransform):
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def forward(self, motion: Motion) -> Motion:
        return motion.replace(poses=motion.poses * self.factor)


def read_nothing(path: Path) -> list[Motion]:
    return []


def read_two_skeletons(path: Path) -> Motion:
    return made_up_rotations(path) if path.name == "2.txt" else read(path)


def read_two_types(path: Path) -> Motion:
    motion = read(path)
    return motion.replace(poses=motion.poses.double()) if path.name == "1.txt" else motion


def read_and_touch(path: Path) -> Motion:
    touch(path)
    return read(path)


def read_here_or_there(path: Path) -> Iterator[Motion]:
    """Return motions with the id of their process; file 5 has many motions, and file 59 kills the process."""
    if path.name == "59.txt":
        wait_for_go(path.parent)
        os._exit(1)
    for _ in range(20 if path.name == "5.txt" else 1):
        motion = made_up(int(path.read_text()), str(path))
        if path.name == "5.txt":
            motion = motion.frames(torch.arange(motion.num_frames).repeat(100))
        yield motion.replace(ids={"process": str(os.getpid())})


def read_some_bad(path: Path) -> Motion:
    """From the eleventh file on, nine of ten files are damaged."""
    seed = int(path.stem)
    if seed >= 10 and seed % 10:
        raise ValueError(f"{path}, line {seed} has 'x', expected a number")
    return read(path)


def read_with_mistake(path: Path) -> Motion:
    return {}[path.stem] if path.name == "4.txt" else read(path)  # type: ignore[return-value]


def read_file_that_went(path: Path) -> Motion:
    return read(path.with_name("gone.txt") if path.name == "4.txt" else path)


def read_no_motion(path: Path) -> object:
    return [str(path)]


def prepare_from_command_line(root: str, num_processes: str) -> None:
    """Prepare a folder; reading its third file waits for a line in the pipe `go`."""
    if num_processes != "1":
        processes.TRIAL_SECONDS = processes.START_UP_SECONDS = 0
    # If a shell starts the tests in the background, it may set the signal to be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    store = prepare(
        files=files_of(Path(root)),
        read=read_and_wait,
        settings={},
        root=root,
        storage=Storage(num_processes=int(num_processes)),
    )
    print(f"{len(store)} clips")


def read_and_wait(path: Path) -> Motion:
    with (path.parent / "count").open("a") as count:
        count.write(f"{path.name}\n")
    if path.name == "2.txt":
        print("started", flush=True)
        wait_for_go(path.parent)
    return made_up(int(path.read_text()), str(path))
