"""Find the data set and transform classes that recipes name; recipes may name any importable class."""

import importlib
from typing import Any

from torch_geometric.data import Dataset
from torch_geometric.transforms import BaseTransform

from pyg_sybio.data.registry import dataset_named, transform_named


def recipe_dataset(path: Any, *, where: str = "the recipe") -> type[Dataset]:
    r"""Return the data set class with a registered name (``NWUCLA``) or a path
    (``my_package.module.MyClips``).

    Raises:
        ValueError: If the class is neither registered nor importable, or is not a data set class.
    """
    return dataset_named(path, where=where) if _is_ours(path) else _imported(path, Dataset, where, "data set")


def recipe_transform(path: Any, *, where: str = "the recipe") -> type[BaseTransform]:
    """Return the transform class with a registered name or a path; errors are the same as in
    :func:`recipe_dataset`.
    """
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
