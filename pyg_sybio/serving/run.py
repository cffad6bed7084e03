"""Serving of a trained model until the server is stopped."""

import contextlib
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
from pyg_sybio.streaming.messages import one_line
from pyg_sybio.streaming.motion_stream import MotionStream
from pyg_sybio.trained.trained import Trained

logger = logging.getLogger(__name__)


def serve(
    trained: Trained,
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
) -> None:
    r"""Serve until interrupted.

    Args:
        trained: The trained model.
        name: Displayed name of the model.
        play: Recordings to play.
        host: Address to listen on.
        port: TCP port; 0 selects a free one.
        token: Password for connections; None allows all connections.
        origins: Other web sites whose pages may connect.
        fps: Frame rate of the poses that producers send. (default: the model's frame rate)
        limits: The limits of the server.
        threads: Number of threads for the model. (default: half of the processors)

    Raises:
        OSError: If the port is not available.
        FileNotFoundError: If a recording does not exist.
        ValueError: If a recording cannot be read, or does not fit the model.
    """
    limits = limits or Limits()
    frame_rate = trained.preparation.frame_rate

    def start_stream(rate: float | None) -> MotionStream:
        return trained.stream(fps=rate or fps or frame_rate, max_tracks=2 * limits.people)

    # Bind the port first, so that a port in use is reported without delay.
    with listen(host, port, connections=limits.connections, handshake=limits.handshake) as listener:
        skeleton = start_stream(None).skeleton
        host, port = listener.getsockname()[:2]
        local = host in LOOPBACK
        app = create_app(
            start_stream,
            limits=limits,
            token=token,
            recordings=read_recordings(play, skeleton, frame_rate),
            hosts=LOOPBACK if local else None,
            origins=origins,
            name=name,
            threads=threads,
        )
        server = make_server(app, listener, message_bytes=limits.bytes_of_message(skeleton))
        if not local and token is None:
            print(
                "sybio: warning: anybody who can reach this machine can connect (--token prevents that)",
                file=sys.stderr,
            )
        shown = f"[{host}]" if ":" in host else host
        query = "" if token is None else "?token=TOKEN"
        print(f"page:  http://{shown}:{port}/{query}")
        print(f"poses: ws://{shown}:{port}/ws/poses{query}", flush=True)
        # Exclude existing objects from garbage collection, which would take 200 ms every few seconds.
        gc.collect()
        gc.freeze()
        # After a clean shutdown, uvicorn raises the interrupt again.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
        print("sybio: stopped", file=sys.stderr)


def in_bfloat16(trained: Trained) -> Trained:
    """Return the same trained model, computing in bfloat16.

    Raises:
        ValueError: If the precision of the model is fixed, as in an ONNX file.
    """
    if not isinstance(trained.model, SybioGNN):
        raise ValueError("--bf16 needs a checkpoint or a model folder: the precision of this model is fixed")
    return dataclasses.replace(trained, model=trained.model.folded(torch.bfloat16))


def log_to_stderr(*, debug: bool = False) -> None:
    """Write the log of the server to stderr, one line per event.

    Args:
        debug: Whether to include debug messages.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))

    def show(message: Warning | str, *_: object, **__: object) -> None:
        logger.warning("%s", one_line(str(message)))

    warnings.showwarning = show

    def is_news(record: logging.LogRecord) -> bool:
        # uvicorn logs invalid UTF-8 of a client with a traceback; this package reports it in one line.
        return debug or not (record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError))

    # asyncio warns once per message to a client that has left.
    levels = {"pyg_sybio.serving": logging.INFO, "uvicorn.error": logging.ERROR, "asyncio": logging.ERROR}
    for name, level in levels.items():
        each = logging.getLogger(name)
        each.handlers = [handler]
        each.filters = [is_news]
        each.setLevel(logging.DEBUG if debug else level)
        each.propagate = False
