"""``sybio predict``."""

import argparse
import sys
from pathlib import Path
from typing import Any

from pyg_sybio.cli.arguments import Commands, add_model, new_command


def add_command(commands: Commands) -> None:
    """Add ``predict``."""
    parser = new_command(
        commands, "predict", "Recognise the action and forecast the motion of recordings.", run
    )
    add_model(parser)
    parser.add_argument(
        "path",
        type=Path,
        metavar="FILE_OR_FOLDER",
        help="a motion file with the joints of the model (.npz, .json, .bvh, .amc, .skeleton, ...; for a CMU "
        "Mocap model, a recording's .txt), or a folder of motion files",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="for a file, the .npz or .json file to write the forecast and the probabilities to (default: "
        "FILE_future.npz in the current folder); for a folder, the folder to write them to (default: write "
        "none)",
    )
    parser.add_argument(
        "--labels",
        default="clips.csv",
        metavar="CSV",
        help="table of a folder's labels, with the columns file and label (default: %(default)s, "
        "if it exists)",
    )


def run(args: argparse.Namespace) -> None:
    """Run ``sybio predict``."""
    from pyg_sybio.data.reading import is_readable
    from pyg_sybio.trained.observation import observe_one
    from pyg_sybio.trained.prediction import predict_recording, write_prediction
    from pyg_sybio.trained.trained import load_checkpoint

    checkpoint = load_checkpoint(args.model)
    if args.path.is_dir() and not is_readable(args.path):
        _predict_folder(args, checkpoint)
        return
    observation = observe_one(args.path, checkpoint, root=args.data_root)
    for notice in observation.notices:
        print(f"sybio: note: {args.path} {notice}", file=sys.stderr)
    prediction = predict_recording(checkpoint, observation, root=args.data_root)
    output = args.output or Path(f"{args.path.stem}_future.npz")
    write_prediction(prediction, observation, output)
    for name, probability in prediction.ranked():
        print(f"{name:<24}{probability:8.4f}")
    print(f"future: {output}")


def _predict_folder(args: argparse.Namespace, checkpoint: Any) -> None:
    from pyg_sybio.trained.prediction import predict_folder, write_prediction

    right = known = 0
    notices: set[str] = set()
    for clip in predict_folder(checkpoint, args.path, labels=args.labels, root=args.data_root):
        for notice in clip.observation.notices:
            if notice not in notices:  # once, not for every clip
                print(f"sybio: note: {clip.name} {notice}", file=sys.stderr)
            notices.add(notice)
        named, probability = next(iter(clip.prediction.ranked()), ("", 0.0))
        said = "" if clip.label is None else f"  {clip.label}"
        print(f"{clip.name:<48}{named:<24}{probability:8.4f}{said}")
        if named and clip.label in clip.prediction.class_names:
            known += 1
            right += named == clip.label
        if args.output:
            name = clip.name.replace(": ", "_")
            write_prediction(clip.prediction, clip.observation, args.output / f"{name}_future.npz")
    if known:
        print(f"accuracy: {right / known:.2%} of {known} clips with a known label")
    if args.output:
        print(f"futures: {args.output}")
