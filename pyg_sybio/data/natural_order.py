"""Natural sort order of names."""

import re


def natural(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A sort key that compares numbers in names by value, so that `take 2` comes before `take 10`.

    Names with equal numbers (`1` and `01`) are compared as texts, so that the order is always the same.
    """
    parts = [part.lstrip("0") if part.isdecimal() else part for part in re.split(r"([0-9]+)", text)]
    # Numbers are compared by their number of digits first, because int() refuses thousands of digits.
    order = ((0, len(part), part) if place % 2 else (1, 0, part) for place, part in enumerate(parts))
    return tuple(order), text
