"""Nested lists of numbers from JSON as an array, checked level by level."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np


def to_array(value: Any, shape: Sequence[int | None], where: str, *, null: bool = False) -> np.ndarray:
    r"""An array of single precision from lists of lists of finite numbers.

    Args:
        value: The lists.
        shape: How many entries the lists have at each level, at least 1; None for any number that is the same
            in all of them.
        where: What an error calls the lists, such as ``"walk.json, 'skeletons'"``.
        null: Whether `null` may stand for a number that is missing; it becomes `nan`.

    Raises:
        ValueError: If a list is none, has another number of entries, or something in it is not a number that
            single precision holds; the message names the place, such as `[3][14]`.
    """
    items: list[Any] = [value]
    sizes: list[int] = []
    for size in shape:
        for index, item in enumerate(items):
            if not isinstance(item, list):
                raise ValueError(f"{where}{_place(index, sizes)} is {shown(item)}, expected a list")
        size = len(items[0]) if size is None else size
        for index, item in enumerate(items):
            if len(item) != size or not size:
                expected = size or "at least one"
                raise ValueError(
                    f"{where}{_place(index, sizes)} has {len(item)} entries, expected {expected}"
                )
        items = list(chain.from_iterable(items))
        sizes.append(size)
    # Not isinstance: true and false are integers to Python.
    kinds = {int, float, type(None)} if null else {int, float}
    if not kinds.issuperset(map(type, items)):
        index = next(index for index, item in enumerate(items) if type(item) not in kinds)
        raise ValueError(f"{where}{_place(index, sizes)} is {shown(items[index])}, expected a number")
    try:
        with np.errstate(over="ignore"):
            array = np.array(items, dtype=np.float64).astype(np.float32)  # null becomes nan
    except OverflowError:
        raise ValueError(f"{where} has an integer of hundreds of digits, expected a number") from None
    infinite = np.isinf(array)  # JSON has no nan, so what is nan was null
    if infinite.any():
        index = int(infinite.argmax())
        raise ValueError(f"{where}{_place(index, sizes)} is {items[index]:g}, expected a finite number")
    return array.reshape(sizes)


def shown(value: Any) -> str:
    """What an error says of a value from JSON."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _place(index: int, sizes: Sequence[int]) -> str:
    """`"[3][14]"` for an index in row-major order."""
    place = ""
    for size in reversed(sizes):
        index, rest = divmod(index, size)
        place = f"[{rest}]{place}"
    return place
