"""Arguments that several commands share, and the types of their values."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyg_sybio.cli.errors import UsageError

PICTURES = ("png", "svg", "pdf")
FILMS = ("gif", "mp4", "html")

Commands = Any
"""What :meth:`argparse.ArgumentParser.add_subparsers` returns, a class that argparse keeps private."""

Run = Callable[[argparse.Namespace], None]


def new_command(
    commands: Commands, name: str, summary: str, run: Run | None = None, **kwargs: Any
) -> argparse.ArgumentParser:
    """Add a command with the options that every command has.

    Args:
        commands: Where to add it.
        name: Name of the command.
        summary: One sentence for the help texts.
        run: Runs the command. (default: none, for a command that only groups others)
        **kwargs: Further arguments of :class:`argparse.ArgumentParser`.

    Returns:
        The parser of the command.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary, allow_abbrev=False, **kwargs
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show all warnings, and the traceback of an error",
    )
    if run is not None:
        parser.set_defaults(run=run)
    return parser


def new_group(commands: Commands, name: str, summary: str, metavar: str = "ACTION") -> Commands:
    """Add a command that consists of commands of its own, and return where to add those."""
    group = new_command(commands, name, summary)
    return group.add_subparsers(dest="action", required=True, metavar=metavar)


# Arguments ------------------------------------------------------------------------------------------------


def argument(
    parser: Any, name: str, type: Callable[[str], Any], help: str, default: Any = None, **options: Any
) -> None:
    """Add an argument or an option with a value.

    Args:
        parser: The command, or a group of it.
        name: Name of the argument, or of the option with its dashes.
        type: Type of the value, which also determines the placeholder in the help text.
        help: Help text, to which the default is added.
        default: The default. (default: none)
        **options: Further arguments of :meth:`argparse.ArgumentParser.add_argument`.
    """
    if default is not None:
        help = f"{help} (default: {default})"
    placeholder = _PLACEHOLDERS.get(type, "TEXT") if name.startswith("-") else name.upper()
    options = {"metavar": None if "choices" in options else placeholder} | options
    if options.get("action") == "append" or (options.get("nargs") == "+" and name.startswith("-")):
        default = default or []
    parser.add_argument(name, type=type, default=default, help=help, **options)


def flag(parser: Any, name: str, help: str) -> None:
    """Add an option without a value."""
    parser.add_argument(name, action="store_true", help=help)


def add_model(parser: argparse.ArgumentParser, *, data: bool = False) -> None:
    """Add ``MODEL``, and for commands that take clips of its data set ``--data-root`` and ``--recipe``."""
    model = ".ckpt file written by 'sybio fit', or a folder or .onnx file written by 'sybio export'"
    argument(parser, "model", Path, model)
    add_imports(parser)
    if data:
        add_data(parser)


def add_imports(parser: argparse.ArgumentParser) -> None:
    """Add ``--import``."""
    help = "first import a Python module that registers transforms or data sets; may be repeated"
    argument(parser, "--import", str, help, dest="imports", action="append", metavar="MODULE")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-root`` and ``--recipe``."""
    root = "folder with all recordings (default: the environment variable PYG_SYBIO_DATA)"
    argument(parser, "--data-root", str, root, metavar="DIR")
    recipe = "take the clips of a recipe, a shipped one or a YAML file (default: the data set of the model)"
    argument(parser, "--recipe", str, recipe, metavar="RECIPE")


def add_split(parser: argparse.ArgumentParser) -> None:
    """Add ``--split``."""
    argument(parser, "--split", str, "split of the data set", "test", choices=("train", "val", "test"))


def add_skeleton(parser: argparse.ArgumentParser, help: str) -> None:
    """Add ``--skeleton``."""
    argument(parser, "--skeleton", str, help, metavar="NAME_OR_JSON")


def add_threads(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``--threads``."""
    argument(parser, "--threads", positive_int, f"number of threads for the model (default: {default})")


def add_up(parser: argparse.ArgumentParser) -> None:
    """Add ``--up``, the vertical axis of a picture."""
    help = "axis that points up; write --up=-y for a negative one (default: estimated from the poses)"
    argument(parser, "--up", str, help, choices=("x", "y", "z", "-x", "-y", "-z"))


def add_output(parser: argparse.ArgumentParser, kinds: Sequence[str], default: str | None = None) -> None:
    """Add ``--output``, a picture or film of some kinds.

    Args:
        parser: The command.
        kinds: Endings of the names of files.
        default: The default. (default: the input's name with .png)
    """
    said = default or "the input's name with .png"
    path = default and Path(default)
    help = f"{_alternatives(kinds)} (default: {said})"
    parser.add_argument("--output", type=Path, default=path, metavar="OUT", help=help)


def check_output(output: Path, kinds: Sequence[str]) -> None:
    """Check the name and the folder of an output, before the work that it takes.

    Raises:
        UsageError: If the name has another ending.
        FileNotFoundError: If the folder does not exist.
    """
    if output.suffix.lower().removeprefix(".") not in kinds:
        raise UsageError(f"'--output' is {output}, expected a name that ends in {_alternatives(kinds)}")
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"{output.parent}: no such folder; expected one in which to write {output.name}"
        )


def _alternatives(kinds: Sequence[str]) -> str:
    """File name endings as text, such as ``.png, .svg or .pdf``."""
    named = [f".{kind}" for kind in kinds]
    return f"{', '.join(named[:-1])} or {named[-1]}"


# Types of values ------------------------------------------------------------------------------------------


def non_negative_int(text: str) -> int:
    """An integer of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a non-negative integer, got {text!r}")
    return int(text)


def positive_int(text: str) -> int:
    """An integer of at least 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def positive_float(text: str) -> float:
    """A finite number above 0."""
    value = _float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return value


def non_negative_float(text: str) -> float:
    """A finite number of at least 0."""
    value = _float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a non-negative number, got {text!r}")
    return value


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    value = _float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def positive_fraction(text: str) -> float:
    """A number above 0 and at most 1."""
    value = _float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and at most 1, got {text!r}")
    return value


def port(text: str) -> int:
    """A TCP port."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


_PLACEHOLDERS: dict[Callable[[str], Any], str] = {
    Path: "FILE",
    non_negative_int: "N",
    positive_int: "N",
    positive_float: "X",
    non_negative_float: "X",
    fraction: "X",
    positive_fraction: "X",
    port: "N",
}
"""Placeholders of values in help texts."""


def _float(text: str) -> float:
    """A number; NaN, which lies within no bounds, if the text is not one."""
    try:
        return float(text)
    except ValueError:
        return math.nan
