"""Creation of commands, options that several commands share, and types of their values."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_sybio.cli.errors import UsageError

PICTURES = ("png", "svg", "pdf")
PICTURES_AND_FILMS = (*PICTURES, "gif", "mp4", "html")

Commands = Any
"""The type returned by :meth:`argparse.ArgumentParser.add_subparsers`, which is private in argparse."""

Run = Callable[[argparse.Namespace], None]


def new_command(commands: Commands, name: str, run: Run, **kwargs: Any) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: The subparsers of the program or of a group, to which the command is added.
        name: Name of the command.
        run: Function that runs the command; its docstring is the help text.
        **kwargs: Further arguments of :class:`argparse.ArgumentParser`.

    Returns:
        The parser of the command.
    """
    parser = _new_parser(commands, name, " ".join((run.__doc__ or "").split()), **kwargs)
    parser.set_defaults(run=run)
    return parser


def new_group(commands: Commands, name: str, summary: str, metavar: str = "ACTION") -> Commands:
    """Add a command with subcommands, and return the object to which subcommands are added."""
    group = _new_parser(commands, name, summary)
    group.set_defaults(run=lambda args: group.print_help())
    return group.add_subparsers(dest="action", metavar=metavar, parser_class=Command)


class Command(argparse.ArgumentParser):
    """A command whose options may stand before, between and after its arguments."""

    _is_parsing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments and options in any order; the base class expects optional arguments before
        options."""
        counts = {action.nargs for action in self._get_positional_actions()}
        if self._is_parsing or argparse.REMAINDER in counts or not counts & {"?", "+"}:
            return super().parse_known_args(args, namespace)
        self._is_parsing = True  # the base class calls this method twice
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_parsing = False


def _new_parser(commands: Commands, name: str, summary: str, **kwargs: Any) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False, **kwargs)
    parser.set_defaults(parser=parser)
    debug = "show all warnings, and the traceback of an error"
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=debug)
    return parser


# Arguments ------------------------------------------------------------------------------------------------


def add(
    parser: Any, name: str, type: Callable[[str], Any], help: str, default: Any = None, **options: Any
) -> None:
    """Add an argument or an option with a value.

    Args:
        parser: The command, or an argument group of it.
        name: Name of the argument, or of the option with its dashes.
        type: Type of the value, which also determines the placeholder in the help text.
        help: Help text, to which the default is appended.
        default: Default value. (default: none)
        **options: Further arguments of :meth:`argparse.ArgumentParser.add_argument`.
    """
    if default is not None:
        help = f"{help} (default: {default})"
    placeholder = name.upper()
    if name.startswith("-"):
        placeholder = type.placeholder if isinstance(type, Number) else "FILE" if type is Path else "TEXT"
    options = {"metavar": None if "choices" in options else placeholder} | options
    if options.get("action") == "append" or (options.get("nargs") == "+" and name.startswith("-")):
        default = default or []
    parser.add_argument(name, type=type, default=default, help=help, **options)


def flag(parser: Any, name: str, help: str) -> None:
    """Add an option without a value."""
    parser.add_argument(name, action="store_true", help=help)


def add_model(
    parser: argparse.ArgumentParser,
    name: str = "model",
    help: str = ".ckpt file written by 'sybio fit', folder or .onnx file written by 'sybio export', or "
    "hf://OWNER/NAME on the Hugging Face hub",
    *,
    clips: bool = False,
    **options: Any,
) -> None:
    """Add ``MODEL`` and ``--import``, and the options that choose clips of a data set.

    Args:
        parser: The command.
        name: Name of the argument. (default: ``"model"``)
        help: Help text of the argument.
        clips: Also add ``--data-root``, ``--recipe`` and ``--split``. (default: :obj:`False`)
        **options: Further arguments of :func:`add` for the argument.
    """
    add(parser, name, Path, help, **options)
    modules = "first import a Python module that registers transforms or data sets; may be repeated"
    add(parser, "--import", str, modules, dest="imports", action="append", metavar="MODULE")
    if clips:
        root = "folder with all recordings (default: the environment variable PYG_SYBIO_DATA)"
        add(parser, "--data-root", str, root, metavar="DIR")
        recipe = "name or YAML file of a recipe whose clips are used (default: the model's data set)"
        add(parser, "--recipe", str, recipe, metavar="RECIPE")
        add(parser, "--split", str, "split of the data set", "test", choices=("train", "val", "test"))


def add_skeleton(parser: argparse.ArgumentParser, help: str) -> None:
    """Add ``--skeleton``."""
    add(parser, "--skeleton", str, f"{help}; NAME:SUBSET is a subset of it", metavar="NAME_OR_JSON")


def add_threads(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``--threads``."""
    add(parser, "--threads", positive_int, f"number of threads for the model (default: {default})")


