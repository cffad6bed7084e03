"""``sybio reproduce``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pyg_sybio.cli import options
from pyg_sybio.cli.errors import UsageError


def add_command(commands: options.Commands) -> None:
    """Add ``reproduce``."""
    parser = options.new_command(
        commands,
        "reproduce",
        run,
        usage="sybio reproduce [NAME RECIPE [OPTIONS] [--KEY VALUE ...]]\n"
        "       sybio reproduce page [--output DIR]",
        epilog="Without NAME, all experiments are listed. 'sybio reproduce page' collects all tables of DIR "
        "in RESULTS.md next to DIR. Settings of the recipe, such as --trainer.max_steps 500, apply to all "
        "runs. Finished runs are kept, and interrupted runs continue when the command is repeated.",
    )
    options.add(parser, "name", str, "name of the experiment (default: list them all)", nargs="?")
    options.add(parser, "recipe", str, "as in 'sybio fit'", nargs="?")
    seeds = "train each model once per seed (default: 0)"
    options.add(parser, "--seeds", options.non_negative_int, seeds, nargs="+")
    output = "folder of the results; the runs are in DIR/runs"
    options.add(parser, "--output", Path, output, Path("reproduced"), metavar="DIR")
    options.add(parser, "--split", str, "split to measure on (default: test)", choices=("test", "val"))
    minutes = "stop at a checkpoint after M minutes; 0 only shows the results so far (default: no limit)"
    options.add(parser, "--minutes", options.non_negative_float, minutes, metavar="M")
    report = "only write the tables and figures again, with the options of the last call"
    options.flag(parser, "--report", report)


def run(args: argparse.Namespace) -> None:
    """Repeat an experiment of the paper on any data: train missing models, measure, and write a table."""
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
            raise UsageError("'sybio reproduce page' takes no recipe and no settings, only --output")
        print(write_page(args.output))
        return
    if args.name not in EXPERIMENTS:
        raise UsageError(f"no experiment '{args.name}', expected one of {', '.join(EXPERIMENTS)}, or page")
    if args.recipe is None:
        raise UsageError(
            f"'{args.name}' needs a recipe, expected one of {', '.join(recipe_names())}, or a YAML file"
        )
    overrides = _recipe_settings(args.overrides)
    experiment = EXPERIMENTS[args.name]
    try:
        if args.report:
            if overrides or args.seeds or args.split or args.minutes is not None:
                raise UsageError("--report repeats the last call: the only other option it takes is --output")
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
        raise UsageError(str(error)) from error
    print(f"\n{text}\ntable: {args.output / f'{args.name}-{Path(args.recipe).stem}.md'}")


def _recipe_settings(words: Sequence[str]) -> tuple[str, ...]:
    """Check the additional options, which are settings of the recipe."""
    if words and not words[0].startswith("--"):
        raise UsageError(f"unrecognized argument {words[0]!r}, expected NAME RECIPE first, then options")
    for word in words:
        key = word.partition("=")[0]
        if key in ("--seed_everything", "--ckpt_path", "--trainer.default_root_dir", "--config", "--base"):
            raise UsageError(f"this command sets {key} for every run: use --seeds and --output")
        if key.startswith("--print_config") or key in ("--help", "-h"):
            raise UsageError(f"{key} is an option of 'sybio fit' only")
    return tuple(words)
