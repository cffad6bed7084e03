"""Human3.6M on generated files, compared with a naive evaluator, and on the recordings if available."""

import math
import pickle
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.loader import DataLoader

from pyg_sybio.data.datasets.human36m import ACTIONS, BENCHMARK, Human36M
from pyg_sybio.data.datasets.standardize import frames_of, used_columns
from pyg_sybio.data.transforms import DropJoints
from pyg_sybio.metrics import angle_error
from pyg_sybio.models.baselines import ZeroVelocity
from pyg_sybio.skeleton import load_skeleton

NUM_VALUES = 99
USED_COLUMNS = used_columns(BENCHMARK.skeleton, BENCHMARK.used)

SUBJECTS = (1, 5, 6, 7, 8, 9, 11)
# The published constants, repeated independently of the package.
USED = [
    c for first, last in ((6, 17), (21, 32), (36, 47), (51, 62), (75, 86)) for c in range(first, last + 1)
]
CONSTANT = (10, 11, 16, 17, 25, 26, 31, 32, 58, 59, 82, 83)


def made_up_motion(generator: np.random.Generator, num_frames: int) -> np.ndarray:
    """A slow random walk of the root and the varying columns; others are constant, as in the real files."""
    frames = np.zeros((num_frames, NUM_VALUES))
    moving = [*range(6), *(column for column in USED if column not in CONSTANT)]
    steps = 0.03 * generator.normal(size=(num_frames, len(moving)))
    frames[:, moving] = 0.3 * generator.normal(size=len(moving)) + steps.cumsum(0)
    return frames


@pytest.fixture(scope="module")
def complete_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 210 files: short ones for training, and files of different lengths for the test subject."""
    root = tmp_path_factory.mktemp("human36m")
    generator = np.random.default_rng(0)
    row = ",".join(["%.6g"] * NUM_VALUES)
    for subject in SUBJECTS:
        (root / f"S{subject}").mkdir()
        for a, action in enumerate(ACTIONS):
            for i in (1, 2):
                num_frames = 390 + 7 * a + 3 * i if subject == 5 else 148 + subject + i
                frames = made_up_motion(generator, num_frames)
                text = "\n".join(row % tuple(values) for values in frames.tolist())
                (root / f"S{subject}" / f"{action}_{i}.txt").write_text(text + "\n")
    return root


@pytest.fixture(scope="module")
def long_horizon(complete_root: Path) -> Human36M:
    return Human36M(root=complete_root, split="test")


@pytest.fixture(scope="module")
def short_horizon(complete_root: Path) -> Human36M:
    return Human36M.from_settings(root=complete_root, split="test", num_future=10)


def read(path: Path) -> np.ndarray:
    return np.array([[float(value) for value in line.split(",")] for line in path.read_text().split()])


def stacked(dataset: Human36M) -> tuple[torch.Tensor, torch.Tensor]:
    """Observation and future `[N, T, M, 3]`."""
    batch = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    x, future = (batch[name].unflatten(0, (len(dataset), 20)).transpose(1, 2) for name in ("x", "future"))
    return x, future


def test_used_columns_equal_the_published_columns() -> None:
    assert list(USED_COLUMNS) == USED
    whole = load_skeleton("h36m32")
    assert [whole.joint_index(name) for name in whole.subset("used").joints] == [
        (c - 3) // 3 for c in USED[::3]
    ]


@pytest.mark.filterwarnings("error")
def test_a_complete_folder_gives_all_clips_without_a_warning(complete_root: Path) -> None:
    train = Human36M.from_settings(root=complete_root, window_stride=1)
    val = Human36M.from_settings(root=str(complete_root), split="val", window_stride=1)
    everything = Human36M.from_settings(root=complete_root, window_stride=1, validation_subject=None)
    assert train.missing == val.missing == ()
    assert train.class_names == ACTIONS and train.num_classes == 15 and train.frame_rate == 25.0
    assert train.skeleton == load_skeleton("h36m32:used")
    windows = Counter[str]()
    for subject in (1, 6, 7, 8, 9, 11):
        for i in (1, 2):
            length = 148 + subject + i
            even, odd = (length + 1) // 2, length // 2
            for name, lengths in (
                ("everything", (even, odd)),
                ("val" if subject == 11 else "train", (even,) if subject == 11 else (even, odd)),
            ):
                windows[name] += 15 * sum(max(0, frames - 74) for frames in lengths)
    assert (len(train), len(val), len(everything)) == tuple(
        windows[n] for n in ("train", "val", "everything")
    )
    subjects = {train.store.clips[span.clip].ids["subject"] for span in train.spans}
    assert subjects == {"1", "6", "7", "8", "9"}
    assert {val.store.clips[span.clip].ids["subject"] for span in val.spans} == {"11"}
    assert {val.store.clips[span.clip].ids["phase"] for span in val.spans} == {"0"}


def test_items_are_z_scored_frames_of_the_files(complete_root: Path) -> None:
    dataset = Human36M(root=complete_root)
    train = [read(path) for path in sorted(complete_root.glob("S*/*.txt")) if path.parent.name != "S5"]
    frames = np.concatenate(train)  # every frame, before downsampling
    mean, deviation = frames.mean(0), frames.std(0)
    assert [column for column in USED if deviation[column] < 1e-4] == list(CONSTANT)
    deviation[deviation < 1e-4] = 1
    np.testing.assert_allclose(dataset.normalisation.mean, mean, atol=1e-12)
    np.testing.assert_allclose(dataset.normalisation.deviation, deviation, rtol=1e-12)
    assert dataset.normalisation.varying == tuple(column for column in USED if column not in CONSTANT)
    for index in (0, 17, len(dataset) - 1):
        item, span = dataset[index], dataset.spans[index]
        clip = dataset.store.clips[span.clip]
        raw = read(Path(clip.source))[int(clip.ids["phase"]) :: 2][span.start :][:75]
        np.testing.assert_array_equal(frames_of(dataset.motion(index)), raw)
        scores = ((raw - mean) / deviation)[:, USED].reshape(75, 20, 3).swapaxes(0, 1)
        np.testing.assert_allclose(item.x, scores[:, :50], atol=1e-5)
        np.testing.assert_allclose(item.future, scores[:, 50:], atol=1e-5)
        assert ACTIONS[item.y.item()] == Path(clip.source).stem.rsplit("_", 1)[0] == clip.label


def euler(vector: np.ndarray) -> tuple[float, float, float]:
    """Exponential map -> unit quaternion -> entries of the matrix -> the benchmark's angles."""
    angle = math.sqrt(sum(value * value for value in vector))
    if angle == 0:
        return 0.0, 0.0, 0.0
    w, (x, y, z) = math.cos(angle / 2), (math.sin(angle / 2) * value / angle for value in vector)
    r02, r12, r22 = 2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)
    r00, r01 = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z)
    assert abs(r02) < 1  # no generated motion is in gimbal lock
    e2 = -math.asin(r02)
    e1 = math.atan2(r12 / math.cos(e2), r22 / math.cos(e2))
    e3 = math.atan2(r01 / math.cos(e2), r00 / math.cos(e2))
    return e1, e2, e3


