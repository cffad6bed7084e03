"""CMU Mocap on generated files, and on the real recordings if they are available."""

import json
import re
import shutil
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from tiny_recipe import TINY_TRAINER, two_steps
from torch_geometric.loader import DataLoader

from pyg_sybio.cli.main import main
from pyg_sybio.data.datasets.cmu_mocap import ACTIONS, BENCHMARK, SKELETON, CMUMocap
from pyg_sybio.data.datasets.standardize import frames_of, used_columns
from pyg_sybio.data.transforms import Mirror
from pyg_sybio.kinematics import bone_offsets, expmap_positions
from pyg_sybio.metrics import angle_error
from pyg_sybio.models.baselines import ZeroVelocity
from pyg_sybio.trained.evaluation import evaluate
from pyg_sybio.trained.load import load_trained
from pyg_sybio.trained.views import Views
from pyg_sybio.training.recipes import fit

NUM_VALUES = 117
USED_COLUMNS = used_columns(BENCHMARK.skeleton, BENCHMARK.used)

CONSTANT = (11, 28, 100)  # used columns that are constant in the generated files


def made_up_motion(generator: np.random.Generator, num_frames: int) -> np.ndarray:
    """A slow random walk of the root and the used joints; the rest is constant, as in the real files."""
    frames = np.zeros((num_frames, NUM_VALUES))
    moving = [*range(6), *(column for column in USED_COLUMNS if column not in CONSTANT)]
    steps = 0.03 * generator.normal(size=(num_frames, len(moving)))
    frames[:, moving] = 0.3 * generator.normal(size=len(moving)) + steps.cumsum(0)
    return frames


@pytest.fixture(scope="module")
def complete_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 48 files, with different lengths."""
    root = tmp_path_factory.mktemp("cmu_mocap")
    generator = np.random.default_rng(0)
    for part, count in (("train", 5), ("test", 1)):
        for a, action in enumerate(ACTIONS):
            folder = root / part / action
            folder.mkdir(parents=True)
            for i in range(1, count + 1):
                frames = made_up_motion(generator, 160 + 2 * a + 3 * i)
                np.savetxt(folder / f"{action}_{i}.txt", frames, delimiter=",", fmt="%.7g")
    return root


@pytest.fixture(scope="module")
def published_clips(complete_root: Path) -> CMUMocap:
    return CMUMocap(root=complete_root, split="test")


@pytest.fixture
def root(complete_root: Path, tmp_path: Path) -> Path:
    """A copy with only three actions, which tests may damage."""
    for part in ("train", "test"):
        for action in ("jumping", "running", "walking"):
            shutil.copytree(complete_root / part / action, tmp_path / "cmu" / part / action)
    return tmp_path / "cmu"


def read(path: Path) -> np.ndarray:
    return np.loadtxt(path, delimiter=",")


def files(dataset: CMUMocap) -> list[Path]:
    """The path of each item's file."""
    return [Path(dataset.store.clips[span.clip].source) for span in dataset.spans]


def test_the_scale_of_a_feature_is_one_standard_deviation_in_radians(published_clips: CMUMocap) -> None:
    scale = published_clips.feature_scale
    assert scale.shape == (26, 3)
    scores = torch.randn(2, 4, 26, 3, dtype=torch.float64)
    moved = published_clips.normalisation.restore(scores + 1) - published_clips.normalisation.restore(scores)
    torch.testing.assert_close(
        scale.double().flatten(), moved[0, 0, list(USED_COLUMNS)], rtol=1e-6, atol=1e-9
    )
    constant = [USED_COLUMNS.index(column) for column in CONSTANT]
    assert (scale.flatten() == 0).nonzero().flatten().tolist() == constant


def test_used_columns_belong_to_the_joints_of_the_subset() -> None:
    published = ((9, 20), (27, 38), (42, 59), (66, 80), (84, 86), (93, 107), (111, 113))
    assert list(USED_COLUMNS) == [column for first, last in published for column in range(first, last + 1)]


