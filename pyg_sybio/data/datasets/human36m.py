"""Human3.6M in exponential maps: the fifteen actions of the motion prediction benchmark."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pyg_sybio.data.datasets.expmap import Benchmark, ExpmapDataset, read_phases, used_columns
from pyg_sybio.data.datasets.motion_dataset import Transforms
from pyg_sybio.data.datasets.two_tasks import ObservationRatio
from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import load_skeleton

ACTIONS = (
    "walking",
    "eating",
    "smoking",
    "discussion",
    "directions",
    "greeting",
    "phoning",
    "posing",
    "purchases",
    "sitting",
    "sittingdown",
    "takingphoto",
    "waiting",
    "walkingdog",
    "walkingtogether",
)
TRAIN_SUBJECTS = (1, 6, 7, 8, 9, 11)
TEST_SUBJECT = 5
SKELETON = load_skeleton("h36m32")
NUM_VALUES = 3 + 3 * SKELETON.num_joints
USED_COLUMNS = used_columns(SKELETON, SKELETON.subset("used"))


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
    r"""The Human3.6M benchmark in angle space: recognise one of fifteen actions, predict the next second.

    `x` and `future` are the z-scores of the exponential maps of 20 joints, 25 frames a second. The label of
    an action is its place in :data:`ACTIONS`, whichever files exist.

    * **train**: windows of the files `S{subject}/{action}_{1,2}.txt` of subjects 1, 6, 7, 8, 9 and 11, but
      for the validation subject. Every second frame makes a sequence; the even and the odd frames are equally
      valid data, so both are used.
    * **val**: windows of the validation subject, even frames alone, as in the test.
    * **test**: the eight fixed clips an action of all published tables, from the even frames of subject 5,
      alternately from `{action}_1.txt` and `{action}_2.txt`. With `num_future=10` they are those of the short
      horizon: the targets are the first frames of the long ones.

    Args:
        root: The folder that contains `S1`, `S5`, ...
        split: `"train"`, `"val"` or `"test"`.
        num_observed: Frames in `x`.
        num_future: Frames in `future`; the published tables have 10 (400 ms) and 25 (1 s).
        validation_subject: The subject who is held out of `"train"` and makes up `"val"`, customarily 11.
            With `None`, `"train"` has all six.
        window_stride: Frames from one window of `"train"` and `"val"` to the next.
        actions: The actions to take clips from.
        window_tempo: How much faster or slower windows may be played, drawn for each sample anew
            (:class:`~pyg_sybio.data.datasets.motion_dataset.MotionDataset`). (default: 1, as recorded)
        augment: Changes a clip of all 32 joints, in radians, before it becomes z-scores.
        corrupt: Changes the observed z-scores alone.
        fill: Fills what is missing in them, after `corrupt`.
        observation_ratio: The share of the observed frames that is seen, or a range of shares
            (:class:`~pyg_sybio.data.datasets.motion_dataset.MotionDataset`).
        padding: How the rest is filled: `"repeat"` or `"hold"`.
        cache: Folder of prepared files, as :func:`~pyg_sybio.data.store.store.prepare` has it.
        num_processes: How many processes may read files.
        progress: Whether to show a progress bar while they do.

    Attributes:
        missing: Files of the benchmark that are not there, relative to `root`. One warning names them; the
            rest is loaded. An action that lacks one of its two test files has no test clips.
        sample_weights: Probability of each item for a sampler that draws the actions evenly.

    Raises:
        FileNotFoundError: If `root`, or all its files for training (for the test split also for testing), are
            missing.
        ValueError: If an argument is not one of those above, a file is damaged, or a test file is too short.

    Note:
        Mean and deviation are taken over every frame of all six training subjects, before downsampling, the
        validation subject and unselected actions included, so that all splits share one space and it is the
        published one. A training file too short for one window is left out, with the warning.

        Test clips start at `randint(16, T - 150)` of a file of `T` frames (after downsampling): fifty frames
        are observed and a hundred kept free. Up to these lengths, `future` begins where the published targets
        do; longer clips are drawn for their own length.

        The error depends on the horizon, since the columns that count are those that move in the target:
        the first ten frames of a prediction of 25 are not measured as a prediction of ten.
    """

    benchmark = BENCHMARK

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        num_observed: int = 50,
        num_future: int = 25,
        validation_subject: int | None = 11,
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
            validation=validation_subject,
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
