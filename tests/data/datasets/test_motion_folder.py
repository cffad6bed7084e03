"""A folder of motion files: its clips, labels, splits and errors."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stick_body import stick_motion
from torch_geometric.loader import DataLoader

from pyg_sybio.data.datasets.motion_folder import MotionFolder, find_motion_files
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.summary.summary import summarise
from pyg_sybio.data.transforms import Center, LimitLength
from pyg_sybio.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco17")


def _clip(**changes: Any) -> Motion:
    values = {"poses": torch.randn(1, 40, 17, 3), "skeleton": COCO, "frame_rate": 30.0, "source": "a test"}
    return Motion(**(values | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve clips with three classes, two styles and two takes, and a CSV file that lists them."""
    root = tmp_path / "clips"
    lines = ["file,label,style,take"]
    for label in ("take 10", "take 2", "wave"):
        for style in ("old", "young"):
            for take in (1, 2):
                name = f"{style}/{label}_{take}.npz"
                write_motion(_clip(), root / name)
                lines.append(f"{name},{label},{style},{take}")
    (root / "clips.csv").write_text("\n".join(lines))
    return root


def _make(root: Path, **changes: Any) -> MotionFolder:
    settings = {"root": root, "num_observed": 20, "num_future": 5, "progress": False, "num_processes": 1}
    return MotionFolder.from_settings(**(settings | changes))


def _names(clips: MotionFolder) -> list[str]:
    return sorted(
        Path(clips.store.clips[span.clip].source).relative_to(clips.store.root).as_posix()
        for span in clips.spans
    )


def test_linked_folders_are_included(folder: Path, tmp_path: Path) -> None:
    names = _names(_make(folder, split="test", hold_out={"style": ["young"]}))
    (folder / "young").rename(tmp_path / "elsewhere")
    (folder / "young").symlink_to(tmp_path / "elsewhere")
    assert len(names) == 6
    assert _names(_make(folder, split="test", hold_out={"style": ["young"]})) == names


def test_hold_out_leaves_one_style_out(folder: Path) -> None:
    splits = {
        split: _make(folder, split=split, hold_out={"style": ["young"]}, validation=0.4)
        for split in ("train", "val", "test")
    }
    assert all(name.startswith("young/") for name in _names(splits["test"]))
    seen = _names(splits["train"]) + _names(splits["val"])
    assert len(splits["test"]) == 6 and len(splits["val"]) == 3 and len(seen) == len(set(seen)) == 6
    for clips in splits.values():
        assert clips.class_names == ("take 2", "take 10", "wave")
        assert clips.num_classes == 3 and clips.frame_rate == 30.0 and clips.skeleton == COCO
        for item in range(len(clips)):
            said = clips.store.clips[clips.spans[item].clip]
            assert clips.class_names[int(clips[item].y)] == said.label
            assert said.label in said.source and said.ids["style"] in said.source


def test_an_item_is_the_end_of_its_clip(folder: Path) -> None:
    clips = _make(folder, hold_out=0.3)
    span = clips.spans[0]
    with np.load(clips.store.clips[span.clip].source) as file:
        poses = torch.from_numpy(file["poses"][0])
    assert torch.equal(clips[0].x, poses[15:35].transpose(0, 1))
    assert torch.equal(clips[0].future, poses[35:].transpose(0, 1))
    batch = next(iter(DataLoader(clips, batch_size=4)))
    assert batch.x.shape == (4 * 17, 20, 3)


def test_windows_begin_at_multiples_of_the_stride(folder: Path) -> None:
    clips = _make(folder, hold_out={"take": [2]}, window_stride=5)
    assert len(clips) == 6 * 4  # windows of 25 frames begin at 0, 5, 10 and 15


def test_fractions_of_each_class_are_held_out_for_test_and_validation(folder: Path) -> None:
    names = [_names(_make(folder, split=s, hold_out=0.25, validation=0.3)) for s in ("train", "val", "test")]
    assert [len(part) for part in names] == [6, 3, 3]
    assert len(set().union(*names)) == 12


def _said_by_name(folder: Path, split_of: dict[str, str]) -> None:
    (folder / "clips.csv").unlink()
    for take, split in split_of.items():
        for path in [*folder.rglob(f"*_{take}.npz")]:
            target = folder / split / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    shutil.rmtree(folder / "old"), shutil.rmtree(folder / "young")


