"""Loading of trained models and their data from command-line arguments."""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any


def load(args: argparse.Namespace, path: Path | None = None, **settings: Any) -> Any:
    """Import the modules of ``--import``, and load the model at `path`. (default: the argument ``MODEL``)"""
    from pyg_sybio.trained.load import load_trained

    for module in args.imports:
        import_module(module)
    return load_trained(path or args.model, **settings)


def splits_of(trained: Any, args: argparse.Namespace) -> Any:
    """Return the data sets of ``--recipe`` (default: of the model file) in the folder ``--data-root``."""
    if args.recipe is None:
        return trained.splits(args.data_root)
    from pyg_sybio.training.recipes import data_of

    return data_of(args.recipe, [] if args.data_root is None else [f"--data.root={args.data_root}"]).splits
