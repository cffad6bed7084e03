"""Motion files of this package: exact round trips, what users may write, and errors."""

import io
import json
import math
import pickle
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mutations import Mutation, assert_safe, mutations

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import read_motion_json, read_motion_npz, write_motion
from pyg_sybio.data.readers.npz_file import MAX_BYTES, NpzFile
from pyg_sybio.data.reading import read_motion
from pyg_sybio.skeleton import Skeleton, load_skeleton

STICK = Skeleton.from_dict(
    {
        "name": "stick",
        "description": "",
        "source": "",
        "joints": ["low", "middle", "high", "hand"],
        "bones": [["low", "middle"], ["middle", "high"], ["middle", "hand"]],
        "center": "middle",
        "parts": {"all": ["low", "middle", "high", "hand"]},
        "part_bones": [],
        "mirror": [],
        "coordinates": "xyz",
        "units": "m",
    }
)


def _full(dtype: torch.dtype = torch.float32) -> Motion:
    present = torch.rand(2, 5, 4) > 0.3
    present[1, 2] = False  # a frame in which the second person is absent
    poses = torch.randn(2, 5, 4, 3, dtype=dtype).masked_fill(~present.unsqueeze(-1), 0)
    return Motion(
        poses=poses,
        skeleton=STICK,
        present=present,
        confidence=torch.rand(2, 5, 4, dtype=dtype),
        frame_rate=29.97,
        label="wave, both \N{WAVING HAND SIGN}",
        ids={"subject": "3", "style": "old"},
        tracks=(72057594037944738, 3),
        source="somewhere.bvh: take 2",
    )


def _bare() -> Motion:
    poses = torch.tensor([1e-45, 1 / 3, -0.1, 3e38]).repeat(3).view(1, 1, 4, 3)
    return Motion(poses=poses, skeleton=STICK, source="")


def _nobody() -> Motion:
    present = torch.zeros(2, 3, 4, dtype=torch.bool)
    return Motion(poses=torch.zeros(2, 3, 4, 3), skeleton=STICK, present=present)


def _rotations() -> Motion:
    h36m = load_skeleton("h36m32")
    poses = torch.randn(1, 3, 32, 3, dtype=torch.float64)
    return Motion(poses=poses, skeleton=h36m, translation=torch.randn(1, 3, 3, dtype=torch.float64))


