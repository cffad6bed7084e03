"""Time of one update of a live stream and of its steps, by number of tracks.

    python benchmarks/streaming.py # preset realtime; 1, 5 and 10 tracks python benchmarks/streaming.py
    --presets realtime demo --tracks 1 --variants full "only structural"

A stream has a full window per track, with the frames and the skeleton of the preset's data, at 30 Hz. Every
update adds one pose per track. The preparation centres each frame and fills missing joints. `regular` poses
are complete, and their timestamps match the frames of the window. The timestamps of `irregular` poses deviate
by up to a sixth of a frame, so that the whole window is interpolated, and one joint in 25 is missing.

`prepare`, `model` and `rest` are mean times: of the preparation, of the model, and of everything else, which
is checks, windows, interpolation, and the conversion of the forecast. `over` is the fraction of updates that
take longer than 33 ms, the time between two frames. `time x ceiling` is the median time times the ceiling in
single precision, in GFLOP. On a shared machine, threads wait for each other; set OMP_NUM_THREADS=1 to measure
one core.

The last columns are the times of `backbone`, `graph` (AGIM) and `heads`, as fractions of the mean time of an
update. They are upper bounds of the time that reusing results of earlier updates could save. With an actional
graph, every feature depends on the whole window. Only a model without actional graphs (`only structural`)
could reuse features of its backbone, except at the edges of the window and in frames that a stride skips.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import torch
from common import COMMON, Row, argument_parser, positive_int, run
from hooks import ModuleProfile, synchronised
from modes import build
from samples import SAMPLES
from timing import Measured, convolution_ceiling, timed
from torch import Tensor, nn

from pyg_sybio.data.transforms import Center, FillMissing
from pyg_sybio.models.presets import VARIANTS
from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.streaming.motion_stream import MotionStream
from pyg_sybio.trained.preparation import Preparation, Prepared

RATE = 30.0
"""Frames per second."""

COLUMNS = {
    "preset": "<9",
    "variant": "<16",
    "poses": "<9",
    "tracks": ">6d",
    "p50 ms": ">7.2f",
    "p95 ms": ">7.2f",
    "p99 ms": ">7.2f",
    "over": ">6.1%",
    "prepare ms": ">7.2f",
    "model ms": ">7.2f",
    "rest ms": ">7.2f",
    "time x ceiling": ">7.2f",
    "graph": ">6.1%",
    "backbone": ">6.1%",
    "heads": ">6.1%",
}


# Module names in a network, and the column that contains the time of each.
PARTS = {"actional_graph": "graph", "backbone": "backbone"} | dict.fromkeys(
    ("recognition_head", "prediction_head"), "heads"
)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__, presets=["realtime"], variants=["full"], **COMMON)
    parser.add_argument(
        "--tracks", nargs="+", type=positive_int, default=[1, 5, 10], metavar="N", help="default: 1 5 10"
    )
    kinds = ("regular", "irregular")
    parser.add_argument("--poses", nargs="+", choices=kinds, default=list(kinds), help="(default: both)")
    run(parser, argv, rows, COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per preset, variant, pose timing (regular or irregular) and number of tracks."""
    for settings in product(arguments.presets, arguments.variants, arguments.poses, arguments.tracks):
        yield measure(*settings, arguments.device, arguments.seconds)


class Asleep:
    """A wrapper of a model that returns zeros while ``asleep`` is true, in order to fill windows quickly."""

    def __init__(self, model: Any) -> None:
        self.model, self.asleep = model, False
        self.num_classes, self.num_future = model.num_classes, model.num_future

    def __call__(self, batch: Tensor) -> SybioOutput:
        """Return the output of the model, or zeros."""
        if not self.asleep:
            return self.model(batch)
        logits = batch.new_zeros(len(batch), self.num_classes) if self.num_classes else None
        future = batch.new_zeros(len(batch), self.num_future, *batch.shape[2:])
        return SybioOutput(logits, future, None, None, torch.ones(len(batch), 1))


@dataclass(frozen=True)
class TimedPreparation(Preparation):
    """A preparation that adds its time in seconds to ``spent["prepare"]``."""

    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __call__(self, *arguments: Any, **settings: Any) -> Prepared:
        """Prepare a motion."""
        start = time.perf_counter()
        prepared = super().__call__(*arguments, **settings)
        self.spent["prepare"] += time.perf_counter() - start
        return prepared


class Feed:
    """A generator of poses of several tracks; the poses are the same in every run."""

    def __init__(self, kind: str, tracks: int, joints: int, features: int) -> None:
        self._kind, self._shape = kind, (tracks, joints, features)
        self._generator = np.random.default_rng(0)
        self._frame = 0

    def next(self) -> tuple[dict[int, np.ndarray], float]:
        """Return the next pose of each track, and the common time of the poses."""
        poses = self._generator.normal(size=self._shape)
        moment = float(self._frame)
        if self._kind == "irregular":
            poses[self._generator.random(self._shape[:2]) < 1 / 25] = np.nan
            moment += self._generator.uniform(-1, 1) / 6
        self._frame += 1
        return dict(enumerate(poses)), moment / RATE


def measure(preset: str, variant: str, poses: str, tracks: int, device: torch.device, seconds: float) -> Row:
    """Measure a stream with `num_tracks` tracks."""
    settings: dict[str, Any] = dict(VARIANTS[variant])
    model, _ = build(preset, device, **settings)
    skeleton, folded = model.skeleton, model.folded()
    sleeper, spent = Asleep(folded), defaultdict[str, float](float)
    stream = MotionStream(
        sleeper,
        TimedPreparation(
            skeleton,
            SAMPLES[preset].observed,
            RATE,
            (Center(frame="each"),),
            fill=(FillMissing(),),
            spent=spent,
        ),
        fps=RATE,
        class_names=list(map(str, range(model.num_classes))),
        max_tracks=tracks,
    )
    feed = Feed(poses, tracks, skeleton.num_joints, model.in_channels)

    def update() -> None:
        given, moment = feed.next()
        assert len(stream.update_many(given, timestamp=moment)) == tracks

    sleeper.asleep = True
    for _ in range(stream.num_observed):
        update()
    sleeper.asleep = False
    for _ in range(3):
        update()
    before = convolution_ceiling(device)
    times: list[float] = []
    spent.clear()
    with ModuleProfile(parts_of(folded), synchronised(time.perf_counter, device)) as profile:
        while len(times) < 5 or sum(times) < seconds:
            times.append(timed(update, device))
    by_part: defaultdict[str, float] = defaultdict(float)
    for place, took in profile.spent.items():
        for name in place.modules:
            by_part[PARTS.get(name.rpartition(".")[2], "model")] += took
    measured = Measured(times, {"fp32": (before + convolution_ceiling(device)) / 2})
    total = sum(times)
    mean = {name: 1e3 * took / len(times) for name, took in (("prepare", spent["prepare"]), *by_part.items())}
    return {
        "preset": preset,
        "variant": variant,
        "poses": poses,
        "tracks": tracks,
        "frames": stream.num_observed,
        "joints": skeleton.num_joints,
        "over": sum(each > 1 / RATE for each in times) / len(times),
        "prepare ms": mean["prepare"],
        "model ms": mean["model"],
        "rest ms": 1e3 * total / len(times) - mean["prepare"] - mean["model"],
        **{name: by_part[name] / total for name in dict.fromkeys(PARTS.values())},
        **measured.figures(),
    }


def parts_of(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules whose time has a column in the table, and the model itself."""
    named = model.named_modules()
    return {name: module for name, module in named if not name or name.rpartition(".")[2] in PARTS}


if __name__ == "__main__":
    main()
