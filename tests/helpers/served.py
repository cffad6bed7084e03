"""A small model, frames for it, and a server that listens on a port, for tests of the server."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from live_models import NTU as SKELETON
from live_models import small_model
from starlette.types import ASGIApp

from pyg_sybio import SybioGNN
from pyg_sybio.data.motion import Motion
from pyg_sybio.serving.limits import Limits
from pyg_sybio.serving.listening import listen, make_server
from pyg_sybio.streaming.motion_stream import MotionStream

CLASSES = ("walk", "wave", "sit")


class Streams:
    """Create streams of one model, as the server expects."""

    def __init__(self, model: SybioGNN | None = None) -> None:
        torch.manual_seed(0)
        self.model = model or small_model()

    def __call__(self, fps: float | None = None) -> MotionStream:
        return self.model.stream(fps=fps or 30.0, num_observed=8, class_names=CLASSES)


def made_up_pose(step: int = 0, track: int = 0) -> np.ndarray:
    """A pose `[25, 3]` whose head is above the other joints, so that y is up."""
    rng = np.random.default_rng(track)
    pose = 0.2 * rng.normal(size=(SKELETON.num_joints, 3))
    pose[[SKELETON.joint_index(joint) for joint in SKELETON.parts["head"]], 1] += 1.5
    pose[:, 0] += track + 0.05 * np.sin(step / 3)
    return pose.round(4)


def made_up_frame(step: int = 0, tracks: tuple[int, ...] = (0,), **more: Any) -> dict[str, Any]:
    """A message with a frame."""
    people = [{"track": track, "joints": made_up_pose(step, track).tolist()} for track in tracks]
    return {"type": "frame", "timestamp": step / 30, "people": people, **more}


def made_up_recording(frames: int = 40, people: int = 1) -> Motion:
    """A recording at 50 Hz."""
    poses = np.stack([[made_up_pose(step, person) for step in range(frames)] for person in range(people)])
    return Motion(poses=torch.from_numpy(poses), skeleton=SKELETON, frame_rate=50.0)


@contextlib.contextmanager
def listening(app: ASGIApp, limits: Limits | None = None, *, send_buffer: int | None = None) -> Iterator[int]:
    """Serve on a free port in another thread, and yield the port.

    Args:
        app: The application.
        limits: Limits of its connections.
        send_buffer: Number of bytes that the system buffers for a client that does not read.
    """
    limits = limits or Limits()
    with listen("127.0.0.1", 0, connections=limits.connections, handshake=limits.handshake) as bound:
        if send_buffer is not None:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        server = make_server(app, bound, message_bytes=limits.bytes_of_message(SKELETON))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(timeout=60)
            assert not thread.is_alive()


def wait_for(condition: Any, seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in {seconds} s"
        time.sleep(0.01)


def run(coroutine: Any) -> Any:
    """Run a coroutine for up to a minute."""

    async def limited() -> Any:
        async with asyncio.timeout(60):
            return await coroutine

    return asyncio.run(limited())
