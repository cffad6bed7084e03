"""How fast recordings are prepared, opened and loaded, and how much memory that takes.

    python benchmarks/data.py --ntu 2000 --processes 2            files as large as those of NTU RGB+D
    python benchmarks/data.py --folder ../shared/data/bandai2     any folder of motion files
    python benchmarks/data.py --ntu 200 --loader 0 2 --step ntu   an epoch and a training step too

Memory is that of this process and its workers together, sampled ten times a second: `PSS` counts each page
once, pages of the mapped store included (which the system takes back when it needs them), `own` leaves out
what processes share. Both contain some 200 MB for torch, in each process.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import Compose

from pyg_sybio import SybioGNN
from pyg_sybio.data.motion_dataset import MotionDataset, SomebodySeen
from pyg_sybio.data.motion_folder import find_motion_files
from pyg_sybio.data.readers.ntu import read_ntu
from pyg_sybio.data.reading import read_motions
from pyg_sybio.data.store import MotionStore, prepare
from pyg_sybio.data.transforms import (
    AlignView,
    Center,
    FillMissing,
    FillNullFrames,
    SelectBodies,
    TrimNullFrames,
)
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.presets import PRESETS

NTU_FILES = 56_880
"""Files of NTU RGB+D (60 classes), to which times are extrapolated."""
NTU_FRAMES = 84
"""Their mean length."""
NTU_BODIES = (0.78, 0.19, 0.03)
"""Share of the files with one, two and three bodies: 11 of the 60 classes are those of two persons."""
LENGTHS = (300, 10)
"""Observed and future frames of a sample of NTU RGB+D."""


@dataclass
class Memory:
    """The peak over the processes of a measurement, in bytes."""

    pss: int = 0
    own: int = 0


@dataclass(frozen=True)
class Preparation:
    """What preparing some files took."""

    data: str
    files: int
    megabytes: float
    clips: int
    processes: int
    seconds: float
    open_seconds: float
    store_megabytes: float
    memory: Memory = field(default_factory=Memory)

    @property
    def ntu_minutes(self) -> float:
        """The time for all files of NTU RGB+D, start of the workers counted as if it grew too."""
        return self.seconds / self.files * NTU_FILES / 60


@dataclass(frozen=True)
class Epoch:
    """What loading every clip once took."""

    data: str
    workers: int
    clips_per_second: float
    memory: Memory = field(default_factory=Memory)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--ntu", type=int, default=0, metavar="N", help="prepare N made-up files of NTU RGB+D"
    )
    parser.add_argument(
        "--folder", type=Path, nargs="+", default=[], help="prepare the files of these folders"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes that read")
    parser.add_argument(
        "--loader", type=int, nargs="+", default=[], metavar="WORKERS", help="load with so many workers"
    )
    parser.add_argument("--batch-size", type=int, default=32, help="clips in a batch of the loader")
    parser.add_argument("--step", choices=PRESETS, help="time a training step of this preset too")
    parser.add_argument("--step-clips", type=int, default=4, help="clips in a batch of the training step")
    parser.add_argument("--device", default="cpu", help="where the training step runs: cpu or cuda")
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file as well")
    arguments = parser.parse_args()
    if not arguments.ntu and not arguments.folder:
        parser.error("nothing to prepare: give --ntu or --folder")

    environment = {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    print(", ".join(f"{key}: {value}" for key, value in environment.items()))
    document: dict[str, Any] = {"environment": environment, "preparation": [], "loader": [], "step": []}
    with tempfile.TemporaryDirectory() as name:
        for make in [*([ntu] if arguments.ntu else []), *(folder_of(path) for path in arguments.folder)]:
            row, store = make(Path(name), arguments)
            show_preparation(row)
            document["preparation"].append(asdict(row))
            dataset = dataset_of(store)
            for workers in arguments.loader:
                epoch = epoch_of(row.data, dataset, workers, arguments.batch_size)
                show_epoch(epoch)
                document["loader"].append(asdict(epoch))
            if arguments.step:
                rate = step_rate(
                    dataset, arguments.step, arguments.step_clips, torch.device(arguments.device)
                )
                print(f"\n{row.data}: a training step of '{arguments.step}' takes {rate:.2f} clips/s")
                document["step"].append(
                    {"data": row.data, "preset": arguments.step, "clips_per_second": rate}
                )
    if arguments.output:
        arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


# Preparation -----------------------------------------------------------------------------------------------


def ntu(scratch: Path, arguments: argparse.Namespace) -> tuple[Preparation, MotionStore]:
    """Prepare made-up files of NTU RGB+D."""
    root = scratch / "ntu"
    write_ntu_files(root, arguments.ntu)
    preprocess = Compose(
        [
            SelectBodies(),
            TrimNullFrames(),
            FillMissing(edges=False),
            FillNullFrames(),
            Center(joint="spine"),
            AlignView(),
        ]
    )
    return preparation(
        "NTU RGB+D, made up", root, sorted(root.rglob("*.skeleton")), read_ntu, preprocess, scratch, arguments
    )


def folder_of(root: Path) -> Callable[[Path, argparse.Namespace], tuple[Preparation, MotionStore]]:
    """Preparation of a folder."""

    def run(scratch: Path, arguments: argparse.Namespace) -> tuple[Preparation, MotionStore]:
        files = find_motion_files(root)
        return preparation(root.name, root, files, read_motions, None, scratch, arguments)

    return run


def preparation(
    data: str,
    root: Path,
    files: list[Path],
    read: Callable[[Path], Any],
    preprocess: Callable | None,
    scratch: Path,
    arguments: argparse.Namespace,
) -> tuple[Preparation, MotionStore]:
    """Prepare files, and open the result once more."""

    def run() -> MotionStore:
        return prepare(
            files=files,
            read=read,
            preprocess=SomebodySeen(preprocess),
            settings={},
            root=root,
            cache=scratch / "cache",
            num_processes=arguments.processes,
        )

    with sampled_memory() as memory:
        seconds, store = timed(run)
    open_seconds, store = timed(run)
    row = Preparation(
        data=data,
        files=len(files),
        megabytes=sum(path.stat().st_size for path in files) / 1e6,
        clips=len(store),
        processes=arguments.processes,
        seconds=seconds,
        open_seconds=open_seconds,
        store_megabytes=sum(path.stat().st_size for path in store.folder.iterdir()) / 1e6,
        memory=memory,
    )
    return row, store


def show_preparation(row: Preparation) -> None:
    """Print a table of one line."""
    print_table(
        {
            "data": row.data,
            "files": row.files,
            "MB": f"{row.megabytes:.0f}",
            "clips": row.clips,
            "processes": row.processes,
            "prepared in, s": f"{row.seconds:.1f}",
            "files/s": f"{row.files / row.seconds:.1f}",
            "PSS, MB": f"{row.memory.pss / 1e6:.0f}",
            "own, MB": f"{row.memory.own / 1e6:.0f}",
            "store, MB": f"{row.store_megabytes:.0f}",
            "opened in, s": f"{row.open_seconds:.3f}",
        }
        | ({f"{NTU_FILES} files, min": f"{row.ntu_minutes:.1f}"} if "NTU" in row.data else {})
    )


def write_ntu_files(root: Path, count: int) -> None:
    """Made-up `.skeleton` files of the real length, precision and number of bodies; they show noise."""
    root.mkdir()
    rng = np.random.default_rng(0)
    joint = " ".join(["%.7g"] * 11) + " 2\r\n"
    for index in range(count):
        frames = int(np.clip(rng.gamma(6, NTU_FRAMES / 6), 20, 300))
        bodies = int(rng.choice(3, p=NTU_BODIES)) + 1
        place = (
            np.arange(bodies)[:, None, None] * [1.0, 0, 0]
            + [0, 0, 3.0]
            + 0.4 * rng.normal(size=(bodies, 25, 3))
        )
        position = place + 0.01 * rng.normal(size=(frames, bodies, 25, 3)).cumsum(0)
        rest = rng.normal(scale=300, size=(frames, bodies, 25, 8))
        numbers = np.concatenate([position, rest], axis=-1).reshape(frames, bodies, -1).tolist()
        text = [f"{frames}\r\n"]
        for frame in numbers:
            text.append(f"{bodies}\r\n")
            for body, values in enumerate(frame):
                text.append(f"{72057594037931101 + body} 0 1 1 0 0 0 -0.09834856 0.01734483 2\r\n25\r\n")
                text.append(joint * 25 % tuple(values))
        places = (index // 60 % 17, index % 3, index % 40, index % 2, index % 60)
        name = "".join(f"{letter}{place + 1:03}" for letter, place in zip("SCPRA", places, strict=True))
        # Names of so many files repeat; a folder each keeps them apart.
        folder = root / f"{index // 1020:03}"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.skeleton").write_text("".join(text), encoding="ascii", newline="")


# Loading and training --------------------------------------------------------------------------------------


def dataset_of(store: MotionStore) -> MotionDataset:
    """Every clip as one sample of both tasks."""
    labels = sorted({clip.label for clip in store.clips if clip.label is not None})
    return MotionDataset(store=store, class_names=labels, num_observed=LENGTHS[0], num_future=LENGTHS[1])


def epoch_of(data: str, dataset: MotionDataset, workers: int, batch_size: int) -> Epoch:
    """Load every clip once, in random order, after an epoch that starts the workers and maps the pages."""
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,
    )
    with sampled_memory() as memory:
        for _ in range(2):
            seconds, _ = timed(lambda: sum(1 for _ in loader))
    return Epoch(data, workers, len(dataset) / seconds, memory)


def show_epoch(row: Epoch) -> None:
    """Print a table of one line."""
    print_table(
        {
            "data": row.data,
            "workers": row.workers,
            "clips/s": f"{row.clips_per_second:.0f}",
            "PSS, MB": f"{row.memory.pss / 1e6:.0f}",
            "own, MB": f"{row.memory.own / 1e6:.0f}",
        }
    )


def step_rate(dataset: MotionDataset, preset: str, clips: int, device: torch.device) -> float:
    """Clips a second of forward pass, loss, backward pass and optimiser, the loader left out."""
    model = SybioGNN.from_preset(
        preset, skeleton=dataset.skeleton, num_classes=len(dataset.class_names), num_future=dataset.num_future
    ).to(device)
    loss = SymbioticLoss(dataset.skeleton).to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    batch = Batch.from_data_list([dataset[index % len(dataset)] for index in range(clips)]).to(device)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(batch), batch.y, batch.future, batch.future_mask).total.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    step()
    return clips / statistics.median(timed(step)[0] for _ in range(3))


def print_table(row: dict[str, Any]) -> None:
    """Print a row in Markdown, with its head."""
    lines = (row, ["---", *["--:"] * (len(row) - 1)], row.values())
    print("", *("| " + " | ".join(map(str, line)) + " |" for line in lines), sep="\n", flush=True)


# Measuring -------------------------------------------------------------------------------------------------


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


@contextmanager
def sampled_memory() -> Iterator[Memory]:
    """The peak memory of this process and all below it."""
    memory, done = Memory(), threading.Event()

    def sample() -> None:
        me = psutil.Process()
        while not done.wait(0.1):
            pss = own = 0
            for process in (me, *me.children(recursive=True)):
                with suppress(psutil.Error):
                    info = process.memory_full_info()
                    pss, own = pss + info.pss, own + info.uss
            memory.pss, memory.own = max(memory.pss, pss), max(memory.own, own)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
