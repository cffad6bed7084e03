r"""Transforms as plain values, in recipes and in model files: a class and its arguments."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch_geometric.transforms import BaseTransform, Compose

from pyg_sybio.arguments import annotations, check_known, check_value
from pyg_sybio.data.registry import Resolver, registered_name, transform_named

Plain = Mapping[str, Any] | Sequence[Mapping[str, Any]]

# The keys of a class and its arguments: in model files, and in recipes as Lightning writes them.
_KEYS = (("name", "arguments"), ("class_path", "init_args"))


def build_transforms(
    plain: Plain, where: str, resolve: Resolver = transform_named
) -> BaseTransform | list[BaseTransform]:
    r"""The transform, or the list of them, that a model file or a recipe describes.

    Args:
        plain: ``{"name": "Center", "arguments": {"joint": "spine"}}``, or a list of these; arguments are
            optional. Recipes write ``class_path`` and ``init_args``.
        where: The location of `plain`, for error messages.
        resolve: Function that finds a class by its name. (default: only registered ones, as model files
            require)

    Raises:
        ValueError: If `plain` has another form, the transform is unknown, or an argument is unknown, missing,
            of a wrong type, or rejected by the transform.
    """
    if isinstance(plain, Mapping):
        return _build_one(plain, where, resolve)
    if isinstance(plain, str) or not isinstance(plain, Sequence):
        raise ValueError(f"'{where}' is {plain!r}, expected class_path and init_args, or a list of them")
    return [_build_one(one, f"{where}[{index}]", resolve) for index, one in enumerate(plain)]


def settings_of(transform: Any) -> dict[str, Any]:
    r"""A transform as plain values that :func:`build_transforms` reads.

    Raises:
        ValueError: If the class is not registered, does not keep its arguments as attributes of the same
            names, or has an argument that JSON cannot hold.
    """
    cls = type(transform)
    name = registered_name(cls)
    if name is None:
        raise ValueError(
            f"the transform {cls.__module__}.{cls.__qualname__} is not registered, so no model file can name "
            "it: decorate the class with pyg_sybio.data.registry.register_transform"
        )
    arguments = inspect.signature(cls).parameters
    for argument in arguments:
        if not hasattr(transform, argument):
            raise ValueError(f"{name} does not keep its argument {argument!r} as an attribute of that name")
    values = {each: plain_value(getattr(transform, each), f"{name}.{each}") for each in arguments}
    return {"name": name, "arguments": values}


def steps_of(transform: Any) -> tuple[Any, ...]:
    """The single transforms of a transform, a composition or a sequence, in order; none for None."""
    if isinstance(transform, Compose):
        transform = transform.transforms
    if isinstance(transform, Sequence):
        return tuple(step for each in transform for step in steps_of(each))
    return () if transform is None else (transform,)


def _build_one(plain: Any, where: str, resolve: Resolver) -> BaseTransform:
    keys = next((keys for keys in _KEYS if isinstance(plain, Mapping) and keys[0] in plain), None)
    if keys is None or not set(plain) <= set(keys):
        raise ValueError(f"'{where}' is {plain!r}, expected class_path and, optionally, init_args")
    transform = resolve(plain[keys[0]], where=f"'{where}'")
    arguments = plain.get(keys[1]) or {}
    if not isinstance(arguments, Mapping):
        raise ValueError(f"'{where}.{keys[1]}' is {arguments!r}, expected arguments by name")
    known, hints = inspect.signature(transform).parameters, annotations(transform.__init__)
    made = {}
    for key, value in arguments.items():
        check_known(key, known, place=f"'{where}'", of=transform.__name__)
        hint, name = hints.get(key, Any), f"'{where}.{keys[1]}.{key}'"
        if isinstance(value, Mapping) and hasattr(hint, "from_dict"):
            value = hint.from_dict(value, where=name)
        check_value(value, hint, name=name)
        made[key] = value
    try:
        return transform(**made)
    except (TypeError, ValueError) as error:
        raise ValueError(f"'{where}': {transform.__name__} cannot be made: {error}") from error


def plain_value(value: Any, where: str) -> Any:
    """Convert a value to one that JSON can represent.

    Raises:
        ValueError: If it cannot.
    """
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, list | tuple):
        return [plain_value(each, where) for each in value]
    if isinstance(value, Mapping):
        return {str(key): plain_value(each, where) for key, each in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{where} is {value!r:.80}, expected a value that JSON can hold")
