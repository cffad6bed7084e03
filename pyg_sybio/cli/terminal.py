"""Output that prevents text from files from controlling the terminal."""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from pyg_sybio.data.printable import printable

_MOVES = re.compile(r"[\n\r]*(\x1b\[A)*")  # moves of a progress bar to another line


def print_line(text: str) -> None:
    """Print one line; a line end in it, for example in a name from a file, is escaped."""
    print(printable(text))


class SafeOutput:
    """A text stream that writes :func:`printable` text, and line ends, to another stream.

    Args:
        stream: The other stream, which also provides all other attributes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text; moves of progress bars (to the start of a line, or to another line) are kept."""
        start = len(text) if _MOVES.fullmatch(text) else int(text.startswith("\r"))
        self.stream.write(text[:start] + printable(text[start:], keep="\n"))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    @property
    def rich_proxied_file(self) -> TextIO:
        """The stream on which the package ``rich`` draws, which Lightning uses if it is installed."""
        return self.stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def safe_output() -> Iterator[None]:
    """A context in which all output of the process passes through :class:`SafeOutput`."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(SafeOutput(sys.stdout)))
        stack.enter_context(redirect_stderr(SafeOutput(sys.stderr)))
        yield