def add_up(parser: argparse.ArgumentParser) -> None:
    """Add ``--up``, the axis of the data that points up in a picture."""
    help = "axis that points up; write --up=-y for a negative one (default: as the skeleton says)"
    add(parser, "--up", str, help, choices=("x", "y", "z", "-x", "-y", "-z"))


def add_output(parser: argparse.ArgumentParser, kinds: Sequence[str], default: str | None = None) -> None:
    """Add ``--output``, a figure or video of the given file types.

    Args:
        parser: The command.
        kinds: Allowed suffixes of the file name.
        default: Default file name. (default: the input's name with .png)
    """
    help = _alternatives(kinds) + ("" if default else " (default: the input's name with .png)")
    add(parser, "--output", Path, help, default and Path(default), metavar="OUT")


def check_output(output: Path, kinds: Sequence[str]) -> None:
    """Check the name and the folder of an output file before a long computation.

    Args:
        output: The file.
        kinds: Allowed suffixes of the file name.

    Raises:
        UsageError: If the name has another suffix.
        FileNotFoundError: If the folder does not exist.
    """
    if output.suffix.lower().removeprefix(".") not in kinds:
        raise UsageError(f"'--output' is {output}, expected a name that ends in {_alternatives(kinds)}")
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"{output.parent}: no such folder; expected one in which to write {output.name}"
        )


def _alternatives(kinds: Sequence[str]) -> str:
    """List suffixes as ``.png, .svg or .pdf``."""
    named = [f".{kind}" for kind in kinds]
    return f"{', '.join(named[:-1])} or {named[-1]}"


# Types of values ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """Type of a number or a restricted text, for :meth:`argparse.ArgumentParser.add_argument`.

    Args:
        expected: Description of valid values for error messages.
        read: Function that converts the text, or raises :class:`ValueError` if this is impossible.
        is_valid: Function that tells whether a value is valid.
        placeholder: Placeholder of the value in help texts.
    """

    expected: str
    read: Callable[[str], Any]
    is_valid: Callable[[Any], bool]
    placeholder: str

    def __call__(self, text: str) -> Any:
        try:
            value = self.read(text)
        except ValueError:
            value = math.nan  # NaN is not within any bounds
        if not self.is_valid(value):
            raise argparse.ArgumentTypeError(f"expected {self.expected}, got {text!r}")
        return value


def _decimal(text: str) -> int:
    """Convert decimal digits; :class:`int` would also accept signs, spaces and underscores."""
    if not text.isdecimal():
        raise ValueError
    return int(text)


non_negative_int = Number("a non-negative integer", _decimal, lambda value: value >= 0, "N")
positive_int = Number("a positive integer", _decimal, lambda value: value >= 1, "N")
port = Number("a port from 0 to 65535", _decimal, lambda value: 0 <= value <= 65535, "N")
token = Number(
    "visible characters without spaces",
    str,
    lambda text: text.split() == [text] and text.isprintable(),
    "TOKEN",
)
positive_float = Number("a positive number", float, lambda value: 0 < value < math.inf, "X")
non_negative_float = Number("a non-negative number", float, lambda value: 0 <= value < math.inf, "X")
fraction = Number("a number from 0 to 1", float, lambda value: 0 <= value <= 1, "X")
positive_fraction = Number("a number above 0 and at most 1", float, lambda value: 0 < value <= 1, "X")
