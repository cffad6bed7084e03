"""Names of data sets and transforms: only classes of the package and registered classes have one."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest
from torch_geometric.data import Dataset
from torch_geometric.transforms import BaseTransform

import pyg_sybio.data
from pyg_sybio.data import registry
from pyg_sybio.data.registry import (
    dataset_named,
    register_dataset,
    register_transform,
    registered_name,
    transform_named,
)
from pyg_sybio.data.transforms import Center

# Base classes, and classes with arguments that are not plain values.
NOT_NAMED = {
    "ExpmapDataset", "InvertibleTransform", "LinearTransform", "MotionDataset", "MotionTransform",
    "PositionDataset", "ShuffledFutures",
}  # fmt: skip


def test_every_class_of_the_package_is_registered_under_its_name() -> None:
    found = set()
    for module in pkgutil.walk_packages(pyg_sybio.data.__path__, "pyg_sybio.data."):
        for cls in vars(importlib.import_module(module.name)).values():
            if (
                inspect.isclass(cls)
                and issubclass(cls, Dataset | BaseTransform)
                and cls.__module__ == module.name
            ):
                found.add(cls)
    for cls in found:
        named = registered_name(cls)
        assert named == (None if cls.__name__ in NOT_NAMED else cls.__name__)
        if named is not None:
            find = dataset_named if issubclass(cls, Dataset) else transform_named
            assert find(named) is cls
            assert find(f"pyg_sybio.wherever.it.was.{named}") is cls
    assert len(found) == len(NOT_NAMED) + len(registry._DATASETS) + len(registry._TRANSFORMS)


def test_nothing_is_imported_for_a_name_that_is_not_registered() -> None:
    code = """
import sys
from pyg_sybio.data.registry import dataset_named, transform_named
before = set(sys.modules)
for find in (dataset_named, transform_named):
    for name in ("antigravity", "antigravity.Clips", "pyg_sybio.demo.run_demo", "", "os.system"):
        try:
            find(name)
        except ValueError:
            continue
        raise SystemExit(name)
assert set(sys.modules) == before, set(sys.modules) - before
dataset_named("SyntheticMotions")
assert "pyg_sybio.data.synthetic.synthetic" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_transform_is_not_a_data_set_and_vice_versa() -> None:
    with pytest.raises(ValueError, match="the model file names 'Center', which is not a registered data set"):
        dataset_named("Center")
    with pytest.raises(
        ValueError, match="'fill' names 'NWUCLA', which is not a registered transform: expected"
    ):
        transform_named("NWUCLA", where="'fill'")


def test_user_classes_can_be_registered() -> None:
    class OwnClips(Dataset):
        pass

    with pytest.raises(ValueError, match="'OwnClips', which is not a registered data set"):
        dataset_named("OwnClips")
    assert registered_name(OwnClips) is None
    assert register_dataset(OwnClips) is OwnClips
    assert dataset_named("OwnClips") is OwnClips and registered_name(OwnClips) == "OwnClips"
    with pytest.raises(ValueError, match="register_transform"):
        transform_named("OwnClips")
    again = type("OwnClips", (Dataset,), {"__qualname__": OwnClips.__qualname__, "__module__": __name__})
    assert dataset_named("OwnClips") is OwnClips
    register_dataset(again)  # like a notebook cell that is run twice
    assert dataset_named("OwnClips") is again and registered_name(OwnClips) is None


def test_taken_names_and_unsuitable_classes_are_refused() -> None:
    mine = type("Center", (BaseTransform,), {})
    with pytest.raises(ValueError, match=r"the name of .*\.Center is taken"):
        register_transform(mine)
    assert registered_name(mine) is None and transform_named("Center") is Center
    for other in (Center, "Center"):
        with pytest.raises(ValueError, match="is not a data set: expected a subclass of Dataset"):
            register_dataset(other)