def test_a_pattern_can_replace_the_csv_file(folder: Path) -> None:
    _said_by_name(folder, {"1": "train", "2": "test"})
    pattern = r"(?P<split>\w+)/(?P<style>\w+)/(?P<label>.+)_\d\.npz"
    train, test = (_make(folder, pattern=pattern, split=split) for split in ("train", "test"))
    assert len(train) == len(test) == 6
    assert all(name.startswith("test/") for name in _names(test))
    assert test.class_names == ("take 2", "take 10", "wave")
    with pytest.raises(ValueError, match="split 'val' has no clip: give 'validation', or assign clips to it"):
        _make(folder, pattern=pattern, split="val")
    assert len(_make(folder, pattern=pattern, split="val", validation={"style": ["old"]})) == 3


def test_labels_and_splits_can_come_from_the_files(tmp_path: Path) -> None:
    for index, split in enumerate(("train", "train", "val", "test")):
        motion = _clip(label=str(index % 2 + 9), ids={"split": split})
        write_motion(motion, tmp_path / f"{index}.npz")
    assert [len(_make(tmp_path, split=split)) for split in ("train", "val", "test")] == [2, 1, 1]
    assert _make(tmp_path).class_names == ("9", "10")
    # If files have the split "val", no further validation clips are chosen.
    assert [len(_make(tmp_path, split=split, validation=0.5)) for split in ("train", "val")] == [2, 1]


def test_the_splits_of_an_annotation_pickle_are_used(tmp_path: Path) -> None:
    annotations = [
        {
            "frame_dir": name,
            "total_frames": 4,
            "label": index % 2,
            "keypoint": torch.rand(1, 4, 17, 2).numpy(),
            "keypoint_score": np.ones((1, 4, 17)),
        }
        for index, name in enumerate("abcdef")
    ]
    splits = {"xsub_train": list("abcd"), "xsub_val": list("ef"), "xview_train": list("abef")}
    splits |= {"xview_val": list("cd"), "train": list("abc"), "val": ["d"], "test": list("ef")}
    (tmp_path / "clips.pkl").write_bytes(pickle.dumps({"split": splits, "annotations": annotations}))

    def chosen(split: str, **settings: Any) -> str:
        clips = _make(tmp_path, split=split, frame_rate=30.0, **settings)
        return "".join(clips.store.clips[span.clip].source[-1] for span in clips.spans)

    assert [chosen(split) for split in ("train", "val", "test")] == ["abc", "d", "ef"]
    for protocol, test in (("xsub", "ef"), ("xview", "cd")):
        held = {"hold_out": {protocol: ["val"]}}
        assert chosen("test", **held) == test
        assert chosen("train", **held) == "".join(sorted(set("abcdef") - set(test)))


def test_the_csv_file_overrides_labels_in_motion_files(folder: Path) -> None:
    write_motion(_clip(label="other", ids={"style": "none", "day": "1"}), folder / "old" / "wave_1.npz")
    clips = _make(folder, hold_out={"style": ["young"]})
    info = next(info for info in clips.store.clips if "old/wave_1" in info.source)
    assert (info.label, dict(info.ids)) == ("wave", {"style": "old", "day": "1", "take": "1"})


def test_changes_of_the_csv_file_are_detected(folder: Path) -> None:
    table = folder / "clips.csv"
    assert _make(folder, hold_out=0.3).class_names == ("take 2", "take 10", "wave")
    table.write_text(table.read_text().replace(",wave,", ",greet,"))
    assert _make(folder, hold_out=0.3).class_names == ("greet", "take 2", "take 10")


