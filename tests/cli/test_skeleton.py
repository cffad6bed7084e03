"""``sybio skeleton list``, ``show`` and ``validate``."""

from pathlib import Path

import pytest

from pyg_sybio.cli.main import main
from pyg_sybio.skeleton import load_skeleton


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
