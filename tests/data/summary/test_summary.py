"""The summary of a folder: counts compared with loops, all sources of splits, and unreadable files."""

import json
import pickle
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stick_body import STICK, stick_motion, without

from pyg_sybio.data import processes
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.natural_order import natural
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.summary.clip_facts import ClipFacts
from pyg_sybio.data.summary.summary import summarise
from pyg_sybio.data.summary.tally import Tally, spread
from pyg_sybio.data.summary.text import summary_text
from pyg_sybio.skeleton import Skeleton


def write_folder(folder: Path, number: int = 12) -> dict[Path, Motion]:
    """Write clips of several lengths, classes, subjects, rates and persons, in which joints are missing."""
    motions = {}
    for clip in range(number):
        motion = stick_motion(
            3 + clip,
            1 + clip % 2,
            label=None if clip == 5 else f"class {clip % 3}",
            ids={"subject": str(clip % 4 + 8)},
            frame_rate=(10.0, 30.0, None)[clip % 3],
        )
        motion = without(motion, torch.rand(motion.present.shape) < 0.1 * (clip % 3))
        if clip % 4 == 1:
            motion = without(motion, torch.arange(motion.num_frames)[:, None].expand(-1, 7) < 2)
        path = folder / ("train" if clip % 3 else "test") / f"clip_{clip}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_motion(motion, path)
        motions[path] = motion
    return motions


def by_hand(motions: list[Motion]) -> dict[str, Any]:
    """Compute the same numbers joint by joint."""
    lengths, seconds = (
        [m.num_frames for m in motions],
        [m.num_frames / m.frame_rate for m in motions if m.frame_rate],
    )
    labels = [m.label for m in motions if m.label is not None]
    rates = ["unknown" if m.frame_rate is None else f"{m.frame_rate:.0f} Hz" for m in motions]
    missing, seen, empty, persons = dict.fromkeys(STICK.joints, 0), 0, 0, []
    for motion in motions:
        here = motion.present.tolist()
        persons.append(str(sum(any(any(pose) for pose in person) for person in here)))
        for frame in range(motion.num_frames):
            poses = [person[frame] for person in here if any(person[frame])]
            seen += len(poses)
            empty += not poses
            for pose in poses:
                for joint, there in zip(STICK.joints, pose, strict=True):
                    missing[joint] += not there

    def spread(values: list[float]) -> dict[str, float]:
        return {
            "min": min(values),
            "median": statistics.median(values),
            "max": max(values),
            "total": pytest.approx(sum(values)),
        }

    return {
        "clips": len(motions),
        "unlabelled": len(motions) - len(labels),
        "classes": {label: labels.count(label) for label in sorted(set(labels))},
        "frames": spread(lengths),
        "seconds": spread(seconds) if seconds else None,
        "frames_with_nobody": empty,
        "frame_rates": {rate: rates.count(rate) for rate in rates},
        "persons": {count: persons.count(count) for count in persons},
        "skeletons": {"stick": len(motions)},
        "formats": {".npz": len(motions)},
        "ids": {"subject": {s: sum(m.ids["subject"] == s for m in motions) for s in ("8", "9", "10", "11")}},
        "notes": {},
        "missing_joints": {"stick": {joint: pytest.approx(count / seen) for joint, count in missing.items()}},
    }


def test_decisions_of_readers_are_listed(tmp_path: Path) -> None:
    pose = 600 * np.random.default_rng(0).random((17, 3))
    pose[:, 2] = 0.9
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.stack([pose] * 5))
    people = [
        {"image_id": t, "keypoints": (pose + np.array([x, 0, 0])).ravel().tolist()}
        for t in range(3)
        for x in (0, 900)
    ]
    (tmp_path / "people.json").write_text(json.dumps(people))
    summary = summarise(tmp_path, progress=False)
    read_as = "is read as x, y, score of coco17, judged by the number of keypoints and their values"
    matched = "has no track numbers: persons are matched by distance"
    assert summary.to_dict()["all"]["notes"] == {read_as: 3, matched: 1}
    text = summary_text(summary)
    assert f"  3 {read_as}" in text and f"  1 {matched}" in text


def without_zeros(document: dict[str, Any]) -> dict[str, Any]:
    document["ids"] = {
        name: {v: n for v, n in counts.items() if n} for name, counts in document["ids"].items()
    }
    return document


