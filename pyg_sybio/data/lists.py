"""Lists of the benchmarks, such as the names of their classes, from the package's text files."""

from pathlib import Path


def listed(name: str) -> tuple[str, ...]:
    """The lines of a text file in this folder."""
    return tuple((Path(__file__).parent / name).read_text(encoding="ascii").splitlines())
