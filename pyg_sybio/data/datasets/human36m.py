"""Human3.6M in exponential maps: the fifteen actions of the motion prediction benchmark."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pyg_sybio.data.datasets.clip_transforms import DEFAULT_TRANSFORMS, ClipTransforms
from pyg_sybio.data.datasets.expmap import Benchmark, ExpmapDataset, read_phases
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.lists import listed
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.store.storage import DEFAULT_STORAGE, Storage
from pyg_sybio.skeleton import load_skeleton

ACTIONS = listed("h36m_actions.txt")
TRAIN_SUBJECTS = (1, 6, 7, 8, 9, 11)
TEST_SUBJECT = 5
SKELETON = load_skeleton("h36m32")


def _files(subject: int, action: str) -> tuple[str, ...]:
    return tuple(f"S{subject}/{action}_{number}.txt" for number in (1, 2))


def _read(path: Path) -> Iterator[Motion]:
    """`S{subject}/{action}_{file}.txt`"""
    subject = path.parent.name.removeprefix("S")
    action, _, number = path.stem.rpartition("_")
    split = "test" if subject == str(TEST_SUBJECT) else "train"
    ids = {"split": split, "subject": subject, "file": number}
    return read_phases(path, skeleton=SKELETON, label=action, ids=ids)


BENCHMARK = Benchmark(
    layout="SUBJECT/ACTION_1.txt and SUBJECT/ACTION_2.txt, such as S1/walking_1.txt,",
    train=tuple(name for subject in TRAIN_SUBJECTS for action in ACTIONS for name in _files(subject, action)),
    test={action: _files(TEST_SUBJECT, action) for action in ACTIONS},
    skeleton=SKELETON,
    used=SKELETON.subset("used"),
    read=_read,
    validation_id="subject",
    validation_choices=TRAIN_SUBJECTS,
    first_start=16,
    test_future=100,
    cut_to_varying=False,
)


class Human36M(ExpmapDataset):
    r"""The Human3.6M benchmark in angle space: recognise one of fifteen actions, and predict the next second.

    `x` and `future` are the z-scores of the exponential maps of 20 joints, at 25 frames per second. The label
    of an action is its index in :data:`ACTIONS`, regardless of the files that exist.

    * **train**: windows of the files `S{subject}/{action}_{1,2}.txt` of subjects 1, 6, 7, 8, 9 and 11,
      without the validation subject. Every second frame is taken; the even and the odd frames are both valid
      recordings, and both are used.
    * **val**: windows of the validation subject, even frames only, as in the test.
    * **test**: the eight fixed windows per action of all published tables, from the even frames of subject 5,
      alternately from `{action}_1.txt` and `{action}_2.txt`. With `num_future=10`, they are the published
      windows of the short horizon, whose targets are the first frames of the long-horizon targets.

    Args:
        root: The folder that contains `S1`, `S5`, ...
        split: `"train"`, `"val"` or `"test"`.
        validation_subject: The subject that is held out of `"train"` and forms `"val"`, usually 11. With
            `None`, `"train"` has all six subjects.
        actions: The actions to take clips from.
        sampling, transforms, storage: As in :class:`~pyg_sybio.data.datasets.expmap.ExpmapDataset`; the
            published tables have 10 (400 ms) and 25 (1 s) future frames.

    Attributes:
        missing: Files of the benchmark that do not exist, relative to `root`. One warning names them; the
            existing files are loaded. An action without one of its two test files has no test windows.

    Raises:
        FileNotFoundError: If `root` does not exist, has no training file, or (for the test split) has no test
            file.
        ValueError: If an argument is out of its range, a file is damaged, or a test file is too short.

    Note:
        Mean and deviation are taken over all frames of all six training subjects before downsampling,
        including the validation subject and unselected actions. The z-scores of all splits therefore equal
        the published ones. Training files that are too short for one window are left out and named in a
        warning.

        Test windows start at `randint(16, T - 150)` in a file of `T` frames (after downsampling), followed by
        50 observed and 100 future frames. Up to these lengths, `future` begins at the same frames as the
        published targets. For longer windows, other starts are drawn, such that the longer windows fit into
        the files.

        The error includes only the columns that vary in the target, and therefore depends on the number of
        predicted frames. The error over the first ten of 25 predicted frames is not the error of a ten-frame
        prediction.
    """

    benchmark = BENCHMARK

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        validation_subject: int | None = 11,
        actions: Sequence[str] = ACTIONS,
        sampling: Sampling = ExpmapDataset.default_sampling,
        transforms: ClipTransforms = DEFAULT_TRANSFORMS,
        storage: Storage = DEFAULT_STORAGE,
    ) -> None:
        super().__init__(root, split, validation_subject, actions, sampling, transforms, storage)