def naive_zero_velocity(root: Path, action: str, num_future: int) -> np.ndarray:
    """The evaluation of zero velocity `[8, num_future]` as loops that follow the protocol."""
    generator = np.random.RandomState(1234567890)
    files = [read(root / "S5" / f"{action}_{i}.txt")[::2] for i in (1, 2)]
    starts = []
    for _ in range(4):
        for frames in files:
            starts.append(generator.randint(16, len(frames) - 150))  # noqa: PERF401
    errors = np.zeros((8, num_future))
    for clip, start in enumerate(starts):
        frames = files[clip % 2]
        last, target = frames[start + 49], frames[start + 50 : start + 50 + num_future]
        angles, still = np.zeros((num_future, 99)), np.zeros(99)
        for column in range(3, 99, 3):
            still[column : column + 3] = euler(last[column : column + 3])
            for t in range(num_future):
                angles[t, column : column + 3] = euler(target[t, column : column + 3])
        angles[:, :6] = 0
        for t in range(num_future):
            total = 0.0
            for column in range(99):
                if np.std(angles[:, column]) > 1e-4:
                    total += (still[column] - angles[t, column]) ** 2
            errors[clip, t] = math.sqrt(total)
    return errors


@pytest.mark.parametrize("num_future", [10, 25])
def test_errors_of_zero_velocity_equal_a_naive_evaluation(
    complete_root: Path, long_horizon: Human36M, short_horizon: Human36M, num_future: int
) -> None:
    dataset = {10: short_horizon, 25: long_horizon}[num_future]
    assert len(dataset) == 8 * 15 and dataset.num_future == num_future
    x, future = stacked(dataset)
    errors = dataset.motion_errors(ZeroVelocity()(x, num_future), future)["angle_mae"]
    raw = torch.stack([frames_of(dataset.motion(index)) for index in range(len(dataset))])
    scores = dataset.normalisation.normalise(raw)
    exact = dataset.motion_errors(scores[:, 49:50].expand(-1, num_future, -1, -1), scores[:, 50:])[
        "angle_mae"
    ]
    for action in ("walking", "phoning"):
        label = ACTIONS.index(action)
        chosen = [index for index, item in enumerate(dataset) if int(item.y) == label]
        assert chosen == list(range(8 * label, 8 * label + 8))
        expected = naive_zero_velocity(complete_root, action, num_future)
        assert expected.min() > 0.01
        np.testing.assert_allclose(exact[chosen], expected, atol=1e-9)
        np.testing.assert_allclose(errors[chosen], expected, atol=1e-5)  # float32 items
        from_files = angle_error(raw[chosen, 49:50].expand(-1, num_future, -1), raw[chosen, 50:])
        np.testing.assert_allclose(from_files, expected, atol=1e-9)


