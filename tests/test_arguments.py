"""Checks of arguments against signatures: valid arguments, and error messages."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from pyg_sybio.arguments import annotations, check_arguments, check_value


def made(
    graph: str,
    *,
    hops: int,
    weight: float = 0.5,
    channels: Sequence[int] = (8,),
    mode: Literal["fast", "slow"] = "fast",
    folder: str | Path | None = None,
    split: float | Mapping[str, Sequence[Any]] = 0.1,
    change: Callable[[int], int] | None = None,
    size: tuple[int, int] = (2, 3),
    names: list[str] | None = None,
    device: torch.device | None = None,
    untyped=None,  # type: ignore[no-untyped-def]
) -> None:
    """A function with the signature of a typical constructor."""


@pytest.mark.parametrize(
    "arguments",
    [
        {"hops": 2},
        {"hops": np.int64(2), "weight": 1, "channels": [8, 16]},
        {"hops": 0, "weight": np.float32(0.5), "channels": (), "mode": "slow"},
        {"hops": 0, "folder": "runs", "split": {"subject": [1]}, "change": abs},
        {"hops": 0, "size": [2, 3], "names": ["a"], "device": "cpu"},
        {"hops": 0, "folder": Path("runs"), "split": 0, "change": None, "untyped": object()},
    ],
)
def test_valid_arguments_pass(arguments: dict[str, Any]) -> None:
    check_arguments(made, arguments, of="the model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "the model needs 'hops'"),
        ({"hops": 1, "chanels": 3}, "the model has no 'chanels' (did you mean 'channels'?)"),
        ({"hops": 1, "zoo": 3}, "the model has no 'zoo'"),
        ({"hops": 1, "graph": "ntu25"}, "the model has no 'graph'"),
        ({"hops": "2"}, "'hops' of the model is '2', expected an integer"),
        ({"hops": 2.0}, "'hops' of the model is 2.0, expected an integer"),
        ({"hops": True}, "'hops' of the model is True, expected an integer"),
        ({"hops": None}, "'hops' of the model is None, expected an integer"),
        ({"hops": 1, "weight": False}, "'weight' of the model is False, expected a number"),
        (
            {"hops": 1, "channels": "88"},
            "'channels' of the model is '88', expected a list in which each item is an integer",
        ),
        (
            {"hops": 1, "channels": [8, None]},
            "'channels' of the model is [8, None], expected a list in which each item is an integer",
        ),
        ({"hops": 1, "mode": "slo"}, "'mode' of the model is 'slo', expected 'fast' or 'slow'"),
        ({"hops": 1, "folder": 3}, "'folder' of the model is 3, expected a string or a path or null"),
        ({"hops": 1, "split": "all"}, "'split' of the model is 'all', expected a number or a Mapping"),
        ({"hops": 1, "size": 3}, "'size' of the model is 3, expected a list"),
        (
            {"hops": 1, "names": [1]},
            "'names' of the model is [1], expected a list in which each item is a string or null",
        ),
        ({"hops": 1, "change": 3}, "'change' of the model is 3, expected a Callable or null"),
    ],
)
def test_errors_name_the_invalid_argument(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        check_arguments(made, arguments, of="the model")
    assert str(error.value) == message


def test_annotations_that_cannot_be_resolved_are_not_checked() -> None:
    def foreign(*, clips: "Unknown") -> None:  # type: ignore[name-defined]  # noqa: F821
        """A function whose annotation cannot be resolved, as after an import under TYPE_CHECKING."""

    check_arguments(foreign, {"clips": 3}, of="the data")
    assert annotations(foreign) == {}


def test_errors_contain_the_given_name_of_the_function() -> None:
    check_value(3, int, name="'data.settings.num_observed'")
    with pytest.raises(ValueError, match=r"^'data\.settings\.num_observed' is 'x', expected an integer$"):
        check_value("x", int, name="'data.settings.num_observed'")
