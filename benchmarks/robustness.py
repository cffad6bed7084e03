"""Accuracy and motion errors of a trained model if the observed frames are incomplete or noisy.

    python benchmarks/robustness.py demo_output/model
    python benchmarks/robustness.py runs/small_set/version_0/checkpoints/last.ckpt --recipe \
        runs/small_set/version_0/config.yaml --data-root utd_mhad --output robustness.json

Each row is one corruption of all clips of a split at one strength. The future is never corrupted. Missing
joints are filled by the method of the model's data set. The random numbers depend only on the clip.

- `joints`: fraction of the joints that are missing in each frame; each frame has its own random joints
- `limb`: seconds for which one limb is missing
- `frames`: fraction of the frames that are missing
- `noise`: standard deviation of Gaussian noise in each coordinate, in the unit of the data set (Fig. 15)
- `rate`: frame rate of the camera relative to the model's; the frames are resampled
- `swap`: fraction of the frames in which the tracker swaps left and right
- `behind`: seconds for which another person passes in front

`error` is the first motion error of the data set, averaged over classes and over horizons up to 400 ms;
`lost` is the top-1 accuracy for complete clips minus the top-1 accuracy.
"""

import statistics
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from common import Report, Row, argument_parser, parsed, positive_int
from torch import Tensor
from torch_geometric.data import Dataset

from pyg_sybio.cli.models import splits_of
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import DropFrames, DropJoints, JitterJoints
from pyg_sybio.data.transforms.base import hide
from pyg_sybio.experiments.corruption import OtherRate, corrupted
from pyg_sybio.experiments.measures import SHORT_TERM_MS
from pyg_sybio.trained.load import load_trained
from pyg_sybio.trained.views import ONE_VIEW

COLUMNS = {"corruption": "<10", "strength": ">8g", "top1": ">7.1%", "lost": ">7.1%", "error": ">9.3f"}

Corruption = Callable[[Motion], Motion]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argument_parser(__doc__, output=None)
    parser.add_argument("model", type=Path, help="a checkpoint, or a folder of a model")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"), help="(default: test)")
    parser.add_argument("--recipe", help="recipe of the data (default: as in the model file)")
    parser.add_argument("--data-root", help="folder of the recordings (default: $PYG_SYBIO_DATA)")
    parser.add_argument("--clips", type=positive_int, help="number of clips, evenly spaced (default: all)")
    parser.add_argument("--one-view", action="store_true", help="disable test-time augmentation")
    arguments = parsed(parser, argv)
    environment = {"model": str(arguments.model), "split": arguments.split, "torch": torch.__version__}
    Report(environment, arguments.output).table(rows(arguments), COLUMNS)


def rows(arguments: Namespace) -> Iterator[Row]:
    """Yield a row per corruption and strength, the complete clips first."""
    trained = load_trained(arguments.model)
    clips: Dataset = splits_of(trained, arguments).clips(arguments.split)
    if arguments.clips is not None:
        clips = clips[torch.linspace(0, len(clips) - 1, min(arguments.clips, len(clips))).round().long()]
    views = ONE_VIEW if arguments.one_view else trained.views
    complete = None
    for name, strength, corruption in corruptions(clips):
        changed = clips if corruption is None else corrupted(clips, corruption)
        report = trained.evaluate(changed, views=views, progress=False)
        top1 = report.get("recognition", {}).get("top1")
        complete = top1 if complete is None else complete
        error = None
        for errors in list(report.get("motion", {}).values())[:1]:
            at_horizons = zip(report["horizons_ms"], errors["mean_of_classes"]["model"], strict=True)
            error = statistics.fmean(value for ms, value in at_horizons if ms <= SHORT_TERM_MS)
        lost = None if top1 is None else complete - top1
        yield {"corruption": name, "strength": strength, "top1": top1, "lost": lost, "error": error}


def corruptions(clips: Dataset) -> Iterator[tuple[str, float, Corruption | None]]:
    """Yield name, strength and transform of each corruption; the transform of complete clips is None."""
    rate = clips.frame_rate
    yield "none", 0, None
    for p in (0.05, 0.1, 0.2, 0.4):
        yield "joints", p, DropJoints(p=p, each_frame=True)
    for seconds in (0.5, 1.0):
        yield "limb", seconds, lambda motion, seconds=seconds: without_limb(motion, round(seconds * rate))
    for p in (0.1, 0.2, 0.3, 0.4, 0.5):
        yield "frames", p, DropFrames(p=p)
    scale = {"m": 1.0, "cm": 100.0, "mm": 1000.0}.get(clips.units, 1.0)
    for std in (0.02, 0.05, 0.1):
        yield "noise", scale * std, JitterJoints(std=scale * std)
    for factor in (0.5, 2.0):
        padding = clips.sampling.padding if hasattr(clips, "sampling") else "repeat"
        yield "rate", factor, OtherRate(factor, resampled=True, padding=padding)
    for p in (0.1, 0.5, 1.0):
        yield "swap", p, lambda motion, p=p: with_sides_swapped(motion, p)
    for seconds in (0.5, 1.0):
        yield (
            "behind",
            seconds,
            lambda motion, seconds=seconds: behind_a_person(motion, round(seconds * rate)),
        )


def run_of_frames(motion: Motion, length: int) -> Tensor:
    """Indices of a random sequence of consecutive frames."""
    length = min(length, motion.num_frames)
    start = int(torch.randint(motion.num_frames - length + 1, ()))
    return torch.arange(start, start + length)


def without_limb(motion: Motion, length: int) -> Motion:
    """Hide a limb in consecutive frames: a random part at the end of the part graph, and the next part."""
    skeleton = motion.skeleton
    parts = [[skeleton.joint_index(joint) for joint in joints] for joints in skeleton.parts.values()]
    neighbours: list[set[int]] = [set() for _ in parts]
    for a, b in skeleton.part_edges:
        neighbours[a].add(b)
        neighbours[b].add(a)
    ends = [part for part, others in enumerate(neighbours) if len(others) == 1] or [0]
    end = ends[int(torch.randint(len(ends), ()))]
    limb = [
        *parts[end],
        *(joint for part in neighbours[end] if len(neighbours[part]) < 3 for joint in parts[part]),
    ]
    hidden = torch.zeros_like(motion.present)
    hidden[:, run_of_frames(motion, length)[:, None], limb] = True
    return hide(motion, hidden)


def with_sides_swapped(motion: Motion, p: float) -> Motion:
    """Swap the joints of the left and the right side in each frame with probability `p`."""
    order = list(motion.skeleton.mirror_permutation)
    frames = torch.rand(motion.num_frames) < p
    poses, present = motion.poses.clone(), motion.present.clone()
    poses[:, frames], present[:, frames] = (
        motion.poses[:, frames][:, :, order],
        present[:, frames][:, :, order],
    )
    return motion.replace(poses=poses, present=present)


def behind_a_person(motion: Motion, length: int) -> Motion:
    """Hide the joints behind a person who passes from one side to the other in consecutive frames.

    The person hides a vertical band, half as wide as the motion, along the first axis.
    """
    across = motion.poses[..., 0]
    seen = across[motion.present] if motion.present.any() else across.flatten()
    low, width = float(seen.min()), float(seen.max() - seen.min())
    frames = run_of_frames(motion, length)
    middle = low + width * torch.linspace(-0.25, 1.25, len(frames), dtype=across.dtype)
    hidden = torch.zeros_like(motion.present)
    hidden[:, frames] = (across[:, frames] - middle[:, None]).abs() < width / 4
    return hide(motion, hidden)


if __name__ == "__main__":
    main()
