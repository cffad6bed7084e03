"""Every format is recognised by suffix and content and read by its reader; errors list the formats."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ntu_files import Body, write_ntu_file

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.amc import read_amc
from pyg_sybio.data.readers.annotations import read_annotations
from pyg_sybio.data.readers.bvh import read_bvh
from pyg_sybio.data.readers.expmap import read_expmap
from pyg_sybio.data.readers.feeder_arrays import read_feeder_arrays
from pyg_sybio.data.readers.keypoints import read_keypoints
from pyg_sybio.data.readers.kinetics import read_kinetics
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.readers.ntu import read_ntu
from pyg_sybio.data.readers.nw_ucla import read_nw_ucla
from pyg_sybio.data.reading import FORMATS, is_readable, read_motion, read_motions
from pyg_sybio.skeleton import Skeleton, load_skeleton

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0 40 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 30 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 90 0 10 20 30 1 2 3
0 91 0 11 21 31 4 5 6
"""
RNG = np.random.default_rng(0)
POSE = RNG.uniform(0.1, 1, (3, 17, 3)).round(3) * [640, 640, 1]


def _write(folder: Path, name: str) -> Path:
    """Write a file of the format with the given name."""
    kind, _, file = name.partition("/")
    path = folder / (file or kind)
    match kind:
        case "bvh":
            path.write_text(BVH)
        case "ntu":
            write_ntu_file(path, RNG, num_frames=4, bodies=[Body()])
        case "kinetics":
            person = {"pose": [*POSE[0, :, :2].ravel().tolist(), 0.5, 0.5], "score": [0.5] * 18}
            frames = [{"frame_index": index, "skeleton": [person]} for index in (1, 2)]
            path.write_text(json.dumps({"data": frames, "label": "yoga", "label_index": 3}))
        case "nw_ucla":
            skeletons = RNG.uniform(1, 2, (3, 20, 3)).tolist()
            document = {"file_name": path.stem, "skeletons": skeletons, "label": 1}
            path.write_text(json.dumps(document))
        case "array":
            path.write_text(json.dumps(POSE.tolist()))
        case "coco":
            entries = [{"image_id": i, "keypoints": POSE[i].ravel().tolist()} for i in range(3)]
            path.write_text(json.dumps(entries))
        case "openpose":
            path.mkdir()
            for i in range(3):
                people = [{"pose_keypoints_2d": POSE[i].ravel().tolist()}]
                (path / f"v_{i}_keypoints.json").write_text(json.dumps({"people": people}))
        case "npy":
            np.save(path, POSE)
        case "cmu" | "h36m":
            np.savetxt(path, RNG.normal(size=(3, 117 if kind == "cmu" else 99)), delimiter=",")
        case "feeder":
            x, y = RNG.normal(size=(2, 5, 150)).astype(np.float32), np.eye(2, dtype=np.float32)
            np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
        case "annotations":
            keypoint = POSE[None, :, :, :2].astype(np.float16)
            entry = {"frame_dir": "a", "total_frames": 3, "label": 1, "keypoint": keypoint}
            entries = [entry, {**entry, "frame_dir": "b"}]
            path.write_bytes(pickle.dumps({"split": {"train": ["a", "b"]}, "annotations": entries}))
    return path


def _skeleton(name: str) -> dict[str, Any]:
    return {"skeleton": load_skeleton(name)}


@pytest.mark.parametrize(
    ("name", "reader", "arguments"),
    [
        ("bvh/a.bvh", read_bvh, {}),
        ("bvh/b.BVH", read_bvh, {}),
        ("ntu/S001C002P003R002A013.skeleton", read_ntu, {}),
        ("kinetics/x.json", read_kinetics, {}),
        ("nw_ucla/a01_s02_e00_v01.json", read_nw_ucla, {}),
        ("array/a.json", read_keypoints, {}),
        ("coco/a.json", read_keypoints, {}),
        ("npy/a.npy", read_keypoints, {}),
        ("openpose/folder", read_keypoints, {}),
        ("cmu/a.txt", read_expmap, _skeleton("cmu38")),
        ("h36m/a.txt", read_expmap, _skeleton("h36m32")),
        ("feeder/a.npz", read_feeder_arrays, {}),
        ("annotations/a.pkl", read_annotations, {}),
    ],
)
def test_each_format_is_read_by_its_reader(
    name: str, reader: Any, arguments: dict[str, Any], tmp_path: Path
) -> None:
    path = _write(tmp_path, name)
    assert is_readable(path)
    expected = reader(path, **arguments)
    expected = [expected] if isinstance(expected, Motion) else list(expected)
    found = list(read_motions(path))
    assert len(found) == len(expected) > 0
    assert all(one.equal(other) for one, other in zip(found, expected, strict=True))
    if len(expected) == 1:
        assert read_motion(path).equal(expected[0])
    else:
        with pytest.raises(ValueError, match="contains several motions, expected one"):
            read_motion(path)