def read(path: Path, skeleton: Skeleton | None = None) -> Motion:
    reader = read_motion_json if path.suffix == ".json" else read_motion_npz
    return reader(path, skeleton=skeleton)


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize(
    "motion", [_full(), _full(torch.float64), _bare(), _nobody(), _rotations()], ids=lambda m: repr(m)
)
def test_a_round_trip_is_exact(motion: Motion, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    write_motion(motion, path)
    assert read(path).equal(motion)
    assert read(path, motion.skeleton).equal(motion)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_written_files_follow_the_documentation(tmp_path: Path) -> None:
    motion = _full()
    write_motion(motion, tmp_path / "clip.npz", class_names=np.array(["a", "b"]), future_frames=np.eye(2))
    with np.load(tmp_path / "clip.npz") as arrays:
        assert np.array_equal(np.isnan(arrays["poses"]).all(-1), ~motion.present.numpy())
        assert Skeleton.from_dict(json.loads(str(arrays["skeleton"]))) == STICK
        assert arrays["class_names"].tolist() == ["a", "b"]
    write_motion(motion, tmp_path / "clip.json", probabilities=np.array([0.25, 0.75]))
    document = json.loads((tmp_path / "clip.json").read_text())
    assert document["poses"][1][2] == [None] * 4
    assert document["probabilities"] == [0.25, 0.75]
    assert read(tmp_path / "clip.npz").equal(motion) and read(tmp_path / "clip.json").equal(motion)


def test_files_with_few_fields_are_read(tmp_path: Path) -> None:
    poses = np.arange(24).reshape(2, 4, 3)
    np.savez(tmp_path / "a.npz", poses=poses, label=np.int64(7), frame_rate=30, ids='{"subject": 3}')
    document = {"poses": poses.tolist(), "label": 7, "frame_rate": 30, "ids": {"subject": 3}}
    (tmp_path / "a.json").write_text(json.dumps(document))
    expected = torch.arange(24, dtype=torch.float32).view(1, 2, 4, 3)
    for path in (tmp_path / "a.npz", tmp_path / "a.json"):
        motion = read(path, STICK)
        assert torch.equal(motion.poses, expected)
        assert (motion.label, motion.frame_rate, motion.ids) == ("7", 30.0, {"subject": "3"})
        assert motion.source == str(path) and motion.present.all()


def test_a_joint_with_score_zero_is_missing_in_every_format(tmp_path: Path) -> None:
    poses = np.full((3, 17, 3), [100.0, 200.0, 0.8])
    poses[1, 4] = [7.0, 8.0, 0.0]
    document = {"poses": poses.tolist(), "skeleton": "coco17"}
    plane = replace(load_skeleton("coco17"), coordinates="xy").to_dict()
    split = {"poses": poses[..., :2], "confidence": poses[..., 2], "skeleton": plane}
    np.save(tmp_path / "array.npy", poses)
    np.savez(tmp_path / "poses.npz", poses=poses, skeleton="coco17")
    np.savez(tmp_path / "confidence.npz", **split | {"skeleton": json.dumps(plane)})
    (tmp_path / "array.json").write_text(json.dumps(poses.tolist()))
    (tmp_path / "poses.json").write_text(json.dumps(document))
    (tmp_path / "confidence.json").write_text(json.dumps(split, default=np.ndarray.tolist))
    results = [{"image_id": t, "keypoints": frame.ravel().tolist()} for t, frame in enumerate(poses)]
    (tmp_path / "results.json").write_text(json.dumps(results))
    annotation = {
        "frame_dir": "a",
        "total_frames": 3,
        "keypoint": poses[None, ..., :2],
        "keypoint_score": poses[None, ..., 2],
    }
    (tmp_path / "annotations.pkl").write_bytes(pickle.dumps([annotation]))
    for path in sorted(tmp_path.iterdir()):
        motion = read_motion(path)
        assert (~motion.present).nonzero().tolist() == [[0, 1, 4]], path.name
        assert not motion.poses[0, 1, 4].any() and motion.poses[0, 0, 4, 0] == 100, path.name


@pytest.mark.parametrize("dtype", [">f4", "<f2", ">f8", "<i2", "<u8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_numeric_type_and_order_are_read(dtype: str, order: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 99, (2, 3, 4, 3))
    np.savez_compressed(tmp_path / "a.npz", poses=np.array(values, dtype, order=order))
    motion = read(tmp_path / "a.npz", STICK)
    assert motion.poses.dtype == (torch.float64 if dtype == ">f8" else torch.float32)
    assert motion.poses.tolist() == values.tolist()


def test_missing_joints_are_read_in_every_documented_form(tmp_path: Path) -> None:
    present = torch.ones(1, 2, 4, dtype=torch.bool)
    present[0, 1, 2] = False
    poses = torch.ones(1, 2, 4, 3).masked_fill(~present.unsqueeze(-1), 0)
    nan = poses[0].masked_fill(~present[0].unsqueeze(-1), math.nan).numpy()
    whole = poses[0].tolist()
    null_joint, null_numbers = json.loads(json.dumps(whole)), json.loads(json.dumps(whole))
    null_joint[1][2], null_numbers[1][2] = None, [None] * 3
    flags = present[0].numpy()
    np.savez(tmp_path / "nan.npz", poses=nan)
    np.savez(tmp_path / "flags.npz", poses=poses[0].numpy(), present=flags)
    np.savez(tmp_path / "both.npz", poses=nan, present=flags)
    for name, document in {
        "null": {"poses": null_joint},
        "nulls": {"poses": null_numbers},
        "flags": {"poses": whole, "present": flags.tolist()},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    for path in tmp_path.iterdir():
        motion = read(path, STICK)
        assert torch.equal(motion.present, present), path.name
        assert torch.equal(motion.poses, poses), path.name


def test_the_skeleton_comes_from_the_file_or_the_argument(tmp_path: Path) -> None:
    np.savez(tmp_path / "named.npz", poses=np.zeros((2, 20, 3)), skeleton="h36m32:used")
    assert read(tmp_path / "named.npz").skeleton == load_skeleton("h36m32:used")
    write_motion(_full(), tmp_path / "whole.json")
    other = Skeleton.from_dict(STICK.to_dict() | {"units": "cm"})
    with pytest.raises(ValueError, match=r"whole.json, 'skeleton' is 'stick', but .* with other fields"):
        read(tmp_path / "whole.json", other)
    np.savez(tmp_path / "none.npz", poses=np.zeros((2, 4, 3)))
    with pytest.raises(
        ValueError, match=r"none.npz has no 'skeleton', expected one in the file or as an arg"
    ):
        read(tmp_path / "none.npz")


def test_no_skeleton_is_read_from_another_file(tmp_path: Path) -> None:
    STICK.save(tmp_path / "stick.json")
    np.savez(tmp_path / "a.npz", poses=np.zeros((2, 4, 3)), skeleton=str(tmp_path / "stick.json"))
    with pytest.raises(ValueError, match=r"expected the JSON of a skeleton or one of azure32"):
        read(tmp_path / "a.npz")


GOOD = np.ones((2, 4, 3), np.float32)
HOLE = np.where(np.arange(3) == 1, np.nan, GOOD)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pose": GOOD}, "did you mean 'poses'"),
        ({"x": GOOD}, "has 'x', expected a motion's fields: 'poses'"),
        ({"poses": GOOD, "framerate": 30}, "has 'framerate', did you mean 'frame_rate'"),
        ({"poses": GOOD[:, :3]}, r"'poses' has shape \[2, 3, 3\], expected \[T, 4, 3\] or \[P, T, 4, 3\]"),
        ({"poses": GOOD[0]}, r"'poses' has shape \[4, 3\]"),
        ({"poses": GOOD[:0]}, "expected at least one person and frame"),
        ({"poses": GOOD > 0}, "array 'poses' holds bool, expected numbers"),
        ({"poses": GOOD.astype(str)}, "array 'poses' holds <U32, expected numbers"),
        ({"poses": GOOD.astype(complex)}, "array 'poses': holds complex128, expected numbers"),
        ({"poses": GOOD * np.inf}, r"not a finite number at \[0, 0, 0, 0\]"),
        ({"poses": HOLE}, "partly NaN for person 0, frame 0, joint 'low'"),
        ({"poses": GOOD * np.nan, "present": GOOD[..., 0] > 0}, "joint 'low', which is present"),
        ({"poses": GOOD, "present": GOOD[..., 0] < 0}, "joint 'low', which is not present"),
        ({"poses": GOOD, "present": GOOD[..., 0]}, "array 'present' holds float32, expected booleans"),
        ({"poses": GOOD, "present": GOOD[:1, :, 0] > 0}, r"'present' has shape \[1, 1, 4\], expected \[1, 2"),
        ({"poses": GOOD, "confidence": GOOD}, r"'confidence' has shape \[2, 4, 3\], while 'poses' has"),
        ({"poses": GOOD, "confidence": -GOOD[..., 0]}, "'confidence' has the value -1"),
        ({"poses": GOOD, "translation": GOOD[:, 0]}, "'translation' is only for rotations"),
        ({"poses": GOOD, "frame_rate": 0}, "'frame_rate' is 0.0"),
        ({"poses": GOOD, "frame_rate": "30"}, "'frame_rate' is '30', expected a number"),
        ({"poses": GOOD, "frame_rate": [30, 30]}, r"array 'frame_rate' has shape \[2\], expected a single"),
        ({"poses": GOOD, "label": 1.5}, "'label' is 1.5, expected a string"),
        ({"poses": GOOD, "label": ["wave"]}, r"array 'label' has shape \[1\], expected a single value"),
        ({"poses": GOOD, "ids": "subject 3"}, "array 'ids', line 1, column 1"),
        ({"poses": GOOD, "ids": "[3]"}, "'ids' is a list of 1, expected an object of strings"),
        ({"poses": GOOD, "ids": '{"subject": 1.5}'}, "'ids', 'subject' is 1.5, expected a string"),
        ({"poses": GOOD, "tracks": [1, 2]}, "'tracks' has 2 entries for 1 persons"),
        ({"poses": GOOD, "tracks": [1.0]}, "expected a list of integers"),
        ({"poses": GOOD, "precision": "double"}, "expected it only in JSON"),
        (
            {"poses": GOOD, "skeleton": "ntu99"},
            "'skeleton' is 'ntu99', expected the JSON of a skeleton or one of",
        ),
        ({"poses": GOOD, "skeleton": '{"name": "a"}'}, "'skeleton': '.*' is a required property"),
    ],
)
def test_wrong_archives_are_refused(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message) as error:
        read(path, STICK if "skeleton" not in arrays else None)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"poses": None}, "expected a motion's fields: 'poses'"),
        ({"poses": 3}, "'poses' is 3, expected lists"),
        ({"poses": []}, r"'poses' has 0 entries, expected at least one"),
        ({"poses": [[[[[1]]]]]}, "is 5 levels of lists, expected lists of persons, frames, joints, features"),
        ({"poses": [[[1, 2, 3]] * 4, [[1, 2, 3]] * 3]}, r"'poses'\[1\] has 3 entries, expected 4"),
        ({"poses": [[[1, 2, 3]] * 4, [[1, 2, 3]] * 3 + [[1, 2]]]}, r"'poses'\[1\]\[3\] has 2 entries, expec"),
        ({"poses": [[[1, 2, 3]] * 4, None]}, r"'poses'\[1\] is null, expected a list"),
        ({"poses": [[[1, 2, 3]] * 3 + [[1, 2, "x"]]]}, r"'poses'\[0\]\[3\]\[2\] is 'x', expected a number"),
        ({"poses": [[[1, 2, 3]] * 3 + [[1, 2, True]]]}, r"'poses'\[0\]\[3\]\[2\] is true, expected a number"),
        ({"poses": [[[1, 2, 3]] * 3 + [[1, 2, None]]]}, "partly NaN for person 0, frame 0, joint 'hand'"),
        (
            {"poses": [[[1, 2, 3]] * 3 + [[1, 2, 10**400]]]},
            r"'poses'\[0\]\[3\]\[2\] is 10000.*, expected a finite number",
        ),
        (
            {"poses": [[[1, 2, 3]] * 3 + [[1, 2, 1e39]]]},
            r"'poses'\[0\]\[3\]\[2\] is 1e\+39, expected a finite number",
        ),
        ({"present": [[1, 1, 1, 1]]}, r"'present'\[0\]\[0\] is 1, expected true or false"),
        ({"confidence": [[1, 1, 1, None]]}, r"'confidence'\[0\]\[3\] is null, expected a number"),
        ({"frame_rate": True}, "'frame_rate' is true, expected a number"),
        ({"frame_rate": 10**400}, "expected a finite number"),
        ({"label": ["wave"]}, "'label' is a list of 1, expected a string"),
        ({"tracks": [True]}, "expected a list of integers"),
        ({"precision": "half"}, "'precision' is 'half', expected 'single' or 'double'"),
        ({"skeleton": {"joints": ["a"] * 1001}}, "'joints' has 1001 entries, expected at most 1000"),
        ({"Label": "wave"}, "has 'Label', did you mean 'label'"),
    ],
)
def test_wrong_json_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    document = {"poses": [[[1, 2, 3]] * 4], "skeleton": STICK.to_dict()}
    path.write_text(json.dumps(document | change))
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (marker,)

    np.savez(tmp_path / "a.npz", poses=np.array([Evil()], object))
    with pytest.raises(ValueError, match="array 'poses': holds pickled Python objects"):
        read(tmp_path / "a.npz", STICK)
    assert not marker.exists()


