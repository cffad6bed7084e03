"""Record accesses to files, modules, processes and the network with Python's audit events."""

import contextlib
import os
import site
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_WATCHED = ("open", "import", "subprocess.Popen", "ctypes.dlopen", "code.__new__", "pickle.find_class")
_PREFIXES = (
    "os.",
    "socket.",
    "urllib.",
    "http.",
    "ftplib.",
    "smtplib.",
    "shutil.",
    "tempfile.",
    "webbrowser.",
)
# Listing folders and changing the environment of this process are harmless.
_HARMLESS = ("os.listdir", "os.scandir", "os.putenv", "os.unsetenv")


@dataclass
class Seen:
    """The recorded events: opened files by mode, imported modules, and all other events."""

    read: list[Path] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    imported: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def read_outside(self, *allowed: Path) -> list[Path]:
        """Return the files that were read, except files in the given folders and installed code."""
        own = [*allowed, *_code_folders()]
        return [path for path in self.read if not any(path.is_relative_to(folder) for folder in own)]


_seen: list[Seen] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _seen or event in _HARMLESS or not (event in _WATCHED or event.startswith(_PREFIXES)):
        return
    seen = _seen[-1]
    if event == "import":
        seen.imported.append(str(arguments[0]))
    elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path, flags = Path(os.fsdecode(arguments[0])).absolute(), arguments[2]
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        (seen.written if writes else seen.read).append(path)
    elif event != "open":
        seen.others.append(f"{event} {arguments!r:.200}")


sys.addaudithook(_hook)


@contextlib.contextmanager
def watched() -> Iterator[Seen]:
    """Record the events in the block."""
    seen = Seen()
    _seen.append(seen)
    try:
        yield seen
    finally:
        _seen.remove(seen)


def _code_folders() -> list[Path]:
    """Return the folders of the package and the libraries, whose files are read when code runs."""
    import pyg_sybio

    package = Path(pyg_sybio.__file__).parent
    return [package, package.parent / "skeletons", Path(sys.base_prefix), *map(Path, site.getsitepackages())]
