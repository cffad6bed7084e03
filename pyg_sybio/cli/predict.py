"""``sybio predict``."""

import argparse
from pathlib import Path
from typing import Any

from pyg_sybio.cli import options
from pyg_sybio.cli.errors import note
from pyg_sybio.cli.models import load


def add_command(commands: options.Commands) -> None:
    """Add ``predict``."""
    parser = options.new_command(commands, "predict", run)
    options.add_model(parser)
    path = (
        "a motion file with the joints of the model (.npz, .json, .bvh, .amc, .skeleton, ...; for a CMU "
        "Mocap model, the .txt file of a recording), or a folder of motion files"
    )
    options.add(parser, "path", Path, path, metavar="FILE_OR_FOLDER")
    output = (
        "for a file, the .npz or .json file to write the forecast and the probabilities to (default: "
        "FILE_future.npz in the current folder); for a folder, the folder to write them to (default: none)"
    )
    options.add(parser, "--output", Path, output, metavar="PATH")
    labels = "for a folder, CSV table with the columns file and label, used if it exists"
    options.add(parser, "--labels", str, labels, "clips.csv", metavar="CSV")
    pattern = "regular expression for file names that replaces the table; its group 'label' is the label"
    options.add(parser, "--pattern", str, pattern, metavar="REGEX")


def run(args: argparse.Namespace) -> None:
    """Recognise the action and forecast the motion of recordings."""
    from pyg_sybio.data.reading import is_readable

    trained = load(args)
    if args.path.is_dir() and not is_readable(args.path):
        _predict_folder(args, trained)
        return
    prediction = trained.predict(args.path)
    for notice in prediction.notices:
        note(f"{args.path} {notice}")
    output = args.output or Path(f"{args.path.stem}_future.npz")
    prediction.write(output)
    for name, probability in prediction.ranked():
        print(f"{name:<24}{probability:8.4f}")
    print(f"future: {output}")


def _predict_folder(args: argparse.Namespace, trained: Any) -> None:
    right = known = 0
    notices: set[str] = set()
    for clip in trained.predict_folder(args.path, labels=args.labels, pattern=args.pattern):
        prediction = clip.prediction
        for notice in prediction.notices:
            if notice not in notices:  # print each notice once
                note(f"{clip.name} {notice}")
            notices.add(notice)
        named, probability = next(iter(prediction.ranked()), ("", 0.0))
        label = "" if clip.label is None else f"  {clip.label}"
        print(f"{clip.name:<48}{named:<24}{probability:8.4f}{label}")
        if named and clip.label in prediction.class_names:
            known += 1
            right += named == clip.label
        if args.output:
            name = clip.name.replace(": ", "_")
            prediction.write(args.output / f"{name}_future.npz")
    if known:
        print(f"accuracy: {right / known:.2%} of {known} clips with a known label")
    if args.output:
        print(f"futures: {args.output}")
