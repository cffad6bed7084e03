"""A class by the path that a recipe or a checkpoint has of it."""

import importlib
from typing import Any, TypeVar

T = TypeVar("T")


def named_class(path: Any, base: type[T], *, where: str, expected: str) -> type[T]:
    r"""The class at a path such as `"pyg_sybio.data.transforms.Center"`.

    Args:
        path: Module and name.
        base: What it has to be a subclass of. A checkpoint may come from someone else: it may name such a
            class, and nothing else.
        where: What errors call the place of the path.
        expected: What errors call the base.

    Raises:
        ValueError: If it cannot be imported, or is something else.
    """
    module_name, _, class_name = str(path).rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{where} names {path!r}, which cannot be imported ({error})") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{where} names {path!r}, which is not a {expected}")
    return found
