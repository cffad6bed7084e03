r"""Transforms as a recipe writes them: a class and its arguments, as plain values."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch_geometric.transforms import BaseTransform

from pyg_sybio.arguments import annotations, check_known, check_value
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
            missing, of another type than its annotation, or refused.
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
    known, hints = inspect.signature(transform).parameters, annotations(transform.__init__)
    for key, value in arguments.items():
        check_known(key, known, place=f"'{where}'", of=transform.__name__)
        check_value(value, hints.get(key, Any), name=f"'{where}.init_args.{key}'")
    try:
        return transform(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"'{where}': {transform.__name__} cannot be made: {error}") from error
