r"""Transforms as a recipe writes them: a class and its arguments, as plain values."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch_geometric.transforms import BaseTransform

from pyg_sybio.training.named_class import named_class

Plain = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def build_transforms(plain: Plain, where: str) -> BaseTransform | list[BaseTransform]:
    r"""The transform, or the list of them, that a recipe or a checkpoint describes.

    Args:
        plain: `{"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}`, in which
            `init_args` may be missing; or a list of these.
        where: What errors call the place of it.

    Raises:
        ValueError: If it is of neither form, the class cannot be imported or is no transform (a checkpoint
            may come from someone else: it may name a transform, and nothing else), or an argument is unknown,
            missing or refused.
    """
    if isinstance(plain, Mapping):
        return _build_one(plain, where)
    if isinstance(plain, str) or not isinstance(plain, Sequence):
        raise ValueError(f"'{where}' is {plain!r}, expected class_path and init_args, or a list of them")
    return [_build_one(one, f"{where}[{index}]") for index, one in enumerate(plain)]


def _build_one(plain: Any, where: str) -> BaseTransform:
    if not isinstance(plain, Mapping) or not {"class_path"} <= set(plain) <= {"class_path", "init_args"}:
        raise ValueError(f"'{where}' is {plain!r}, expected class_path and, if need be, init_args")
    transform = named_class(plain["class_path"], BaseTransform, where=f"'{where}'", expected="transform")
    arguments = plain.get("init_args") or {}
    if not isinstance(arguments, Mapping):
        raise ValueError(f"'{where}.init_args' is {arguments!r}, expected arguments by name")
    known = inspect.signature(transform).parameters
    for key in arguments:
        if key not in known:
            expected = ", ".join(known) or "no arguments"
            raise ValueError(f"'{where}' has the unknown key {key!r}: {transform.__name__} knows {expected}")
    try:
        return transform(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"'{where}': {transform.__name__} cannot be made: {error}") from error
