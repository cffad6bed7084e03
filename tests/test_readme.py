"""The README's examples run as printed."""

import json
import re
from pathlib import Path

import pytest
import torch

from pyg_sybio.skeleton import Skeleton

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def _block(language: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 1
    return blocks[0]


def test_python_example_prints_the_shapes_that_it_states(capsys: pytest.CaptureFixture[str]) -> None:
    code = _block("python")
    exec(compile(code, "README.md", "exec"), {})
    stated = [json.loads(shape) for shape in re.findall(r"^print.*# (\[[\d, ]+\])", code, flags=re.MULTILINE)]
    printed = [line for line in capsys.readouterr().out.splitlines() if line]
    assert len(stated) == 3
    assert printed == [str(torch.Size(shape)) for shape in stated]


def test_skeleton_example_is_valid() -> None:
    skeleton = Skeleton.from_dict(json.loads(_block("json")), where="README.md")
    assert skeleton.num_joints == 7
    assert skeleton.dual().num_joints == skeleton.num_bones
