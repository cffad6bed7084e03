"""The command that repeats the paper's experiments: ``sybio reproduce [NAME RECIPE]``."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from pyg_sybio.cli.numbers import from_zero, number_from_zero


def add_reproduce_command(
    add: Callable[..., argparse.ArgumentParser], usage_error: Callable[[str], Exception]
) -> None:
    """Add ``reproduce``.

    Args:
        add: Adds a command of a name and a summary, and returns its parser.
        usage_error: Makes the error of wrong usage.
    """
    parser = add(
        "reproduce",
        "Repeat an experiment of the paper on any data: train what is missing, measure, show.",
        usage="sybio reproduce [NAME RECIPE [OPTIONS] [--KEY VALUE ...]]\n"
        "       sybio reproduce page [--output DIR]",
        epilog="Without NAME, all experiments are listed. 'sybio reproduce page' puts all tables of DIR into "
        "RESULTS.md beside it. Settings of the recipe, such as --trainer.max_steps 500, hold for all runs. "
        "Everything that was finished stays, and an interrupted run goes on when the command is given again.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the experiment (default: list them all)")
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="as in 'sybio fit'")
    parser.add_argument(
        "--seeds",
        type=from_zero,
        nargs="+",
        metavar="N",
        help="a run of each model a seed (default: 0)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("reproduced"),
        metavar="DIR",
        help="results, and the runs in DIR/runs (default: %(default)s)",
    )
    parser.add_argument("--split", choices=("test", "val"), help="what is measured (default: test)")
    parser.add_argument(
        "--minutes",
        type=number_from_zero,
        metavar="M",
        help="start nothing after M minutes, and stop a training at a checkpoint; 0 shows what there is",
    )
    parser.add_argument(
        "--report", action="store_true", help="only write table and pictures again, as last asked for"
    )

    def run(args: argparse.Namespace) -> None:
        reproduce_command(args, usage_error)

    parser.set_defaults(run=run)


def reproduce_command(args: argparse.Namespace, usage_error: Callable[[str], Exception]) -> None:
    """``sybio reproduce``."""
    from pyg_sybio.experiments.catalogue import EXPERIMENTS
    from pyg_sybio.experiments.report import write_page
    from pyg_sybio.experiments.reproduce import RefusedError, report, reproduce
    from pyg_sybio.training.recipes import RecipeError, recipe_names

    if args.name is None:
        width = max(map(len, EXPERIMENTS))
        for experiment in EXPERIMENTS.values():
            print(f"{experiment.name:<{width}}  {experiment.paper or '–':<18}  {experiment.title}")
        return
    if args.name == "page":
        if args.recipe is not None or args.overrides:
            raise usage_error("'sybio reproduce page' takes no recipe and no settings, only --output")
        print(write_page(args.output))
        return
    if args.name not in EXPERIMENTS:
        raise usage_error(
            f"there is no experiment '{args.name}', expected one of {', '.join(EXPERIMENTS)}, or page"
        )
    if args.recipe is None:
        raise usage_error(
            f"'{args.name}' needs a recipe, expected one of {', '.join(recipe_names())}, or a YAML file"
        )
    overrides = _settings_alone(args.overrides, usage_error)
    experiment = EXPERIMENTS[args.name]
    try:
        if args.report:
            if overrides or args.seeds or args.split or args.minutes is not None:
                raise usage_error("--report shows what was asked for last, expected only --output beside it")
            text = report(experiment, args.recipe, output=args.output)
        else:
            text = reproduce(
                experiment,
                args.recipe,
                overrides=overrides,
                seeds=args.seeds or (0,),
                output=args.output,
                split=args.split or "test",
                minutes=args.minutes,
            )
    except (RecipeError, RefusedError) as error:
        raise usage_error(str(error)) from error
    print(f"\n{text}\ntable: {args.output / f'{args.name}-{Path(args.recipe).stem}.md'}")


def _settings_alone(words: Sequence[str], usage_error: Callable[[str], Exception]) -> tuple[str, ...]:
    """Settings of the recipe, none of which is this command's own affair."""
    if words and not words[0].startswith("--"):
        raise usage_error(f"unrecognized argument {words[0]!r}, expected NAME RECIPE first, then options")
    for word in words:
        key = word.partition("=")[0]
        if key in ("--seed_everything", "--ckpt_path", "--trainer.default_root_dir", "--config", "--base"):
            raise usage_error(
                f"{key} is set for every run by the command itself: there are --seeds and --output for it"
            )
        if key.startswith("--print_config") or key in ("--help", "-h"):
            raise usage_error(f"{key} belongs to 'sybio fit'")
    return tuple(words)
