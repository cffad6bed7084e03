"""The samples of NTU RGB+D with missing or incomplete skeletons."""

from functools import cache

from pyg_sybio.data.lists import listed


@cache
def missing_skeletons() -> frozenset[str]:
    """Names of the NTU RGB+D 120 samples that all published results leave out, from the authors' list.

    The list has 535 names, such as `"S001C002P005R002A008"`; 302 belong to the first 60 classes.

    Source: https://github.com/shahroudy/NTURGB-D
    """
    return frozenset(listed("ntu_missing_skeletons.txt"))
