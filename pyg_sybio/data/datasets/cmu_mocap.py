"""CMU Mocap in exponential maps: the eight actions of the motion prediction benchmark."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pyg_sybio.data.datasets.clip_transforms import DEFAULT_TRANSFORMS, ClipTransforms
from pyg_sybio.data.datasets.expmap import Benchmark, ExpmapDataset, read_phases
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.lists import listed
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.store.storage import DEFAULT_STORAGE, Storage
from pyg_sybio.skeleton import load_skeleton

ACTIONS = listed("cmu_actions.txt")
SKELETON = load_skeleton("cmu38")
FILE_NUMBERS = (1, 2, 3, 4, 5)  # training files per action; there is one test file


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
    r"""The CMU Mocap benchmark in angle space: recognise one of eight actions, and predict the next second.

    `x` and `future` are the z-scores of the exponential maps of 26 joints, at 25 frames per second. The label
    of an action is its index in :data:`ACTIONS`, regardless of the files that exist.

    * **train**: windows of the files `train/{action}/{action}_{i}.txt`, without the validation files. Every
      second frame is taken; the even and the odd frames are both valid recordings, and both are used.
    * **val**: windows of the validation files, even frames only, as in the test.
    * **test**: the eight fixed windows per action of all published tables, from the even frames of
      `test/{action}/{action}_1.txt`.

    Args:
        root: The folder that contains `train` and `test`.
        split: `"train"`, `"val"` or `"test"`.
        validation_file: The number of the file of each action that is held out of `"train"` and forms
            `"val"`. With `None`, `"train"` has all files.
        actions: The actions to take clips from.
        sampling, transforms, storage: As in :class:`~pyg_sybio.data.datasets.expmap.ExpmapDataset`.

    Attributes:
        missing: Files of the benchmark that do not exist, relative to `root`; some are missing in the public
            copies. One warning names them; the existing files are loaded.

    Raises:
        FileNotFoundError: If `root` does not exist, has no training file, or (for the test split) has no test
            file.
        ValueError: If an argument is out of its range, a file is damaged, or a test file is too short.

    Note:
        Mean and deviation are taken over all frames of all files in `train`, including validation files and
        unselected actions. The z-scores of all splits therefore equal the published ones. Training files that
        are too short for one window are left out and named in a warning.

        With at most 50 observed and 25 future frames, `future` begins at the same frames as the published
        targets. For longer windows, other starts are drawn, such that the longer windows fit into the files.

        The first frame of each file is a rest pose without rotation of the root. It is part of the published
        statistics and is kept.
    """

    benchmark = BENCHMARK

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        validation_file: int | None = 5,
        actions: Sequence[str] = ACTIONS,
        sampling: Sampling = ExpmapDataset.default_sampling,
        transforms: ClipTransforms = DEFAULT_TRANSFORMS,
        storage: Storage = DEFAULT_STORAGE,
    ) -> None:
        super().__init__(root, split, validation_file, actions, sampling, transforms, storage)
