"""The order in which people sort names."""

import re


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key for sorting: numbers in a name count by their value, so that `take 2` comes before `take 10`."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)
