"""CMU Mocap in exponential maps: the eight actions of the motion prediction benchmark."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from pyg_sybio.data.expmap import (
    Clip,
    ExpmapDataset,
    Normalisation,
    Recording,
    read_expmap_file,
    seeded_starts,
    sliding_clips,
)
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
NUM_VALUES = 117  # translation and 38 joints
# The columns of the 26 joints that move (the root left out), first and last of each run.
USED_COLUMNS = tuple(
    column
    for first, last in ((9, 20), (27, 38), (42, 59), (66, 80), (84, 86), (93, 107), (111, 113))
    for column in range(first, last + 1)
)
FILE_NUMBERS = {"train": (1, 2, 3, 4, 5), "test": (1,)}
DOWNSAMPLING = 2
FRAME_RATE = 25.0
TEST_OBSERVED, TEST_FUTURE = 50, 25  # the lengths for which the published test clips are drawn


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

    Attributes:
        missing: Files of the benchmark that are not there, relative to `root`. Some are missing in what is
            public. One warning names them; the rest is loaded.
        sample_weights: Probability of each item for a sampler that draws the actions evenly.

    Raises:
        FileNotFoundError: If `root`, its folder `train` (for the test split also `test`) or all files in it
            are missing.
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

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        num_observed: int = TEST_OBSERVED,
        num_future: int = TEST_FUTURE,
        validation_file: int | None = 5,
        window_stride: int = 5,
        actions: Sequence[str] = ACTIONS,
    ) -> None:
        numbers = FILE_NUMBERS["train"]
        if split not in ("train", "val", "test"):
            raise ValueError(f"'split' is {split!r}, expected 'train', 'val' or 'test'")
        if validation_file is not None and validation_file not in numbers:
            raise ValueError(f"'validation_file' is {validation_file}, expected one of {numbers} or None")
        if split == "val" and validation_file is None:
            raise ValueError("'validation_file' is None, expected a number for split 'val'")
        for name, value in (
            ("num_observed", num_observed),
            ("num_future", num_future),
            ("window_stride", window_stride),
        ):
            if value < 1:
                raise ValueError(f"'{name}' is {value}, expected at least 1")
        unknown = sorted(set(actions) - set(ACTIONS))
        if unknown:
            raise ValueError(f"'actions' has {unknown[0]!r}, expected some of {', '.join(ACTIONS)}")

        root = Path(root)
        self.split = split
        length = num_observed + num_future
        train_files = _find_files(root, "train")
        train_frames = {path: read_expmap_file(path, NUM_VALUES) for path in train_files}
        normalisation = Normalisation.fit(list(train_frames.values()), USED_COLUMNS)
        missing = _missing_files(root, "train", train_files)

        if split == "test":
            test_files = _find_files(root, "test")
            missing += _missing_files(root, "test", test_files)
            recordings = _recordings(
                {path: read_expmap_file(path, NUM_VALUES) for path in test_files}, actions, phases=(0,)
            )
            clips = _test_clips(recordings, num_observed, num_future)
            too_short: list[str] = []
        else:
            chosen = {
                path: frames
                for path, frames in train_frames.items()
                if (_file_number(path) == validation_file) == (split == "val")
            }
            recordings = _recordings(chosen, actions, phases=(0,) if split == "val" else (0, 1))
            clips = sliding_clips(recordings, length, window_stride)
            too_short = sorted(
                {str(item.path.relative_to(root)) for item in recordings if len(item.frames) < length}
            )
        self.missing = tuple(missing)
        _warn(root, missing, too_short, length)
        if not clips:
            raise ValueError(
                f"{root} has no clip of {length} frames for split {split!r} and actions {', '.join(actions)}"
            )
        super().__init__(
            root=root,
            recordings=recordings,
            clips=clips,
            normalisation=normalisation,
            skeleton=load_skeleton("cmu38").subset("used"),
            class_names=ACTIONS,
            num_observed=num_observed,
            num_future=num_future,
            frame_rate=FRAME_RATE,
        )

    def read_clip(self, path: str | Path) -> Tensor:
        r"""The last `num_observed` frames of a recording as a model wants them: z-scores `[M, T, 3]`.

        Every second frame is taken, counted back from the last one, so that a prediction goes on where the
        file ends. :meth:`to_frames` leads back to the file's own values.

        Args:
            path: A file of 117 values a frame.

        Raises:
            ValueError: If the file is damaged or too short.
            FileNotFoundError: If there is no such file.
        """
        frames = read_expmap_file(path, NUM_VALUES)
        kept = frames[(len(frames) - 1) % DOWNSAMPLING :: DOWNSAMPLING]
        if len(kept) < self.num_observed:
            raise ValueError(
                f"{path} has {len(frames)} frames, expected at least "
                f"{DOWNSAMPLING * (self.num_observed - 1) + 1} to observe {self.num_observed}"
            )
        scores = self.normalisation.normalise(kept[-self.num_observed :])
        return scores.transpose(0, 1).float().contiguous()


def _find_files(root: Path, part: str) -> list[Path]:
    layout = f"expected {part}/ACTION/ACTION_NUMBER.txt there, such as {part}/walking/walking_1.txt"
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder, {layout}")
    if not (root / part).is_dir():
        raise FileNotFoundError(f"{root} has no folder {part!r}, {layout}")
    files = [path for path in _benchmark_files(root, part) if path.is_file()]
    if not files:
        raise FileNotFoundError(f"{root} has no file of the benchmark in {part!r}, {layout}")
    return files


def _benchmark_files(root: Path, part: str) -> list[Path]:
    return [
        root / part / action / f"{action}_{number}.txt" for action in ACTIONS for number in FILE_NUMBERS[part]
    ]


def _missing_files(root: Path, part: str, found: list[Path]) -> list[str]:
    return [str(path.relative_to(root)) for path in _benchmark_files(root, part) if path not in found]


def _file_number(path: Path) -> int:
    return int(path.stem.rsplit("_", 1)[1])


def _recordings(
    files: dict[Path, Tensor], actions: Sequence[str], phases: tuple[int, ...]
) -> list[Recording]:
    return [
        Recording(path, ACTIONS.index(path.parent.name), frames[phase::DOWNSAMPLING])
        for path, frames in files.items()
        if path.parent.name in actions
        for phase in phases
    ]


def _test_clips(recordings: Sequence[Recording], num_observed: int, num_future: int) -> list[Clip]:
    observed, future = max(num_observed, TEST_OBSERVED), max(num_future, TEST_FUTURE)
    clips = []
    for index, recording in enumerate(recordings):
        room = len(recording.frames) - observed - future
        if room < 1:
            raise ValueError(
                f"{recording.path} has {len(recording.frames)} frames at {FRAME_RATE:g} Hz, "
                f"expected more than {observed + future} for test clips"
            )
        clips += [Clip(index, start + observed - num_observed) for start in seeded_starts([(0, room)])]
    return clips


def _warn(root: Path, missing: Sequence[str], too_short: Sequence[str], length: int) -> None:
    parts = []
    if missing:
        parts.append(f"{len(missing)} files of the benchmark are missing: {', '.join(missing)}")
    if too_short:
        parts.append(f"too short for {length} frames at {FRAME_RATE:g} Hz: {', '.join(too_short)}")
    if parts:
        warnings.warn(f"{root}: {'; '.join(parts)}", stacklevel=3)
