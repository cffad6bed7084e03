"""The command that runs the scripts of ``benchmarks/``: ``sybio benchmark NAME [OPTIONS ...]``."""

import argparse
import ast
import runpy
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

_HERE = Path(__file__).parents[1]
# The wheel carries the scripts inside the package, a checkout has them beside it.
_FOLDER = _HERE / "benchmarks" if (_HERE / "benchmarks").is_dir() else _HERE.parent / "benchmarks"


def add_benchmark_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``benchmark``.

    Args:
        add: Adds a command of a name and a summary, and returns its parser.
    """
    parser = add(
        "benchmark",
        "Measure speed and memory on this machine, beside what the machine could reach.",
        usage="sybio benchmark [NAME [OPTIONS ...]]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,  # the list of the benchmarks is read from their files, when it is asked for
    )
    parser.add_argument("-h", "--help", action="store_true", dest="show_help", help="show this message")
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="which benchmark (default: none, list them all)"
    )
    parser.add_argument(
        "options",
        nargs=argparse.REMAINDER,
        metavar="OPTIONS",
        help="of the benchmark; 'sybio benchmark NAME --help' shows them",
    )
    parser.set_defaults(run=partial(benchmark, parser))


def benchmark(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """``sybio benchmark``: run a script as if by ``python benchmarks/NAME.py``, or list them."""
    summaries = benchmarks()
    if args.name is None:
        width = max(map(len, summaries), default=0)
        lines = (f"  {name:<{width}}  {summary}" for name, summary in summaries.items())
        parser.epilog = "\n".join(["benchmarks:", *lines])
        parser.print_help()
        return
    if args.name not in summaries:
        parser.error(f"there is no benchmark '{args.name}'; there are {', '.join(summaries)}")
    before = sys.argv, sys.path
    sys.argv = [f"sybio benchmark {args.name}", *args.options]
    sys.path = [str(_FOLDER), *sys.path]  # scripts import what they share
    try:
        runpy.run_path(str(_FOLDER / f"{args.name}.py"), run_name="__main__")
    finally:
        sys.argv, sys.path = before


def benchmarks() -> dict[str, str]:
    """The name of each benchmark and the first line of what it says about itself.

    A benchmark is a script with a function ``main``; what they share has none.
    """
    summaries = {}
    for path in sorted(_FOLDER.glob("*.py")):
        script = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in script.body):
            summaries[path.stem] = (ast.get_docstring(script) or "").partition("\n")[0]
    return summaries
