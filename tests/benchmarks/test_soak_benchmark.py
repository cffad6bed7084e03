"""The soak benchmark of the server: frames of well-behaved clients are counted, and attackers reconnect."""

import json
from pathlib import Path

import pytest
from benchmark_scripts import Scripts


def test_clients_are_measured_without_and_with_attackers(
    scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soak = scripts["soak"]
    monkeypatch.setattr("gc.freeze", lambda: None)  # this process runs other tests
    output = tmp_path / "soak.json"
    soak.main(
        ["--preset", "demo", "--minutes", "0.03", "--clients", "2", "--fps", "4", "--output", str(output)]
    )
    alone, attacked = json.loads(output.read_text())["rows"]
    assert (alone["attackers"], attacked["attackers"]) == ("none", "all")
    assert (attacked["sent"], alone["lost"]) == (14, 0)
    assert 0 < attacked["p50 ms"] <= attacked["p99 ms"]


def test_frames_without_a_result_are_counted_as_lost(scripts: Scripts) -> None:
    soak = scripts["soak"]
    counts = soak.Counts(sent=4, dropped=1, times=[0.010, 0.030, 0.020], memory=[1.0, 2.0, 3.0])
    row = soak.row_of(2, "all", 0.5, counts)
    assert (row["lost"], row["MB"], row["MB at end"]) == (1, 2.0, 3.0)
    assert row["p50 ms"] == pytest.approx(20)
