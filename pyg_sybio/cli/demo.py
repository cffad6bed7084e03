"""``sybio demo``."""

import argparse
from pathlib import Path

from pyg_sybio.cli import options


def add_command(commands: options.Commands) -> None:
    """Add ``demo``."""
    parser = options.new_command(commands, "demo", run)
    options.add(parser, "--output", Path, "folder of the results", Path("demo_output"), metavar="DIR")
    options.add(parser, "--seed", options.non_negative_int, "random seed of the weights and the motions", 0)


def run(args: argparse.Namespace) -> None:
    """Train a small model on synthetic motions, evaluate it, and draw its results."""
    from pyg_sybio.demo import run_demo

    run_demo(args.output, seed=args.seed)
