"""``sybio demo``."""

import argparse
from pathlib import Path

from pyg_sybio.cli.arguments import Commands, argument, new_command, non_negative_int


def add_command(commands: Commands) -> None:
    """Add ``demo``."""
    parser = new_command(
        commands, "demo", "Train a small model on synthetic motions, evaluate it, and draw its results.", run
    )
    argument(parser, "--output", Path, "folder of the results", Path("demo_output"), metavar="DIR")
    argument(parser, "--seed", non_negative_int, "random seed of the weights and the motions", 0)


def run(args: argparse.Namespace) -> None:
    """Run ``sybio demo``."""
    from pyg_sybio.demo import run_demo

    run_demo(args.output, seed=args.seed)
