"""The data of a recipe: valid settings, training clips, and the values saved in checkpoints."""

import json
from pathlib import Path

import pytest
import torch
from tiny_recipe import tiny

from pyg_sybio.data.datasets.motion_folder import MotionFolder
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.splits import Splits
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained.views import ONE_VIEW, Views
from pyg_sybio.training.data_module import ClipDataModule
from pyg_sybio.training.recipes import fit, prepare

PLACES = ("settings", "train", "val", "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips of 40 frames with two persons; the first coordinate of a joint is the frame index."""
    root = tmp_path_factory.mktemp("clips")
    lines = ["file,label,split"]
    for index in range(6):
        poses = torch.randn(2, 40, 25, 3)
        poses[..., 0] = torch.arange(40.0).view(1, -1, 1)
        motion = Motion(poses=poses, skeleton=load_skeleton("ntu25"), frame_rate=30.0)
        write_motion(motion, root / f"{index}.npz")
        lines.append(f"{index}.npz,{'wave' if index % 2 else 'sit'},{('train', 'val', 'test')[index // 2]}")
    (root / "clips.csv").write_text("\n".join(lines) + "\n")
    return root


def data_of(folder: Path, **arguments: object) -> ClipDataModule:
    settings = {"num_observed": 10, "num_future": 5, "progress": False}
    parts = {split: {"split": split} | dict(arguments.pop(split, {})) for split in ("train", "val", "test")}  # type: ignore[call-overload]
    return ClipDataModule(
        MotionFolder,
        settings=settings | dict(arguments.pop("settings", {})),  # type: ignore[call-overload]
        root=str(folder),
        **parts,
        **arguments,  # type: ignore[arg-type]
    )


def test_only_training_clips_have_random_observation_ratios(folder: Path) -> None:
    data = data_of(folder, settings={"reserved": 0}, train={"observation_ratio": [0.1, 1.0]})
    last = {int(data.clips("train")[0].x[0, -1, 0]) for _ in range(40)}
    assert len(last) > 10
    assert {int(data.clips(split)[0].x[0, -1, 0]) for split in ("val", "test")} == {39}
    described = json.loads(json.dumps(data.splits.describe()))
    again = Splits(MotionFolder, root=folder, **{place: described[place] for place in PLACES}).clips("train")
    assert again.sampling.observation_ratio == [0.1, 1.0] and again.sampling.reserved == 0


@pytest.mark.parametrize("place", ["settings", "val", "test"])
def test_a_range_of_observation_ratios_is_refused_outside_of_training(folder: Path, place: str) -> None:
    message = rf"'data\.{place}' has the range \[0\.1, 1\.0\] as 'observation_ratio', expected a number"
    with pytest.raises(ValueError, match=message):
        data_of(folder, **{place: {"observation_ratio": (0.1, 1.0)}})
    data_of(folder, **{place: {"observation_ratio": 0.1}})


def test_the_command_line_accepts_a_range_of_observation_ratios(folder: Path) -> None:
    overrides = [
        f"--data.root={folder}",
        "--data.train.observation_ratio=[0.1, 1.0]",
        "--data.train.window_stride=null",
        "--data.settings.reserved=0",
        "--data.val.window_stride=null",
        "--data.test.window_stride=null",
        "--trainer.precision=32-true",
    ]
    clips = prepare("motion_folder", overrides).datamodule.clips("train")
    assert (clips.sampling.observation_ratio, clips.sampling.reserved) == ([0.1, 1.0], 0)


@pytest.mark.parametrize("weighted_sampling", [False, True])
def test_training_clips_may_have_shuffled_futures(folder: Path, weighted_sampling: bool) -> None:
    data = data_of(folder, train={"split": "train", "window_stride": 3}, shuffled_futures=1.0)
    data.weighted_sampling = weighted_sampling
    clips = data.clips("train")
    own = {tuple(clip.x[:, -1].flatten().tolist()): clip.future for clip in clips}
    seen = 0
    for batch in data.train_dataloader():
        for clip in batch.to_data_list():
            future = own[tuple(clip.x[:, -1].flatten().tolist())]
            assert not torch.equal(clip.future, future)
            assert any(torch.equal(clip.future, other) for other in own.values())
            seen += 1
    assert seen == len(clips)
    for split, loader in (("val", data.val_dataloader()), ("test", data.test_dataloader())):
        (batch,) = loader
        assert torch.equal(batch.future, torch.cat([clip.future for clip in data.clips(split)]))


def test_a_fraction_of_shuffled_futures_out_of_range_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"'shuffled_futures' is 1\.1, expected a fraction between 0 and 1"):
        data_of(folder, shuffled_futures=1.1)


