"""``sybio evaluate``."""

import argparse
from dataclasses import replace
from pathlib import Path

from pyg_sybio.cli import options
from pyg_sybio.cli.models import load, splits_of


def add_command(commands: options.Commands) -> None:
    """Add ``evaluate``."""
    parser = options.new_command(commands, "evaluate", run)
    options.add_model(parser, clips=True)
    options.add(parser, "--actions", str, "only use clips of these classes (default: all)", metavar="A,B,...")
    ratio = "fraction of each clip that the model observes, above 0 and at most 1 (default: as trained)"
    options.add(parser, "--observation-ratio", options.positive_fraction, ratio)
    views = parser.add_mutually_exclusive_group()
    mirror = "average the predictions for a clip and its mirror image; for models trained with RandomMirror"
    options.flag(views, "--mirror", mirror)
    options.flag(views, "--one-view", "no test-time augmentation (default: as in the model file)")
    options.add(parser, "--output", Path, "JSON file to write the report to (default: next to the model)")


def run(args: argparse.Namespace) -> None:
    """Measure a model's accuracy and motion errors, and compare the errors with zero velocity."""
    from pyg_sybio.files import write_json
    from pyg_sybio.trained.report import format_report
    from pyg_sybio.trained.views import ONE_VIEW

    trained = load(args)
    data, views = splits_of(trained, args), trained.views
    name, facts = args.split, {"split": args.split}
    if (ratio := args.observation_ratio) is not None:
        data = data.changed(args.split, observation_ratio=ratio)
        name, facts = f"{args.split}-{ratio:g}", facts | {"observation_ratio": ratio}
    if args.one_view:
        name, views = f"{name}-one-view", ONE_VIEW
    elif args.mirror:
        name, views = f"{name}-mirror", replace(views, mirror=data.mirror_axis)
        if views.mirror is None:
            raise ValueError(f"{args.model} was trained without RandomMirror, which '--mirror' requires")
    actions = args.actions.split(",") if args.actions else None
    report = trained.evaluate(data.clips(args.split), views=views, actions=actions)
    report = {"model": str(args.model)} | facts | report
    print(format_report(report))
    output = args.output or args.model.with_suffix(f".{name}.json")
    write_json(output, report)
    print(f"\nreport: {output}")
