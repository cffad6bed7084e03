"""Serving a checkpoint until somebody stops it."""

import contextlib
import ctypes
import dataclasses
import gc
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.serving.access import LOOPBACK
from pyg_sybio.serving.app import create_app
from pyg_sybio.serving.limits import Limits
from pyg_sybio.serving.listening import listen, make_server
from pyg_sybio.serving.playback import read_recordings
from pyg_sybio.serving.source import one_line
from pyg_sybio.streaming.motion_stream import MotionStream
from pyg_sybio.trained.trained import Checkpoint

logger = logging.getLogger(__name__)


def serve(
    checkpoint: Checkpoint,
    *,
    name: str,
    play: Sequence[Path] = (),
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    origins: Sequence[str] = (),
    fps: float | None = None,
    limits: Limits | None = None,
    threads: int | None = None,
    data_root: str | None = None,
) -> None:
    r"""Serve until interrupted.

    Args:
        checkpoint: The model, and what it was trained on.
        name: Of the model, for people.
        play: Recordings that are played.
        host: Address to listen on.
        port: 0 chooses a free one.
        token: What a client has to know; None lets everybody in.
        origins: Other web sites whose pages may connect.
        fps: Frames a second that producers send. (default: those of the model)
        limits: What one connection may ask for.
        threads: On how many processors the model may run. (default: half of them)
        data_root: Folder of the training recordings, where the model wants their statistics.

    Raises:
        OSError: If the port cannot be had.
        FileNotFoundError: If there is no such recording.
        ValueError: If a recording cannot be read, or does not fit the model.
    """
    limits = limits or Limits()
    _share_memory_among_threads()
    frame_rate = checkpoint.data["frame_rate"]

    def start_stream(rate: float | None) -> MotionStream:
        return checkpoint.stream(fps=rate or fps or frame_rate, max_tracks=2 * limits.people, root=data_root)

    # The port first: without it, nothing else is worth waiting for.
    bound = listen(host, port)
    with bound:
        skeleton = start_stream(None).skeleton
        recordings = read_recordings(play, skeleton, frame_rate)
        host, port = bound.getsockname()[:2]
        alone = host in LOOPBACK
        app = create_app(
            start_stream,
            limits=limits,
            token=token,
            recordings=recordings,
            hosts=LOOPBACK if alone else None,
            origins=origins,
            name=name,
            threads=threads,
        )
        server = make_server(
            app,
            message_bytes=limits.bytes_of_message(skeleton),
            handshake=limits.handshake,
            connections=limits.connections,
        )
        if not alone and token is None:
            print(
                "sybio: warning: whoever reaches this machine can connect: --token TOKEN keeps others out",
                file=sys.stderr,
            )
        shown = f"[{host}]" if ":" in host else host
        query = "" if token is None else "?token=TOKEN"
        print(f"page:  http://{shown}:{port}/{query}")
        print(f"poses: ws://{shown}:{port}/ws/poses{query}", flush=True)
        # What is here stays: the collector need not look at it again, which takes 200 ms every few seconds.
        gc.collect()
        gc.freeze()
        # The server ends in order, and then interrupts, unless whoever started it has interrupts ignored.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[bound])
        print("sybio: stopped", file=sys.stderr)


def _share_memory_among_threads() -> None:
    """Let all threads take memory from one place, where the C library is glibc.

    It gives each thread a place of its own, and hands what is free there back to the system again and again.
    The model does not run in the main thread, so it would get its memory anew in every frame: 3200 page
    faults for ten people, 27 ms instead of 20.
    """
    arena_max = -8
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(arena_max, 1)


def in_bfloat16(checkpoint: Checkpoint) -> Checkpoint:
    """The same checkpoint, whose model computes in bfloat16.

    Raises:
        ValueError: If the model is not one that can choose, such as an exported one.
    """
    if not isinstance(checkpoint.model, SybioGNN):
        raise ValueError("--bf16 needs a checkpoint of 'sybio fit' or a folder: this model has its precision")
    return dataclasses.replace(checkpoint, model=checkpoint.model.folded(torch.bfloat16))  # type: ignore[arg-type]


def log_to_stderr(*, debug: bool = False) -> None:
    """Write what happens on the server to stderr, a line each.

    Args:
        debug: Say more.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))

    def show(message: Warning | str, *_: object, **__: object) -> None:
        logger.warning("%s", one_line(str(message)))

    warnings.showwarning = show
    for name, level in (
        ("pyg_sybio.serving", logging.DEBUG if debug else logging.INFO),
        ("uvicorn.error", logging.DEBUG if debug else logging.ERROR),
    ):
        each = logging.getLogger(name)
        each.handlers = [handler]
        each.setLevel(level)
        each.propagate = False
