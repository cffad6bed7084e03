"""Random damage to files, documents and messages: a short run of `benchmarks/fuzz.py`."""

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from benchmark_scripts import Scripts
from hypothesis import given, settings
from hypothesis import strategies as st

_FEW = settings(max_examples=150, deadline=None, derandomize=True, database=None)
_KINDS = (
    *(".npz", ".json", ".npy", ".pkl", ".csv", ".skeleton", ".bvh", ".amc", ".txt"),
    *("message", "document", "config", "skeleton"),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=17) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    with pytest.MonkeyPatch.context() as patch:
        module = Scripts(patch)["fuzz"]
        yield module, module.make_targets(tmp_path_factory.mktemp("fuzz"))


def test_samples_are_valid(fuzz: tuple[Any, Mapping[str, Any]]) -> None:
    module, targets = fuzz
    for kind, target in targets.items():
        for sample in target.samples:
            assert module.read_safely(target, sample), kind


@_FEW
@given(kind=st.sampled_from(_KINDS), seed=st.integers(0, 2**32))
def test_damaged_samples_are_read_or_refused(
    fuzz: tuple[Any, Mapping[str, Any]], kind: str, seed: int
) -> None:
    module, targets = fuzz
    module.try_one(targets[kind], random.Random(seed))


@_FEW
@given(kind=st.sampled_from(_KINDS), content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(
    fuzz: tuple[Any, Mapping[str, Any]], kind: str, content: bytes
) -> None:
    module, targets = fuzz
    module.read_safely(targets[kind], content)


@_FEW
@given(value=_JSON, key=st.sampled_from(("people", "timestamp", "track", "joints", "confidence")))
def test_any_json_message_is_parsed_or_refused(
    fuzz: tuple[Any, Mapping[str, Any]], value: Any, key: str
) -> None:
    module, targets = fuzz
    person = {"joints": [[0.1, 0.2, 0.9]] * 17}
    frame: dict[str, Any] = {"type": "frame", "people": [person]}
    (person if key in ("track", "joints", "confidence") else frame)[key] = value
    module.read_safely(targets["message"], json.dumps(frame).encode())


def test_unexpected_errors_and_invalid_messages_are_failures(fuzz: tuple[Any, Mapping[str, Any]]) -> None:
    module, _ = fuzz
    for error in (KeyError("x"), ValueError("two\nlines"), ValueError("")):

        def fail(content: bytes, error: Exception = error) -> None:
            raise error

        with pytest.raises((KeyError, AssertionError)):
            module.read_safely(module.Target([b"x"], fail), b"x")