@pytest.mark.filterwarnings("error")
def test_a_complete_folder_gives_all_clips_without_a_warning(complete_root: Path) -> None:
    train = CMUMocap.from_settings(root=complete_root, window_stride=2)
    val = CMUMocap.from_settings(root=str(complete_root), split="val", window_stride=2)
    assert train.missing == val.missing == ()
    assert train.class_names == ACTIONS and train.frame_rate == 25.0
    assert {int(item.y) for item in train} == set(range(8))
    windows = Counter()
    for a in range(8):
        for i in range(1, 6):
            length = 160 + 2 * a + 3 * i
            even, odd = (length + 1) // 2, length // 2
            windows["train" if i < 5 else "val"] += len(range(0, even - 74, 2))
            windows["train"] += len(range(0, odd - 74, 2)) if i < 5 else 0
    assert (len(train), len(val)) == (windows["train"], windows["val"])
    everything = CMUMocap.from_settings(root=complete_root, window_stride=2, validation_file=None)
    assert len(everything) > len(train)
    assert "walking_5.txt" in {path.name for path in files(everything)}
    assert {path.stem[-1] for path in files(val)} == {"5"}
    assert {path.stem[-1] for path in files(train)} == set("1234")


def test_items_are_z_scored_frames_of_the_files(complete_root: Path) -> None:
    dataset = CMUMocap(root=complete_root)
    recordings = [read(path) for path in sorted(complete_root.glob("train/*/*.txt"))]
    frames = np.concatenate(recordings)  # every frame of every file, including the validation files
    mean, deviation = frames.mean(0), frames.std(0)
    deviation[deviation < 1e-4] = 1
    for index in (0, 17, len(dataset) - 1):
        item, span, path = dataset[index], dataset.spans[index], files(dataset)[index]
        phase = [clip.source for clip in dataset.store.clips[: span.clip]].count(str(path))
        raw = read(path)[phase::2][span.start :][:75]
        np.testing.assert_array_equal(frames_of(dataset.motion(index)), raw)
        scores = ((raw - mean) / deviation)[:, USED_COLUMNS].reshape(75, 26, 3).swapaxes(0, 1)
        np.testing.assert_allclose(item.x, scores[:, :50], atol=1e-5)
        np.testing.assert_allclose(item.future, scores[:, 50:], atol=1e-5)
        assert item.future_mask.all() and item.future_mask.shape == (26, 25, 1)
        assert item.y.item() == ACTIONS.index(path.parent.name)
    varying = set(USED_COLUMNS) - set(CONSTANT)
    assert set(dataset.normalisation.varying) == varying


def test_both_phases_together_contain_all_frames(complete_root: Path) -> None:
    dataset = CMUMocap(root=complete_root, actions=["soccer"])
    even, odd = sorted({span.clip for span in dataset.spans})[:2]
    clips = dataset.store.clips
    assert clips[even].source == clips[odd].source
    raw = read(Path(clips[even].source))
    for clip, expected in ((even, raw[0::2]), (odd, raw[1::2])):
        np.testing.assert_array_equal(frames_of(dataset.store.motion(clip)), expected)


def test_windows_of_the_test_split_follow_the_published_protocol(
    complete_root: Path, published_clips: CMUMocap
) -> None:
    assert len(published_clips) == 64
    assert torch.cat([item.y for item in published_clips]).tolist() == [c for c in range(8) for _ in range(8)]
    index = 0
    for action in ACTIONS:
        raw = read(complete_root / "test" / action / f"{action}_1.txt")[::2]
        generator = np.random.RandomState(1234567890)
        for _ in range(8):
            start = generator.randint(0, len(raw) - 75)
            np.testing.assert_array_equal(frames_of(published_clips.motion(index)), raw[start : start + 75])
            index += 1


def test_shorter_test_windows_keep_the_published_targets(
    complete_root: Path, published_clips: CMUMocap
) -> None:
    short = CMUMocap.from_settings(root=complete_root, split="test", num_observed=20, num_future=10)
    for index in (0, 30, 63):
        assert torch.equal(short[index].x, published_clips[index].x[:, 30:])
        assert torch.equal(short[index].future, published_clips[index].future[:, :10])
        assert torch.equal(frames_of(short.motion(index)), frames_of(published_clips.motion(index))[30:60])


def test_labels_and_statistics_do_not_depend_on_the_chosen_actions(
    complete_root: Path, published_clips: CMUMocap
) -> None:
    chosen = CMUMocap(root=complete_root, split="test", actions=["running", "jumping"])
    assert {int(item.y) for item in chosen} == {ACTIONS.index("running"), ACTIONS.index("jumping")}
    assert chosen.class_names == ACTIONS and chosen.num_classes == 8
    assert torch.equal(chosen.normalisation.mean, published_clips.normalisation.mean)


