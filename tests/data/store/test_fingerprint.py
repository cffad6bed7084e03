"""Fingerprints: equal for equal values, and different for any relevant difference."""

import enum
import functools
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_motions import Scale, made_up, read
from torch_geometric.transforms import Compose

from pyg_sybio.data.store.fingerprint import described, digest, listing
from pyg_sybio.skeleton import load_skeleton


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Holder:
    """A class with slots instead of a dictionary."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


def values() -> list[object]:
    return [
        None,
        True,
        1,
        1.0,
        0.1 + 0.2,
        0.3,
        "1",
        [1, 2],
        [2, 1],
        [[1], 2],
        {"a": 1},
        {"a": 2},
        {1: "a"},
        {"a", "b"},
        Path("a"),
        np.arange(3),
        np.arange(3.0),
        np.arange(4),
        np.arange(4).reshape(2, 2),
        np.float32(2.0),
        torch.zeros(3, dtype=torch.float16),
        torch.float32,
        torch.float64,
        slice(3),
        Colour.RED,
        Colour.BLUE,
        load_skeleton("ntu25"),
        load_skeleton("coco17"),
        read,
        made_up,
        functools.partial(made_up, 1),
        functools.partial(made_up, 2),
        functools.partial(made_up, seed=1),
        Scale,
        Scale(1.0),
        Scale(2.0),
        Scale(2.0).forward,
        Scale(3.0).forward,
        Compose([Scale(1.0), Scale(2.0)]),
        Compose([Scale(2.0), Scale(1.0)]),
        Holder(1),
        Holder(2),
        len,
    ]


def test_fingerprints_are_equal_only_for_equal_values() -> None:
    once, again = ([digest(described(value)) for value in values()] for _ in range(2))
    assert once == again
    twice = [values()[once.index(key)] for key, count in Counter(once).items() if count > 1]
    assert not twice


def test_the_order_of_settings_and_sets_does_not_matter() -> None:
    assert described({f"{number}" for number in range(30)}) == sorted(f'"{number}"' for number in range(30))
    assert described({"a": 1, "b": {"c": 2, "d": 3}}) == described({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_listing_depends_on_names_sizes_and_times_below_the_root(tmp_path: Path) -> None:
    def folder(name: str) -> Path:
        (tmp_path / name).mkdir()
        for file in ("a", "b"):
            (tmp_path / name / file).write_text(file)
            os.utime(tmp_path / name / file, ns=(0, 10**18))
        return tmp_path / name

    def of(root: Path) -> str:
        return listing(sorted(root.iterdir()), root)

    original = of(folder("original"))
    assert of(folder("moved")) == original
    for name, change in {
        "size": lambda root: ((root / "a").write_text("aa"), os.utime(root / "a", ns=(0, 10**18))),
        "time": lambda root: os.utime(root / "b", ns=(0, 10**18 + 1)),
        "name": lambda root: (root / "b").rename(root / "c"),
    }.items():
        change(changed := folder(name))  # type: ignore[no-untyped-call]
        assert of(changed) != original
    with pytest.raises(FileNotFoundError, match="gone"):
        listing([tmp_path / "gone"], tmp_path)
