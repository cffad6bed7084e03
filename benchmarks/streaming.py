"""Time of one update of a live stream, by number of tracks, and where it goes.

    python benchmarks/streaming.py                                      realtime: 1, 5 and 10 tracks
    python benchmarks/streaming.py --presets realtime demo --tracks 1 --variants full "only structural"

A stream holds a full window of each track, with the frames and the skeleton of the preset's data, at 30 Hz,
and every update takes in a pose of each. The preparation centres each frame and fills missing joints. Poses
are `regular`, all there and on the grid of the window, or `irregular`: with timestamps that are off by up to
a sixth of a frame, so that the whole window is interpolated, and one joint in 25 missing.

`prepare` is the time for windows, interpolation and preparation; `model` that of the model; `rest` is to
check and keep the poses, and to bring the forecast back into their space (all three are means). `over` is the
share of updates that took longer than the time from one frame to the next, 33 ms. `time x ceiling` is the
median time by the ceiling in single precision, in GFLOP. On a machine that is not alone, threads wait for
each other: OMP_NUM_THREADS=1 shows what one processor does.

The last columns say what could be reused from one update to the next, as shares of the mean time of an
update. In an actional graph every joint depends on the whole window, and with it every feature of every
block: reuse is left for a model that is `only structural`, and there for the `backbone` at most, without the
frames at the edges of the window and those that a stride leaves out. `graph` is the inference of actional
graphs, and `heads` what follows the backbone. Of `prepare`, what treats frames one by one could be reused.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from common import (
    SAMPLES,
    Measured,
    Row,
    add_common_arguments,
    argument_parser,
    build,
    convolution_ceiling,
    environment,
    report,
    whole_number,
)
from torch import Tensor, nn

from pyg_sybio.accelerate.folded import FoldedSybioGNN
from pyg_sybio.data.transforms import Center, FillMissing
from pyg_sybio.models.presets import PRESETS, VARIANTS
from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.streaming.motion_stream import MotionStream
from pyg_sybio.trained.preparation import Preparation

RATE = 30.0
"""Frames a second."""

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


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=["realtime"], metavar="PRESET")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["full"], metavar="VARIANT")
    parser.add_argument(
        "--tracks", nargs="+", type=whole_number, default=[1, 5, 10], help="default: 1 5 10", metavar="N"
    )
    parser.add_argument(
        "--poses", nargs="+", choices=("regular", "irregular"), default=["regular", "irregular"]
    )
    add_common_arguments(parser)
    arguments = parser.parse_args(argv)
    report(measure_all(arguments), COLUMNS, environment(arguments.device), arguments.output)


def measure_all(arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of all that was asked for."""
    for preset, variant, poses, tracks in product(
        arguments.presets, arguments.variants, arguments.poses, arguments.tracks
    ):
        yield measure(preset, variant, poses, tracks, arguments.device, arguments.seconds)


class Stopwatch:
    """Time that is spent in named places, in seconds."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._began: dict[str, float] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose time is counted."""

        def call(*arguments: Any, **settings: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **settings)
            finally:
                self.spent[name] += time.perf_counter() - start

        return call

    def watch(self, name: str, module: nn.Module) -> None:
        """Count the time of a module."""
        module.register_forward_pre_hook(lambda *_: self._began.update({name: time.perf_counter()}))
        module.register_forward_hook(lambda *_: self._stop(name))

    def _stop(self, name: str) -> None:
        self.spent[name] += time.perf_counter() - self._began[name]


class Asleep:
    """A model that can be told to answer at once, with zeros, while windows fill."""

    def __init__(self, model: FoldedSybioGNN) -> None:
        self.model, self.asleep = model, False
        self.skeleton, self.num_classes, self.num_future = model.skeleton, model.num_classes, model.num_future

    def __call__(self, batch: Tensor) -> SybioOutput:
        """What the model says, or zeros."""
        if not self.asleep:
            return self.model(batch)
        logits = batch.new_zeros(len(batch), self.num_classes) if self.num_classes else None
        future = batch.new_zeros(len(batch), self.num_future, *batch.shape[2:])
        return SybioOutput(logits, future, None, None, torch.ones(len(batch), 1))