def test_views_of_a_recipe_are_read(folder: Path) -> None:
    data = data_of(folder, views={"mirror": "x", "parts": [[0.0, 0.8], [0.2, 1.0]]})
    assert data.views == Views(mirror="x", parts=((0.0, 0.8), (0.2, 1.0)))
    assert Views.from_settings(json.loads(json.dumps(data.views.to_settings()))) == data.views
    assert data_of(folder).views == ONE_VIEW


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ({"mirror": True}, "'data.views.mirror' is True, expected x, y, z or null"),
        ({"mirror": "w"}, "'data.views.mirror' is 'w', expected x, y, z or null"),
        ({"parts": [[0.2]]}, r"'data.views.parts' is \[\[0.2\]\], expected a list of pairs of fractions"),
        ({"parts": 0.2}, "'data.views.parts' is 0.2, expected a list of pairs of fractions"),
        ({"parts": [[0.8, 0.2]]}, r"'part' is \(0.8, 0.2\), expected two fractions from 0 to 1"),
        ([], r"'data.views' is \[\], expected 'mirror', 'parts' or 'stretch'"),
        ({"crops": []}, "'data.views' has the unknown key 'crops': Views accepts mirror, parts"),
    ],
)
def test_invalid_views_are_refused(folder: Path, views: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data_of(folder, views=views)


def test_a_run_with_shuffled_futures_trains(tmp_path: Path) -> None:
    cli = fit("synthetic", [*tiny(tmp_path, steps=2), "--data.shuffled_futures=0.5"])
    loader = cli.datamodule.train_dataloader()
    assert sum(index != source for index, source in enumerate(loader.dataset.sources)) == 12
    assert cli.trainer.global_step == 2


def test_distances_of_positions_are_in_body_sizes(folder: Path) -> None:
    data = data_of(folder)
    clips = data.clips("train")
    frames = [frame for clip in clips for person in clip.x.view(2, 25, 10, 3) for frame in person.unbind(1)]
    squares = [float((frame - frame.mean(0)).square().sum(-1).mean()) for frame in frames]
    expected = (sum(squares) / len(squares)) ** -0.5
    torch.testing.assert_close(data.feature_scale, torch.full((25, 3), expected), rtol=1e-4, atol=0)


def test_balanced_class_weights_are_inversely_proportional_to_the_numbers_of_samples(folder: Path) -> None:
    rows = [("sit", "train"), ("wave", "train"), ("wave", "train"), ("wave", "train"), ("run", "test")]
    lines = [f"{index}.npz,{label},{split}" for index, (label, split) in enumerate([*rows, ("run", "val")])]
    (folder / "skewed.csv").write_text("\n".join(["file,label,split", *lines]) + "\n")
    data = data_of(folder, settings={"labels": "skewed.csv"})
    assert data.class_names == ("run", "sit", "wave")
    # 4 samples, 3 classes: 4 / (3 * 1) and 4 / (3 * 3); a class without training clips has any weight.
    weights = data.class_weights("balanced")
    assert weights is not None
    torch.testing.assert_close(weights[1:], torch.tensor([4 / 3, 4 / 9]))
    assert weights.isfinite().all()
    torch.testing.assert_close(data.class_weights([1, 2, 3]), torch.tensor([1.0, 2.0, 3.0]))
    assert data.class_weights(None) is None
    with pytest.raises(
        ValueError, match="expected one positive number for each of the 3 classes run, sit, wave"
    ):
        data.class_weights([1, 2])


def test_a_recipe_sets_the_class_weights(tmp_path: Path) -> None:
    weights = [float(number) for number in range(1, 13)]
    cli = fit("synthetic", [*tiny(tmp_path, steps=1), f"--model.class_weights={weights}"])
    assert cli.model.loss.class_weights.tolist() == weights
    cli = fit("synthetic", [*tiny(tmp_path, steps=1), "--model.class_weights=balanced"])
    assert cli.model.loss.class_weights.tolist() == [1.0] * 12


@pytest.mark.parametrize(("settings", "mode"), [({}, "interpolate"), ({"fill": []}, "mask")])
def test_missing_joints_are_filled_unless_training_leaves_them_empty(
    folder: Path, settings: dict[str, object], mode: str
) -> None:
    (step,) = data_of(folder, settings=settings).preparation.fill
    assert step.mode == mode  # type: ignore[attr-defined]
