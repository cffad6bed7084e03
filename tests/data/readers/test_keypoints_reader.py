"""Keypoints in every format that tools write, and damaged files."""

import io
import json
import math
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mutations import Mutation, assert_safe, mutations
from same_persons import same_persons
from strict_json import strict_json

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.keypoints import read_keypoints
from pyg_sybio.skeleton import Skeleton, load_skeleton

COCO17 = load_skeleton("coco17")


def keypoints(*shape: int, seed: int = 0) -> np.ndarray:
    """Positive numbers with few digits, so that they can be written as text without visible rounding."""
    return np.random.default_rng(seed).uniform(0.1, 1, shape).round(3)


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    """Keypoints in an image of 640 x 640 pixels, with a score if there is a third value."""
    values = keypoints(*shape, seed=seed)
    values[..., :2] = (640 * values[..., :2]).round(1)
    return values


def expected_motion(values: np.ndarray, skeleton: Skeleton, path: Path) -> Motion:
    """Convert keypoints `[P, T, M, C]` to a motion, one keypoint at a time."""
    num_spatial = {"xyz": 3, "xy": 2, "xy+score": 2}[skeleton.coordinates]
    scored = values.shape[-1] > num_spatial
    poses = torch.zeros(*values.shape[:3], skeleton.num_features)
    present = torch.zeros(values.shape[:3], dtype=torch.bool)
    confidence = torch.zeros(values.shape[:3])
    for place in np.ndindex(values.shape[:3]):
        found = [float(np.float32(value)) for value in values[place]]
        if any(map(math.isnan, found)) or (scored and found[num_spatial] == 0):
            continue
        present[place] = True
        poses[place] = torch.tensor(found[: skeleton.num_features])
        confidence[place] = found[num_spatial] if scored else 0.0
    return Motion(
        poses=poses, present=present, confidence=confidence if scored else None, skeleton=skeleton,
        source=str(path),
    )  # fmt: skip


