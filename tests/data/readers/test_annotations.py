"""Annotation pickles, compared with the standard library's unpickler, and hundreds of damaged ones."""

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mutations import Mutation, assert_safe, mutations

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.annotations import load_annotations, read_annotations
from pyg_sybio.data.readers.ntu import ids_from_name
from pyg_sybio.skeleton import load_skeleton

SIGNALLING = np.full(20 * 17, 0x7FF0000000000001, np.uint64).view(np.float64).reshape(2, 5, 17, 2)
NAMES = ("S001C002P003R001A004", "clip 1", "clip 2")


def annotation(
    name: str = "clip", *, joints: int = 17, coordinates: int = 2, scores: bool = True, **changes: Any
) -> dict[str, Any]:
    """Two persons in five frames; the second appears in frame 2."""
    generator = np.random.default_rng(len(name))
    keypoint = generator.uniform(1, 100, size=(2, 5, joints, coordinates)).astype(np.float16)
    keypoint[1, :2] = 0
    entry = {
        "frame_dir": name,
        "total_frames": 5,
        "label": 3,
        "img_shape": (1080, 1920),
        "keypoint": keypoint,
    }
    if scores:
        entry["keypoint_score"] = generator.uniform(0.1, 1, size=(2, 5, joints)).astype(np.float16)
        entry["keypoint_score"][1, :2] = 0
        entry["keypoint_score"][0, 3, 4] = 0
    return entry | changes


