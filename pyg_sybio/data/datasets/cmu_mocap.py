"""CMU Mocap in exponential maps: the eight actions of the motion prediction benchmark."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pyg_sybio.data.datasets.expmap import Benchmark, ExpmapDataset, read_phases, used_columns
from pyg_sybio.data.datasets.motion_dataset import Transforms
from pyg_sybio.data.datasets.two_tasks import ObservationRatio
from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import load_skeleton

ACTIONS = (
    "basketball",
    "basketball_signal",
    "directing_traffic",
    "jumping",
    "running",
    "soccer",
    "walking",
    "washwindow",
)
SKELETON = load_skeleton("cmu38")
NUM_VALUES = 3 + 3 * SKELETON.num_joints
USED_COLUMNS = used_columns(SKELETON, SKELETON.subset("used"))
FILE_NUMBERS = (1, 2, 3, 4, 5)  # for training; there is one test file for each action


def _read(path: Path) -> Iterator[Motion]:
    """`{split}/{action}/{action}_{file}.txt`"""
    ids = {"split": path.parent.parent.name, "file": path.stem.rpartition("_")[2]}
    return read_phases(path, skeleton=SKELETON, label=path.parent.name, ids=ids)


BENCHMARK = Benchmark(
    layout="train/ACTION/ACTION_NUMBER.txt and test/ACTION/ACTION_1.txt",
    train=tuple(f"train/{action}/{action}_{number}.txt" for action in ACTIONS for number in FILE_NUMBERS),
    test={action: (f"test/{action}/{action}_1.txt",) for action in ACTIONS},
    skeleton=SKELETON,
    used=SKELETON.subset("used"),
    read=_read,
    validation_id="file",
    validation_choices=FILE_NUMBERS,
    first_start=0,
    test_future=25,
    cut_to_varying=True,
)


class CMUMocap(ExpmapDataset):
    r"""The CMU Mocap benchmark in angle space: recognise one of eight actions, predict the next second.

    `x` and `future` are the z-scores of the exponential maps of 26 joints, 25 frames a second. The label of
    an action is its place in :data:`ACTIONS`, whichever files exist.

    * **train**: windows of the files `train/{action}/{action}_{i}.txt` but for the validation file. Every
      second frame makes a sequence; the even and the odd frames are equally valid data, so both are used.
    * **val**: windows of the validation files, even frames alone, as in the test.
    * **test**: the eight fixed clips an action of all published tables, from the even frames of
      `test/{action}/{action}_1.txt`.

    Args:
        root: The folder that contains `train` and `test`.
        split: `"train"`, `"val"` or `"test"`.
        num_observed: Frames in `x`.
        num_future: Frames in `future`.
        validation_file: The number of the file of each action that is held out of `"train"` and makes up
            `"val"`. With `None`, `"train"` has all files.
        window_stride: Frames from one window of `"train"` and `"val"` to the next.
        actions: The actions to take clips from.
        window_tempo: How much faster or slower windows may be played, drawn for each sample anew
            (:class:`~pyg_sybio.data.datasets.motion_dataset.MotionDataset`). (default: 1, as recorded)
        augment: Changes a clip of all 38 joints, in radians, before it becomes z-scores.
        corrupt: Changes the observed z-scores alone.
        fill: Fills what is missing in them, after `corrupt`.
        observation_ratio: The share of the observed frames that is seen, or a range of shares
            (:class:`~pyg_sybio.data.datasets.motion_dataset.MotionDataset`).
        padding: How the rest is filled: `"repeat"` or `"hold"`.
        cache: Folder of prepared files, as :func:`~pyg_sybio.data.store.store.prepare` has it.
        num_processes: How many processes may read files.
        progress: Whether to show a progress bar while they do.

    Attributes:
        missing: Files of the benchmark that are not there, relative to `root`. Some are missing in what is
            public. One warning names them; the rest is loaded.
        sample_weights: Probability of each item for a sampler that draws the actions evenly.

    Raises:
        FileNotFoundError: If `root`, or all its files for training (for the test split also for testing), are
            missing.
        ValueError: If an argument is not one of those above, a file is damaged, or a test file is too short.

    Note:
        Mean and deviation are taken over every frame of all files in `train`, the validation files and those
        of unselected actions included, so that all splits share one space and it is the published one. A
        training file too short for one window is left out, with the warning.

        Where the lengths are not 50 and 25, the test clips are drawn for the longer of these and the given
        ones, and `future` begins at the same frame: a shorter horizon or observation keeps the published
        targets.

        The first frame of each file is a rest pose with no rotation of the root. It is part of the published
        statistics and is kept.
    """

    benchmark = BENCHMARK

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        num_observed: int = 50,
        num_future: int = 25,
        validation_file: int | None = 5,
        window_stride: int = 5,
        window_tempo: float = 1.0,
        actions: Sequence[str] = ACTIONS,
        augment: Transforms | None = None,
        corrupt: Transforms | None = None,
        fill: Transforms | None = None,
        observation_ratio: ObservationRatio = 1.0,
        padding: str = "repeat",
        cache: str | None = None,
        num_processes: int | None = None,
        progress: bool = True,
    ) -> None:
        super().__init__(
            benchmark=BENCHMARK,
            root=root,
            split=split,
            num_observed=num_observed,
            num_future=num_future,
            validation=validation_file,
            window_stride=window_stride,
            actions=actions,
            augment=augment,
            corrupt=corrupt,
            fill=fill,
            observation_ratio=observation_ratio,
            padding=padding,
            window_tempo=window_tempo,
            cache=cache,
            num_processes=num_processes,
            progress=progress,
        )
