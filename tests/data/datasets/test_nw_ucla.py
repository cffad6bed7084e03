"""Northwestern-UCLA on generated and real files, compared with their names and contents."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from tiny_recipe import TINY_MODEL, TINY_TRAINER, two_steps

from pyg_sybio.data.datasets.nw_ucla import NWUCLA
from pyg_sybio.training.recipes import fit

CLASSES = [1, 2, 3, 4, 5, 6, 8, 9, 11, 12]


def sources(clips: NWUCLA) -> list[Path]:
    return [Path(clips.store.clips[span.clip].source) for span in clips.spans]


def write(root: Path, action: int, subject: int, view: int, *, num_frames: int = 20) -> Path:
    """Write a file in the format of the data set."""
    name = f"a{action:02}_s{subject:02}_e00_v{view:02}"
    skeletons = torch.randn(num_frames, 20, 3).tolist()
    document = {"file_name": name, "skeletons": skeletons, "label": CLASSES.index(action) + 1}
    path = root / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Two classes, two subjects, three views."""
    for action in (1, 12):
        for subject in (1, 2):
            for view in (1, 2, 3):
                write(tmp_path, action, subject, view)
    return tmp_path


def test_views_and_subjects_divide_the_clips(made: Path) -> None:
    for arguments, test in (
        ({}, {"v03"}),
        ({"test_views": ["1", 2]}, {"v01", "v02"}),
        ({"protocol": "cross-subject", "test_subjects": ["2"]}, {"s02"}),
    ):
        for split in ("train", "test"):
            clips = NWUCLA.from_settings(root=made, split=split, validation=None, **arguments)  # type: ignore[arg-type]
            in_test = [bool(test & set(path.stem.split("_"))) for path in sources(clips)]
            assert in_test == [split == "test"] * len(clips)
            assert len(clips) == sum(
                bool(test & set(path.stem.split("_"))) == (split == "test") for path in made.iterdir()
            )


