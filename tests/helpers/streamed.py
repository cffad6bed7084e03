"""A stream whose model returns its input window, and poses for it."""

from typing import Any

import torch
from live_models import NTU, Echo
from torch import Tensor

from pyg_sybio.streaming.motion_stream import MotionStream, StreamOutput
from pyg_sybio.trained.preparation import Preparation


def walk(num_frames: int, joints: int = 25, features: int = 3) -> Tensor:
    """A pose that moves slightly from frame to frame, ``[T, M, D]``."""
    steps = 0.1 * torch.randn(num_frames, joints, features, dtype=torch.float64)
    return torch.randn(joints, features, dtype=torch.float64) + steps.cumsum(0)


def echo(num_observed: int = 6, frame_rate: float = 30.0, **arguments: Any) -> tuple[MotionStream, Echo]:
    """Return a stream and the model that receives its windows."""
    model = Echo()
    settings = {name: arguments.pop(name) for name in ("preprocess", "padding") if name in arguments}
    preparation = Preparation(NTU, num_observed, frame_rate, **settings)
    stream = MotionStream(model, preparation, **arguments)
    model.seen.clear()  # drop the warm-up call
    return stream, model


def feed(stream: MotionStream, poses: Tensor, times: Any = None) -> StreamOutput:
    """Update with several poses, and return the last result."""
    for frame, pose in enumerate(poses):
        out = stream.update(pose, timestamp=None if times is None else float(times[frame]))
    return out
