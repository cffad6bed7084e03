"""``sybio fit``."""

import argparse

from pyg_sybio.cli import options
from pyg_sybio.cli.errors import UsageError


def add_command(commands: options.Commands) -> None:
    """Add ``fit``."""
    parser = options.new_command(
        commands,
        "fit",
        run,
        usage="sybio fit RECIPE [--KEY VALUE ...]",
        epilog="Every setting of the recipe can be overridden: --trainer.max_epochs 3, --model.preset ntu, "
        "--data.batch_size 16, --ckpt_path last. 'sybio fit RECIPE --print_config' shows all settings.",
    )
    recipe = "name of a shipped recipe (synthetic, motion_folder, ...) or a YAML file"
    options.add(parser, "recipe", str, recipe)


def run(args: argparse.Namespace) -> None:
    """Train a model from a recipe."""
    from pyg_sybio.training.recipes import RecipeError, fit

    try:
        cli = fit(args.recipe, args.overrides)
    except RecipeError as error:
        raise UsageError(str(error)) from error
    if cli.trainer.checkpoint_callback is not None:
        print(f"checkpoints: {cli.trainer.checkpoint_callback.dirpath}")