def test_a_sample_has_the_frames_of_its_file(made: Path) -> None:
    clips = NWUCLA.from_settings(
        root=made, split="test", num_observed=10, num_future=8, preprocess=[], fill=[]
    )
    assert (clips.num_classes, clips.frame_rate, clips.class_names[9]) == (10, 30.0, "carry")
    for sample, path in zip(clips, sources(clips), strict=True):
        document = json.loads(path.read_text())
        frames = torch.tensor(document["skeletons"])
        torch.testing.assert_close(sample.x.transpose(0, 1), frames[2:12])
        torch.testing.assert_close(sample.future.transpose(0, 1), frames[12:])
        assert int(sample.y) == document["label"] - 1
    whole = NWUCLA.from_settings(root=made, split="test", num_observed=20, preprocess=[], fill=[], reserved=0)
    torch.testing.assert_close(whole[0].x[:, 2:12], clips[0].x)
    assert not whole[0].future_mask.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"protocol": "cross-setup"},
            "'protocol' is 'cross-setup', expected one of cross-view, cross-subject",
        ),
        ({"protocol": "cross-subject"}, r"'subject' is \(\), expected a list of at least one value"),
        ({"test_views": ["4"], "split": "test"}, "split 'test' is empty: .* are for test, and the 12 clips"),
        ({"test_views": "3"}, "'view' is '3', expected a list"),
    ],
)
def test_wrong_arguments_are_refused(made: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NWUCLA.from_settings(root=made, **arguments)  # type: ignore[arg-type]


def test_wrong_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder, expected files such as a01_s01"):
        NWUCLA.from_settings(root=tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="has no file of Northwestern-UCLA"):
        NWUCLA.from_settings(root=tmp_path)


@pytest.mark.filterwarnings(
    "ignore:`ModelCheckpoint.* could not find the monitored key"
)  # without validation
def test_the_recipe_trains_with_and_without_clips_for_validation(made: Path, tmp_path: Path) -> None:
    words = [*two_steps(made, tmp_path / "runs"), *TINY_TRAINER, "--trainer.check_val_every_n_epoch=1"]
    held_out = fit("nw_ucla", [*words, '--data.settings.validation={"subject": ["2"]}'])
    every_clip = fit("nw_ucla", [*words, "--data.settings.validation=null", "--trainer.limit_val_batches=0"])
    expected = ((held_out, {"best", "last"}, {"s01"}), (every_clip, {"last"}, {"s01", "s02"}))
    for cli, names, subjects in expected:
        assert {path.stem for path in Path(cli.trainer.log_dir).glob("checkpoints/*")} == names
        parts = [path.stem.split("_") for path in sources(cli.datamodule.clips("train"))]
        assert {part[1] for part in parts} == subjects
        assert {part[3] for part in parts} == {"v01", "v02"}


@pytest.mark.real_data
def test_splits_of_the_real_files_follow_their_names(data_root: Path) -> None:
    root = data_root / "nw_ucla"
    files = list(root.glob("*.json"))
    splits = {
        split: NWUCLA.from_settings(
            root=root, split=split, test_views=["2"], validation={"subject": ["10"]}, num_processes=1
        )
        for split in ("train", "val", "test")
    }
    expected = {"train": set(), "val": set(), "test": set()}
    for path in files:
        action, subject, _, view = path.stem.split("_")
        split = "test" if view == "v02" else "val" if subject == "s10" else "train"
        expected[split].add((path.stem, CLASSES.index(int(action[1:]))))
    for split, clips in splits.items():
        found = [(path.stem, int(clips.get(i).y)) for i, path in enumerate(sources(clips))]
        assert len(found) == len(set(found))
        assert set(found) == expected[split]
    assert sum(map(len, splits.values())) == len(files)


@pytest.mark.real_data
def test_real_clips_of_any_length_become_samples(data_root: Path) -> None:
    clips = NWUCLA.from_settings(root=data_root / "nw_ucla", split="test", test_views=["2"], num_processes=1)
    complete = Counter()
    for index, path in enumerate(sources(clips)):
        sample = clips.get(index)
        num_frames = len(json.loads(path.read_text())["skeletons"])
        assert sample.x.shape == (20, 40, 3) and sample.x.isfinite().all() and sample.x.any()
        recorded = min(10, num_frames - max(num_frames - 10, math.ceil(num_frames / 2)))
        assert int(sample.future_mask.any(0).sum()) == recorded
        complete[recorded == 10] += 1
    assert complete[False] and complete[True]


@pytest.mark.real_data
@pytest.mark.parametrize(("recipe", "predicts"), [("nw_ucla", False), ("nw_ucla_slim", True)])
def test_the_recipes_train_on_the_real_files(
    recipe: str, predicts: bool, data_root: Path, tmp_path: Path
) -> None:
    cli = fit(
        recipe,
        [
            *TINY_MODEL,
            f"--data.root={data_root}",
            '--data.settings.test_views=["2"]',
            "--data.batch_size=8",
            "--trainer.max_steps=1",
            "--trainer.limit_val_batches=2",
            "--trainer.val_check_interval=1",
            "--trainer.check_val_every_n_epoch=1",
            "--trainer.precision=32-true",
            f"--trainer.default_root_dir={tmp_path}",
        ],
    )
    assert cli.trainer.global_step == 1
    metrics = cli.trainer.callback_metrics
    assert {"val_loss", "val_accuracy"} <= set(metrics)
    # If clips are observed to their end, there is no future to measure a prediction.
    assert ("val_mpjpe_mm" in metrics) == predicts
    assert all(math.isfinite(value) for value in cli.trainer.callback_metrics.values())
    data = cli.datamodule
    assert data.clips("val").augment is None and data.clips("train").augment is not None
    views = {data.clips(s).store.clips[data.clips(s).spans[0].clip].ids["view"] for s in ("train", "val")}
    assert views == {"1"}
