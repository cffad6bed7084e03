r"""The command line: ``sybio demo | fit | evaluate | predict | skeleton | data |
benchmark | reproduce | plot | export | stream | serve``.

Exit codes: 0 success, 1 error, 2 wrong usage, 3 some inputs left out, and 128 plus the number of the signal
that ended the command (130 after Ctrl+C, 143 after SIGTERM). An error is one line on stderr; only ``--debug``
shows its traceback. Commands import torch, Lightning and matplotlib only when they run, so that
``sybio --help`` is fast.
"""

import argparse
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

from pyg_sybio import __version__
from pyg_sybio.cli import (
    benchmark,
    data,
    demo,
    evaluate,
    export,
    fit,
    options,
    plot,
    predict,
    reproduce,
    serve,
    skeleton,
    stream,
)
from pyg_sybio.cli.errors import IncompleteError, UsageError, describe, note
from pyg_sybio.cli.interruptions import exit_code, raise_on_signals
from pyg_sybio.cli.terminal import safe_output

_COMMANDS = (demo, fit, evaluate, predict, skeleton, data, benchmark, reproduce, plot, export, stream, serve)
_TAKE_OVERRIDES = ("fit", "reproduce")
"""Commands that accept settings of a recipe as additional options."""

_RENAMED_OPTIONS = {"--one-look": "--one-view"}
"""Old names of options, which are still accepted."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name. (default: the arguments of the process)

    Returns:
        The exit code. Wrong usage that :mod:`argparse` detects raises :class:`SystemExit`.
    """
    with safe_output(), raise_on_signals():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    args, rest = _parser().parse_known_args(_renamed(sys.argv[1:] if argv is None else argv))
    if args.command in _TAKE_OVERRIDES:
        args.overrides = rest
    elif rest:
        args.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if not args.debug:
        _silence_libraries()
    try:
        args.run(args)
        sys.stdout.flush()  # a full disk is an error of the command
    except BrokenPipeError:
        # The reader of the output, such as 'head', has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as interrupt:
        print("sybio: interrupted", file=sys.stderr)
        return exit_code(interrupt)
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        note(describe(error), kind="error")
        return 2 if isinstance(error, UsageError) else 3 if isinstance(error, IncompleteError) else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sybio",
        description="Recognise an action and forecast the motion from one skeleton sequence.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sybio {__version__}")
    parser.set_defaults(debug=False, parser=parser, run=lambda args: parser.print_help())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=options.Command)
    for command in _COMMANDS:
        command.add_command(commands)
    return parser


def _renamed(argv: Sequence[str]) -> list[str]:
    """Return the arguments with old option names replaced by new ones."""
    for old in _RENAMED_OPTIONS.keys() & set(argv):
        note(f"{old} is now {_RENAMED_OPTIONS[old]}")
    return [_RENAMED_OPTIONS.get(word, word) for word in argv]


def _silence_libraries() -> None:
    """Hide messages of libraries that the user of a command can ignore."""
    for message in (
        ".*does not have many workers.*",
        ".*LightningCLI's args parameter.*",
        ".*Experiment logs directory .* exists and is not empty.*",  # contains TensorBoard's new files
        ".*isinstance.treespec, LeafSpec.*",
        ".*in eval mode at the start of training.*",  # frozen modules
    ):
        warnings.filterwarnings("ignore", message=message)
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
        logging.getLogger(name).setLevel(logging.WARNING)
