"""The JSON of detectors: the same people in the format of every tool."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyg_sybio.data.readers.frame_names import frame_numbers
from pyg_sybio.data.reading import is_readable, read_motion
from pyg_sybio.skeleton import load_skeleton

People = list[tuple[int, int, np.ndarray]]  # frame, track, [17, 3]


def people() -> People:
    """Two people in three frames, whose order changes."""
    rng = np.random.default_rng(0)
    rest = np.concatenate([rng.uniform(100, 400, (17, 2)), np.full((17, 1), 0.75)], -1).round(1)
    return [
        (frame, track, rest + np.array([1000.0 * (track == 9) + frame, 0, 0]))
        for frame, order in enumerate([(4, 9), (9, 4), (4, 9)])
        for track in order
    ]


def flat(pose: np.ndarray) -> list[float]:
    return pose.ravel().tolist()


def by_frame(entries: list[tuple[int, Any]]) -> list[list[Any]]:
    return [[entry for frame, entry in entries if frame == number] for number in range(3)]


def coco(found: People) -> Any:
    return [{"image_id": f"{t}.jpg", "keypoints": flat(pose), "score": 2.9, "idx": k} for t, k, pose in found]


def coco_list_ids(found: People) -> Any:
    return [{"image_id": t, "keypoints": flat(pose), "idx": [float(k)]} for t, k, pose in found]


def data_set(found: People) -> Any:
    images = [{"id": 10 + t, "file_name": f"f_{t:04}.jpg", "width": 9, "height": 9} for t in range(3)]
    annotations = [
        {"id": number, "image_id": 10 + t, "track_id": k, "keypoints": flat(pose)}
        for number, (t, k, pose) in enumerate(found)
    ]
    return {"images": images, "annotations": annotations, "categories": []}


def openpose_frames(found: People) -> Any:
    frames = by_frame([(t, {"pose_keypoints_2d": flat(pose), "person_id": [k]}) for t, k, pose in found])
    return [{"people": frame, "canvas_width": 9} for frame in frames]


def yolo(found: People) -> Any:
    def person(k: int, pose: np.ndarray) -> dict[str, Any]:
        x, y, visible = pose.T.tolist()
        return {"name": "person", "track_id": k, "keypoints": {"x": x, "y": y, "visible": visible}}

    return by_frame([(t, person(k, pose)) for t, k, pose in found])


def mmpose(found: People) -> Any:
    frames = by_frame(
        [
            (t, {"keypoints": pose[:, :2].tolist(), "keypoint_scores": pose[:, 2].tolist(), "track_id": k})
            for t, k, pose in found
        ]
    )
    info = [{"frame_id": t, "instances": instances} for t, instances in enumerate(frames)]
    return {"meta_info": {"dataset_name": "coco"}, "instance_info": info}


def landmarks(found: People) -> Any:
    def points(pose: np.ndarray) -> list[dict[str, float]]:
        return [dict(zip(("x", "y", "score"), row, strict=True)) for row in pose.tolist()]

    frames = by_frame([(t, {"landmarks": points(pose), "id": k}) for t, k, pose in found])
    return {"frames": frames}


def by_name(found: People) -> Any:
    frames = by_frame([(t, {"keypoints": flat(pose), "id": k}) for t, k, pose in found])
    return {f"frame_{t:03}.png": frame for t, frame in enumerate(frames)}


SHAPES = [coco, coco_list_ids, data_set, openpose_frames, yolo, mmpose, landmarks, by_name]


@pytest.mark.parametrize("shape", SHAPES)
def test_all_json_formats_give_the_same_motion(shape: Callable[[People], Any], tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    path.write_text(json.dumps(shape(people())))
    motion = read_motion(path)
    assert motion.skeleton == load_skeleton("coco17") and motion.tracks == (4, 9)
    for frame, track, pose in people():
        row = motion.tracks.index(track)
        assert np.allclose(motion.poses[row, frame], pose, atol=1e-3)
    assert motion.present.all() and len(motion.notes) == 1  # the only note describes the keypoints


@pytest.mark.parametrize("shape", [coco, yolo, by_name])
def test_people_without_track_numbers_are_matched(shape: Callable[[People], Any], tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    text = json.dumps(shape(people()))
    for key in ("idx", "track_id", "id"):
        text = text.replace(f'"{key}": ', '"other": ')
    path.write_text(text)
    motion = read_motion(path)
    assert [(pose[:, 0, 0] > 900).tolist() for pose in motion.poses] == [[False] * 3, [True] * 3]
    assert "has no track numbers: persons are matched by distance" in motion.notes


def test_the_number_of_an_entry_is_not_a_track_number(tmp_path: Path) -> None:
    entries = [{"image_id": t, "id": n, "keypoints": flat(p)} for n, (t, _, p) in enumerate(people())]
    (tmp_path / "a.json").write_text(json.dumps(entries))
    motion = read_motion(tmp_path / "a.json")
    assert motion.num_persons == 2 and motion.present.all()


def test_empty_frames_and_people_without_keypoints_give_no_person(tmp_path: Path) -> None:
    pose = flat(people()[0][2])
    empty: list[Any] = [None, [], {"people": []}, {"people": [{"pose_keypoints_2d": []}]}]
    empty.append({"people": [{"pose_keypoints_2d": None}]})
    frame = {"people": [{"pose_keypoints_2d": pose}]}
    (tmp_path / "a.json").write_text(json.dumps([frame, *empty, frame]))
    motion = read_motion(tmp_path / "a.json")
    assert motion.seen.tolist() == [[True, *[False] * 5, True]]


def test_mediapipe_landmarks_are_read_as_objects_lists_and_rows(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.1, 0.9, (4, 33, 4)).round(3)
    names = ("x", "y", "z", "visibility")
    objects = [[dict(zip(names, row, strict=True)) for row in frame] for frame in values.tolist()]
    documents = {
        "objects": objects,
        "entries": [{"frame": t, "landmarks": frame} for t, frame in enumerate(objects)],
        "results": [{"pose_landmarks": [frame]} for frame in objects],
        "lists": values.tolist(),
    }
    for name, document in documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    np.save(tmp_path / "rows.npy", values.reshape(4, -1))
    for path in sorted(tmp_path.iterdir()):
        motion = read_motion(path)
        assert motion.skeleton.name == "mediapipe33", path.name
        assert np.allclose(motion.poses[0], values[..., :3], atol=1e-6), path.name
        assert np.allclose(motion.confidence[0], values[..., 3], atol=1e-6), path.name  # type: ignore[index]
    lists = [values[0].tolist(), None, values[1].tolist()]
    (tmp_path / "null.json").write_text(json.dumps(lists))
    assert read_motion(tmp_path / "null.json").seen.tolist() == [[True, False, True]]


def test_frames_of_openpose_are_read_under_any_names(tmp_path: Path) -> None:
    pose = np.random.default_rng(0).uniform(50, 500, (25, 3)).round(1)
    pose[:, 2] = 0.5
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in (0, 1, 2, 10):
        content = {"people": [{"pose_keypoints_2d": flat(pose + np.array([number, 0, 0]))}]}
        (folder / f"{number}.json").write_text(json.dumps(content))
    assert is_readable(folder) and not is_readable(tmp_path)
    motion = read_motion(folder)
    assert motion.num_frames == 11 and motion.seen.sum() == 4
    assert motion.poses[0, [0, 1, 2, 10], 0, 0].tolist() == pytest.approx(
        (pose[0, 0] + [0, 1, 2, 10]).tolist()
    )
    with pytest.raises(ValueError, match="is a single frame of OpenPose, expected its folder"):
        read_motion(folder / "0.json")


@pytest.mark.parametrize(
    ("images", "numbers"),
    [
        ([5, 6.0, 8], [5, 6, 8]),
        (["a_5.jpg", "a_10.jpg"], [5, 10]),
        (["t_2026-01-01T12_00_01.5.png", "t_2026-01-01T12_00_00.9.png"], [1, 0]),
        (["20260101_120000.250.jpg", "20260101_120000.125.jpg", "20260101_120000.250.jpg"], [1, 0, 1]),
        (["1700000000.123", "1700000001.001"], [0, 1]),
        (["20260101_120000_0007.jpg", "20260101_120000_0009.jpg"], [7, 9]),  # a video named by its start time
    ],
)
def test_frames_may_be_named_by_numbers_or_times(images: list[Any], numbers: list[int]) -> None:
    assert frame_numbers((image, "it is") for image in images) == numbers


def test_frames_of_two_videos_are_refused() -> None:
    images = ["20260101_120000_0007.jpg", "20260102_130000_0007.jpg"]
    with pytest.raises(ValueError, match="expected all frames to belong to '20260101_120000_'"):
        frame_numbers((image, "it is") for image in images)
