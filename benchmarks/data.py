"""Time and memory of preparing, opening and loading recordings.

    python benchmarks/data.py --ntu 2000 --processes 2 # generated files like those of NTU RGB+D python
    benchmarks/data.py --folder recordings/bandai2 # any folder of motion files python benchmarks/data.py
    --ntu 200 --loader 0 2 --step ntu # also time loading and training

Memory is the peak of the sum over this process and its workers, sampled twice a second. `PSS` (proportional
set size) counts each page once, including pages of the memory-mapped store, which the system can reclaim at
any time. `own` excludes pages that processes share. Both include about 200 MB for torch per process. `CPU s`
is the CPU time summed over all cores.
"""

import argparse
import os
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

import numpy as np
import psutil
import torch
from common import Report, Row, argument_parser, environment, parsed, positive_int
from timing import timed
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
"""Number of files of NTU RGB+D (60 classes), to which times are extrapolated."""
NTU_FRAMES = 84
"""Mean number of frames per file."""
NTU_BODIES = (0.78, 0.19, 0.03)
"""Fractions of files with one, two and three bodies; 11 of the 60 classes have two persons."""

_MEMORY = {"PSS, MB": ">8.0f", "own, MB": ">8.0f"}
PREPARATION = {
    "data": "<20",
    "files": ">6d",
    "MB": ">7.0f",
    "clips": ">6d",
    "processes": ">9d",
    "seconds": ">8.1f",
    "CPU s": ">8.1f",
    "files/s": ">8.1f",
    **_MEMORY,
    "store, MB": ">9.0f",
    "opened in, s": ">12.3f",
    "all of NTU, min": ">15.1f",
}
LOADER = {"data": "<20", "workers": ">7d", "clips/s": ">8.0f", **_MEMORY}
STEP = {"data": "<20", "preset": "<9", "clips/s": ">8.2f"}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__, device=torch.device("cpu"), output=None)
    add = parser.add_argument
    add("--ntu", type=int, default=0, metavar="N", help="prepare N generated files of NTU RGB+D")
    add("--folder", type=Path, nargs="+", default=[], help="prepare the files of these folders")
    add(
        "--processes",
        type=positive_int,
        default=os.cpu_count(),
        help="processes that read the files (default: all cores)",
    )
    add(
        "--loader",
        type=int,
        nargs="+",
        default=[],
        metavar="WORKERS",
        help="also time the data loader with these numbers of workers",
    )
    add("--batch-size", type=positive_int, default=32, help="clips per batch of the loader (default: 32)")
    add("--step", choices=PRESETS, help="also time a training step of this preset")
    add("--step-clips", type=positive_int, default=4, help="clips per training step (default: 4)")
    arguments = parsed(parser, argv)
    if not arguments.ntu and not arguments.folder:
        parser.error("nothing to prepare: expected --ntu or --folder")
    report = Report(environment(arguments.device), arguments.output)
    sources: list[Source] = [ntu] if arguments.ntu else []
    sources += [folder_of(path) for path in arguments.folder]
    for source in sources:
        with tempfile.TemporaryDirectory() as scratch:
            row, dataset = source(Path(scratch), arguments)
            report.table([row], PREPARATION, "preparation")
            if arguments.loader:
                report.table(epochs(row["data"], dataset, arguments), LOADER, "loader")
            if arguments.step:
                rate = step_rate(dataset, arguments.step, arguments.step_clips, arguments.device)
                report.table([{"data": row["data"], "preset": arguments.step, "clips/s": rate}], STEP, "step")


# Preparation -----------------------------------------------------------------------------------------------

Source = Callable[[Path, argparse.Namespace], tuple[Row, MotionDataset]]


def ntu(scratch: Path, arguments: argparse.Namespace) -> tuple[Row, MotionDataset]:
    """Prepare generated files of NTU RGB+D with the class `NTURGBD`."""
    root = scratch / "ntu"
    write_ntu_files(root, arguments.ntu)

    def run() -> NTURGBD:
        storage = Storage(cache=scratch / "cache", num_processes=arguments.processes)
        return NTURGBD(root=root, validation=None, storage=storage)

    return preparation("generated NTU RGB+D", sorted(root.iterdir()), run, arguments.processes)


def folder_of(root: Path) -> Source:
    """Return a function that prepares a folder; all clips without a label get the same class."""

    def make(scratch: Path, arguments: argparse.Namespace) -> tuple[Row, MotionDataset]:
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
            names = sorted({str(clip.label) for clip in store.clips})
            sampling = Sampling(num_observed=30, num_future=30)
            return MotionDataset(store=store, class_names=names, sampling=sampling)

        return preparation(root.name, files, run, arguments.processes)

    return make