class Feed:
    """Poses of several tracks, one after the other, the same in every run."""

    def __init__(self, kind: str, tracks: int, joints: int, features: int) -> None:
        self._kind, self._shape = kind, (tracks, joints, features)
        self._generator = np.random.default_rng(0)
        self._frame = 0

    def next(self) -> tuple[dict[int, np.ndarray], float]:
        """The next pose of each track, and the time of all."""
        poses = self._generator.normal(size=self._shape)
        moment = float(self._frame)
        if self._kind == "irregular":
            poses[self._generator.random(self._shape[:2]) < 1 / 25] = np.nan
            moment += self._generator.uniform(-1, 1) / 6
        self._frame += 1
        return dict(enumerate(poses)), moment / RATE


def measure(preset: str, variant: str, poses: str, tracks: int, device: torch.device, seconds: float) -> Row:
    """Measure a stream of some tracks."""
    settings: Mapping[str, Any] = VARIANTS[variant]
    model, _ = build(preset, device, **settings)
    watch = Stopwatch()
    folded = model.folded()
    networks = [each for each in (folded.model.joint_network, folded.model.bone_network) if each is not None]
    for network in networks:
        for name, module in (
            ("graph", network.actional_graph),
            ("backbone", network.backbone),
            ("heads", network.recognition_head),
            ("heads", network.prediction_head),
        ):
            if module is not None:
                watch.watch(name, module)
    sleeper = Asleep(folded)
    skeleton = model.skeleton
    preparation = Preparation(
        skeleton, SAMPLES[preset].observed, RATE, (Center(frame="each"),), fill=(FillMissing(),)
    )
    stream = MotionStream(
        sleeper,
        preparation,
        fps=RATE,
        class_names=list(map(str, range(model.num_classes))),
        max_tracks=tracks,
    )
    stream.windows = watch.timed("prepare", stream.windows)  # type: ignore[method-assign]
    stream.model = watch.timed("model", stream.model)
    feed = Feed(poses, tracks, skeleton.num_joints, model.in_channels)

    def update() -> float:
        given, moment = feed.next()
        start = time.perf_counter()
        outputs = stream.update_many(given, timestamp=moment)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        assert len(outputs) == tracks
        return time.perf_counter() - start

    sleeper.asleep = True
    for _ in range(stream.num_observed):
        update()
    sleeper.asleep = False
    for _ in range(3):
        update()
    watch.spent.clear()
    before = convolution_ceiling(device)
    times: list[float] = []
    while len(times) < 5 or sum(times) < seconds:
        times.append(update())
    ceiling = statistics.fmean((before, convolution_ceiling(device)))
    measured, total = Measured(times, ceiling, ceiling), sum(times)
    mean = {name: spent / len(times) for name, spent in watch.spent.items()}
    return {
        "preset": preset,
        "variant": variant,
        "poses": poses,
        "tracks": tracks,
        "frames": stream.num_observed,
        "joints": skeleton.num_joints,
        "runs": len(times),
        "p50 ms": 1e3 * measured.p50,
        "p95 ms": 1e3 * measured.p95,
        "p99 ms": 1e3 * measured.p99,
        "over": sum(each > 1 / RATE for each in times) / len(times),
        "prepare ms": 1e3 * mean["prepare"],
        "model ms": 1e3 * mean["model"],
        "rest ms": 1e3 * (total / len(times) - mean["prepare"] - mean["model"]),
        "time x ceiling": measured.time_ceiling,
        "ceiling fp32": ceiling,
        **{name: mean.get(name, 0.0) * len(times) / total for name in ("graph", "backbone", "heads")},
    }


if __name__ == "__main__":
    main()
