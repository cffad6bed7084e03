"""Checks of arguments from recipes and checkpoints against signatures."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_NUMBERS: Mapping[Any, type] = {int: Integral, float: Real}  # includes NumPy's numbers
_MAX_NAME = 100
_LISTS = (Sequence, list, tuple)  # YAML and JSON have only one list type
_NAMES: Mapping[Any, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    NoneType: "null",
    Path: "a path",
    tuple: "a list",
}


def check_arguments(function: Callable[..., Any], arguments: Mapping[str, Any], *, of: str) -> None:
    """Check keyword arguments against the keyword-only part of a function's signature.

    Args:
        function: The function.
        arguments: The arguments.
        of: Name of the function for the message.

    Raises:
        ValueError: If an argument is unknown, missing, or of another type than its annotation.
    """
    hints = annotations(function)
    known = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    for name, value in arguments.items():
        if name not in known:
            raise ValueError(f"{of} has no '{name}'{did_you_mean(str(name), known)}")
        check_value(value, hints.get(name, Any), name=f"'{name}' of {of}")
    missing = [
        name for name, it in known.items() if it.default is inspect.Parameter.empty and name not in arguments
    ]
    if missing:
        raise ValueError(f"{of} needs {', '.join(repr(name) for name in missing)}")


def check_known(key: str, known: Iterable[str], *, place: str, of: str) -> None:
    """Check that a key of a recipe is the name of an argument.

    Args:
        key: The key.
        known: Names of the arguments.
        place: Section of the recipe that has the key, for the message.
        of: Owner of the arguments, for the message.

    Raises:
        ValueError: If there is no such argument.
    """
    names = list(known)
    if key not in names:
        expected = ", ".join(names) or "no arguments"
        raise ValueError(f"{place} has the unknown key {key!r}: {of} accepts {expected}")


def most_similar(name: str, known: Iterable[str]) -> str | None:
    """Return the known name of which `name` is probably a misspelling; None if there is none."""
    if len(name) > _MAX_NAME:  # comparing long texts is slow
        return None
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question about a probably misspelt name for an error message; empty if no name is similar."""
    near = most_similar(name, known)
    return "" if near is None else f" (did you mean '{near}'?)"


def annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a function's arguments; empty if a type is only imported by type checkers."""
    try:
        return get_type_hints(function)
    except NameError:
        return {}


def check_value(value: Any, hint: Any, *, name: str) -> None:
    """Check that a value has the type of an annotation. The items of tuples are not checked.

    Raises:
        ValueError: If the value has another type.
    """
    if not _fits(value, hint):
        raise ValueError(f"{name} is {value!r}, expected {_described(hint)}")


def _fits(value: Any, hint: Any) -> bool:
    origin, items = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, item) for item in items)
    if origin is Literal:
        return value in items
    if origin in _LISTS:
        return (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and (origin is tuple or all(_fits(item, items[0]) for item in value))
        )
    if origin in (Mapping, dict):
        return isinstance(value, Mapping)
    if origin is Callable:
        return callable(value)
    if hint in _NUMBERS:
        return isinstance(value, _NUMBERS[hint]) and not isinstance(value, bool)
    if hint is Path:
        return isinstance(value, str | PathLike)
    return hint not in (bool, str, NoneType) or isinstance(value, hint)


def _described(hint: Any) -> str:
    origin, items = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_described(item) for item in items)
    if origin is Literal:
        return " or ".join(repr(item) for item in items)
    if origin in (Sequence, list):
        return f"a list in which each item is {_described(items[0])}"
    return _NAMES.get(origin or hint) or f"a {getattr(origin or hint, '__name__', hint)}"
