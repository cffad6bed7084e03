"""Kinetics-Skeleton from generated raw files: the splits, and the prepared clips."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_recipe import two_steps

from pyg_sybio.data.datasets.kinetics import KineticsSkeleton
from pyg_sybio.training.recipes import fit

NAMES = ("abseiling", "air drumming", "yoga")


def person(rng: np.random.Generator, score: float, side: float = 0.0) -> dict[str, list[float]]:
    scores = np.clip(rng.normal(score, 0.05, 18), 0.05, 1) * (rng.random(18) > 0.1)
    pose = (rng.uniform(0.2, 0.8, (18, 2)) + side) * (scores > 0)[:, None]
    return {"pose": pose.round(3).ravel().tolist(), "score": scores.round(3).tolist()}


def write_clip(path: Path, label: int, rng: np.random.Generator, num_frames: int = 30) -> dict[str, object]:
    """A clip with empty frames; the second person has a higher confidence, but is seen less often."""
    data = []
    for frame in range(1, num_frames + 1):
        people = [] if frame % 9 == 0 else [person(rng, 0.6)]
        if frame % 5 == 1:
            people.append(person(rng, 0.9, side=2.0))
        data.append({"frame_index": frame, "skeleton": people})
    document = {"data": data, "label": NAMES[label], "label_index": label}
    path.write_text(json.dumps(document))
    return document


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinetics")
    rng = np.random.default_rng(0)
    for part, count in (("kinetics_train", 12), ("kinetics_val", 5)):
        (folder / part).mkdir()
        labels = {}
        for index in range(count):
            clip, label = f"{part[-5:]}_{index:02}", index % 3 if part == "kinetics_train" else 2
            write_clip(folder / part / f"{clip}.json", label, rng, num_frames=20 + index)
            labels[clip] = {"has_skeleton": True, "label": NAMES[label], "label_index": label}
        labels["unseen"] = {"has_skeleton": False, "label": NAMES[0], "label_index": 0}
        (folder / f"{part}_label.json").write_text(json.dumps(labels))
    return folder


def make(root: Path, **arguments: object) -> KineticsSkeleton:
    return KineticsSkeleton.from_settings(**({"root": root, "num_observed": 15, "num_future": 5} | arguments))  # type: ignore[arg-type]


def sources(clips: KineticsSkeleton) -> list[Path]:
    return [Path(clips.store.clips[span.clip].source) for span in clips.spans]


def test_folders_determine_the_splits_and_validation_clips_come_from_training(root: Path) -> None:
    train, val = (make(root, split=split, validation=0.25) for split in ("train", "val"))
    assert set(sources(train)).isdisjoint(sources(val))
    assert sorted(sources(train) + sources(val)) == sorted((root / "kinetics_train").iterdir())
    assert len(val) == 3 and sorted(int(clip.y) for clip in val) == [0, 1, 2]
    assert sources(make(root, validation=None)) == sorted((root / "kinetics_train").iterdir())
    test = make(root, split="test")
    assert sources(test) == sorted((root / "kinetics_val").iterdir())
    assert [int(clip.y) for clip in test] == [2] * 5
    for clips in (train, val, test):
        assert clips.class_names == NAMES
        for clip, path in zip(clips, sources(clips), strict=True):
            assert int(clip.y) == json.loads(path.read_text())["label_index"]


def test_clips_have_one_person_relative_to_the_image_center(root: Path) -> None:
    clips = make(root, split="test")
    for index, path in enumerate(sources(clips)):
        frames = json.loads(path.read_text())["data"]
        # The first person is present in nearly all frames, and therefore has the higher mean over the clip.
        expected = torch.zeros(len(frames), 18, 3)
        for t, frame in enumerate(frames):
            if frame["skeleton"]:
                chosen = frame["skeleton"][0]
                score = torch.tensor(chosen["score"])
                place = torch.tensor(chosen["pose"]).view(18, 2) - 0.5
                expected[t] = torch.cat([place, score[:, None]], dim=1) * (score > 0)[:, None]
        sample = clips[index]
        torch.testing.assert_close(sample.x.transpose(0, 1), expected[-20:-5])
        torch.testing.assert_close(sample.future.transpose(0, 1), expected[-5:])
        assert torch.equal(sample.future_mask.squeeze(-1).T, expected[-5:, :, 2] > 0)
        torch.testing.assert_close(
            make(root, split="test", reserved=0)[index].x.transpose(0, 1), expected[-15:]
        )


def test_a_class_missing_from_the_lists_is_named_by_its_number(root: Path, tmp_path: Path) -> None:
    (tmp_path / "kinetics_val").mkdir()
    source = next((root / "kinetics_val").iterdir())
    (tmp_path / "kinetics_val" / source.name).write_bytes(source.read_bytes())
    labels = {source.stem: {"has_skeleton": True, "label": "yoga", "label_index": 2}}
    (tmp_path / "kinetics_val_label.json").write_text(json.dumps(labels))
    clips = make(tmp_path, split="test")
    assert clips.class_names == ("class 0", "class 1", "yoga")
    assert int(clips[0].y) == 2


def copy_of_test_part(root: Path, folder: Path, change: dict[str, object]) -> Path:
    (folder / "kinetics_val").mkdir()
    for path in (root / "kinetics_val").iterdir():
        (folder / "kinetics_val" / path.name).write_bytes(path.read_bytes())
    labels = json.loads((root / "kinetics_val_label.json").read_text())
    (folder / "kinetics_val_label.json").write_text(json.dumps(labels | change))
    return folder


def test_a_warning_names_listed_files_that_are_missing(root: Path, tmp_path: Path) -> None:
    gone = {"gone": {"has_skeleton": True, "label": "yoga", "label_index": 2}}
    folder = copy_of_test_part(root, tmp_path, gone)
    with pytest.warns(UserWarning, match="1 of 6 listed clips are missing: gone"):
        clips = make(folder, split="test")
    assert clips.missing == ("gone",) and len(clips) == 5


def test_a_file_that_contradicts_the_label_list_is_refused(root: Path, tmp_path: Path) -> None:
    other = {"s_val_03": {"has_skeleton": True, "label": "abseiling", "label_index": 0}}
    folder = copy_of_test_part(root, tmp_path, other)
    with pytest.raises(ValueError, match=r"s_val_03\.json has label 'yoga', but .* has 'abseiling' for it"):
        make(folder, split="test")


def test_wrong_arguments_and_folders_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'split' is 'dev'"):
        make(root, split="dev")
    with pytest.raises(ValueError, match="'validation' is None, expected a fraction"):
        make(root, split="val", validation=None)
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        make(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="has no kinetics_train, expected"):
        make(tmp_path)
    (tmp_path / "kinetics_train").mkdir()
    with pytest.raises(FileNotFoundError, match=r"has no kinetics_train_label\.json, expected"):
        make(tmp_path)
    labels = {"gone": {"has_skeleton": True, "label": "yoga", "label_index": 2}}
    (tmp_path / "kinetics_train_label.json").write_text(json.dumps(labels))
    with pytest.raises(FileNotFoundError, match="has none of the 1 files of its list of labels"):
        make(tmp_path)


def test_the_recipe_trains(root: Path, tmp_path: Path) -> None:
    cli = fit("kinetics", two_steps(root, tmp_path))
    metrics = cli.trainer.callback_metrics
    assert cli.trainer.global_step == 2
    assert {"val_loss", "val_mpjpe", "val_pck@0.05"} <= set(metrics)
    assert all(math.isfinite(value) for value in metrics.values())
