r"""Prepared windows of several tracks, evaluated in as few model calls as possible."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn

from pyg_sybio.data.motion import Motion
from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.streaming.poses import PoseReader
from pyg_sybio.trained.preparation import Prepared


class Model(Protocol):
    """Interface of a model that a stream calls."""

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 without recognition."""

    @property
    def num_future(self) -> int:
        """Number of predicted frames; 0 without prediction."""

    def __call__(self, batch: Tensor) -> SybioOutput:
        """Recognise and forecast clips `[N, T, M, D]`."""


@dataclass(eq=False)
class Windows:
    r"""Windows of one stream that were prepared together, one track each, and the outputs of the model.

    Args:
        model: The model of the stream.
        reader: The reader of the incoming poses.
        track_ids: The tracks.
        observed_ratios: Fraction of each window's joints that were observed.
        prepared: The windows, one person per track.
        probabilities: Class probabilities, filled in by :func:`answer`.
        future: Forecasts with the joints and coordinates of the incoming poses, filled in by :func:`answer`.

    Shapes:
        - **probabilities:** `[P, C]`
        - **future:** `[P, T_future, M, D]`
    """

    model: Model
    reader: PoseReader
    track_ids: Sequence[int]
    observed_ratios: Sequence[float]
    prepared: Prepared
    probabilities: Tensor | None = None
    future: Tensor | None = None

    @cached_property
    def seen(self) -> Tensor:
        """Which tracks have at least one observed joint `[P]`."""
        return self.prepared.observed.present.flatten(1).any(1)

    def take(self, out: SybioOutput, rows: slice) -> None:
        """Store this stream's rows of the model's output, one per track with an observed joint."""
        # New tensors, outside of inference mode: callers may modify them.
        if out.logits is not None:
            self.probabilities = self._by_track(out.logits[rows].float().cpu().softmax(-1))
        if out.future is None:
            return
        observed = self.prepared.observed
        motion = Motion(
            poses=self._by_track(out.future[rows].double().cpu()),
            skeleton=observed.skeleton,
            frame_rate=observed.frame_rate,
            check_values=False,
        )
        motion = self.prepared.to_recording(motion)
        poses = motion.poses.float().masked_fill(~motion.present[..., None], math.nan)
        num_joints = self.reader.skeleton.num_joints
        self.future = poses.new_full((*poses.shape[:2], num_joints, poses.size(-1)), math.nan)
        self.future[:, :, self.reader.joints] = poses

    def answers(self, person: int) -> tuple[Tensor | None, Tensor | None]:
        """Return the probabilities and the future of one track; None without an observed joint or without the
        task."""
        if not self.seen[person]:
            return None, None
        probabilities = None if self.probabilities is None else self.probabilities[person]
        return probabilities, None if self.future is None else self.future[person]

    def _by_track(self, values: Tensor) -> Tensor:
        result = values.new_zeros(len(self.seen), *values.shape[1:])
        result[self.seen] = values
        return result


def answer(batches: Iterable[Windows]) -> None:
    """Call each model once for all its windows, or once per length if windows differ in length."""
    groups: defaultdict[tuple[int, int], list[Windows]] = defaultdict(list)
    for windows in batches:
        if windows.seen.any():
            groups[id(windows.model), windows.prepared.observed.num_frames].append(windows)
    for group in groups.values():
        x = torch.cat([windows.prepared.observed.poses[windows.seen] for windows in group])
        model = group[0].model
        with torch.inference_mode():
            out = model(x.to(input_example(model)))
        start = 0
        for windows in group:
            stop = start + int(windows.seen.sum())
            windows.take(out, slice(start, stop))
            start = stop


def input_example(model: Model) -> Tensor:
    """Return a scalar with the type and on the device of a model's input; float32 if these are unknown."""
    # Buffers have the type of the input, even if the weights of a folded model are in bfloat16.
    buffers = model.buffers() if isinstance(model, nn.Module) else ()
    return next((value.new_zeros(()) for value in buffers if value.is_floating_point()), torch.zeros(()))