def write_array(path: Path, values: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        path.write_text(json.dumps(values.tolist()).replace("NaN", "null"))
    return path


@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize(
    ("shape", "skeleton"),
    [
        ((5, 17, 3), "coco17"),
        ((3, 5, 17, 3), "coco17"),
        ((5, 18, 3), "openpose18"),
        ((5, 33, 4), "mediapipe33"),
        ((2, 5, 33, 3), "mediapipe33"),
        ((5, 25, 4), "ntu25"),  # a confidence after x, y, z, which OpenPose does not have
        ((5, 15, 2), "jhmdb15"),
        ((5, 21, 3), "hand21"),
    ],
)
def test_arrays_of_one_or_more_persons_are_read(
    suffix: str, shape: tuple[int, ...], skeleton: str, tmp_path: Path
) -> None:
    named = load_skeleton(skeleton)
    values = keypoints(*shape) if named.num_spatial == 3 else pixels(*shape)
    values[..., 1, 2, -1] = 0  # missing, if the third value is a confidence
    values[..., 3, 4, 1] = math.nan
    values[..., 4, 5, -1] = math.nan
    path = write_array(tmp_path / f"walk{suffix}", values)
    motion = read_keypoints(path)
    if skeleton == "openpose18":
        named = replace(named, units="px")
    assert motion.equal(expected_motion(values.reshape(-1, *shape[-3:]), named, path))
    assert not motion.present[:, 3, 4].any() and motion.present[:, 0].all()
    assert read_keypoints(path, skeleton=named).equal(motion)


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "<i2", ">i8", "|u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_arrays_of_any_numeric_type_are_read(dtype: str, order: Any, tmp_path: Path) -> None:
    values = np.asarray(100 * keypoints(4, 24, 3), dtype=dtype, order=order)
    np.save(tmp_path / "walk.npy", values)
    motion = read_keypoints(tmp_path / "walk.npy")
    assert motion.poses.dtype == torch.float32
    assert motion.poses[0].tolist() == values.astype(np.float32).tolist()


@pytest.mark.parametrize(
    ("shape", "given", "message"),
    [
        (
            (5, 25, 3),
            None,
            "25 keypoints of 3 values, which fit x, y, z of ntu25 and x, y, score of openpose25: expected "
            "'--skeleton ntu25' or '--skeleton openpose25' to say which",
        ),
        ((5, 20, 2), None, "20 keypoints of 2 values, which fit no shipped skeleton"),
        ((5, 17, 3), None, "which fit x, y, score of coco17 and x, y, z of h36m17: expected"),
        ((5, 15, 3), None, "which fit x, y, score of jhmdb15 and x, y, z of sbu15: expected"),
        ((5, 20, 3), None, "which fit x, y, z of ucla20 and x, y, z of utd20: expected"),
        ((5, 27, 3), None, "27 keypoints of 3 values, which fit no shipped skeleton"),
        ((5, 38, 3), None, "38 keypoints of 3 values, which fit no shipped skeleton"),
        (
            (5, 17, 3),
            "ntu25",
            r"17 keypoints of 3 values, expected 25 of 3 or 4 or 5 for skeleton 'ntu25'",
        ),
        ((5, 17, 4), "coco17", r"17 keypoints of 4 values, expected 17 of 2 or 3 for skeleton 'coco17'"),
        ((3, 20, 25, 2), None, r"\[3, 20, 25, 2\], which may be \[C, T, M, P\] as in ST-GCN or"),
        ((5, 17), None, r"has shape \[5, 17\], expected \[T, M, C\]"),
        ((1, 1, 5, 17, 3), None, r"has shape \[1, 1, 5, 17, 3\], expected \[T, M, C\]"),
        ((0, 17, 3), None, r"has shape \[0, 17, 3\], expected \[T, M, C\]"),
    ],
)
def test_arrays_that_fit_no_skeleton_are_refused(
    shape: tuple[int, ...], given: str | None, message: str, tmp_path: Path
) -> None:
    path = write_array(tmp_path / "walk.npy", keypoints(*shape))
    with pytest.raises(ValueError, match=f"walk.npy has {message}|{message}"):
        read_keypoints(path, skeleton=None if given is None else load_skeleton(given))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("dtype", "pattern"), [("<f2", 0x7C01), ("<f4", 0x7F800001), ("<f8", 0x7FF0000000000001)]
)
def test_signalling_nans_of_damaged_npy_are_missing_keypoints(
    dtype: str, pattern: int, tmp_path: Path
) -> None:
    values = np.asarray(keypoints(4, 24, 3), dtype)
    values[2, 5, 1] = math.nan
    quiet = read_keypoints(write_array(tmp_path / "walk.npy", values))
    values.view(f"<u{values.itemsize}")[2, 5, 1] = pattern
    assert read_keypoints(write_array(tmp_path / "walk.npy", values)).equal(quiet)
    assert not quiet.present[0, 2, 5]


def test_rotation_skeletons_are_refused(tmp_path: Path) -> None:
    path = write_array(tmp_path / "walk.npy", keypoints(5, 38, 3))
    with pytest.raises(ValueError, match="'cmu38' has coordinates 'expmap', expected 'xyz' or 'xy' or"):
        read_keypoints(path, skeleton=load_skeleton("cmu38"))


