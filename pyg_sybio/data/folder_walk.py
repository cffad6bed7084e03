"""The paths below a folder."""

import os
from pathlib import Path


def paths_below(root: Path, *, expected: str = "expected a folder") -> list[Path]:
    r"""All files and folders below a folder, in the order of their relative paths with `/` between folders.

    Links to folders are followed, since large data sets are often composed of them (`Path.rglob` ignores
    them). A folder that is reached by several links is listed once, so that a link to a parent folder does
    not cause an endless loop.

    Raises:
        FileNotFoundError: If `root` is not a folder; the message ends with `expected`.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder, {expected}")
    found: list[Path] = []
    visited: set[tuple[int, int]] = set()
    for name, folders, files in os.walk(root, followlinks=True):
        folder = Path(name)
        status = folder.stat()
        folders.sort()
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        found += [folder / entry for entry in (*folders, *files)]
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())
