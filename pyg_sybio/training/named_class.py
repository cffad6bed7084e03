"""Data set and transform classes named in recipes, which may be any class because recipes are code."""

import importlib
from typing import Any

from torch_geometric.data import Dataset
from torch_geometric.transforms import BaseTransform

from pyg_sybio.data.registry import dataset_named, transform_named


def recipe_dataset(path: Any, *, where: str = "the recipe") -> type[Dataset]:
    r"""The data set class of a registered name (``NWUCLA``), or at a path (``my_package.module.MyClips``).

    Raises:
        ValueError: If it is not registered, cannot be imported, or is not a data set class.
    """
    return dataset_named(path, where=where) if _is_ours(path) else _imported(path, Dataset, where, "data set")


def recipe_transform(path: Any, *, where: str = "the recipe") -> type[BaseTransform]:
    """The transform class of a registered name or at a path; raises errors as :func:`recipe_dataset`."""
    if _is_ours(path):
        return transform_named(path, where=where)
    return _imported(path, BaseTransform, where, "transform")


def _is_ours(path: Any) -> bool:
    return "." not in str(path) or str(path).startswith("pyg_sybio.")


def _imported(path: Any, base: type, where: str, expected: str) -> type:
    module_name, _, class_name = str(path).rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{where} names {path!r}, which cannot be imported ({error})") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{where} names {path!r}, which is not a {expected} class")
    return found