@pytest.mark.parametrize(
    ("value", "axis", "message"),
    [
        (-0.5, 2, "joint 'left_ear', expected a confidence of at least 0"),
        (math.inf, 0, "joint 'left_ear', expected finite numbers"),
        (1e39, 1, "joint 'left_ear', expected finite numbers"),
    ],
)
def test_errors_name_invalid_values(value: float, axis: int, message: str, tmp_path: Path) -> None:
    values = pixels(5, 17, 3)
    values[4, 3, axis] = value
    path = write_array(tmp_path / "walk.npy", values)
    with pytest.raises(ValueError, match=f"walk.npy has .* for person 0, frame 4, {message}"):
        read_keypoints(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, " is 3, nested 0 levels deep, expected lists"),
        ([[1, 2, 3]], " is a list of 1, nested 2 levels deep, expected lists"),
        ([], " is a list of 0, nested 0 levels deep, expected lists"),
        (keypoints(1, 1, 5, 17, 3).tolist(), " is a list of 1, nested 5 levels deep, expected lists"),
        ([[[1, 2, 3]] * 17, [[1, 2, 3]] * 16], r"\[1\] has 16 entries, expected 17"),
        ([[[1, 2, 3]] * 16 + [[1, 2]]], r"\[0\]\[16\] has 2 entries, expected 3"),
        ([[[1, 2, 3]] * 16 + [None]], r"\[0\]\[16\] is null, expected a list"),
        ([[[1, 2, "3"]] * 17], r"\[0\]\[0\]\[2\] is '3', expected a number"),
        ([[[1, 2, False]] * 17], r"\[0\]\[0\]\[2\] is false, expected a number"),
    ],
)
def test_errors_name_invalid_nesting(content: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "walk.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"walk.json{message}"):
        read_keypoints(tmp_path / "walk.json")


# COCO results and OpenPose --------------------------------------------------------------------------------


def coco(images: list[Any], num_joints: int = 17) -> list[dict[str, Any]]:
    """One person per given image."""
    values = pixels(len(images), num_joints, 3)
    numbers = [re.findall(r"\d+", f"{image}" or "0")[-1:] for image in images]
    for place, number in enumerate(numbers):  # the people of an image stand side by side, in the same order
        values[place, :, 0] += 1000 * sum(int(*number) == int(*other) for other in numbers[:place])
    values[:, 1, 2] = 0  # the second keypoint of every person is missing
    values = values.reshape(len(images), -1)
    return [
        {"image_id": image, "category_id": 1, "keypoints": person.tolist(), "score": 0.9}
        for image, person in zip(images, values, strict=True)
    ]


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "images",
    [
        [5, 5, 6, 8, 8, 8],
        [8, 5, 6, 8, 5, 8],  # persons in an image keep their order
        ["a/f_05.jpg", "a/f_05.jpg", "a/f_6.jpg", "a/f_0008.jpg", "a/f_8.jpg", "a/f_8.jpg"],
        ["8", "5", "5", "6", "8", "8"],
    ],
)
def test_coco_results_are_read(images: list[Any], tmp_path: Path) -> None:
    results = coco(images)
    path = write_json(tmp_path / "results.json", results)
    numbers = [int(re.findall(r"\d+", str(image))[-1]) for image in images]
    values = np.zeros((3, 4, 17, 3))  # frames 5 to 8, at most three persons
    for t, number in enumerate((5, 6, 7, 8)):
        of_frame = [result for result, other in zip(results, numbers, strict=True) if other == number]
        for k, result in enumerate(of_frame):
            values[k, t] = np.reshape(result["keypoints"], (17, 3))
    motion = read_keypoints(path)
    assert motion.equal(expected_motion(values, COCO17, path))
    assert motion.seen.sum(0).tolist() == [2, 1, 0, 3]
    assert not motion.present[:, :, 1].any()


def test_openpose_folders_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    people = {0: 1, 1: 0, 2: 2, 12: 1}
    values = np.zeros((2, 13, 25, 3))
    for number, count in people.items():
        found = pixels(count, 25, 3, seed=number)
        found[..., 0] += 1000 * np.arange(count)[:, None]
        values[:count, number] = found
        listed = [{"person_id": [-1], "pose_keypoints_2d": person.ravel().tolist()} for person in found]
        write_json(folder / f"clip_{number:012}_keypoints.json", {"version": 1.3, "people": listed})
    (folder / "notes.txt").write_text("not a frame")
    motion = read_keypoints(folder)
    # 25 keypoints with x, y and confidence, as in an OpenPose file, are unambiguous.
    assert motion.equal(expected_motion(values, load_skeleton("openpose25"), folder))


