"""The benchmark of the server: the script runs, and its results are derived from the messages."""

import json
from pathlib import Path

import pytest
from benchmark_scripts import Scripts


def test_every_frame_has_a_result_or_is_dropped(
    scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = scripts["serving"]
    monkeypatch.setattr(serving.gc, "freeze", lambda: None)  # this process runs other tests
    output = tmp_path / "serving.json"
    serving.main(
        ["--scenarios", "a viewer", "--preset", "demo", "--minutes", "0.02", "--output", str(output)]
    )
    (row,) = json.loads(output.read_text())["rows"]
    assert (row["clients"], row["people"], row["viewers"]) == (1, 1, 1)
    assert row["sent"] == 36  # 0.02 minutes at 30 frames per second
    assert row["answered"] + row["dropped"] == 36
    assert 0 < row["model p50 ms"] < row["p50 ms"] <= row["p95 ms"] <= row["p99 ms"] <= row["max ms"]


def test_memory_growth_is_the_slope_of_a_linear_fit(scripts: Scripts) -> None:
    serving = scripts["serving"]
    memory = [100.0] * 2 + [200 + 0.5 * second for second in range(8)]  # MB; the first fifth is the warm-up
    counts = serving.Counts(sent=3, dropped=1, times=[0.010, 0.030], model=[4.0, 6.0], memory=memory)
    row = serving.row_of(serving.SCENARIOS[0], counts)
    assert row["MB/min"] == pytest.approx(30)
    assert (row["MB"], row["MB at end"]) == (200, 203.5)
    assert (row["p50 ms"], row["max ms"], row["model p50 ms"]) == pytest.approx((20, 30, 5))