def document(*annotations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    names = [entry.get("frame_dir") for entry in annotations]
    return {"split": {"train": names[:1], "test": names[1:]}, "annotations": list(annotations)} | changes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "annotations.pkl"


def written(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def only(path: Path, entry: dict[str, Any], **arguments: Any) -> Motion:
    (motion,) = read_annotations(written(path, document(entry)), **arguments)
    return motion


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_poses_scores_and_splits_are_read(path: Path, protocol: int, dtype: type) -> None:
    entries = [annotation(name) for name in NAMES]
    for entry in entries:
        entry["keypoint"] = entry["keypoint"].astype(dtype)
    written(path, document(*entries), protocol)
    motions = list(read_annotations(path))
    assert len(motions) == 3
    for motion, entry in zip(motions, entries, strict=True):
        assert motion.poses.dtype == torch.float32 and motion.skeleton == load_skeleton("coco17")
        assert motion.poses.shape == (2, 5, 17, 3) and motion.tracks == (0, 1)
        score = entry["keypoint_score"]
        for person, frame, joint in np.ndindex(score.shape):
            pose = motion.poses[person, frame, joint].tolist()
            if score[person, frame, joint] > 0:
                expected = [*map(float, entry["keypoint"][person, frame, joint]), score[person, frame, joint]]
                assert pose == pytest.approx(expected, rel=1e-6)
                assert motion.present[person, frame, joint]
            else:
                assert pose == [0, 0, 0] and not motion.present[person, frame, joint]
        np.testing.assert_array_equal(motion.confidence, score.astype(np.float32))
        assert motion.label == "3" and motion.frame_rate is None
        assert motion.source == f"{path}: {entry['frame_dir']}"
    assert motions[0].ids == {"setup": "1", "view": "2", "subject": "3", "repetition": "1", "split": "train"}
    assert motions[1].ids == {"split": "test"}
    assert load_annotations(path).splits == {"train": NAMES[:1], "test": NAMES[1:]}
    both = load_annotations(path)
    assert len(both) == 3 and both.splits == load_annotations(path).splits
    assert all(one.equal(other) for one, other in zip(both.motions(), motions, strict=True))


def test_a_zero_joint_in_an_image_without_scores_is_missing(path: Path) -> None:
    entry = annotation(scores=False, joints=18)
    entry["keypoint"][0, 3, 4] = 0
    motion = only(path, entry)
    assert motion.skeleton == load_skeleton("openpose18")
    assert motion.confidence is None
    assert not motion.present[0, 3, 4] and not motion.present[1, :2].any()
    assert motion.present.sum() == 2 * 5 * 18 - 1 - 2 * 18
    assert torch.equal(motion.poses[..., 2], motion.present.float())


def test_a_joint_at_the_origin_in_space_is_present_with_its_person(path: Path) -> None:
    entry = annotation(scores=False, joints=25, coordinates=3)
    entry["keypoint"][0, :, 1] = 0  # centred
    motion = only(path, entry)
    assert motion.skeleton == load_skeleton("ntu25") and motion.poses.shape == (2, 5, 25, 3)
    assert motion.present[0].all() and motion.present[1, 2:].all() and not motion.present[1, :2].any()
    np.testing.assert_array_equal(motion.poses, entry["keypoint"].astype(np.float32))


def test_persons_who_are_never_present_are_left_out(path: Path) -> None:
    entry = annotation()
    entry["keypoint_score"][0] = 0
    motion = only(path, entry)
    assert motion.num_persons == 1 and motion.tracks == (1,)
    np.testing.assert_array_equal(motion.poses[0, 2:, :, :2], entry["keypoint"][1, 2:].astype(np.float32))
    entry["keypoint_score"][1] = 0
    nobody = only(path, entry)
    assert nobody.poses.shape == (1, 5, 17, 3) and not nobody.present.any() and not nobody.poses.any()
    for scores in (True, False):
        entry = annotation(scores=scores)
        for key in {"keypoint", "keypoint_score"} & set(entry):
            entry[key] = entry[key][:0]
        assert only(path, entry).poses.shape == (1, 5, 17, 3)


def test_another_skeleton_can_be_given(path: Path) -> None:
    entry = annotation(joints=20, coordinates=3, scores=False)
    with pytest.raises(
        ValueError, match="'keypoint' has 20 joints of 3 coordinates, expected 25 of 3, 17 of 2"
    ):
        only(path, entry)
    skeleton = load_skeleton("cmu38:used")
    with pytest.raises(
        ValueError, match="has 20 joints of 3 coordinates, but skeleton 'cmu38:used' has 26 of 3"
    ):
        only(path, entry, skeleton=skeleton)
    entry = annotation(joints=25, coordinates=2)
    assert only(path, entry, skeleton=load_skeleton("openpose25")).skeleton == load_skeleton("openpose25")


def test_numpy_numbers_and_strings_are_read(path: Path) -> None:
    entry = annotation(label=np.int64(7), total_frames=np.int32(5), frame_dir=np.str_("clip"))
    written(path, document(entry, split={"all": np.array(["clip"])}))
    (motion,) = read_annotations(path)
    assert motion.label == "7" and load_annotations(path).splits == {"all": ("clip",)}


LOOP: list[Any] = []
for _ in range(50):
    LOOP = [LOOP, LOOP]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": -1}, "'label' is -1, expected an integer of at least 0"),
        ({"label": 2.0}, "it has 'label' 2.0, expected an integer"),
        ({"label": True}, "it has 'label' true, expected an integer"),
        ({"label": LOOP}, "it has 'label' a list of 2, expected an integer"),
        ({"label": "drink"}, "it has 'label' 'drink', expected an integer"),
        ({"total_frames": 6}, "'total_frames' is 6, but 'keypoint' has 5 frames"),
        ({"total_frames": 0}, "'total_frames' is 0, expected an integer of at least 1"),
        ({"keypoint": np.zeros((5, 17, 2))}, "'keypoint' has shape [5, 17, 2], expected 4 dimensions"),
        ({"keypoint": [[0.0]]}, "it has 'keypoint' a list of 1, expected an array"),
        ({"keypoint": None}, "it has 'keypoint' null, expected an array"),
        ({"keypoint": np.full((2, 5, 17, 2), "a")}, "'keypoint' is an array of <U1, expected numbers"),
        (
            {"keypoint_score": np.ones((2, 5, 18))},
            "'keypoint_score' has shape [2, 5, 18], expected [2, 5, 17]",
        ),
        ({"keypoint_score": np.ones((2, 5))}, "'keypoint_score' has shape [2, 5], expected 3 dimensions"),
        (
            {"keypoint": SIGNALLING},
            "'keypoint' has nan at [0, 0, 0, 0], expected a finite",
        ),
        (
            {"keypoint": np.full((2, 5, 17, 2), np.nan)},
            "'keypoint' has nan at [0, 0, 0, 0], expected a finite",
        ),
        (
            {"keypoint": np.full((2, 5, 17, 2), 1e300)},
            "'keypoint' has 1e+300 at [0, 0, 0, 0], expected a finite",
        ),
    ],
)
def test_errors_name_the_annotation_and_field(path: Path, change: dict[str, Any], message: str) -> None:
    written(path, document(annotation("one"), annotation("two", **change)))
    motions = read_annotations(path)
    assert next(motions).source == f"{path}: one"
    with pytest.raises(ValueError, match=re.escape(f"{path}, annotation 1 ('two'): {message}")):
        next(motions)


