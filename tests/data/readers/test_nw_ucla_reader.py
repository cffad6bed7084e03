"""Northwestern-UCLA files: generated and damaged files, and real files compared with an independent
parser."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mutations import assert_safe, mutations

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.nw_ucla import ACTION_NUMBERS, ACTIONS, read_nw_ucla
from pyg_sybio.skeleton import load_skeleton

UCLA20 = load_skeleton("ucla20")
NAME = "a08_s10_e03_v02"


def document(num_frames: int = 4) -> dict[str, Any]:
    poses = np.random.default_rng(0).normal(size=(num_frames, 20, 3)).round(6)
    poses[1, 7] = 0
    return {"file_name": NAME, "skeletons": poses.tolist(), "label": 7}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def second_parse(content: bytes, path: Path) -> list[Motion] | None:
    """Parse a file number by number; None if it is not valid."""
    try:
        _kind, pairs = json.loads(content.decode("utf-8"), object_pairs_hook=lambda pairs: ("object", pairs))
        found = dict(pairs)
    except (ValueError, TypeError):
        return None
    if len(pairs) != 3 or set(found) != {"file_name", "label", "skeletons"}:
        return None
    if found["file_name"] != NAME or found["label"] != 7 or type(found["label"]) is not int:
        return None
    return None if (poses := second_poses(found["skeletons"])) is None else [_motion(poses, path)]


def second_poses(frames: Any) -> torch.Tensor | None:
    if type(frames) is not list or not frames:
        return None
    poses = torch.zeros(1, len(frames), 20, 3)
    for t, frame in enumerate(frames):
        if type(frame) is not list or len(frame) != 20:
            return None
        for joint, point in enumerate(frame):
            if type(point) is not list or len(point) != 3:
                return None
            for axis, value in enumerate(point):
                if type(value) not in (int, float) or not abs(value) < 3e38:
                    return None
                poses[0, t, joint, axis] = float(value)
    return poses


def _motion(poses: torch.Tensor, path: Path) -> Motion:
    return Motion(
        poses=poses, present=poses.abs().sum(-1) > 0, skeleton=UCLA20, label="donning", source=str(path),
        ids={"subject": "10", "view": "2", "repetition": "3"},
    )  # fmt: skip


def test_motions_equal_the_written_values(tmp_path: Path) -> None:
    written = document()
    path = write(tmp_path / f"{NAME}.json", written)
    motion = read_nw_ucla(path)
    assert motion.equal(_motion(torch.tensor(written["skeletons"])[None], path))
    assert (~motion.present).nonzero().tolist() == [[0, 1, 7]]
    assert motion.frame_rate is None and motion.confidence is None


@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_files_are_refused_or_read_correctly(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "walk.json"
    lines = json.dumps(document(), indent=1).replace("[\n    ", "[").encode()
    damaged = mutations(lines, seed=seed, count=200)
    refused = assert_safe(read_nw_ucla, path, damaged, right=lambda content: second_parse(content, path))
    assert 100 < refused < 200


def _in_skeletons(value: Any, *place: int) -> dict[str, Any]:
    changed = document()
    item: Any = changed["skeletons"]
    for index in place[:-1]:
        item = item[index]
    item[place[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "has a list of 0, expected an object of file_name, label, skeletons"),
        (
            {"file_name": NAME, "skeletons": []},
            "has an object of 2, expected an object of file_name, label, skeletons",
        ),
        (document() | {"skeletons": []}, "'skeletons' has 0 entries, expected at least one"),
        (document() | {"skeletons": 3}, "'skeletons' is 3, expected a list"),
        (document() | {"label": 8}, "'label' is 8, expected 7 for action 8"),
        (document() | {"label": True, "file_name": "a01_s01_e00_v01"}, "'label' is true, expected 1 for"),
        (document() | {"label": "7"}, "'label' is '7', expected 7"),
        (
            document() | {"file_name": "a07_s01_e00_v01"},
            r"'file_name' is 'a07_s01_e00_v01', expected an action of \(1, 2, 3",
        ),
        (document() | {"file_name": "a08_s01_e00"}, "'file_name' is 'a08_s01_e00', expected a name such as"),
        (document() | {"file_name": 8}, "'file_name' is 8, expected a name such as a01_s01_e00_v01"),
        (_in_skeletons([[0.0, 0.0, 0.0]] * 19, 2), r"'skeletons'\[2\] has 19 entries, expected 20"),
        (_in_skeletons([0.0, 0.0], 2, 13), r"'skeletons'\[2\]\[13\] has 2 entries, expected 3"),
        (_in_skeletons(None, 2, 13), r"'skeletons'\[2\]\[13\] is null, expected a list"),
        (_in_skeletons(None, 2, 13, 1), r"'skeletons'\[2\]\[13\]\[1\] is null, expected a number"),
        (_in_skeletons(True, 2, 13, 1), r"'skeletons'\[2\]\[13\]\[1\] is true, expected a number"),
        (_in_skeletons("1.0", 2, 13, 1), r"'skeletons'\[2\]\[13\]\[1\] is '1.0', expected a number"),
        (_in_skeletons(1e39, 2, 13, 1), r"'skeletons'\[2\]\[13\]\[1\] is 1e\+39, expected a finite number"),
        (
            _in_skeletons(10**400, 2, 13, 1),
            r"'skeletons'\[2\]\[13\]\[1\] is 1000.*, expected a finite number",
        ),
    ],
)
def test_errors_name_the_cause(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"walk.json,? {message}"):
        read_nw_ucla(write(tmp_path / "walk.json", content))


def test_a_file_named_as_another_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=f"a01_s01_e00_v01.json, 'file_name' is '{NAME}', expected the name of"
    ):
        read_nw_ucla(write(tmp_path / "a01_s01_e00_v01.json", document()))


@pytest.mark.real_data
def test_all_real_files_equal_a_second_parse(data_root: Path) -> None:
    """Compare every number with the text of the file."""
    files = sorted((data_root / "nw_ucla").glob("*.json"))
    assert len(files) == 1020
    labels = set()
    for path in files:
        motion = read_nw_ucla(path)
        text = path.read_text()
        numbers = text[text.index("[") : text.rindex("]")].replace("[", "").replace("]", "").split(",")
        expected = torch.tensor(list(map(float, numbers)), dtype=torch.float64).view(1, -1, 20, 3)
        assert torch.equal(motion.poses, expected.float())
        assert torch.equal(motion.present, (expected != 0).any(-1))
        action, subject, repetition, view = (int(part[1:]) for part in path.stem.split("_"))
        assert motion.ids == {"subject": str(subject), "view": str(view), "repetition": str(repetition)}
        labels.add((action, motion.label))
    assert labels == set(zip(ACTION_NUMBERS, ACTIONS, strict=True))