def test_sample_weights_draw_actions_uniformly_and_recordings_uniformly_per_action(
    complete_root: Path,
) -> None:
    dataset = CMUMocap.from_settings(
        root=complete_root, window_stride=1, actions=["basketball", "washwindow"]
    )
    weights = dataset.sample_weights
    assert weights.shape == (len(dataset),)
    by_action, by_recording = Counter[int](), Counter[int]()
    for weight, span in zip(weights.tolist(), dataset.spans, strict=True):
        by_action[dataset.store.clips[span.clip].label] += weight
        by_recording[span.clip] += weight
    assert list(by_action.values()) == pytest.approx([1 / 2, 1 / 2])
    assert list(by_recording.values()) == pytest.approx([1 / 16] * 16)  # two actions, four files, two phases


def test_a_subset_keeps_frames_and_weights_aligned(published_clips: CMUMocap) -> None:
    subset = published_clips[[40, 3]]
    assert torch.equal(frames_of(subset.motion(1)), frames_of(published_clips.motion(3)))
    assert subset.sample_weights.tolist() == pytest.approx([1 / 2, 1 / 2])


def stacked(dataset: CMUMocap) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Observation and future `[N, T, M, 3]`, and the raw frames `[N, 75, 117]`."""
    batch = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    x, future = (batch[name].unflatten(0, (len(dataset), 26)).transpose(1, 2) for name in ("x", "future"))
    return x, future, torch.stack([frames_of(dataset.motion(index)) for index in range(len(dataset))])


def test_motion_errors_equal_the_errors_on_raw_files(published_clips: CMUMocap) -> None:
    x, future, raw = stacked(published_clips)
    errors = published_clips.motion_errors(ZeroVelocity()(x, 25), future)
    assert list(errors) == ["angle_mae", "mpjpe_mm"] and errors["angle_mae"].shape == (64, 25)
    used = [column for column in USED_COLUMNS if column not in CONSTANT]
    for n in (0, 20, 63):  # the definition, computed from the values of the file with scipy
        angles = Rotation.from_rotvec(raw[n, 49:, 3:].reshape(-1, 3).numpy()).as_euler("XYZ").reshape(26, -1)
        angles = np.concatenate([np.zeros((26, 3)), angles], axis=1)
        columns = [column for column in used if angles[1:, column].std() > 1e-4]
        expected = np.linalg.norm(angles[1:, columns] - angles[:1, columns], axis=1)
        np.testing.assert_allclose(errors["angle_mae"][n], expected, atol=1e-5)
        rotations = raw[n, 49:, 3:].unflatten(-1, (-1, 3)).clone()
        rotations[:, 0] = 0  # the root does not move
        offsets = bone_offsets(SKELETON)
        assert offsets is not None
        places = expmap_positions(rotations, SKELETON, offsets)
        millimetres = (places[1:] - places[:1]).norm(dim=-1).mean(-1)
        np.testing.assert_allclose(errors["mpjpe_mm"][n], millimetres, atol=1e-2)
    assert published_clips.motion_errors(future, future)["angle_mae"].max() < 1e-6


def test_errors_ignore_predicted_constant_columns_and_the_root(published_clips: CMUMocap) -> None:
    x, future, _ = stacked(published_clips)
    prediction = ZeroVelocity()(x, 25)
    changed = prediction.flatten(-2).clone()
    changed[..., [USED_COLUMNS.index(column) for column in CONSTANT]] += 3.0
    changed = changed.unflatten(-1, (26, 3))
    torch.testing.assert_close(
        published_clips.motion_errors(changed, future), published_clips.motion_errors(prediction, future)
    )


def test_a_target_keeps_its_own_value_of_a_column_that_is_constant_in_training(
    published_clips: CMUMocap,
) -> None:
    # The error excludes the constant column, but this column changes the Euler angles of its joint.
    x, future, raw = stacked(published_clips)
    target, recorded = future.flatten(-2).clone(), raw[:, 50:].clone()
    target[..., USED_COLUMNS.index(CONSTANT[0])] += 0.5
    recorded[..., CONSTANT[0]] += 0.5
    still = raw[:, 49:50].expand(-1, 25, -1)
    expected = angle_error(still, recorded, published_clips.normalisation.varying)
    errors = published_clips.motion_errors(ZeroVelocity()(x, 25), target.unflatten(-1, (26, 3)))
    np.testing.assert_allclose(errors["angle_mae"], expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*files of the benchmark")
def test_the_recipe_trains_with_and_without_files_for_validation(root: Path, tmp_path: Path) -> None:
    words = [*two_steps(root, tmp_path), *TINY_TRAINER, "--trainer.val_check_interval=2"]
    held_out = fit("cmu_mocap", words)
    every_file = fit(
        "cmu_mocap", [*words, "--data.settings.validation_file=null", "--trainer.limit_val_batches=0"]
    )
    assert "val_angle_mae" in held_out.trainer.callback_metrics
    assert "val_angle_mae" not in every_file.trainer.callback_metrics
    for cli, names, numbers in ((held_out, {"best", "last"}, "1235"), (every_file, {"last"}, "12345")):
        assert cli.trainer.global_step == 2
        assert {path.stem for path in Path(cli.trainer.log_dir).glob("checkpoints/*")} == names
        assert {path.stem[-1] for path in files(cli.datamodule.clips("train"))} == set(numbers)


@pytest.mark.filterwarnings("ignore:.*files of the benchmark")
def test_mirrored_z_scores_equal_z_scores_of_the_mirrored_recording(root: Path) -> None:
    arguments = {"root": root, "split": "test", "num_observed": 12, "num_future": 9}
    clips = CMUMocap.from_settings(**arguments)  # type: ignore[arg-type]
    images = CMUMocap.from_settings(**arguments, augment=[Mirror(axis="x")])  # type: ignore[arg-type]
    assert len(clips)
    for clip, image in zip(clips, images, strict=True):
        for name in ("x", "future"):
            poses = clip[name].transpose(0, 1)
            mirrored = clips.mirrored(poses, "x")
            assert mirrored.dtype == poses.dtype and not torch.allclose(mirrored, poses, atol=1e-3)
            torch.testing.assert_close(mirrored, image[name].transpose(0, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*files of the benchmark")
def test_evaluation_averages_over_clips_and_their_mirror_images(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit("cmu_mocap", [*two_steps(root, tmp_path), *TINY_TRAINER, "--trainer.val_check_interval=2"])
    path = next(tmp_path.rglob("last.ckpt"))
    capsys.readouterr()
    assert main(["evaluate", str(path), "--mirror", "--data-root", str(root)]) == 0
    assert "averaged over 2 views of each (half of them mirrored)" in capsys.readouterr().out
    saved = json.loads(path.with_suffix(".test-mirror.json").read_text())
    assert saved["mirrored"]
    trained = load_trained(path)
    clips = trained.splits(root).clips("test")
    motion = evaluate(trained.on_device(), clips, batch_size=4, views=Views(mirror="x"))["motion"]
    assert saved["motion"] == motion != evaluate(trained.model, clips, batch_size=4)["motion"]
    poses = torch.randn(2, 7, 26, 3)
    torch.testing.assert_close(trained.preparation.mirrored(poses, "x"), clips.mirrored(poses, "x"))


def test_missing_files_are_named_in_one_warning(root: Path) -> None:
    for action in set(ACTIONS) - {"jumping", "running", "walking"}:
        (root / "train" / action).mkdir()
    (root / "train" / "walking" / "walking_2.txt").unlink()
    with pytest.warns(UserWarning, match="train/walking/walking_2.txt") as caught:
        dataset = CMUMocap(root=root, split="test")
    assert len(caught) == 1
    assert caught[0].filename == __file__  # the warning points at the caller
    assert len(dataset.missing) == 5 * 5 + 1 + 5
    assert "test/washwindow/washwindow_1.txt" in dataset.missing
    assert all(name in str(caught[0].message) for name in dataset.missing)
    assert sorted({int(item.y) for item in dataset}) == [
        ACTIONS.index(a) for a in ("jumping", "running", "walking")
    ]


def test_a_short_training_file_is_left_out_with_a_warning(root: Path) -> None:
    path = root / "train" / "running" / "running_3.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:148]))
    with pytest.warns(
        UserWarning, match=re.escape("too short for 75 frames at 25 Hz: train/running/running_3")
    ):
        dataset = CMUMocap(root=root)
    used = {path.name for path in files(dataset)}
    assert "running_3.txt" not in used and "running_2.txt" in used


@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_a_short_test_file_is_an_error(root: Path) -> None:
    path = root / "test" / "running" / "running_1.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:150]))
    with pytest.raises(ValueError, match=r"running_1\.txt has 75 frames at 25 Hz, expected more than 75"):
        CMUMocap(root=root, split="test")


@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_errors_of_damaged_files_name_them(root: Path) -> None:
    path = root / "train" / "running" / "running_3.txt"
    lines = path.read_text().splitlines()
    lines[11] = lines[11].rsplit(",", 2)[0]
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"running_3.txt, line 12 has 115 values, expected 117"):
        CMUMocap(root=root)
    lines[11] += ",nan,0"
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"running_3.txt, line 12 has 'nan', expected a finite number"):
        CMUMocap(root=root, split="test")


def test_the_error_of_a_wrong_folder_names_the_expected_layout(tmp_path: Path) -> None:
    layout = r"expected train/ACTION/ACTION_NUMBER.txt and test/ACTION/ACTION_1.txt there"
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path}/nowhere is not a folder, {layout}"):
        CMUMocap(root=tmp_path / "nowhere")
    (tmp_path / "train" / "walking").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=rf"has no file of the benchmark for 'train', {layout}"):
        CMUMocap(root=tmp_path)


def test_a_folder_without_test_files_still_trains(root: Path) -> None:
    shutil.rmtree(root / "test")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(CMUMocap(root=root)) > 0
    with pytest.raises(FileNotFoundError, match="no file of the benchmark for 'test'"):
        CMUMocap(root=root, split="test")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "'split' is 'dev', expected 'train', 'val' or 'test'"),
        ({"validation_file": 6}, "'validation_file' is 6, expected one of"),
        ({"split": "val", "validation_file": None}, "'validation_file' is None, expected a number"),
        ({"num_future": 0}, "'num_future' is 0, expected an integer of at least 1"),
        ({"window_stride": -1}, "'window_stride' is -1, expected an integer of at least 1"),
        ({"window_stride": None}, "'window_stride' is None, expected at least 1: the benchmark has windows"),
        (
            {"preprocess": []},
            r"'preprocess' is \[\], expected none: the benchmark's statistics",
        ),
        ({"actions": ["walking", "eating"]}, "'actions' has 'eating', expected some of basketball"),
        ({"actions": []}, "has no clip of 75 frames for split 'train'"),
    ],
)
def test_errors_of_wrong_arguments_name_them(
    complete_root: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        CMUMocap.from_settings(root=complete_root, **arguments)  # type: ignore[arg-type]


def test_errors_of_wrong_shapes_name_the_argument(published_clips: CMUMocap) -> None:
    with pytest.raises(
        ValueError, match=r"'prediction' has shape \[1, 5, 38, 3\], expected \[..., T, 26, 3\]"
    ):
        published_clips.motion_errors(torch.zeros(1, 5, 38, 3), torch.zeros(1, 5, 26, 3))


HORIZONS = [1, 3, 7, 9, 13, 24]  # 80 160 320 400 560 1000 ms
KNOWN_ERRORS = {  # zero velocity, without the restriction to columns that vary in training
    "basketball": [0.488, 0.821, 1.404, 1.640, 2.048, 2.831],
    "jumping": [0.363, 0.616, 1.484, 1.683, 1.988, 2.027],
    "running": [0.563, 0.995, 1.381, 1.459, 1.573, 1.543],
    "soccer": [0.274, 0.477, 0.922, 1.096, 1.362, 1.839],
    "walking": [0.407, 0.602, 0.832, 0.951, 1.085, 1.338],
    "washwindow": [0.340, 0.567, 0.896, 1.093, 1.301, 1.468],
}


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_zero_velocity_on_the_real_files_has_the_expected_errors(data_root: Path) -> None:
    dataset = CMUMocap(root=data_root / "cmu_mocap", split="test")
    assert len(dataset.normalisation.varying) == 64
    x, future, raw = stacked(dataset)
    label = torch.tensor([int(item.y) for item in dataset])
    still = raw[:, 49:50].expand(-1, 25, -1)
    uncut = angle_error(still, raw[:, 50:])
    for action, expected in KNOWN_ERRORS.items():
        mean = uncut[label == ACTIONS.index(action)].mean(0)[HORIZONS]
        np.testing.assert_allclose(mean, expected, atol=0.001)
    cut = dataset.motion_errors(ZeroVelocity()(x, 25), future)["angle_mae"]
    from_files = angle_error(still, raw[:, 50:], dataset.normalisation.varying)
    np.testing.assert_allclose(cut, from_files, atol=1e-4)
    assert (cut <= uncut + 1e-4).all() and cut.mean() < uncut.mean()
