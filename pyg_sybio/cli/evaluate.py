"""``sybio evaluate``."""

import argparse
from dataclasses import replace
from pathlib import Path

from pyg_sybio.cli import options
from pyg_sybio.cli.models import load, splits_of


def add_command(commands: options.Commands) -> None:
    """Add ``evaluate``."""
    summary = "Measure a model's accuracy and motion errors, next to zero velocity."
    parser = options.new_command(commands, "evaluate", summary, run)
    options.add_model(parser, clips=True)
    options.add(parser, "--actions", str, "only clips of these classes (default: all)", metavar="A,B,...")
    ratio = "let the model observe only this part of each clip, above 0 and at most 1 (default: as trained)"
    options.add(parser, "--observation-ratio", options.positive_fraction, ratio)
    views = parser.add_mutually_exclusive_group()
    mirror = (
        "test-time augmentation with the mirror image: average the predictions for each clip and its mirror "
        "image, which takes twice the time; for models trained with RandomMirror"
    )
    options.flag(views, "--mirror", mirror)
    options.flag(views, "--one-view", "no test-time augmentation (default: as the model file says)")
    options.add(parser, "--output", Path, "the report as JSON (default: next to the model)")


def run(args: argparse.Namespace) -> None:
    """Run ``sybio evaluate``."""
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
            raise ValueError(f"{args.model} was trained without RandomMirror, which '--mirror' is for")
    actions = args.actions.split(",") if args.actions else None
    report = trained.evaluate(data.clips(args.split), views=views, actions=actions)
    report = {"model": str(args.model)} | facts | report
    print(format_report(report))
    output = args.output or args.model.with_suffix(f".{name}.json")
    write_json(output, report)
    print(f"\nreport: {output}")
