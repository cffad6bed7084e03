"""The order in which people sort names."""

import re


def natural(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A key for sorting: numbers in a name count by their value, so that `take 2` comes before `take 10`.

    Names of equal numbers (`1` and `01`) come in the order of their texts, the same in every process.
    """
    parts = [part.lstrip("0") if part.isdecimal() else part for part in re.split(r"([0-9]+)", text)]
    # The number of digits stands for the size of a number, however long it is: Python reads no thousands.
    order = ((0, len(part), part) if place % 2 else (1, 0, part) for place, part in enumerate(parts))
    return tuple(order), text
