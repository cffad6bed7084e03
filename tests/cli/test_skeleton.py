"""``sybio skeleton list``, ``show`` and ``validate``."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_skeletons import document

from pyg_sybio.cli.main import main
from pyg_sybio.skeleton import load_skeleton, skeleton_errors


def test_skeletons_are_listed_drawn_and_validated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["skeleton", "list"]) == 0
    rows = {line.split()[0]: line.split()[1:5] for line in capsys.readouterr().out.splitlines()}
    assert rows["ntu25"] == ["25", "24", "10", "xyz"]
    assert rows["cmu38:used"][0] == "26"
    picture = tmp_path / "skeleton.png"
    assert main(["skeleton", "show", "coco17", "--output", str(picture)]) == 0
    assert capsys.readouterr().out == f"{picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    mine = tmp_path / "mine.json"

    load_skeleton("hand21").save(mine)
    assert main(["skeleton", "validate", str(mine)]) == 0
    assert capsys.readouterr().out.startswith("OK: hand21, 21 joints")


def test_a_misspelt_joint_gets_a_suggestion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.json"
    load_skeleton("coco17").save(mine)
    mine.write_text(mine.read_text().replace('["left_knee", "left_ankle"]', '["left_kneee", "left_ankle"]'))
    assert main(["skeleton", "validate", str(mine)]) == 1
    assert "has 'left_kneee' (did you mean 'left_knee'?), expected one of" in capsys.readouterr().err


def test_every_error_of_a_file_is_listed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = document(
        center="rot",
        bones=[["root", "topp"], ["top", "left_arm"], ["left_arm", "left_hand"], ["top", "top"]],
        parts={"trunk": ["rot", "top"], "left": ["left_arm", "left_hand"], "right": ["right_arm"]},
        part_bones=[["trunk", "left"], ["trunk", "rigth"]],
        mirror=[["left_arm", "right_arm"], ["left_arm", "right_hand"]],
        subsets={"arms": ["left_arn", "hip"]},
        coordinates="xyy",
        units=3,
        desciption="",
    )
    del body["source"]
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(body))
    assert main(["skeleton", "validate", str(mine)]) == 1
    errors = capsys.readouterr().err.splitlines()
    expected = [
        "'source' is a required property",
        "Additional properties are not allowed ('desciption' was unexpected) (did you mean 'description'?)",
        "'coordinates': 'xyy' is not one of ['xyz', 'xy', 'xy+score', 'expmap'] (did you mean 'xy'?)",
        "'units': 3 is not of type 'string'",
        "'center' is 'rot' (did you mean 'root'?)",
        "'bones[0]' has 'topp' (did you mean 'top'?)",
        "'bones[3]' joins 'top' to itself",
        "'bones' gives a graph of 3 components (root, top, left_arm, left_hand; right_arm; right_hand)",
        "'parts.trunk' has 'rot' (did you mean 'root'?)",
        "'parts' has joint 'right_hand' in no part",
        "'part_bones[1]' has 'rigth' (did you mean 'right'?)",
        "'mirror' has 'left_arm' 2 times",
        "'subsets.arms' has 'left_arn' (did you mean 'left_arm'?)",
        "'subsets.arms' has 'hip', expected one of the joints root",
    ]
    for line, text in zip(errors, expected, strict=True):
        assert line.startswith(f"sybio: error: {mine}: {text}")
    with pytest.raises(ValueError, match=r"mine\.json: .*(; expected|, expected)"):
        load_skeleton(mine)


@pytest.mark.parametrize("joints", [3, ["root", 3], None])
def test_only_fields_that_depend_on_an_invalid_field_are_not_checked(joints: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(document(joints=joints, part_bones=[["trunk", "left"]])))
    errors = skeleton_errors(mine)
    assert len(errors) == 2
    assert "'joints" in errors[0]
    assert "'part_bones' gives a graph of 2 components" in errors[1]
