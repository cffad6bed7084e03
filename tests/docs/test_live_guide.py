"""The guide in docs/live.md runs as printed, from the first block to the last."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from tiny_recipe import TINY_MODEL, TINY_TRAINER

from pyg_sybio.cli import main as cli

GUIDE = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")
SHORTER = {
    "fit": [*TINY_MODEL, *TINY_TRAINER, "--trainer.max_epochs=1"],
    "export": ["--num-future", "2"],  # exporting takes half a second per frame
}


def _commands(text: str) -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [argv for argv in lines if argv]


def _serves(argv: list[str]) -> dict[str, Any]:
    """Start a server as printed, but on a free port; query its health, and stop it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pyg_sybio", *argv, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.findall(r"http://\S+", line)))
        with urlopen(f"{address.rstrip('/')}/health") as answer:
            health: dict[str, Any] = json.load(answer)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        return health
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_every_step_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(json|sh serve|sh|python)\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert [kind for kind, _ in blocks] == [
        *("json", "sh", "python", "sh", "sh", "sh", "python", "sh", "sh serve"),
    ]
    names: dict[str, Any] = {}
    for kind, text in blocks:
        if kind == "json":
            Path("mine.json").write_text(text)
        elif kind == "python":
            exec(compile(text, "docs/live.md", "exec"), names)
        elif kind == "sh serve":
            (argv,) = _commands(text)
            assert _serves(argv[1:])["status"] == "ok"
        else:
            for program, *argv in _commands(text):
                assert program == "sybio"
                assert cli.main([*argv, *SHORTER.get(argv[0], [])]) == 0, argv
        printed = capsys.readouterr().out
        if "update" in text:  # the block that streams in Python
            enough, shape = printed.splitlines()
            assert re.fullmatch(r"True (wave|hop) \d+ ms", enough)
            assert shape.startswith("torch.Size([15, 7, 3]) tensor(2.")
        if "sybio stream" in text:
            results = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
            results = [each for each in results if each["type"] == "result"]
            by_checkpoint, by_onnx = results[:150], results[150:]
            assert len(by_checkpoint) == len(by_onnx) == 150
            for one, other in zip(by_checkpoint, by_onnx, strict=True):
                (mine,), (theirs,) = one["people"], other["people"]
                assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-3)
    for picture in ("stick.png", "wave.png", "training.png"):
        assert Path(picture).read_bytes().startswith(b"\x89PNG")