def test_a_warning_counts_other_files_that_are_not_hidden(folder: Path) -> None:
    for name in (
        "notes.md",
        "a.mp4",
        "b.MP4",
        ".hidden.npz",
        ".git/x.npz",
        "skeleton.json",
        "old/readme.txt",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("hello")
    with pytest.warns(UserWarning, match=r"not read as motions: 1 \.md, 2 \.mp4, 1 \.txt$"):
        files = find_motion_files(folder, besides=(folder / "clips.csv", folder / "skeleton.json"))
    assert len(files) == 12 and files == sorted(files)


def _openpose_frame(path: Path, shift: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    keypoints = np.random.default_rng(0).uniform(1, 2, (18, 3)) + shift
    people = [{"pose_keypoints_2d": keypoints.ravel().tolist()}]
    path.write_text(json.dumps({"people": people}))


def test_a_folder_of_openpose_frames_is_a_clip(tmp_path: Path) -> None:
    for clip in ("wave_1", "wave_2", "kick_1", "kick_2"):
        for frame in range(30):
            _openpose_frame(tmp_path / "a" / clip / f"video_{frame:012d}_keypoints.json", frame)
    settings = {"pattern": r"a/(?P<label>\w+)_(?P<take>\d)", "hold_out": {"take": [2]}, "frame_rate": 30.0}
    clips = _make(tmp_path, **settings)
    assert _names(clips) == ["a/kick_1", "a/wave_1"] and clips.class_names == ("kick", "wave")
    before = clips[0].x
    _openpose_frame(tmp_path / "a" / "kick_1" / "video_000000000020_keypoints.json", 99)
    after = _make(tmp_path, **settings)[0].x
    assert ((before != after).flatten(2).any(-1).any(0)).nonzero().flatten().tolist() == [15]


def test_segments_of_a_recording_are_clips(tmp_path: Path) -> None:
    write_motion(stick_motion(90, label=None, frame_rate=30.0), tmp_path / "day.npz")
    rows = "day.npz,wave,train,0s,1s\nday.npz,kick,train,1s,2s\nday.npz,wave,test,2s,3s\n"
    (tmp_path / "clips.csv").write_text("file,label,split,start,end\n" + rows)
    for frame_rate, length in ((30.0, 30), (15.0, 15)):
        train = _make(tmp_path, frame_rate=frame_rate)
        assert train.class_names == ("kick", "wave")
        assert [(info.label, info.num_frames) for info in train.store.clips] == [
            ("wave", length),
            ("kick", length),
            ("wave", length),
        ]
        assert len(train) == 2 and len(_make(tmp_path, split="test", frame_rate=frame_rate)) == 1
    summary = summarise(tmp_path, progress=False)
    assert summary.all.of("class") == {"kick": 1, "wave": 2} and not summary.failures
    assert summary.splits["train"].lengths == [30, 30]


def test_recordings_are_resampled_to_the_given_frame_rate(folder: Path) -> None:
    fast = _clip(frame_rate=60.0)
    write_motion(fast, folder / "old" / "wave_1.npz")
    rounded = _clip(frame_rate=30.01)
    write_motion(rounded, folder / "old" / "wave_2.npz")
    write_motion(_clip(frame_rate=None), folder / "young" / "wave_1.npz")
    with pytest.raises(ValueError, match=r"wave_1.npz has 60 Hz, expected 30 Hz"):
        _make(folder, hold_out={"style": ["young"]})
    clips = _make(folder, hold_out={"style": ["young"]}, frame_rate=30.0)
    assert {info.frame_rate for info in clips.store.clips} == {30.0}
    index = next(i for i, info in enumerate(clips.store.clips) if "old/wave_1" in info.source)
    assert torch.equal(clips.store.motion(index).poses, fast.poses[:, ::2])
    assert torch.equal(clips.store.motion(index + 1).poses, rounded.poses)
    centred = _make(folder, hold_out=0.3, frame_rate=30.0, preprocess=Center(joint="nose"))
    assert torch.equal(
        centred.store.motion(index).poses, Center(joint="nose")(clips.store.motion(index)).poses
    )


def test_preprocessing_may_change_the_tempo_of_each_clip(folder: Path) -> None:
    write_motion(_clip(poses=torch.randn(1, 100, 17, 3)), folder / "old" / "wave_1.npz")
    limit = LimitLength(num_frames=50)
    clips = _make(folder, hold_out=0.3, frame_rate=30.0, preprocess=limit)
    assert clips.frame_rate == 30.0
    assert {info.num_frames for info in clips.store.clips} == {40, 50}
    with pytest.raises(ValueError, match="'frame_rate' is None, expected the frame rate of the recordings"):
        _make(folder, hold_out=0.3, preprocess=limit)


def test_double_precision_becomes_single_before_preprocessing(folder: Path) -> None:
    double = _clip(poses=torch.randn(1, 40, 17, 3, dtype=torch.float64))
    write_motion(double, folder / "old" / "wave_1.npz")
    clips = _make(folder, hold_out=0.3, preprocess=Center(joint="nose"))
    for index in range(12):
        poses = clips.store.motion(index).poses
        assert poses.dtype == torch.float32 and not poses[:, 0, 0, :2].any()


def test_joints_are_found_by_name(folder: Path) -> None:
    arms = Skeleton.from_dict(
        {
            "name": "arms",
            "description": "",
            "source": "",
            "joints": ["right_wrist", "left_wrist", "nose"],
            "bones": [["nose", "left_wrist"], ["nose", "right_wrist"]],
            "center": "nose",
            "parts": {"all": ["nose", "left_wrist", "right_wrist"]},
            "part_bones": [],
            "mirror": [],
            "coordinates": COCO.coordinates,
            "units": COCO.units,
        }
    )
    arms.save(folder.parent / "arms.json")
    clips = _make(folder, hold_out=0.3, skeleton=str(folder.parent / "arms.json"))
    whole = _make(folder, hold_out=0.3)
    columns = [COCO.joint_index(name) for name in arms.joints]
    assert torch.equal(clips[0].x, whole[0].x[columns])
    metres = Skeleton.from_dict(arms.to_dict() | {"units": "m"})
    metres.save(folder.parent / "arms.json")
    with pytest.raises(ValueError, match="expected the same units"):
        _make(folder, hold_out=0.3, skeleton=str(folder.parent / "arms.json"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {},
            "has no split, expected train, val or test: add a column 'split' to the CSV file, or",
        ),
        ({"split": "all", "hold_out": 0.3}, "'split' is 'all'"),
        ({"hold_out": 1.5}, "1.5, expected a fraction above 0"),
        ({"hold_out": {"style": ["new"]}}, "'hold_out' has 'style' 'new', .* some of old, young"),
        (
            {"hold_out": {"style": ["young", "odl"]}, "split": "test"},
            "'odl', which no clip has",
        ),
        ({"hold_out": {"style": ["old"], "take": [1]}}, "'hold_out' names 2 ids, expected one"),
        ({"hold_out": {"subject": [1]}}, "has no id 'subject'"),
        ({"hold_out": 0.3, "split": "val"}, "split 'val' has no clip: give 'validation'"),
        ({"hold_out": {"style": ["old"]}, "split": "val"}, "'validation' is None"),
        ({"hold_out": 0.3, "pattern": "(?P<label>x)"}, "does not match"),
        ({"hold_out": 0.3, "skeleton": "ntu25"}, "expected the same units|coordinates"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=message):
        _make(folder, **changes)


def test_wrong_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder"):
        _make(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty has no motion file, expected some of .npz, .json"):
        _make(tmp_path / "empty")
    (folder / "clips.csv").unlink()
    with pytest.raises(ValueError, match=r"no clip of .*clips has a label: expected a table clips.csv"):
        _make(folder, hold_out=0.3)
    (folder / "old" / "wave_1.npz").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"wave_1.npz: File is not a zip file"):
        _make(folder, hold_out=0.3)


def test_rotations_are_refused(tmp_path: Path) -> None:
    for index in range(4):
        motion = Motion(poses=torch.randn(1, 9, 32, 3), skeleton=load_skeleton("h36m32"), label="walk")
        write_motion(motion.replace(frame_rate=50.0), tmp_path / f"{index}.npz")
    with pytest.raises(ValueError, match=r"has rotations \(skeleton 'h36m32'\), expected positions"):
        _make(tmp_path, hold_out=0.5)


@pytest.mark.real_data
def test_a_pattern_labels_real_recordings(data_root: Path, tmp_path: Path) -> None:
    for path in (data_root / "bandai2").glob("dataset-2_walk*_001.bvh"):
        (tmp_path / path.name).symlink_to(path)
    pattern = r"dataset-2_(?P<label>.+)_(?P<style>[^_]+)_(?P<take>\d+)\.bvh"
    test = _make(tmp_path, split="test", pattern=pattern, hold_out={"style": ["youthful"]})
    assert test.class_names == ("walk", "walk-turn-left", "walk-turn-right") and test.frame_rate == 30.0
    assert len(test) == 3
    assert all(f"_{test.class_names[int(test[i].y)]}_youthful_" in test.motion(i).source for i in range(3))


def test_the_error_for_unlabelled_folders_gives_a_working_pattern(tmp_path: Path) -> None:
    for name in ("wave", "kick"):
        (tmp_path / name).mkdir()
        for number in range(6):
            motion = stick_motion(70, label=None, frame_rate=30.0)
            write_motion(motion, tmp_path / name / f"{number}.npz")
    with pytest.raises(
        ValueError, match=r"no clip of .* has a label: .* a folder per class --data.settings"
    ) as error:
        _make(tmp_path)
    pattern = str(error.value).split("'")[1]
    assert _make(tmp_path, pattern=pattern, hold_out=0.5).class_names == ("kick", "wave")