def test_both_horizons_have_the_same_windows(long_horizon: Human36M, short_horizon: Human36M) -> None:
    for index in (0, 55, 119):
        assert torch.equal(short_horizon[index].x, long_horizon[index].x)
        assert torch.equal(short_horizon[index].future, long_horizon[index].future[:, :10])


def test_a_shorter_observation_keeps_the_published_targets(
    complete_root: Path, long_horizon: Human36M
) -> None:
    other = Human36M.from_settings(root=complete_root, split="test", num_observed=20, actions=["posing"])
    assert len(other) == 8 and other[0].x.shape == (20, 20, 3)
    for index in range(8):
        assert torch.equal(frames_of(other.motion(index)), frames_of(long_horizon.motion(7 * 8 + index))[30:])


def test_starts_of_longer_windows_leave_room_for_their_length(complete_root: Path) -> None:
    longer = Human36M.from_settings(
        root=complete_root, split="test", num_observed=60, num_future=110, actions=["posing"]
    )
    files = [read(complete_root / "S5" / f"posing_{i}.txt")[::2] for i in (1, 2)]
    generator = np.random.RandomState(1234567890)
    for index in range(8):
        frames = files[index % 2]
        start = generator.randint(16, len(frames) - 170)
        np.testing.assert_array_equal(frames_of(longer.motion(index)), frames[start : start + 170])


def test_the_error_includes_all_columns_that_vary_in_the_target(long_horizon: Human36M) -> None:
    # A hinge is bent sideways in one target: unlike the CMU protocol, this protocol includes the bent column
    # in the error.
    x, future = stacked(long_horizon)
    still = ZeroVelocity()(x, 25)
    bent = future.flatten(-2).clone()
    bent[..., USED.index(CONSTANT[0])] += torch.linspace(0, 0.5, 25)
    before = long_horizon.motion_errors(still, future)["angle_mae"]
    after = long_horizon.motion_errors(still, bent.unflatten(-1, (20, 3)))["angle_mae"]
    assert (after[:, -1] > before[:, -1]).all()


def test_restored_predictions_have_constant_columns_at_their_training_mean(long_horizon: Human36M) -> None:
    prediction = torch.randn(2, 25, 20, 3)
    frames = long_horizon.normalisation.restore(prediction)
    mean = long_horizon.normalisation.mean
    assert frames.shape == (2, 25, 99)
    rest = [column for column in range(99) if column not in USED or column in CONSTANT]
    torch.testing.assert_close(frames[..., rest], mean[rest].expand(2, 25, -1))
    varying = [column for column in USED if column not in CONSTANT]
    assert (frames[..., varying] != mean[varying]).all()


def test_corruption_changes_only_observed_frames_and_partial_observation_ends_earlier(
    complete_root: Path,
) -> None:
    torch.manual_seed(0)
    whole = Human36M(root=complete_root, split="val")
    dropped = Human36M.from_settings(root=complete_root, split="val", corrupt=DropJoints(p=0.5))
    one, other = whole[3], dropped[3]
    assert torch.equal(one.future, other.future)
    gone = ~other.x.flatten(1).any(1)
    assert 0 < gone.sum() < 20 and torch.equal(one.x[~gone], other.x[~gone])
    augmented = Human36M.from_settings(
        root=complete_root, split="val", augment=[lambda motion: motion.frames(slice(None))]
    )
    assert torch.equal(augmented[3].x, one.x)
    early = Human36M.from_settings(root=complete_root, split="val", observation_ratio=0.2, padding="hold")[3]
    assert torch.equal(early.x[:, -10:], one.x[:, :10]) and torch.equal(early.x[:, 0], one.x[:, 0])
    assert torch.equal(early.future, one.x[:, 10:35])


def test_another_process_gets_the_same_items(long_horizon: Human36M) -> None:
    copy = pickle.loads(pickle.dumps(long_horizon))
    assert len(copy) == 120 and torch.equal(copy[77].future, long_horizon[77].future)
    assert torch.equal(frames_of(copy.motion(77)), frames_of(long_horizon.motion(77)))