@pytest.mark.parametrize("num_processes", [1, 2])
def test_the_numbers_equal_a_count_by_hand(
    num_processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    motions = write_folder(tmp_path)
    if num_processes > 1:  # start workers immediately, even for few files
        monkeypatch.setattr(processes, "TRIAL_SECONDS", -1.0)
        monkeypatch.setattr(processes, "START_UP_SECONDS", -1.0)
        workers = []
        from_workers = processes._from_workers
        monkeypatch.setattr(
            processes, "_from_workers", lambda *args: workers.append(args) or from_workers(*args)
        )
    found = summarise(tmp_path, num_processes=num_processes)
    if num_processes > 1:
        assert len(workers) == 1
    document = json.loads(json.dumps(found.to_dict()))
    assert document["all"] == by_hand(list(motions.values()))
    assert list(document["splits"]) == ["train", "test"]
    for split in ("train", "test"):
        of_split = [motion for path, motion in motions.items() if path.parent.name == split]
        assert document["splits"][split] == without_zeros(by_hand(of_split))
    assert document["failures"] == {}
    assert document["files"] == len(motions)
    # Numbers are sorted by size.
    assert list(document["all"]["ids"]["subject"]) == ["8", "9", "10", "11"]


def test_the_tables_contain_the_same_numbers(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "README.md").write_text("notes")
    found = summarise(tmp_path)
    text = summary_text(found)
    lines = text.splitlines()
    assert lines[0] == f"{tmp_path}: 12 files, 12 clips (12 .npz)"
    assert lines[1] == "not read as motions: 1 .md"
    rows = [line.split() for line in lines]
    assert ["all", "train", "test"] in rows
    assert ["clips", "12", "8", "4"] in rows
    assert ["frames,", "max", "14", "14", "12"] in rows
    assert ["class", "0", "4", "0", "4"] in rows
    assert ["10", "Hz", "4", "0", "4"] in rows
    assert ["without", "a", "class", "1", "1", "0"] in rows
    worst = max(found.all.missing("stick").items(), key=lambda item: item[1])
    assert any(row[:2] == [worst[0], f"{100 * worst[1]:.2f}"] for row in rows)
    # Columns are aligned: all rows of numbers have the same length.
    table = [line for line in lines if line.startswith(("clips  ", "frames", "classes", "  class"))]
    assert len({len(line) for line in table}) == 1


def test_long_lists_are_truncated(tmp_path: Path) -> None:
    for clip in range(25):
        write_motion(stick_motion(label=f"c{clip}"), tmp_path / f"{clip}.npz")
        (tmp_path / f"bad{clip}.npz").write_bytes(b"no")
    text = summary_text(summarise(tmp_path))
    assert text.count("  and 5 more") == 2
    assert "  c19" in text
    assert "  c20" not in text


def test_labels_come_from_a_table_a_pattern_or_the_files(tmp_path: Path) -> None:
    for name in ("a_1.npz", "b_2.npz"):
        write_motion(stick_motion(label="own", ids={"view": "3"}), tmp_path / name)
    assert summarise(tmp_path).all.of("class") == {"own": 2}
    table = "file,label,split,style\na_1.npz,wave,train,old\nb_2.npz,run,test,\n"
    (tmp_path / "clips.csv").write_text(table)
    (tmp_path / "other.csv").write_text(table.replace("wave", "walk"))
    found = summarise(tmp_path)
    assert found.all.of("class") == {"run": 1, "wave": 1}
    assert found.all.of_id("view") == {"3": 2}
    assert found.all.of_id("style") == {"old": 1}
    assert {split: tally.of("class") for split, tally in found.splits.items()} == {
        "train": {"wave": 1},
        "test": {"run": 1},
    }
    assert found.others == {".csv": 2}
    assert summarise(tmp_path, labels=tmp_path / "other.csv").all.of("class") == {"run": 1, "walk": 1}
    found = summarise(tmp_path, pattern=r"(?P<label>.)_(?P<subject>\d)\.npz")
    assert found.all.of("class") == {"a": 1, "b": 1}
    assert found.all.of_id("subject") == {"1": 1, "2": 1}
    assert not found.splits
    one = summarise(tmp_path / "a_1.npz", pattern=r"(?P<label>.).*")
    assert one.all.of("class") == {"a": 1}


def test_splits_of_an_annotation_file_are_counted(tmp_path: Path) -> None:
    ids = [f"S001C00{view}P00{view}R001A00{view}" for view in (1, 2, 3)]
    annotations = [
        {
            "frame_dir": name,
            "total_frames": 4,
            "label": label,
            "keypoint": np.random.default_rng(0).random((1, 4, 25, 3)),
        }
        for label, name in enumerate(ids)
    ]
    splits = {"xview_val": ids[:1], "xview_train": ids[1:], "xsub_train": ids[:2], "xsub_val": ids[2:]}
    path = tmp_path / "ntu.pkl"
    path.write_bytes(pickle.dumps({"split": splits, "annotations": annotations}))
    found = summarise(path)
    assert {name: len(tally.lengths) for name, tally in found.splits.items()} == {
        name: len(clips) for name, clips in splits.items()
    }
    assert list(found.splits) == ["xsub_train", "xview_train", "xsub_val", "xview_val"]
    assert found.splits["xview_val"].of("class") == {"0": 1}
    assert found.all.of_id("view") == {"1": 1, "2": 1, "3": 1}


def test_files_that_cannot_be_read_are_listed_with_their_errors(tmp_path: Path) -> None:
    write_motion(stick_motion(), tmp_path / "good.npz")
    (tmp_path / "bad.json").write_text('{"poses": [[')
    (tmp_path / "cut.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:100])
    (tmp_path / ".hidden.npz").write_text("no")
    found = summarise(tmp_path)
    assert len(found.all.lengths) == 1
    assert set(found.failures) == {str(tmp_path / "bad.json"), str(tmp_path / "cut.npz")}
    for path, message in found.failures.items():
        assert path in message
    text = summary_text(found)
    assert all(f"  {message}" in text for message in found.failures.values())
    (tmp_path / "good.npz").unlink()
    nothing = summary_text(summarise(tmp_path))  # a folder of only unreadable files has empty tables
    assert "clips" in nothing


def test_a_folder_of_frames_is_one_clip(tmp_path: Path) -> None:
    frames = tmp_path / "all" / "walk"
    frames.mkdir(parents=True)
    for frame in range(4):
        people = [{"pose_keypoints_2d": [0.5] * 75}] if frame else []
        (frames / f"walk_{frame:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    write_motion(stick_motion(), tmp_path / "all" / "a.npz")
    found = summarise(tmp_path / "all")
    assert found.num_files == 2
    assert found.all.of("format") == {".npz": 1, "folder": 1}
    assert (found.others, found.failures) == ({}, {})
    alone = summarise(frames, pattern="(?P<label>.*)")
    assert alone.all.lengths == [4]
    assert alone.all.empty == 1
    assert alone.all.of("class") == {"walk": 1}


def test_skeletons_with_the_same_name_are_distinguished(tmp_path: Path) -> None:
    other = STICK.to_dict()
    text = json.dumps(other).replace("left_hand", "left_paw")
    write_motion(stick_motion(), tmp_path / "a.npz")
    write_motion(stick_motion(skeleton=Skeleton.from_dict(json.loads(text))), tmp_path / "b.npz")
    write_motion(stick_motion(), tmp_path / "c.npz")
    found = summarise(tmp_path)
    assert found.all.of("skeleton") == {"stick": 2, "stick (2)": 1}
    assert "left_paw" in found.all.missing("stick (2)")


def test_an_id_with_the_name_of_a_count_is_counted_separately(tmp_path: Path) -> None:
    write_motion(stick_motion(ids={"persons": "Ada and Bob"}), tmp_path / "a.npz")
    found = summarise(tmp_path)
    assert found.all.of("persons") == {"1": 1}
    assert found.all.of_id("persons") == {"Ada and Bob": 1}


def test_errors_name_the_cause(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent: expected a folder of motion files"):
        summarise(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="has no motion file"):
        summarise(tmp_path)
    write_motion(stick_motion(), tmp_path / "a.npz")
    with pytest.raises(ValueError, match="'labels' and 'pattern' are both given"):
        summarise(tmp_path, labels=tmp_path / "a.csv", pattern="(?P<label>.*)")
    with pytest.raises(FileNotFoundError, match=r"no file .*a\.csv: expected a CSV file"):
        summarise(tmp_path, labels=tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"'labels' is .*a\.csv, but .*a\.npz is a single file"):
        summarise(tmp_path / "a.npz", labels=tmp_path / "a.csv")


def test_numbers_sort_by_size_and_words_by_letters() -> None:
    assert sorted(["10", "2", "b", "a10", "a9", "", "9" * 5000, "1"], key=natural) == [
        "", "1", "2", "10", "9" * 5000, "a9", "a10", "b",
    ]  # fmt: skip
    assert spread([]) is None


def test_an_empty_tally_has_no_lengths_and_the_id_split_takes_precedence() -> None:
    document = Tally().to_dict()
    assert document["clips"] == 0
    assert document["frames"] is None
    facts = ClipFacts.of(stick_motion(ids={"split": "val", "view": "1"}), ".npz", ("train",))
    assert facts.splits == ("val",)
    assert facts.ids == {"view": "1"}