def _archive(path: Path, member: bytes, *, claimed: int | None = None) -> None:
    """An archive with one array, whose directory may state another size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("poses.npy", member)
        if claimed is not None:
            archive.getinfo("poses.npy").file_size = claimed


def _npy(shape: tuple[int, ...], values: bytes) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + values


def test_sizes_are_checked_before_anything_is_allocated(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    header = len(_npy((10**9, 4, 3), b""))
    for shape, values, claimed, message in (
        (
            (10**9, 4, 3),
            bytes(48),
            None,
            r"48 bytes of values, but float32 \[1000000000, 4, 3\] takes 48000000000",
        ),
        ((4 * 10**6, 4, 3), bytes(48), header + 192 * 10**6, r"ends after 48 of 192000000 bytes|Bad CRC"),
        ((10**8, 4, 3), bytes(48), header + 48 * 10**8, f"4800000000 bytes, expected at most {MAX_BYTES}"),
        ((-1, 4, 3), bytes(48), None, "no negative size"),
        ((0, 10**30), b"", None, "array 'poses'"),
    ):
        _archive(path, _npy(shape, values), claimed=claimed)

        def right(content: bytes) -> None:
            return None

        assert assert_safe(
            lambda file: read(file, STICK), path, [Mutation("bomb", path.read_bytes())], right=right
        )
        with pytest.raises(ValueError, match=message):
            read(path, STICK)


def test_hostile_headers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    for member in (
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(10**6),
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
    ):
        _archive(path, member)
        with pytest.raises(ValueError, match=r"bomb.npz, array 'poses'"):
            NpzFile(path).array("poses")


def test_an_archive_with_other_contents_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("poses.txt", "hello")
    with pytest.raises(ValueError, match=r"a.npz has 'poses.txt', expected an archive of only .npy arrays"):
        read(path, STICK)
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("poses.npy", b"1")
        archive.writestr("poses.npy", b"2")
    with pytest.raises(ValueError, match=r"a.npz has 'poses.npy' twice"):
        read(path, STICK)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("poses.npy", _npy((1, 4, 3), bytes(48)))
    with pytest.raises(ValueError, match=r"array 'poses' is encrypted or not compressed as by numpy.savez"):
        read(path, STICK)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"a.npz: File is not a zip file, expected an .npz archive"):
        read(path, STICK)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing.npz", STICK)


@pytest.mark.parametrize(
    ("header", "flag", "message"),
    [
        ("1" + "+1" * 4000, 0x00, "array 'poses': "),  # the text depends on the version of Python
        ("{}", 0x20, r"array 'poses': compressed patched data \(flag bit 5\)"),
    ],
)
def test_an_archive_that_python_cannot_unpack_is_refused(
    tmp_path: Path, header: str, flag: int, message: str
) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("poses.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= flag  # in the archive's directory
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a.npz, {message}"):
        read(path, STICK)


def test_values_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    motion = _bare()
    with pytest.raises(ValueError, match=r"expected .npz or .json"):
        write_motion(motion, tmp_path / "a.csv")
    with pytest.raises(ValueError, match="the extra array 'label' has the name of a field"):
        write_motion(motion, tmp_path / "a.npz", label=np.eye(2))
    with pytest.raises(ValueError, match="did you mean 'label'"):
        write_motion(motion, tmp_path / "a.npz", labels=np.eye(2))
    with pytest.raises(ValueError, match=r"'poses' is torch.float16, expected single or double"):
        write_motion(motion.replace(poses=torch.zeros(1, 1, 4, 3).half()), tmp_path / "a.npz")
    mixed = motion.replace(confidence=torch.ones(1, 1, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="expected the same one in JSON"):
        write_motion(mixed, tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


def _small() -> Motion:
    return _full().frames(slice(0, 2)).replace(label="wave")


def test_damaged_json_is_refused_or_read_correctly(tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    write_motion(_small(), path)
    # One entry per line, so that lines can be damaged as well.
    content = json.dumps(json.loads(path.read_text()), indent=1).encode()
    refused = assert_safe(read, path, mutations(content, count=300), right=_second_parse_json)
    assert refused > 150


def _second_parse_json(content: bytes) -> list[Motion] | None:
    """Parse joint by joint, with the standard library's lenient parser; None if this fails."""
    document = json.loads(content)
    skeleton = Skeleton.from_dict(document["skeleton"])
    persons = document["poses"]
    shape = (len(persons), len(persons[0]), skeleton.num_joints)
    present, poses = torch.zeros(shape, dtype=torch.bool), torch.zeros(*shape, 3)
    for place in np.ndindex(*shape):
        joint = persons[place[0]][place[1]][place[2]]
        if joint is not None and set(joint) != {None}:
            present[place], poses[place] = True, torch.tensor(joint, dtype=torch.float32)
    confidence = document.get("confidence")
    if confidence is not None:
        unseen = torch.tensor(confidence) == 0
        present[unseen], poses[unseen] = False, 0.0
    return [
        Motion(
            poses=poses,
            present=present,
            skeleton=skeleton,
            confidence=None if confidence is None else torch.tensor(confidence, dtype=torch.float32),
            frame_rate=document.get("frame_rate"),
            label=None if document.get("label") is None else str(document["label"]),
            ids={name: str(value) for name, value in (document.get("ids") or {}).items()},
            tracks=tuple(document.get("tracks") or ()),
            source=document.get("source", "damaged.json"),
        )
    ]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_archives_are_refused_or_read_correctly(save: Any, tmp_path: Path) -> None:
    path = tmp_path / "damaged.npz"
    write_motion(_small(), path)
    with np.load(path) as file:
        arrays = dict(file)
    save(path, **arrays)
    damaged = mutations(path.read_bytes(), count=400, text=False)
    assert assert_safe(read, path, damaged, right=_second_parse_npz) > 200


def _second_parse_npz(content: bytes) -> list[Motion] | None:
    """Read all arrays with numpy.load."""
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    poses = torch.from_numpy(arrays["poses"])
    return [
        Motion(
            poses=poses.nan_to_num(0.0),
            present=~poses.isnan().all(-1),
            skeleton=Skeleton.from_dict(json.loads(arrays["skeleton"].item())),
            confidence=torch.from_numpy(arrays["confidence"]),
            frame_rate=arrays["frame_rate"].item(),
            label=arrays["label"].item(),
            ids=json.loads(arrays["ids"].item()),
            tracks=tuple(arrays["tracks"].tolist()),
            source=arrays["source"].item(),
        )
    ]
