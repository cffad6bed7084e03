"""``sybio fit``."""

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyg_sybio.cli import options
from pyg_sybio.cli.errors import UsageError, note


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
    from pyg_sybio.training.recipes import RecipeError, RunFinishedError, fit

    try:
        cli = fit(args.recipe, args.overrides)
    except RecipeError as error:
        raise UsageError(str(error)) from error
    except RunFinishedError as finished:
        note(str(finished))
        return
    if cli.trainer.is_global_zero:
        print("\n".join(_outcome(cli)))


def _outcome(cli: Any) -> Iterator[str]:
    """Describe a finished training: its last scores, its checkpoints, and the command that evaluates it."""
    trainer, data = cli.trainer, cli.datamodule
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    shown = {name: value for name, value in scores.items() if name.startswith("val_")} or scores
    if shown:
        yield "scores: " + ", ".join(f"{name} {value:.4g}" for name, value in sorted(shown.items()))
    checkpoint = trainer.checkpoint_callback
    if checkpoint is None:
        return
    last = Path(checkpoint.dirpath) / "last.ckpt"
    best = Path(checkpoint.best_model_path or last)
    if best != last:
        yield f"best checkpoint: {best} ({checkpoint.monitor} {float(checkpoint.best_model_score):.4g})"
    yield f"last checkpoint: {last}"
    command = ["sybio", "evaluate", str(best)]
    if data.splits.describe()["only_in_recipe"]:
        command += ["--recipe", str(Path(trainer.log_dir) / "config.yaml")]
    elif data.splits.root is not None:
        command += ["--data-root", str(data.splits.root)]
    yield f"next: {shlex.join(command)}"
