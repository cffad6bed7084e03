"""What JSON holds as what it should be: entries of objects, and nested lists of numbers as an array."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


_KINDS = {str: "a text", int: "an integer", list: "a list", bool: "true or false"}


def entry_of(value: Any, key: str, kind: type[T], where: str) -> T:
    """An entry of an object, of the type that it should have.

    Raises:
        ValueError: If `value` is no object, or the entry is missing or of another type.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {shown(value)}, expected an object")
    if key not in value:
        raise ValueError(f"{where} has no '{key}', expected {_KINDS[kind]}")
    # Not isinstance: true and false are integers to Python.
    if type(value[key]) is not kind:
        raise ValueError(f"{where} has '{key}' {shown(value[key])}, expected {_KINDS[kind]}")
    entry: T = value[key]
    return entry


def to_array(
    value: Any,
    shape: Sequence[int | None],
    where: str,
    *,
    entries: Sequence[str] = (),
    null: bool = False,
) -> np.ndarray:
    r"""An array of single precision from lists of lists of finite numbers.

    Args:
        value: The lists.
        shape: How many entries the lists have at each level, at least 1; None for any number that is the same
            in all of them.
        where: What an error calls the lists, such as ``"walk.json, 'skeletons'"``.
        entries: What an error calls the entries of the outermost list. (default: `[0]`, `[1]`, ...)
        null: Whether `null` may stand for a number that is missing; it becomes `nan`.

    Raises:
        ValueError: If a list is none, has another number of entries, or something in it is not a number that
            single precision holds; the message names the place, such as `[3][14]`.
    """
    items: list[Any] = [value]
    sizes: list[int] = []

    def place(index: int) -> str:
        """Where an item of this level is, such as `"[3][14]"`."""
        indices = [int(size) for size in np.unravel_index(index, sizes)] if sizes else []
        named = [entries[first] for first in indices[:1]] if entries else []
        return "".join([*named, *(f"[{index}]" for index in indices[len(named) :])])

    for size in shape:
        for index, item in enumerate(items):
            if not isinstance(item, list):
                raise ValueError(f"{where}{place(index)} is {shown(item)}, expected a list")
        size = len(items[0]) if size is None else size
        for index, item in enumerate(items):
            if len(item) != size or not size:
                expected = size or "at least one"
                raise ValueError(f"{where}{place(index)} has {len(item)} entries, expected {expected}")
        items = list(chain.from_iterable(items))
        sizes.append(size)
    kinds = {int, float, type(None)} if null else {int, float}
    if not kinds.issuperset(map(type, items)):
        index = next(index for index, item in enumerate(items) if type(item) not in kinds)
        raise ValueError(f"{where}{place(index)} is {shown(items[index])}, expected a number")
    try:
        with np.errstate(over="ignore"):
            array = np.array(items, dtype=np.float64).astype(np.float32)  # null becomes nan
    except OverflowError:
        index = next(index for index, item in enumerate(items) if type(item) is int and abs(item) > 1e300)
        raise ValueError(
            f"{where}{place(index)} is {shown(items[index])}, expected a finite number"
        ) from None
    infinite = np.isinf(array)  # JSON has no nan, so what is nan was null
    if infinite.any():
        index = int(infinite.argmax())
        raise ValueError(f"{where}{place(index)} is {items[index]:g}, expected a finite number")
    return array.reshape(sizes)


def shown(value: Any) -> str:
    """What an error says of a value from JSON."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