@pytest.mark.parametrize("key", ["frame_dir", "total_frames", "keypoint"])
def test_the_error_of_a_missing_entry_names_it(path: Path, key: str) -> None:
    entry = annotation()
    del entry[key]
    with pytest.raises(ValueError, match=rf"annotations.pkl, annotation 0.* has no '{key}'"):
        list(read_annotations(written(path, document(entry, split={}))))


@pytest.mark.parametrize("protocol", range(6))
def test_a_list_of_annotations_without_labels_or_persons_is_read(path: Path, protocol: int) -> None:
    nobody = annotation("two", keypoint=np.zeros((0, 5, 17, 2), np.float16), scores=False)
    unlabelled = annotation("three")
    del unlabelled["label"]
    entries = [annotation("one"), nobody, unlabelled]
    in_splits = list(read_annotations(written(path, document(*entries, split={}), protocol)))
    file = load_annotations(written(path, entries, protocol))
    assert file.splits == {}
    motions = list(file.motions())
    assert all(one.equal(other) for one, other in zip(motions, in_splits, strict=True))
    assert [motion.label for motion in motions] == ["3", "3", None]
    assert not motions[1].present.any() and motions[1].poses.shape == (1, 5, 17, 3)


def test_frames_without_persons_take_no_memory(path: Path) -> None:
    entry = annotation(total_frames=2**31, keypoint=np.zeros((0, 2**31, 17, 2)), scores=False)
    with pytest.raises(ValueError, match="'keypoint' has 2147483648 frames without any person"):
        only(path, entry)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, "holds 3, expected a dictionary or a list of annotations"),
        ([], "has no annotations, expected one or more"),
        ([3], "annotation 0 is 3, expected an object"),
        ({"split": {}}, "has no 'annotations'"),
        ({"annotations": [annotation()]}, "has no 'split'"),
        (document(), "has no annotations, expected one or more"),
        (document(annotation(), annotations={}), "has 'annotations' an object of 0, expected a list"),
        (document(annotation(), annotations=[3]), "annotation 0 is 3, expected an object"),
        (document(annotation(frame_dir=3)), "annotation 0 has 'frame_dir' 3, expected a string"),
        (
            document(annotation(), annotation()),
            "annotation 1 has the 'frame_dir' 'clip' of an earlier one",
        ),
        (document(annotation(), split=[]), "has 'split' a list of 0, expected an object"),
        (document(annotation(), split={1: []}), "a name in 'split' is 1, expected a string"),
        (document(annotation(), split={"a": "clip"}), "split 'a' is 'clip', expected a list of ids"),
        (document(annotation(), split={"a": [0]}), "split 'a', an id is 0, expected a string"),
        (
            document(annotation(), split={"a": ["clip"] * 2}),
            "split 'a' has the id 'clip' twice, expected it once",
        ),
    ],
)
def test_errors_name_the_file(path: Path, content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_annotations(written(path, content))
    assert str(caught.value).startswith(str(path))


def test_ids_without_an_annotation_are_left_out_of_a_split_with_a_warning(path: Path) -> None:
    content = document(annotation("one"), split={"a": ["gone", "one", "lost"], "b": ["one"]})
    with pytest.warns(UserWarning, match="split 'a': 2 of 3 ids have no annotation and are left out"):
        splits = load_annotations(written(path, content)).splits
    assert splits == {"a": ("one",), "b": ("one",)}


def test_split_names_give_the_split_of_a_clip_in_each_protocol(path: Path) -> None:
    names = ("one", "two", "S001C002P003R001A004")
    content = document(
        *(annotation(name) for name in names),
        split={
            "train": names[:2],
            "val": names[2:],
            "xsub_train": names[1:],
            "xsub_val": names[:1],
            "train2": names[:1],
            "test2": names[1:2],
            "everything": names,
        },
    )
    one, two, three = (motion.ids for motion in read_annotations(written(path, content)))
    assert one == {"split": "train", "xsub": "val", "split2": "train"}
    assert two == {"split": "train", "xsub": "train", "split2": "test"}
    assert three == {
        **ids_from_name(names[2]),
        "split": "val",
        "xsub": "train",
    }
    content["split"]["xsub_test"] = names[1:2]
    with pytest.raises(ValueError, match=r"split 'xsub_test' has the id 'two', which is also in train"):
        list(read_annotations(written(path, content)))


def test_a_joint_with_a_negative_score_is_missing(path: Path) -> None:
    entry = annotation()
    entry["keypoint_score"][0, 1, 4] = -0.01
    motion = only(path, entry)
    assert not motion.present[0, 1, 4] and motion.present[0, 1, 5]
    assert motion.confidence is not None and motion.confidence[0, 1, 4] == 0
    assert not motion.poses[0, 1, 4].any()


class Plain(pickle.Unpickler):
    """The standard library's unpickler, restricted to the names of NumPy, as an independent parser."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] not in ("numpy", "_codecs"):
            raise ValueError(module)
        return super().find_class(module, name)


def naive(content: bytes) -> list[Motion] | None:
    """Parse a file with the standard library; None if the file is not valid."""
    try:
        entries = Plain(io.BytesIO(content)).load()["annotations"]
    except Exception:
        return None
    motions = []
    for entry in entries:
        keypoint = np.asarray(entry["keypoint"], np.float32)
        score = entry.get("keypoint_score")
        if score is None:
            present = np.any(keypoint != 0, axis=-1)
            score = present
        else:
            present = score > 0
            score = np.maximum(score, 0)
        poses = np.concatenate([keypoint, score[..., None]], axis=-1).astype(np.float32)
        poses[~present] = 0
        motion = Motion(
            poses=torch.from_numpy(poses),
            present=torch.from_numpy(present),
            confidence=torch.from_numpy(np.asarray(score, np.float32)) if "keypoint_score" in entry else None,
            skeleton=load_skeleton("coco17"),
            label=str(entry["label"]) if "label" in entry else None,
            source=entry["frame_dir"],
        )
        motions.append(motion.persons(motion.present.flatten(1).any(1).nonzero().flatten().tolist() or [0]))
    return motions


def read(path: Path) -> list[Motion]:
    return [
        motion.replace(source=motion.source.removeprefix(f"{path}: "), ids={})
        for motion in read_annotations(path)
    ]


@pytest.mark.parametrize("protocol", [0, 4, 5])
def test_damaged_files_are_refused_or_read_correctly(path: Path, protocol: int) -> None:
    sound = pickle.dumps(document(*(annotation(name) for name in NAMES)), protocol)
    assert naive(sound) is not None
    refused = assert_safe(read, path, mutations(sound, seed=2, text=False), right=naive)
    assert refused > 80
    head = sound[:400]  # only names and numbers, so that most flipped bits are not array data
    damaged = [
        Mutation(item.name, item.content + sound[400:])
        for item in mutations(head, seed=3, text=protocol == 0)
    ]
    assert assert_safe(read, path, damaged, right=naive) > 100


class Harm:
    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> Any:
        return (Path.touch, (self.flag,))


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_is_not_run(path: Path, tmp_path: Path, protocol: int) -> None:
    flag = tmp_path / "flag"
    for harm in (annotation(label=Harm(flag)), annotation(extra=Harm(flag)), Harm(flag)):
        content = document(annotation("sound"))
        content["annotations"].append(harm)
        with pytest.raises(ValueError, match=r"annotations\.pkl, byte \d+: the pickle names '"):
            list(read_annotations(written(path, content, protocol)))
        assert not flag.exists()


@pytest.mark.parametrize("first", [0, 1])
def test_a_list_of_people_with_their_frames_is_read(first: int, tmp_path: Path) -> None:
    pose = np.random.default_rng(0).uniform(100, 300, (17, 3)).astype(np.float32)
    pose[:, 2] = 0.5
    moved = pose + np.array([900, 0, 0], np.float32)
    annotation = {
        "frame_dir": "a",
        "label": 4,
        "total_frames": 4,
        "keypoint": np.stack([pose, moved, moved, pose, pose]),
        "frame_inds": np.array([0, 0, 1, 1, 3], np.int16) + np.int16(first),
        "box_score": np.ones(5),
        "valid": {0.5: 4, 0.95: 3},
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([annotation]))
    (motion,) = read_annotations(tmp_path / "a.pkl")
    assert motion.label == "4" and motion.skeleton.name == "coco17"
    assert motion.seen.tolist() == [[True, True, False, True], [True, True, False, False]]
    assert motion.poses[1, 1].tolist() == moved.tolist()
    annotation["frame_inds"] = np.array([0, 0, 1, 1, 5])
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([annotation]))
    with pytest.raises(ValueError, match="'frame_inds' has 5 frames, expected 5 from 0 to 3"):
        list(read_annotations(tmp_path / "a.pkl"))
