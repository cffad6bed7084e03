"""The benchmark of streams: the script runs, and the times of the parts of an update add up."""

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from benchmark_scripts import CEILINGS, Scripts

CEILING = CEILINGS[torch.float32]


@pytest.fixture
def streaming(scripts: Scripts) -> ModuleType:
    return scripts["streaming"]


def test_the_parts_of_an_update_add_up(streaming: ModuleType, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    argv = ["--presets", "demo", "--variants", "full", "only structural", "--tracks", "1", "3"]
    streaming.main([*argv, "--poses", "irregular", "--seconds", "0", "--output", str(output)])
    rows = json.loads(output.read_text())["rows"]
    assert [(row["variant"], row["tracks"]) for row in rows] == [
        ("full", 1), ("full", 3), ("only structural", 1), ("only structural", 3)
    ]  # fmt: skip
    for row in rows:
        assert row["runs"] == 5 and row["frames"] == 25
        assert row["p50 ms"] <= row["p95 ms"] <= row["p99 ms"]
        parts = [row[name] for name in ("prepare ms", "model ms", "rest ms")]
        assert all(part > 0 for part in parts)
        assert sum(parts) <= 1.05 * row["p99 ms"]  # the times of the parts are means
        shares = [row[name] for name in ("graph", "backbone", "heads")]
        assert (shares[0] > 0) == (row["variant"] == "full")
        # The listed parts take between half and all of the time of the model.
        assert 0.5 < sum(shares) / (row["model ms"] / sum(parts)) < 1
        assert row["time x ceiling"] == pytest.approx(row["p50 ms"] / 1e3 * CEILING)
        assert 0 <= row["over"] <= 1


def test_a_feed_is_reproducible(streaming: ModuleType) -> None:
    regular, irregular, again = (
        streaming.Feed(kind, 2, 25, 3) for kind in ("regular", "irregular", "irregular")
    )
    missing, times = 0.0, []
    for frame in range(50):
        poses, moment = regular.next()
        assert moment == pytest.approx(frame / 30) and set(poses) == {0, 1}
        assert np.isfinite(poses[0]).all()
        poses, moment = irregular.next()
        same, at = again.next()
        assert moment == at and np.array_equal(poses[1], same[1], equal_nan=True)
        missing += float(np.isnan(poses[0]).any(-1).mean()) / 50
        times.append(moment)
    assert 0.02 < missing < 0.06
    assert np.all(np.diff(times) > 0) and not np.allclose(np.diff(times), 1 / 30)


def test_a_sleeping_model_returns_zeros(streaming: ModuleType) -> None:
    model, x = streaming.build("demo")
    sleeper = streaming.Asleep(model.folded())
    with torch.inference_mode():
        awake = sleeper(x.squeeze(1))
        sleeper.asleep = True
        out = sleeper(x.squeeze(1))
    assert out.logits.shape == awake.logits.shape and out.future.shape == awake.future.shape
    assert not out.future.any() and awake.future.any()
