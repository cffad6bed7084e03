"""`sybio serve` under attack: latency and lost frames of well-behaved clients, and memory.

    python benchmarks/soak.py                          a minute without attackers, then ten minutes with them
    python benchmarks/soak.py --minutes 60 --fps 30 --output soak.json

Ten clients send one person each at `--fps`, first without and then with attackers, which run in a separate
process with the lowest priority and reconnect as soon as they are disconnected:

- 60 connections that send nothing, or an incomplete request,
- 4 WebSockets that send nothing,
- clients that send frames as fast as they can,
- clients that send random bytes, invalid and oversized messages, and disconnect at once,
- producers and viewers that do not read.

`lost` is the number of frames of the ten clients without a result, which includes frames that the server
dropped; `MB` is the resident memory of the server after a third of the time, and at the end.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import socket
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import Row, argument_parser, positive_int, run
from serving import Counts, Scenario, converse, made_up_frames, server, write_model

COLUMNS = {
    "clients": ">8d",
    "attackers": ">10",
    "minutes": ">8.1f",
    "sent": ">8d",
    "lost": ">6d",
    "p50 ms": ">8.2f",
    "p99 ms": ">8.2f",
    "MB": ">8.1f",
    "MB at end": ">9.1f",
}

_PLACES = 2 * 10
_UPGRADE = (
    b"GET /ws/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__, preset="realtime", output=None)
    parser.add_argument("--minutes", type=float, default=10, help="minutes with attackers (default: 10)")
    parser.add_argument("--clients", type=positive_int, default=10, help="number of clients (default: 10)")
    parser.add_argument("--fps", type=float, default=10, help="frame rate of each client (default: 10)")
    run(parser, argv, rows, COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row without attackers and a row with them, measured on one server."""
    scenario = Scenario("soak", clients=arguments.clients)
    options = ("--max-producers", str(arguments.clients + _PLACES))
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "random"
        skeleton = write_model(arguments.preset, model)
        with server(model, None, False, *options) as (port, process):
            frame = json.dumps(made_up_frames(skeleton, 1)[0])
            for attackers, minutes in (
                ("none", max(arguments.minutes / 10, 0.02)),
                ("all", arguments.minutes),
            ):
                with attack(port, frame) if attackers == "all" else contextlib.nullcontext():
                    counts = asyncio.run(
                        converse(scenario, port, process, skeleton, arguments.fps, 60 * minutes)
                    )
                yield row_of(scenario.clients, attackers, minutes, counts)


def row_of(clients: int, attackers: str, minutes: float, counts: Counts) -> Row:
    """Return the results with or without attackers."""
    p50, p99 = 1e3 * np.percentile(counts.times, (50, 99))
    memory = counts.memory[len(counts.memory) // 3 :]
    return {
        "clients": clients,
        "attackers": attackers,
        "minutes": minutes,
        "sent": counts.sent,
        "lost": counts.sent - len(counts.times),
        "p50 ms": float(p50),
        "p99 ms": float(p99),
        "MB": memory[0] if memory else None,
        "MB at end": memory[-1] if memory else None,
        "MB by minutes": counts.memory[::60],
    }


# Attackers ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def attack(port: int, frame: str) -> Iterator[None]:
    """Attack the server on a port from another process."""
    process = multiprocessing.get_context("spawn").Process(target=_attack, args=(port, frame), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _attack(port: int, frame: str) -> None:
    os.nice(19)
    asyncio.run(_all_attacks(port, frame.encode()))


async def _all_attacks(port: int, frame: bytes) -> None:
    flood = _text(frame) * 400
    invalid = [
        lambda: random.randbytes(2000),
        lambda: _text(random.randbytes(100)),
        lambda: _text(b'{"type": "frame", "people": ' + b"[" * 5000) * 30,
        lambda: _text(b"x" * 60_000) * 3,
        lambda: _text(b'{"type": "reset", "track": 1e400}'),
    ]
    watch = _text(b'{"type": "watch", "source": "0"}')
    async with asyncio.TaskGroup() as group:

        def repeat(times: int, *arguments: Any) -> None:
            for _ in range(times):
                group.create_task(_repeat(port, *arguments))

        repeat(30, lambda: b"", True, 30.0)
        repeat(30, lambda: b"GET / HTTP/1.1\r\nHost: ", True, 30.0)
        for path in (b"poses", b"view"):
            upgrade = _UPGRADE % path
            repeat(2, lambda upgrade=upgrade: upgrade, True, 30.0)
            repeat(1, lambda upgrade=upgrade: upgrade + random.choice(invalid)(), True, 0.2)
            repeat(1, lambda upgrade=upgrade: upgrade + random.choice(invalid)(), False, 0.0)
            repeat(1, lambda upgrade=upgrade: upgrade + flood, True, 1.0)
            repeat(2, lambda upgrade=upgrade: upgrade + _text(frame) * 20 + watch, False, 60.0)


async def _repeat(port: int, message: Callable[[], bytes], reads: bool, seconds: float) -> None:
    """Connect, send, and read or wait until disconnected, or for some seconds; then do so again."""
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            try:
                writer.write(message())
                async with asyncio.timeout(seconds):
                    await writer.drain()
                    await (_read(reader) if reads else asyncio.sleep(seconds))
            finally:
                if not reads:  # close the connection with a TCP reset
                    handle = writer.get_extra_info("socket")
                    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.close()
        await asyncio.sleep(random.uniform(0.5, 2.0))  # random, so that attackers are not synchronised


async def _read(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


def _text(content: bytes) -> bytes:
    """A WebSocket frame with a text, masked with zeros."""
    size = len(content)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return b"\x81" + length + bytes(4) + content


if __name__ == "__main__":
    main()