@pytest.fixture
def root(complete_root: Path, tmp_path: Path) -> Path:
    """A copy with two actions and three subjects, to be damaged."""
    for subject in (1, 5, 11):
        (tmp_path / f"S{subject}").mkdir()
        for action in ("walking", "eating"):
            for i in (1, 2):
                name = f"S{subject}/{action}_{i}.txt"
                shutil.copyfile(complete_root / name, tmp_path / name)
    return tmp_path


def test_an_action_without_one_of_its_test_files_has_no_test_windows(root: Path) -> None:
    (root / "S5" / "eating_2.txt").unlink()
    with pytest.warns(UserWarning, match=r"files of the benchmark are missing: .*S5/eating_2\.txt") as caught:
        dataset = Human36M(root=root, split="test")
    assert len(caught) == 1 and caught[0].filename == __file__
    assert {int(item.y) for item in dataset} == {ACTIONS.index("walking")} and len(dataset) == 8


@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_errors_of_damaged_and_short_files_name_them(root: Path) -> None:
    path = root / "S5" / "walking_2.txt"
    sound = path.read_text().splitlines(keepends=True)
    path.write_text("".join(sound[:332]))
    message = r"walking_2\.txt has 166 frames at 25 Hz, expected more than 166 for test windows"
    with pytest.raises(ValueError, match=message):
        Human36M(root=root, split="test")
    path.write_text("".join(sound[:333]))
    assert len(Human36M(root=root, split="test")) == 16
    path.write_text("".join(sound[:20]) + "1,2\n")
    for split in ("test", "train"):
        with pytest.raises(ValueError, match=r"S5/walking_2\.txt, line 21 has 2 values, expected 99"):
            Human36M(root=root, split=split)


def test_the_error_of_a_wrong_folder_names_the_expected_layout(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder, expected SUBJECT/ACTION_1\.txt"):
        Human36M(root=tmp_path / "nowhere")
    with pytest.raises(
        FileNotFoundError, match=r"no file of the benchmark for 'train', .*such as S1/walking_1"
    ):
        Human36M(root=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "'split' is 'dev', expected 'train', 'val' or 'test'"),
        ({"validation_subject": 5}, "'validation_subject' is 5, expected one of"),
        ({"split": "val", "validation_subject": None}, "'validation_subject' is None, expected a number"),
        ({"num_observed": 0}, "'num_observed' is 0, expected an integer of at least 1"),
        ({"actions": ["soccer"]}, "'actions' has 'soccer', expected some of walking, eating"),
    ],
)
def test_errors_of_wrong_arguments_name_them(
    complete_root: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Human36M.from_settings(root=complete_root, **arguments)  # type: ignore[arg-type]


def test_incomplete_targets_are_refused(long_horizon: Human36M) -> None:
    _, future = stacked(long_horizon)
    mask = torch.ones(future.shape[:3], dtype=torch.bool)
    assert long_horizon.motion_errors(future, future, mask)["angle_mae"].max() < 1e-6
    mask[3, 2, 1] = False
    with pytest.raises(ValueError, match="'mask' has joints that were not recorded, expected complete"):
        long_horizon.motion_errors(future, future, mask)


PUBLISHED = {  # the paper's rows of zero velocity: 80 160 320 400 560 1000 ms
    "walking": [0.394, 0.678, 0.986, 1.152, 1.351, 1.315],
    "eating": [0.271, 0.479, 0.727, 0.863, 1.038, 1.375],
    "smoking": [0.258, 0.483, 0.970, 0.949, 1.023, 1.694],
}


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_zero_velocity_on_the_real_files_has_the_published_errors(data_root: Path) -> None:
    folder = data_root / "human36m"
    if not folder.is_dir():
        pytest.skip(f"the files of Human3.6M are not in {folder}")
    dataset = Human36M(root=folder, split="test")
    assert dataset.normalisation.varying == tuple(column for column in USED if column not in CONSTANT)
    x, future = stacked(dataset)
    errors = dataset.motion_errors(ZeroVelocity()(x, 25), future)["angle_mae"]
    raw = torch.stack([frames_of(dataset.motion(index)) for index in range(len(dataset))])
    from_files = angle_error(raw[:, 49:50].expand(-1, 25, -1), raw[:, 50:])
    label = torch.tensor([int(item.y) for item in dataset])
    for action, expected in PUBLISHED.items():
        chosen = label == ACTIONS.index(action)
        for error in (errors, from_files):
            np.testing.assert_allclose(error[chosen].mean(0)[[1, 3, 7, 9, 13, 24]], expected, atol=0.001)