TEXTS = [
    "bvh/a.bvh",
    "ntu/S001C002P003R002A013.skeleton",
    "kinetics/x.json",
    "nw_ucla/a01_s02_e00_v01.json",
    "array/a.json",
    "coco/a.json",
    "cmu/a.txt",
]


@pytest.mark.parametrize("name", TEXTS)
def test_byte_order_marks_are_ignored(name: str, tmp_path: Path) -> None:
    path = _write(tmp_path, name)
    motion = read_motion(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert is_readable(path) and read_motion(path).equal(motion)


def test_a_subset_is_read_from_files_with_all_joints_in_every_format(tmp_path: Path) -> None:
    text = json.dumps(load_skeleton("ntu25").to_dict() | {"subsets": {"legs": ["left_hip", "left_knee"]}})
    (tmp_path / "mine.json").write_text(text.replace('"left_', '"my_').replace('"ntu25"', '"mine"'))
    whole = load_skeleton(tmp_path / "mine.json")
    poses = np.random.default_rng(0).normal(size=(10, 25, 3)).astype(np.float32)
    one_hot, pair = np.eye(3)[[0]], np.stack([poses, poses], 1).reshape(1, 10, 150)
    np.save(tmp_path / "a.npy", poses)
    np.save(tmp_path / "rows.npy", poses.reshape(10, 75))
    np.save(tmp_path / "ctvm.npy", poses[None].transpose(3, 1, 2, 0))
    np.savez(tmp_path / "a.npz", poses=poses)
    np.savez(tmp_path / "all.npz", x_train=pair, y_train=one_hot, x_test=pair, y_test=one_hot)
    (tmp_path / "list.json").write_text(json.dumps(poses.tolist()))
    (tmp_path / "poses.json").write_text(json.dumps({"poses": poses.tolist()}))
    files = [path for path in tmp_path.iterdir() if path.name != "mine.json"]
    assert len(files) == 7
    legs = whole.subset("legs")
    chosen = whole.select(poses, "legs")
    for path in files:
        motion = next(read_motions(path, skeleton=f"{tmp_path / 'mine.json'}:legs"))
        assert motion.skeleton == legs
        assert np.array_equal(motion.poses[0], chosen), path
        with pytest.raises(ValueError, match=f"{path.name}"):
            next(read_motions(path, skeleton=load_skeleton("coco133:body")))
    np.save(tmp_path / "a.npy", chosen)  # a file with the joints of the subset only
    assert np.array_equal(read_motion(tmp_path / "a.npy", skeleton=legs).poses[0], chosen)


def test_every_readable_suffix_is_listed() -> None:
    text = {".csv", ".skeleton", ".bvh", ".amc", ".txt"}
    assert set(FORMATS) == {".npz", ".json", ".npy", ".pkl", ".mat", *text}


def test_motion_files_of_this_package_are_read(tmp_path: Path) -> None:
    motion = Motion(poses=torch.randn(1, 3, 17, 3), skeleton=load_skeleton("coco17"), source="x")
    for name in ("a.npz", "a.json"):
        write_motion(motion, tmp_path / name)
        assert read_motion(tmp_path / name).equal(motion)
    np.savez(tmp_path / "bare.npz", poses=motion.poses.numpy(), source="x")
    assert read_motion(tmp_path / "bare.npz", skeleton=motion.skeleton).equal(motion)
    with pytest.raises(ValueError, match=r"bare.npz has no 'skeleton'"):
        read_motion(tmp_path / "bare.npz")


def _part(units: str) -> Skeleton:
    joints = ["left_wrist", "nose"]
    return Skeleton.from_dict(
        {
            "name": "part", "description": "", "source": "", "joints": joints, "bones": [joints],
            "center": "nose", "parts": {"all": joints}, "part_bones": [], "mirror": [],
            "coordinates": "xy+score", "units": units,
        }
    )  # fmt: skip


def test_joints_are_found_by_name(tmp_path: Path) -> None:
    coco = load_skeleton("coco17")
    motion = Motion(poses=torch.randn(1, 3, 17, 3), skeleton=coco)
    write_motion(motion, tmp_path / "a.npz")
    part = read_motion(tmp_path / "a.npz", skeleton=_part(coco.units))
    columns = [coco.joint_index("left_wrist"), coco.joint_index("nose")]
    assert torch.equal(part.poses, motion.poses[:, :, columns])
    with pytest.raises(
        ValueError, match=r"a.npz: its skeleton 'coco17' is in 'px.*', but 'part' is in 'furlong"
    ):
        read_motion(tmp_path / "a.npz", skeleton=_part("furlongs"))
    with pytest.raises(ValueError, match=r"S001C002P003R002A013.skeleton: .*units|coordinates"):
        read_motion(_write(tmp_path, "ntu/S001C002P003R002A013.skeleton"), skeleton=_part(coco.units))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mp4", b"", r"a.mp4 ends in '.mp4', expected one of .npz \(.*; .bvh \(BVH\); "),
        ("a", b"", r"ends in '', expected one of .npz"),
        ("a.json", b'{"joints": []}', r"a.json has 'joints', expected 'poses' and related fields, Kin"),
        ("a.json", b'{"a"', r"a.json, line 1, column 5"),
        ("a.json", b"3", r"a.json has no named fields, expected"),
        ("a.npz", b"PK", r"a.npz: File is not a zip file"),
        ("a.txt", b"hello\n", r"a.txt, line 1 has 1 values, expected exponential maps, 117"),
        ("a.txt", b"1,2,3,4,5,6,7,8,9", r"a.txt, line 1 has 9 values, expected exponential maps, 117"),
    ],
)
def test_errors_list_the_readable_formats(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(read_motions(path))
    assert is_readable(path) == (content.startswith(b"1,2"))  # readable with a two-joint skeleton


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.fbx", "export it as .bvh"), ("a.c3d", "ezc3d"), ("a.TRC", "pandas")],
)
def test_errors_for_unsupported_formats_say_how_to_convert(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"Kaydara")
    with pytest.raises(ValueError, match=f"{name} cannot be read: .*{message}"):
        read_motion(tmp_path / name)


