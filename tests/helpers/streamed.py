"""A stream whose model returns the window that it is given, and poses for it."""

from typing import Any

import torch
from live_models import NTU, Echo
from torch import Tensor

from pyg_sybio.streaming.motion_stream import MotionStream, StreamOutput
from pyg_sybio.trained.preparation import Preparation


def walk(num_frames: int, joints: int = 25, features: int = 3) -> Tensor:
    """A pose that moves a little from frame to frame, [T, M, D]."""
    steps = 0.1 * torch.randn(num_frames, joints, features, dtype=torch.float64)
    return torch.randn(joints, features, dtype=torch.float64) + steps.cumsum(0)


def echo(num_observed: int = 6, frame_rate: float = 30.0, **arguments: Any) -> tuple[MotionStream, Echo]:
    """A stream, and the model that it shows its windows to."""
    model = Echo()
    settings = {name: arguments.pop(name) for name in ("preprocess", "padding") if name in arguments}
    preparation = Preparation(NTU, num_observed, frame_rate, **settings)
    stream = MotionStream(model, preparation, **arguments)
    model.seen.clear()  # the run to warm up
    return stream, model


def feed(stream: MotionStream, poses: Tensor, times: Any = None) -> StreamOutput:
    """The answer to the last of several poses."""
    for frame, pose in enumerate(poses):
        out = stream.update(pose, timestamp=None if times is None else float(times[frame]))
    return out
