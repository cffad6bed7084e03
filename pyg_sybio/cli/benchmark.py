"""``sybio benchmark``: run the scripts of ``benchmarks/``."""

import argparse
import ast
import runpy
import sys
from pathlib import Path

from pyg_sybio.cli import options

_HERE = Path(__file__).parents[1]
# In a wheel, the scripts are inside the package; in a checkout, they are next to it.
_FOLDER = _HERE / "benchmarks" if (_HERE / "benchmarks").is_dir() else _HERE.parent / "benchmarks"


def add_command(commands: options.Commands) -> None:
    """Add ``benchmark``."""
    parser = options.new_command(
        commands,
        "benchmark",
        run,
        usage="sybio benchmark [NAME [OPTIONS ...]]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,  # the help lists the benchmarks, which requires reading their files
    )
    parser.add_argument("-h", "--help", action="store_true", dest="show_help", help="show this message")
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="name of the benchmark (default: list them all)"
    )
    parser.add_argument(
        "options",
        nargs=argparse.REMAINDER,
        metavar="OPTIONS",
        help="options of the benchmark; 'sybio benchmark NAME --help' shows them",
    )
    parser.set_defaults(parser=parser)


def run(args: argparse.Namespace) -> None:
    """Measure speed and memory on this machine, compared with the limits of the machine."""
    summaries = benchmarks()
    if args.name is None:
        width = max(map(len, summaries), default=0)
        lines = (f"  {name:<{width}}  {summary}" for name, summary in summaries.items())
        args.parser.epilog = "\n".join(["benchmarks:", *lines])
        args.parser.print_help()
        return
    if args.name not in summaries:
        args.parser.error(f"no benchmark '{args.name}', expected one of {', '.join(summaries)}")
    # Run the script as 'python benchmarks/NAME.py' does.
    before = sys.argv, sys.path
    sys.argv = [f"sybio benchmark {args.name}", *args.options]
    sys.path = [str(_FOLDER), *sys.path]  # to import the modules that the scripts share
    try:
        runpy.run_path(str(_FOLDER / f"{args.name}.py"), run_name="__main__")
    finally:
        sys.argv, sys.path = before


def benchmarks() -> dict[str, str]:
    """The name of each benchmark and the first line of its docstring.

    A benchmark is a script with a function ``main``; modules that benchmarks share have no ``main``.
    """
    summaries = {}
    for path in sorted(_FOLDER.glob("*.py")):
        script = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in script.body):
            summaries[path.stem] = (ast.get_docstring(script) or "").partition("\n")[0]
    return summaries