@pytest.mark.parametrize(
    ("names", "message"),
    [(("poses", "trans"), "has no frame rate, expected the array 'mocap_framerate' of AMASS")],
)
def test_archives_of_other_tools_are_recognised(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{name: np.zeros((3, 156)) for name in names})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"a.npz {message}"):
        read_motion(tmp_path / "a.npz")


def test_arrays_of_unknown_formats_and_missing_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=np.zeros(3))
    with pytest.raises(ValueError, match=r"a.npz has 'data', expected 'poses' and related arrays, or x_t"):
        read_motion(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError, match=r"no file .*b.npz: expected one of .npz"):
        read_motion(tmp_path / "b.npz")
    assert not is_readable(tmp_path / "b.npz") and not is_readable(tmp_path)
    with pytest.raises(ValueError, match=r"is a folder, expected \*_keypoints.json of OpenPose in it"):
        read_motion(tmp_path)


@pytest.mark.real_data
def test_real_files_are_read_by_the_reader_of_their_format(data_root: Path) -> None:
    bvh, amc = (
        data_root / "bandai2" / "dataset-2_walk_normal_001.bvh",
        sorted((data_root / "cmu_asf_amc").glob("*.amc"))[0],
    )
    assert read_motion(bvh).equal(read_bvh(bvh))
    assert read_motion(amc).equal(read_amc(amc))
    ucla = sorted((data_root / "nw_ucla").rglob("a01*.json"))[0]
    assert read_motion(ucla).equal(read_nw_ucla(ucla))
    walk = data_root / "cmu_mocap" / "test" / "walking" / "walking_1.txt"
    assert read_motion(walk).skeleton == load_skeleton("cmu38")
