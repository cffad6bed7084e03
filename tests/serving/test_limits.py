"""Limits of the server, tested just below and just above each limit."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from served import SKELETON

from pyg_sybio.serving.limits import Allowance, CloseCode, Limits


def test_an_allowance_has_a_rate_and_a_burst_of_twice_the_rate() -> None:
    now = [100.0]
    allowance = Allowance(10, clock=lambda: now[0])
    assert [allowance.take() for _ in range(21)] == [True] * 20 + [False]
    now[0] += 0.5
    assert [allowance.take() for _ in range(6)] == [True] * 5 + [False]
    now[0] += 3600  # unused allowance does not accumulate
    assert sum(allowance.take() for _ in range(100)) == 20


def test_an_allowance_below_one_per_second_still_allows_messages() -> None:
    now = [0.0]
    allowance = Allowance(0.1, clock=lambda: now[0])
    assert [allowance.take(), allowance.take()] == [True, False]
    now[0] = 10.1
    assert allowance.take()


def test_the_message_limit_fits_the_largest_frame() -> None:
    limits = Limits(people=5)
    # The longest numbers that json writes.
    value = -1.2345678901234567e-200
    joints = np.full((SKELETON.num_joints, 3), value).tolist()
    person = {"track": 2**62, "joints": joints, "confidence": [value] * SKELETON.num_joints}
    frame = {"type": "frame", "timestamp": 1700000000.123456, "people": [person] * 5}
    assert len(json.dumps(frame)) < limits.bytes_of_message(SKELETON) < 2 * len(json.dumps(frame)) + 5000
    assert Limits(message_bytes=77).bytes_of_message(SKELETON) == 77


@pytest.mark.parametrize("name", ["rate", "people", "message_bytes", "idle", "handshake"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_must_be_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=re.escape(f"'{name}' is {value}, expected a positive number")):
        Limits(**{name: value})


def test_every_close_code_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    own = set(map(int, CloseCode))
    assert own == {1003, 1009, 1011, 4400, 4401, 4408, 4429, 4503}
    assert own <= {int(code) for code in re.findall(r"\b[14]\d{3}\b", page)}
    defaults = Limits()
    for value in (defaults.rate, defaults.people, defaults.mistakes, defaults.idle, defaults.handshake):
        assert f"{value:g}" in page
