"""The samples of NTU RGB+D whose skeletons are missing or incomplete, as its authors list them."""

from functools import cache
from importlib.resources import files


@cache
def missing_skeletons(num_classes: int = 120) -> frozenset[str]:
    """Names of the samples that every published figure leaves out, such as `"S001C002P005R002A008"`.

    Args:
        num_classes: 60 for NTU RGB+D (302 names), 120 for NTU RGB+D 120, which contains it (535 names).

    Raises:
        ValueError: If `num_classes` is neither.

    Source: https://github.com/shahroudy/NTURGB-D
    """
    if num_classes not in (60, 120):
        raise ValueError(f"'num_classes' is {num_classes}, expected 60 or 120")
    names = (files("pyg_sybio") / "data" / "ntu_missing_skeletons.txt").read_text(encoding="ascii").split()
    return frozenset(name for name in names if int(name[-3:]) <= num_classes)