@pytest.mark.parametrize("given", [None, "openpose25"])
def test_openpose_folders_without_persons_need_a_skeleton(given: str | None, tmp_path: Path) -> None:
    for number in range(3):
        write_json(tmp_path / f"clip_{number:012}_keypoints.json", {"people": []})
    if given is None:
        with pytest.raises(ValueError, match="contains no person, so 'skeleton' must be given"):
            read_keypoints(tmp_path)
    else:
        motion = read_keypoints(tmp_path, skeleton=load_skeleton(given))
        assert motion.poses.shape == (1, 3, 25, 3) and not motion.present.any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([*coco([1]), 3], r"\[1\] is 3, expected an object"),
        ([*coco([1]), {"image_id": 2}], r"\[1\] has no 'keypoints' or 'pose_keypoints_2d', expected a list"),
        (coco([1, 2.5]), r"\[1\] has 'image_id' 2.5, expected a number, or a name that ends in one"),
        (coco([1, -2]), r"\[1\] has 'image_id' -2, expected a number"),
        (coco([1, "front"]), r"\[1\] has 'image_id' 'front', expected a number, or a name that ends in one"),
        (coco(["a_1", "b_2"]), r"\[1\] has 'image_id' 'b_2', expected all frames to belong to 'a_'"),
        (coco([1]) + coco([2], 18), r"\[1\]\['keypoints'\] has 54 entries, expected 51"),
        ([{"image_id": 1, "keypoints": [1.0] * 49}], r"\[0\]\['keypoints'\] has 49 numbers, expected three"),
        (coco([1, 10**12]), "has 2 poses for 1 persons in 10{12} frames"),
        (coco([1], 27), "has 27 keypoints of 3 values, which fit no shipped skeleton"),
    ],
)
def test_wrong_coco_results_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = write_json(tmp_path / "results.json", content)
    with pytest.raises(ValueError, match=f"results.json,? ?{message}"):
        read_keypoints(path)


