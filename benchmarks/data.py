"""How fast recordings are prepared, opened and loaded, and how much memory that takes.

    python benchmarks/data.py --ntu 2000 --processes 2            files as large as those of NTU RGB+D
    python benchmarks/data.py --folder recordings/bandai2         any folder of motion files
    python benchmarks/data.py --ntu 200 --loader 0 2 --step ntu   an epoch and a training step too

Memory is that of this process and its workers together, sampled twice a second: `PSS` counts each page
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from pyg_sybio import SybioGNN
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.motion_folder import find_motion_files
from pyg_sybio.data.datasets.ntu_rgbd import NTURGBD
from pyg_sybio.data.datasets.ntu_samples import missing_skeletons
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.reading import read_motions
from pyg_sybio.data.store.storage import Storage
from pyg_sybio.data.store.store import prepare
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.trained.evaluation import future_mask

NTU_FILES = 56_880
"""Files of NTU RGB+D (60 classes), to which times are extrapolated."""
NTU_FRAMES = 84
"""Their mean length."""
NTU_BODIES = (0.78, 0.19, 0.03)
"""Share of the files with one, two and three bodies: 11 of the 60 classes are those of two persons."""


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
    cpu_seconds: float
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
            row, dataset = make(Path(name), arguments)
            show_preparation(row)
            document["preparation"].append(asdict(row))
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


def ntu(scratch: Path, arguments: argparse.Namespace) -> tuple[Preparation, MotionDataset]:
    """Prepare made-up files of NTU RGB+D as the benchmark's dataset does."""
    root = scratch / "ntu"
    write_ntu_files(root, arguments.ntu)

    def run() -> NTURGBD:
        storage = Storage(cache=scratch / "cache", num_processes=arguments.processes)
        return NTURGBD(root=root, validation=None, storage=storage)

    return preparation("NTU RGB+D, made up", sorted(root.iterdir()), run, arguments.processes)


def folder_of(root: Path) -> Callable[[Path, argparse.Namespace], tuple[Preparation, MotionDataset]]:
    """Preparation of a folder; every clip is one sample, of one class where the files say none."""

    def make(scratch: Path, arguments: argparse.Namespace) -> tuple[Preparation, MotionDataset]:
        files = find_motion_files(root)

        def run() -> MotionDataset:
            store = prepare(
                files=files,
                read=read_motions,
                preprocess=with_label,
                settings={},
                root=root,
                storage=Storage(cache=scratch / "cache", num_processes=arguments.processes),
            )
            return MotionDataset(
                store=store,
                class_names=sorted({str(clip.label) for clip in store.clips}),
                sampling=Sampling(num_observed=30, num_future=30),
            )

        return preparation(root.name, files, run, arguments.processes)

    return make


def with_label(motion: Motion) -> Motion:
    """The motion with a label, whatever its file says."""
    return motion if motion.label is not None else motion.replace(label="motion")


def preparation(
    data: str, files: Sequence[Path], run: Callable[[], MotionDataset], processes: int
) -> tuple[Preparation, MotionDataset]:
    """Prepare files, and open the result once more."""
    before = sum(os.times()[:4])
    with sampled_memory() as memory:
        seconds, _ = timed(run)
    cpu_seconds = sum(os.times()[:4]) - before
    open_seconds, dataset = timed(run)
    row = Preparation(
        data=data,
        files=len(files),
        megabytes=sum(path.stat().st_size for path in files) / 1e6,
        clips=len(dataset.store),
        processes=processes,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        open_seconds=open_seconds,
        store_megabytes=sum(path.stat().st_size for path in dataset.store.folder.iterdir()) / 1e6,
        memory=memory,
    )
    return row, dataset


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
            "of all cores, s": f"{row.cpu_seconds:.1f}",
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
    names = ntu_names()
    for _ in range(count):
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
        (root / f"{next(names)}.skeleton").write_bytes("".join(text).encode("ascii"))


def ntu_names() -> Iterator[str]:
    """Names of samples that have a skeleton: all actions of a performer first."""
    missing = missing_skeletons(60)
    for setup, camera, performer, repetition, action in product(*map(range, (17, 3, 40, 2, 60))):
        name = f"S{setup + 1:03}C{camera + 1:03}P{performer + 1:03}R{repetition + 1:03}A{action + 1:03}"
        if name not in missing:
            yield name


# Loading and training --------------------------------------------------------------------------------------


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
        future = model.dense(batch, "future")
        loss(model(batch), y=batch.y, future=future, future_mask=future_mask(model, batch)).total.backward()
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
        while not done.wait(0.5):
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
