"""Values from JSON and pickles: type-checked entries of objects, and arrays from nested lists."""

from collections.abc import Sequence, Set
from itertools import chain
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

NUMBERS = frozenset({int, float})

_KINDS: dict[Any, str] = {
    str: "a string",
    int: "an integer",
    list: "a list",
    dict: "an object",
    bool: "true or false",
    NUMBERS: "a number",
    frozenset({bool}): "true or false",
}


def entry_of(value: Any, key: str, kind: type[T], where: str) -> T:
    """An entry of an object, of the expected type.

    Raises:
        ValueError: If `value` is not an object, or the entry is missing or of another type.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {shown(value)}, expected an object")
    expected = _KINDS.get(kind, "an array")
    if key not in value:
        raise ValueError(f"{where} has no '{key}', expected {expected}")
    # Not isinstance: true and false are integers in Python.
    if type(value[key]) is not kind:
        raise ValueError(f"{where} has '{key}' {shown(value[key])}, expected {expected}")
    return value[key]


def to_single(array: np.ndarray) -> np.ndarray:
    """An array of numbers in single precision; a number that is too large becomes infinite."""
    # A damaged file may contain signalling NaNs, which are NaNs like others.
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32, order="C")


def to_array(
    value: Any,
    shape: Sequence[int | None],
    where: str,
    *,
    entries: Sequence[str] = (),
    null: bool = False,
    kinds: Set[type] = NUMBERS,
    dtype: Any = np.float32,
) -> np.ndarray:
    r"""An array from lists of lists of finite numbers, or of booleans.

    Args:
        value: The lists.
        shape: Number of entries of the lists at each level, at least 1; None for any number, if all lists of
            the level have the same.
        where: The name of the lists in error messages, such as ``"walk.json, 'skeletons'"``.
        entries: The names of the entries of the outermost list in error messages. (default: `[0]`, `[1]`,
            ...)
        null: Whether `null` may stand for a missing number; it becomes `nan`.
        kinds: The types of the entries: numbers, or `{bool}`.
        dtype: The type of the array.

    Raises:
        ValueError: If there is another value in place of a list, a list has an unexpected number of entries,
            or an entry is of another type or not finite in the array's precision. The message names the
            location, such as `[3][14]`.
    """
    items: list[Any] = [value]
    sizes: list[int] = []

    def place(index: int) -> str:
        """The location of an item of this level, such as `"[3][14]"`."""
        indices = [int(size) for size in np.unravel_index(index, sizes)] if sizes else []
        named = [entries[first] for first in indices[:1]] if entries else []
        return "".join([*named, *(f"[{index}]" for index in indices[len(named) :])])

    for size in shape:
        for index, item in enumerate(items):
            if not isinstance(item, list):
                of_size = "" if size is None else f" of {size}"
                raise ValueError(f"{where}{place(index)} is {shown(item)}, expected a list{of_size}")
        size = len(items[0]) if size is None else size
        for index, item in enumerate(items):
            if len(item) != size or not size:
                expected = size or "at least one"
                raise ValueError(f"{where}{place(index)} has {len(item)} entries, expected {expected}")
        items = list(chain.from_iterable(items))
        sizes.append(size)
    allowed = {*kinds, type(None)} if null else kinds
    if not allowed >= set(map(type, items)):
        index = next(index for index, item in enumerate(items) if type(item) not in allowed)
        raise ValueError(f"{where}{place(index)} is {shown(items[index])}, expected {_KINDS[kinds]}")
    try:
        with np.errstate(over="ignore"):
            array = np.array(items, dtype=np.float64).astype(dtype)  # null becomes nan
    except OverflowError:
        index = next(index for index, item in enumerate(items) if type(item) is int and abs(item) > 1e300)
        found = f"{where}{place(index)} is {shown(items[index])}"
        raise ValueError(f"{found}, expected a finite number") from None
    infinite = np.isinf(array)  # JSON has no nan, so every nan was null
    if infinite.any():
        index = int(infinite.argmax())
        raise ValueError(f"{where}{place(index)} is {items[index]:g}, expected a finite number")
    return array.reshape(sizes)


def single_precision(array: np.ndarray, what: str) -> np.ndarray:
    """A copy of finite numbers in single precision.

    Raises:
        ValueError: If a number is not finite, or too large for single precision.
    """
    copy = to_single(array)
    if not np.isfinite(copy).all():
        place = np.argwhere(~np.isfinite(copy))[0].tolist()
        raise ValueError(f"{what} has {array[tuple(place)]} at {place}, expected a finite number")
    return copy


def shown(value: Any) -> str:
    """Shorten any value for an error message."""
    match value:
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"an object of {len(value)}"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str() | int() | float():
            text = repr(value)
            return text if len(text) <= 40 else f"{text[:40]}..."
        case _:
            return f"a {type(value).__name__}"
