"""Measure end-to-end latency, dropped frames and memory of `sybio serve` over a WebSocket.

    python benchmarks/serving.py                                  # one person, ten people, three clients
    python benchmarks/serving.py --minutes 5 --scenarios "three clients"
    python benchmarks/serving.py --preset mocap --threads 2 --output serving.json

The server is `sybio serve` in a separate process, with a model of random weights; the clients are in this
process. Each client sends frames at `--fps` without waiting for results. `ms` is the latency of all clients:
the time from sending a frame to receiving its result. `model` is the time within this latency that the server
needs to update the stream. `dropped` is the number of frames that the server skipped because newer frames had
arrived. The server also sends each frame to every viewer; viewers draw nothing in this benchmark. `MB` is the
resident memory of the server after a fifth of the time (warm-up) and at the end. `MB/min` is the slope of a
line fitted to the memory values in between, one per second. Memory is only measured on Linux.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common import Row, argument_parser, positive_int, run
from modes import build
from samples import SAMPLES
from timing import process_memory
from websockets.asyncio.client import ClientConnection, connect

from pyg_sybio.data.datasets.motion_folder import MotionFolder
from pyg_sybio.data.splits import Splits
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.preparation import Preparation
from pyg_sybio.trained.trained import Trained
from pyg_sybio.trained.views import ONE_VIEW

COLUMNS = {
    "scenario": "<14",
    "clients": ">7d",
    "people": ">6d",
    "viewers": ">7d",
    "sent": ">7d",
    "dropped": ">7d",
    "p50 ms": ">8.2f",
    "p95 ms": ">8.2f",
    "p99 ms": ">8.2f",
    "max ms": ">8.1f",
    "model p50 ms": ">8.2f",
    "MB": ">7.1f",
    "MB at end": ">7.1f",
    "MB/min": ">8.3f",
}


@dataclass(frozen=True)
class Scenario:
    """The connections to a server.

    Args:
        name: Name in the table.
        clients: Number of connections that send frames.
        people: Number of people per frame.
        viewers: Number of viewers that watch the first client.
    """

    name: str
    clients: int = 1
    people: int = 1
    viewers: int = 0


SCENARIOS = (
    Scenario("one person"),
    Scenario("a viewer", viewers=1),
    Scenario("ten people", people=10),
    Scenario("three clients", clients=3, viewers=1),
)


@dataclass
class Counts:
    """Counts and times measured by the clients."""

    sent: int = 0
    dropped: int = 0
    times: list[float] = field(default_factory=list)
    model: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__, preset="realtime", output=None)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument(
        "--scenarios", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--minutes", type=float, default=0.25, help="minutes per scenario (default: 0.25)")
    parser.add_argument("--fps", type=float, default=30.0, help="frame rate of each client (default: 30)")
    parser.add_argument(
        "--threads", type=positive_int, help="threads of the model (default: the default of 'sybio serve')"
    )
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16")
    run(parser, argv, rows, COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per scenario."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "random"
        skeleton = write_model(arguments.preset, model)
        for scenario in SCENARIOS:
            if scenario.name not in arguments.scenarios:
                continue
            with server(model, arguments.threads, arguments.bf16) as (port, process):
                counts = asyncio.run(
                    converse(scenario, port, process, skeleton, arguments.fps, 60 * arguments.minutes)
                )
            yield row_of(scenario, counts)


def row_of(scenario: Scenario, counts: Counts) -> Row:
    """Return the results of a scenario."""
    p50, p95, p99 = 1e3 * np.percentile(counts.times, (50, 95, 99))
    memory = counts.memory[len(counts.memory) // 5 :]
    slope = np.polyfit(np.arange(len(memory)) / 60, memory, 1)[0] if len(memory) > 1 else None
    return {
        "scenario": scenario.name,
        "clients": scenario.clients,
        "people": scenario.people,
        "viewers": scenario.viewers,
        "sent": counts.sent,
        "answered": len(counts.times),
        "dropped": counts.dropped,
        "p50 ms": float(p50),
        "p95 ms": float(p95),
        "p99 ms": float(p99),
        "max ms": 1e3 * max(counts.times),
        "model p50 ms": statistics.median(counts.model),
        "MB": memory[0] if memory else None,
        "MB at end": memory[-1] if memory else None,
        "MB/min": None if slope is None else float(slope),
        "MB by half minutes": counts.memory[::30],
    }


# The server -----------------------------------------------------------------------------------------------


def write_model(preset: str, folder: Path) -> Skeleton:
    """Write a model of random weights as a model folder."""
    model, _ = build(preset)
    sample = SAMPLES[preset]
    trained = Trained(
        model=model,
        preparation=Preparation(model.skeleton, sample.observed, 30.0, padding="repeat"),
        class_names=tuple(f"action {number}" for number in range(sample.classes)),
        seen_classes=(True,) * sample.classes,
        views=ONE_VIEW,
        training={"epoch": 0, "global_step": 0, "batch_size": 1, **Splits(MotionFolder).describe()},
    )
    trained.save(folder)
    return model.skeleton


@contextlib.contextmanager
def server(model: Path, threads: int | None, bf16: bool, *options: str) -> Iterator[tuple[int, int]]:
    """Run 'sybio serve', and yield its port and its process id."""
    command = [sys.executable, "-m", "pyg_sybio", "serve", str(model), "--port", "0", *options]
    if threads is not None:
        command += ["--threads", str(threads)]
    if bf16:
        command.append("--bf16")
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout is not None
            found = re.match(r"page: .*:(\d+)/", process.stdout.readline())
            if found is None:
                process.wait(timeout=60)
                errors.seek(0)
                raise RuntimeError(f"'sybio serve' did not start: {errors.read().strip()}")
            yield int(found[1]), process.pid
        finally:
            process.terminate()
            process.wait(timeout=60)


# Clients --------------------------------------------------------------------------------------------------


async def converse(
    scenario: Scenario, port: int, process: int, skeleton: Skeleton, fps: float, seconds: float
) -> Counts:
    """Run all clients and viewers of a scenario for `seconds` seconds, and return the measurements."""
    counts = Counts()
    gc.collect()
    gc.freeze()  # garbage collection in the clients would count as latency
    address = f"ws://127.0.0.1:{port}/ws/"
    settings: dict[str, Any] = {"compression": None, "max_size": None}
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connect(address + "poses", **settings))
            for _ in range(scenario.clients)
        ]
        viewers = [
            await stack.enter_async_context(connect(address + "view", **settings))
            for _ in range(scenario.viewers)
        ]
        watching = [asyncio.create_task(watch(viewer)) for viewer in viewers]
        memory = asyncio.create_task(sample_memory(process, counts))
        frames = made_up_frames(skeleton, scenario.people)
        talks = [
            talk(client, frames, counts, fps, seconds, offset=number / fps / scenario.clients)
            for number, client in enumerate(clients)
        ]
        await asyncio.gather(*talks)
        for task in (*watching, memory):
            if task.done():
                task.result()  # raise the exception of a failed viewer or of the memory sampling
            task.cancel()
    return counts


def made_up_frames(skeleton: Skeleton, people: int, length: int = 90) -> list[dict[str, Any]]:
    """Return frames of swaying people, to be sent repeatedly."""
    rng = np.random.default_rng(0)
    size = (people, skeleton.num_joints, skeleton.num_features)
    rest, swing = rng.normal(size=size), 0.1 * rng.normal(size=size)
    frames = []
    for step in range(length):
        poses = (rest + swing * np.sin(2 * np.pi * step / length)).round(4)
        frames.append(
            {
                "type": "frame",
                "people": [{"track": track, "joints": pose.tolist()} for track, pose in enumerate(poses)],
            }
        )
    return frames


async def talk(
    client: ClientConnection,
    frames: Sequence[dict[str, Any]],
    counts: Counts,
    fps: float,
    seconds: float,
    offset: float,
) -> None:
    """Send frames at a fixed rate for `seconds` seconds, and record the latency of each result."""
    sent: dict[float, float] = {}
    dropped = 0

    async def listen() -> None:
        nonlocal dropped
        async for text in client:
            arrived = time.perf_counter()
            message = json.loads(text)
            if message["type"] == "error":
                raise RuntimeError(f"the server reports an error: {message['message']}")
            if message["type"] != "result":
                continue
            counts.times.append(arrived - sent.pop(message["timestamp"]))
            counts.model.append(message["latency_ms"])
            dropped = message["dropped"]

    listening = asyncio.create_task(listen())
    start = time.perf_counter() + offset
    count = max(1, round(seconds * fps))
    for number in range(count):
        await asyncio.sleep(max(0.0, start + number / fps - time.perf_counter()))
        timestamp = round(number / fps, 6)
        text = json.dumps({**frames[number % len(frames)], "timestamp": timestamp})
        sent[timestamp] = time.perf_counter()
        await client.send(text)
        if listening.done():
            break
    for _ in range(100):  # wait until the last results have arrived
        if listening.done() or len(sent) <= dropped:
            break
        await asyncio.sleep(0.02)
    if listening.done():
        listening.result()
    listening.cancel()
    counts.sent += count
    counts.dropped += dropped


async def watch(viewer: ClientConnection) -> None:
    """Watch the first source, as the viewer page does."""
    watched = None
    async for text in viewer:
        message = json.loads(text)
        if message["type"] == "sources" and watched is None and message["sources"]:
            watched = message["sources"][0]["id"]
            await viewer.send(json.dumps({"type": "watch", "source": watched}))


async def sample_memory(process: int, counts: Counts) -> None:
    """Record the resident memory of the server every second, if the system reports it."""
    while Path(f"/proc/{process}/status").exists():
        counts.memory.append(process_memory(process, "VmRSS"))
        await asyncio.sleep(1)


if __name__ == "__main__":
    main()
