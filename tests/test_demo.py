"""The demonstration, cut down: what it leaves behind, and that another seed means other clips."""

import json
from pathlib import Path

import pytest
import torch
from tiny_recipe import TINY

from pyg_sybio import SybioGNN
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.demo import run_demo
from pyg_sybio.trained.evaluation import evaluate


def test_demo_writes_report_pictures_and_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "demo"
    report = run_demo(output, seed=4, overrides=[*TINY, "--trainer.max_steps=2"])
    assert str(output) in capsys.readouterr().out.splitlines()[-1]
    assert json.loads((output / "report.json").read_text()) == report
    assert "mean of classes" in (output / "report.md").read_text()
    for picture in ("prediction.png", "actional.png"):
        assert (output / picture).read_bytes().startswith(b"\x89PNG")

    # The saved model has the reported numbers, on clips of a seed of their own.
    clips = SyntheticMotions(num_clips=24, num_observed=8, num_future=9, seed=14)
    again = evaluate(SybioGNN.from_pretrained(output / "model"), clips)
    assert again["recognition"]["top1"] == report["recognition"]["top1"]
    found, expected = (r["motion"]["mpjpe_mm"]["mean_of_classes"]["model"] for r in (again, report))
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=1e-5, atol=1e-3)
