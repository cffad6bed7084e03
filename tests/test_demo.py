"""A shortened demo writes its files, and every command accepts its model."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_recipe import TINY

from pyg_sybio import SybioGNN, load_trained
from pyg_sybio.cli.main import main
from pyg_sybio.data.reading import read_motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.demo import run_demo
from pyg_sybio.trained.evaluation import evaluate

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_demo_writes_its_report_figures_and_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = Path("demo_output")
    report = run_demo(output, seed=4, overrides=[*TINY, "--trainer.max_steps=2"])
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "try: sybio predict demo_output/model demo_output/clip.npz"
    )
    assert json.loads((output / "report.json").read_text()) == report
    assert "mean of classes" in (output / "report.md").read_text()
    for picture in ("prediction.png", "actional.png"):
        assert (output / picture).read_bytes().startswith(b"\x89PNG")

    # On clips with a separate seed, the saved model has the reported accuracy and errors.
    clips = SyntheticMotions(num_clips=24, num_observed=8, num_future=9, seed=14)
    again = evaluate(SybioGNN.from_pretrained(output / "model"), clips)
    assert again["recognition"]["top1"] == report["recognition"]["top1"]
    found, expected = (r["motion"]["mpjpe_mm"]["mean_of_classes"]["model"] for r in (again, report))
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=1e-5, atol=1e-3)

    # Every command accepts the folder; the example of the README is what a new user runs next.
    assert main(["predict", "demo_output/model", "demo_output/clip.npz"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[:12]]
    assert main(["evaluate", "demo_output/model", "--output", "again.json"]) == 0
    assert json.loads(Path("again.json").read_text())["recognition"] == report["recognition"]
    assert main(["plot", "prediction", "demo_output/model", "demo_output/clip.npz", "--output", "a.png"]) == 0
    assert main(["stream", "demo_output/model", "demo_output/clip.npz"]) == 0
    assert f"{report['recognition']['top1']:.2%}" in (output / "model" / "README.md").read_text()
    capsys.readouterr()
    (code,) = re.findall(r"```python\n(from pyg_sybio import load_trained\n.*?)```", README, flags=re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    label, rest = capsys.readouterr().out.split(" ", 1)
    assert label == rows[0][0] and rest.startswith("[('")
    assert read_motion("future.npz").equal(read_motion("clip_future.npz"))
    prediction = load_trained("demo_output/model").predict("demo_output/clip.npz")
    np.testing.assert_allclose(
        [float(row[1]) for row in rows], [p for _, p in prediction.ranked()], atol=1e-4
    )
