"""The synthetic recipe reduced to about a second of training."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from pyg_sybio.cli import main as cli
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions

TINY_MODEL = [
    "--model.variant.channels=[8, 8]",
    "--model.variant.strides=[2, 2]",
    "--model.variant.fusions=[1]",
    "--model.variant.head_channels=8",
    "--model.variant.actional_channels=8",
]
TINY_TRAINER = [
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--trainer.accelerator=cpu",
    "--trainer.log_every_n_steps=1",
]
TINY = [
    "--data.train.num_clips=24",
    "--data.val.num_clips=12",
    "--data.test.num_clips=24",
    "--data.batch_size=12",
    "--data.settings.num_observed=8",
    "--data.settings.num_future=9",
    *TINY_MODEL,
    *TINY_TRAINER,
]


def two_steps(root: Path, folder: Path) -> list[str]:
    """Return overrides that train any recipe for two steps on the recordings of `root`."""
    return [
        *TINY_MODEL,
        f"--data.root={root}",
        "--data.folder=.",
        "--data.batch_size=4",
        "--data.num_workers=0",
        "--data.settings.num_observed=12",
        "--data.settings.num_future=9",
        "--trainer.max_epochs=1",
        "--trainer.limit_train_batches=2",
        "--trainer.log_every_n_steps=1",
        "--trainer.precision=32-true",
        f"--trainer.default_root_dir={folder}",
    ]


def tiny(folder: Path, *, steps: int) -> list[str]:
    """Return overrides that train the synthetic recipe for a few steps."""
    return [*TINY, f"--trainer.default_root_dir={folder}", f"--trainer.max_steps={steps}"]


def fit_whole_clips(
    made: SyntheticMotions,
    split_of: Callable[[int], str],
    recordings: Path,
    run: Path,
    overrides: Sequence[str] = (),
) -> Path:
    """Write clips as files with a table, train on them for two steps, and return the last checkpoint."""
    recordings.mkdir()
    rows = ["file,label,split"]
    for number, clip in enumerate(made):
        poses = torch.cat([clip.x, clip.future], dim=1).transpose(0, 1)[None]
        motion = Motion(poses=poses, skeleton=made.skeleton, frame_rate=25.0)
        write_motion(motion, recordings / f"{number}.npz")
        rows.append(f"{number}.npz,{made.class_names[int(clip.y)]},{split_of(number)}")
    (recordings / "clips.csv").write_text("\n".join(rows))
    windows = [f"--data.{split}.window_stride=null" for split in ("train", "val", "test")]
    assert (
        cli.main(["fit", "motion_folder", *two_steps(recordings, run), *TINY_TRAINER, *windows, *overrides])
        == 0
    )
    return next(run.rglob("last.ckpt"))
