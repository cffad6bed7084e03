"""The guide in docs/fine_tuning.md runs as printed, with a smaller model."""

import re
import shlex
from pathlib import Path

import pytest
from tiny_recipe import TINY, tiny

from pyg_sybio.cli import main as cli

GUIDE = (Path(__file__).parents[2] / "docs" / "fine_tuning.md").read_text(encoding="utf-8")
SHORTER = [*TINY, "--trainer.max_steps=1"]


@pytest.mark.slow
def test_every_command_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fit", "synthetic", *tiny(tmp_path, steps=1)]) == 0
    checkpoint = "version_0/checkpoints/last.ckpt"
    assert cli.main(["export", "pretrained", checkpoint, "--output", "demo_output/model"]) == 0
    commands = 0
    for kind, text in re.findall(r"```(sh|python)\n(.*?)```", GUIDE, flags=re.DOTALL):
        if kind == "python":
            capsys.readouterr()
            exec(compile(text, "docs/fine_tuning.md", "exec"), {})
            assert "new: recognition_head.classifier.weight" in capsys.readouterr().out
            continue
        for program, *argv in (shlex.split(line, comments=True) for line in text.splitlines()):
            assert program == "sybio"
            if argv != ["demo"]:
                assert cli.main([*argv, *(SHORTER if argv[0] == "fit" else [])]) == 0, argv
                commands += 1
    assert commands == 4