def with_label(motion: Motion) -> Motion:
    """Return the motion with a label, even if its file has none."""
    return motion if motion.label is not None else motion.replace(label="motion")


def preparation(
    data: str, files: Sequence[Path], run: Callable[[], MotionDataset], processes: int
) -> tuple[Row, MotionDataset]:
    """Time the preparation of files, and then the opening of the prepared store."""
    before = sum(os.times()[:4])
    with sampled_memory() as memory:
        seconds = timed(run)
    cpu_seconds = sum(os.times()[:4]) - before
    datasets: list[MotionDataset] = []
    open_seconds = timed(lambda: datasets.append(run()))
    (dataset,) = datasets
    row = {
        "data": data,
        "files": len(files),
        "MB": sum(path.stat().st_size for path in files) / 1e6,
        "clips": len(dataset.store),
        "processes": processes,
        "seconds": seconds,
        "CPU s": cpu_seconds,
        "files/s": len(files) / seconds,
        **memory,
        "store, MB": sum(path.stat().st_size for path in dataset.store.folder.iterdir()) / 1e6,
        "opened in, s": open_seconds,
        # The extrapolated time includes the start of the workers, although the start does not depend on the
        # number of files.
        "all of NTU, min": seconds / len(files) * NTU_FILES / 60 if "NTU" in data else None,
    }
    return row, dataset


def write_ntu_files(root: Path, count: int) -> None:
    """Write `.skeleton` files of noise with the length, precision and number of bodies of real files."""
    root.mkdir()
    rng = np.random.default_rng(0)
    joint = " ".join(["%.7g"] * 11) + " 2\r\n"
    names = ntu_names()
    for _ in range(count):
        frames = int(np.clip(rng.gamma(6, NTU_FRAMES / 6), 20, 300))
        bodies = int(rng.choice(3, p=NTU_BODIES)) + 1
        place = np.arange(bodies)[:, None, None] * [1.0, 0, 0] + [0, 0, 3.0]
        place = place + 0.4 * rng.normal(size=(bodies, 25, 3))
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
    """Yield the names of samples that have a skeleton; the action number varies fastest."""
    missing = missing_skeletons()
    for setup, camera, performer, repetition, action in product(*map(range, (17, 3, 40, 2, 60))):
        name = f"S{setup + 1:03}C{camera + 1:03}P{performer + 1:03}R{repetition + 1:03}A{action + 1:03}"
        if name not in missing:
            yield name


# Loading and training --------------------------------------------------------------------------------------


def epochs(data: str, dataset: MotionDataset, arguments: argparse.Namespace) -> Iterator[Row]:
    """Time the second epoch in random order; the first starts the workers and maps the pages of the store."""
    for workers in arguments.loader:
        loader = DataLoader(
            dataset,
            batch_size=arguments.batch_size,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="spawn" if workers else None,
        )
        with sampled_memory() as memory:
            for _ in range(2):
                seconds = timed(lambda loader=loader: sum(1 for _ in loader))
        yield {"data": data, "workers": workers, "clips/s": len(dataset) / seconds, **memory}


def step_rate(dataset: MotionDataset, preset: str, clips: int, device: torch.device) -> float:
    """Return the clips per second of training steps without a data loader."""
    model = SybioGNN.from_preset(
        preset, skeleton=dataset.skeleton, num_classes=len(dataset.class_names), num_future=dataset.num_future
    ).to(device)
    loss = SymbioticLoss(dataset.skeleton).to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    batch = Batch.from_data_list([dataset[index % len(dataset)] for index in range(clips)]).to(device)

    def step() -> None:
        optimizer.zero_grad()
        future, mask = model.dense(batch, "future"), future_mask(batch, dataset.skeleton.num_joints)
        loss(model(batch), y=batch.y, future=future, future_mask=mask).total.backward()
        optimizer.step()

    step()
    return clips / statistics.median(timed(step, device) for _ in range(3))


# Memory ----------------------------------------------------------------------------------------------------


@contextmanager
def sampled_memory() -> Iterator[dict[str, float]]:
    """Sample the memory of this process and its children, and yield the peaks as table columns."""
    memory, done = dict.fromkeys(_MEMORY, 0.0), threading.Event()

    def sample() -> None:
        me = psutil.Process()
        while True:
            pss = own = 0.0
            for process in (me, *me.children(recursive=True)):
                with suppress(psutil.Error):
                    info = process.memory_full_info()
                    pss, own = pss + info.pss / 1e6, own + info.uss / 1e6
            memory.update({key: max(memory[key], now) for key, now in zip(_MEMORY, (pss, own), strict=True)})
            if done.wait(0.5):
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