def test_coco_results_with_three_dimensional_skeletons_are_refused(tmp_path: Path) -> None:
    path = write_json(tmp_path / "results.json", coco([1], 25))
    with pytest.raises(ValueError, match="'ntu25' has coordinates 'xyz', expected 'xy' or 'xy\\+score' for"):
        read_keypoints(path, skeleton=load_skeleton("ntu25"))
    motion = read_keypoints(path, skeleton=load_skeleton("openpose25"))
    assert motion.skeleton.name == "openpose25"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"has no file NAME_NUMBER_keypoints.json"),
        (
            {"a_1_keypoints.json": {"people": []}, "b_2_keypoints.json": {"people": []}},
            "'b_2', expected all frames to belong to 'a_'",
        ),
        (
            {"a_1_keypoints.json": {"people": []}, "a_01_keypoints.json": {"people": []}},
            "a second file",
        ),
        ({"a_1_keypoints.json": {}}, "a_1_keypoints.json has no 'people', expected a list"),
        (
            {"a_1_keypoints.json": {"people": [{}]}},
            r"'people'\[0\] has no 'keypoints' or 'pose_keypoints_2d', expected a list",
        ),
        (
            {"a_1_keypoints.json": {"people": [{"pose_keypoints_2d": [0, "1", 1]}]}},
            r"a_1_keypoints.json, 'people'\[0\]\['pose_keypoints_2d'\]\[1\] is '1', expected a number",
        ),
    ],
)
def test_wrong_openpose_folders_are_refused(files: dict[str, Any], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        write_json(tmp_path / name, content)
    with pytest.raises(ValueError, match=message):
        read_keypoints(tmp_path)


def test_a_folder_among_openpose_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a_1_keypoints.json").mkdir()
    with pytest.raises(
        ValueError, match=r"a_1_keypoints.json is not a file, expected the keypoints of a frame"
    ):
        read_keypoints(tmp_path)


# Damage ---------------------------------------------------------------------------------------------------


read_coco17 = partial(read_keypoints, skeleton=COCO17)


def second_npy(content: bytes, path: Path) -> list[Motion] | None:
    """Read the array with NumPy, if the size in its header equals the number of bytes."""
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:
        return None
    if not isinstance(values, np.ndarray) or values.shape[-2:] != (17, 3) or values.dtype.kind not in "fiu":
        return None
    if int.from_bytes(content[8:10], "little") + 10 + values.nbytes != len(content) or not values.size:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        values = values.astype(np.float32)
    return _sound(values, path)


def second_json(content: bytes, path: Path) -> list[Motion] | None:
    try:
        document = strict_json(content)
        values = np.array(document, dtype=object)
    except ValueError:
        return None
    if values.shape[-2:] != (17, 3) or not {type(value) for value in values.flat} <= {int, float, type(None)}:
        return None
    numbers = [math.nan if value is None else float(f"{value}") for value in values.flat]
    with np.errstate(over="ignore"):
        return _sound(np.array(numbers).reshape(values.shape).astype(np.float32), path)


def _sound(values: np.ndarray, path: Path) -> list[Motion] | None:
    if values.ndim not in (3, 4) or np.isinf(values).any() or (values[..., 2] < 0).any():
        return None
    return [expected_motion(values.reshape(-1, *values.shape[-3:]), COCO17, path)]


def second_coco(content: bytes, path: Path) -> list[Motion] | None:
    """Parse results whose image ids are numbers, one entry at a time."""
    try:
        document = strict_json(content)
        frames: dict[int, list[np.ndarray]] = {}
        for entry in document:
            if type(entry["image_id"]) is not int or type(entry["keypoints"]) is not list:
                return None
            if not {type(value) for value in entry["keypoints"]} <= {int, float, type(None)}:
                return None
            numbers = [math.nan if value is None else float(f"{value}") for value in entry["keypoints"]]
            values = np.array(numbers).reshape(17, 3)
            frames.setdefault(entry["image_id"], []).append(values)
        first, last = min(frames), max(frames)
        if first < 0 or last - first > 10_000:
            return None
    except (ValueError, TypeError, KeyError):
        return None
    placed = np.zeros((max(map(len, frames.values())), last - first + 1, 17, 3))
    with np.errstate(over="ignore"):
        people = {number: np.float64(np.float32(frames[number])) for number in sorted(frames)}
    for (number, found), rows in zip(people.items(), same_persons([*people.values()]), strict=True):
        placed[rows, number - first] = found
    with np.errstate(over="ignore"):
        return _sound(placed.astype(np.float32), path)


def test_damaged_npy_is_refused_or_read_correctly(tmp_path: Path) -> None:
    path = write_array(tmp_path / "walk.npy", keypoints(2, 3, 17, 3).astype(np.float32))
    damaged = mutations(path.read_bytes(), seed=0, count=400, text=False)
    # Half of all flipped bits are in the numbers, and change them to other valid numbers.
    refused = assert_safe(read_coco17, path, damaged, right=lambda content: second_npy(content, path))
    assert 100 < refused < 400


def test_damaged_headers_of_npy_are_refused_or_read_correctly(tmp_path: Path) -> None:
    path = write_array(tmp_path / "walk.npy", keypoints(2, 17, 3).astype(np.float32))
    content = path.read_bytes()
    values = content[-2 * 17 * 3 * 4 :]
    damaged = [
        Mutation(head.name, head.content + values)
        for head in mutations(content.removesuffix(values), seed=0, count=300, text=False)
    ]
    assert_safe(read_coco17, path, damaged, right=lambda content: second_npy(content, path))


def test_a_pickle_in_npy_is_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "walk.npy", np.array([{"run": "me"}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"walk.npy: holds pickled Python objects"):
        read_keypoints(tmp_path / "walk.npy")


@pytest.mark.parametrize("values", [np.ones((4, 17, 3), bool), np.full((4, 17, 3), "1.0")])
def test_values_that_are_not_numbers_are_refused(values: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "walk.npy", values)
    with pytest.raises(ValueError, match=r"walk.npy holds .*, expected numbers"):
        read_keypoints(tmp_path / "walk.npy")


@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_json_is_refused_or_read_correctly(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "walk.json"
    content = json.dumps(keypoints(2, 3, 17, 3, seed=seed).tolist(), indent=1).encode()
    damaged = mutations(content, seed=seed, count=200)
    refused = assert_safe(read_coco17, path, damaged, right=lambda content: second_json(content, path))
    assert 100 < refused < 200


@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_coco_results_are_refused_or_read_correctly(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    content = json.dumps(coco([1, 2, 2, 4]), indent=1).encode()
    damaged = mutations(content, seed=seed, count=200)
    refused = assert_safe(read_keypoints, path, damaged, right=lambda content: second_coco(content, path))
    assert 100 < refused < 200


def test_the_error_of_a_missing_file_names_it(tmp_path: Path) -> None:
    for name in ("walk.npy", "walk.json"):
        with pytest.raises(FileNotFoundError, match=name):
            read_keypoints(tmp_path / name)
