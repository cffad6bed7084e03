"""The soak of the server: good clients are counted, and attackers come back."""

import json
from pathlib import Path

import pytest
from benchmark_scripts import Scripts


def test_good_clients_lose_nothing_next_to_attackers(
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


def test_frames_without_an_answer_are_lost(scripts: Scripts) -> None:
    soak = scripts["soak"]
    counts = soak.Counts(sent=4, dropped=1, times=[0.010, 0.030, 0.020], memory=[1.0, 2.0, 3.0])
    row = soak.row_of(2, "all", 0.5, counts)
    assert (row["lost"], row["MB"], row["MB at end"]) == (1, 2.0, 3.0)
    assert row["p50 ms"] == pytest.approx(20)
