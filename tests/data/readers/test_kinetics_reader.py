"""Kinetics-Skeleton files: empty frames, several persons, damage, and the lists of labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mutations import assert_safe, mutations
from same_persons import same_persons
from strict_json import strict_json

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.kinetics import KineticsLabel, read_kinetics, read_kinetics_labels
from pyg_sybio.skeleton import load_skeleton

OPENPOSE18 = load_skeleton("openpose18")


def document(people: dict[int, int], seed: int = 0) -> dict[str, Any]:
    """A clip with a given number of persons per frame; one joint in five is missing, but has coordinates."""
    rng = np.random.default_rng(seed)

    def person() -> dict[str, Any]:
        found = rng.random(18) > 0.2
        return {
            "pose": rng.random(36).round(3).tolist(),
            "score": (rng.random(18).round(3) * found).tolist(),
        }

    data = [
        {"frame_index": index, "skeleton": [person() for _ in range(count)]}
        for index, count in people.items()
    ]
    return {"data": data, "label": "yoga", "label_index": 399}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def second_parse(content: bytes, path: Path) -> list[Motion] | None:
    """Parse a file joint by joint; None if it is not valid."""
    try:
        document = strict_json(content)
        frames = {_integer(frame["frame_index"]): list(frame["skeleton"]) for frame in document["data"]}
        in_order = [frame["frame_index"] for frame in document["data"]]
        if in_order != sorted(set(in_order)) or in_order[0] < 0 or type(document["label"]) is not str:
            return None
        for entry in (document["data"], *(frame["skeleton"] for frame in document["data"])):
            if type(entry) is not list:
                return None
        label = document["label"] if _integer(document["label_index"]) >= 0 else None
        offset = 0 if 0 in frames else 1
        num_frames = in_order[-1] + 1 - offset
        if num_frames > 10_000:
            return None
        poses = torch.zeros(max(1, *map(len, frames.values())), num_frames, 18, 3)
        persons = same_persons([[_points(person) for person in people] for people in frames.values()])
        for (index, people), rows in zip(frames.items(), persons, strict=True):
            for k, person in zip(rows, people, strict=True):
                if len(person["pose"]) != 36 or len(person["score"]) != 18:
                    return None
                for joint in range(18):
                    x, y, score = (
                        _real(value) for value in (*person["pose"][2 * joint :][:2], person["score"][joint])
                    )
                    if score < 0:
                        return None
                    if score > 0:
                        poses[k, index - offset, joint] = torch.tensor([x, y, score])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    return [
        Motion(
            poses=poses, present=poses[..., 2] > 0, confidence=poses[..., 2], skeleton=OPENPOSE18,
            frame_rate=30.0, label=label, source=str(path),
        )
    ]  # fmt: skip


def _points(person: dict[str, Any]) -> np.ndarray:
    flat = [_real(value) for value in (*person["pose"], *person["score"])]
    return np.float64(np.float32(np.column_stack([flat[:36:2], flat[1:36:2], flat[36:]])))


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ValueError
    return value


def _real(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) < 3e38:
        raise ValueError
    return float(value)


CLIPS = {
    "one person": {1: 1, 2: 1, 3: 1},
    "several people": {1: 1, 2: 4, 3: 2},
    "empty frames": {1: 0, 2: 2, 3: 0, 4: 1, 5: 0},
    "frames that are not listed": {3: 1, 7: 2, 8: 1},
    "counted from 0": {0: 1, 1: 2},
    "nobody": {1: 0, 2: 0},
}


@pytest.mark.parametrize("people", CLIPS.values(), ids=CLIPS)
def test_motions_equal_a_second_parse(people: dict[int, int], tmp_path: Path) -> None:
    path = write(tmp_path / "clip.json", document(people))
    motion = read_kinetics(path)
    expected = second_parse(path.read_bytes(), path)
    assert expected is not None and motion.equal(expected[0])
    assert motion.num_persons == max(1, *people.values())
    assert motion.num_frames == max(people) + (0 in people)
    offset = 0 if 0 in people else 1
    for t in range(motion.num_frames):
        assert motion.seen[:, t].sum() == people.get(t + offset, 0)
    assert motion.label == "yoga" and motion.ids == {}


def test_an_unknown_class_gives_no_label(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.json", document({1: 1}) | {"label": "unknown", "label_index": -1})
    assert read_kinetics(path).label is None


@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_files_are_refused_or_read_correctly(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "clip.json"
    content = json.dumps(document({1: 2, 2: 0, 3: 1, 5: 2}), indent=1).encode()
    damaged = mutations(content, seed=seed, count=200)
    refused = assert_safe(read_kinetics, path, damaged, right=lambda content: second_parse(content, path))
    assert 100 < refused < 200


def _changed(value: Any, *place: Any) -> dict[str, Any]:
    changed: Any = document({1: 1, 2: 2})
    item = changed
    for key in place[:-1]:
        item = item[key]
    item[place[-1]] = value
    return changed


POSE = ("data", 1, "skeleton", 1, "pose")
SCORE = ("data", 1, "skeleton", 1, "score")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "is a list of 0, expected an object"),
        ({"label": "yoga", "label_index": 3}, "has no 'data', expected a list"),
        (_changed([], "data"), "has no frame in 'data', expected at least one"),
        (_changed({}, "data"), "has 'data' an object of 0, expected a list"),
        (_changed(None, "label"), "has 'label' null, expected a string"),
        (_changed(3.0, "label_index"), "has 'label_index' 3.0, expected an integer"),
        (_changed(True, "label_index"), "has 'label_index' true, expected an integer"),
        (_changed(3, "data", 1), r"'data'\[1\] is 3, expected an object"),
        (_changed(1, "data", 1, "frame_index"), r"'data'\[1\] has 'frame_index' 1, expected at least 2"),
        (_changed(-1, "data", 0, "frame_index"), r"'data'\[0\] has 'frame_index' -1, expected at least 0"),
        (
            _changed(10**9, "data", 1, "frame_index"),
            "has 3 poses for 2 persons in 10{9} frames",
        ),
        (_changed(3, "data", 1, "skeleton"), r"'data'\[1\] has 'skeleton' 3, expected a list"),
        (
            _changed([], "data", 1, "skeleton", 1),
            r"'data'\[1\]\['skeleton'\]\[1\] is a list of 0, expected an",
        ),
        (
            _changed([0.5] * 35, *POSE),
            r"'data'\[1\]\['skeleton'\]\[1\]\['pose'\] has 35 entries, expected",
        ),
        (_changed([], *SCORE), r"'data'\[1\]\['skeleton'\]\[1\]\['score'\] has 0 entries, expected 18"),
        (
            _changed(None, *POSE, 7),
            r"'data'\[1\]\['skeleton'\]\[1\]\['pose'\]\[7\] is null, expected a",
        ),
        (_changed(1e39, *POSE, 7), r"\['pose'\]\[7\] is 1e\+39, expected a finite number"),
        (_changed(-(10**400), *SCORE, 7), r"\['score'\]\[7\] is -1000.*, expected a finite number"),
        (
            _changed(-0.1, *SCORE, 7),
            "-0.1 for person 1, frame 1, joint 'left_wrist', expected a confidence",
        ),
    ],
)
def test_errors_name_the_cause(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"clip.json.*{message}"):
        read_kinetics(write(tmp_path / "clip.json", content))


LABELS = {
    "-abc": {"label": "yoga", "label_index": 399, "has_skeleton": True},
    "def": {"label": "abseiling", "label_index": 0, "has_skeleton": False},
    "ghi": {"label": "yoga", "label_index": 399, "has_skeleton": True},
}


def test_lists_of_labels_are_read(tmp_path: Path) -> None:
    labels = read_kinetics_labels(write(tmp_path / "labels.json", LABELS))
    assert list(labels) == ["-abc", "def", "ghi"]
    assert labels["def"] == KineticsLabel("abseiling", 0, False) == ("abseiling", 0, False)
    assert labels["-abc"] == labels["ghi"] == ("yoga", 399, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "is a list of 0, expected an object"),
        (LABELS | {"x": 3}, "'x' is 3, expected an object"),
        (LABELS | {"x": {"label": "yoga"}}, "'x' has no 'label_index', expected an integer"),
        (LABELS | {"x": LABELS["def"] | {"has_skeleton": 1}}, "'x' has 'has_skeleton' 1, expected true or f"),
        (LABELS | {"x": LABELS["def"] | {"label_index": 2}}, "'x' has label 'abseiling' with index 2"),
        (LABELS | {"x": LABELS["def"] | {"label": "dance"}}, "'x' has label 'dance' with index 0"),
    ],
)
def test_wrong_lists_of_labels_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"labels.json,? {message}"):
        read_kinetics_labels(write(tmp_path / "labels.json", content))
