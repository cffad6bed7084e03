"""``sybio demo``."""

import argparse
from pathlib import Path

from pyg_sybio.cli.arguments import Commands, new_command


def add_command(commands: Commands) -> None:
    """Add ``demo``."""
    parser = new_command(
        commands, "demo", "Train a small model on synthetic motions, evaluate it, and draw its results.", run
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo_output"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="for the weights and the motions (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Run ``sybio demo``."""
    from pyg_sybio.demo import run_demo

    run_demo(args.output, seed=args.seed)
