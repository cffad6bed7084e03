r"""The command line: ``sybio demo | fit | evaluate | predict | skeleton | data |
benchmark | reproduce | plot | export | stream | serve``.

Exit codes: 0 success, 1 an error, 2 wrong usage, 130 interrupted. An error is one line on stderr; the
traceback is shown with ``--debug`` only. What is heavy (torch, Lightning, matplotlib) is imported by the
command that needs it, so that ``sybio --help`` answers at once.
"""

import argparse
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyg_sybio.cli.benchmark import add_benchmark_command
from pyg_sybio.cli.data import add_data_command, add_skeleton_from
from pyg_sybio.cli.export import add_export_command
from pyg_sybio.cli.numbers import number
from pyg_sybio.cli.plot import add_plot_command
from pyg_sybio.cli.reproduce import add_reproduce_command
from pyg_sybio.cli.serve import add_serve_command
from pyg_sybio.cli.stream import add_stream_command

# The extra that brings each optional package a command may lack.
_EXTRAS = {
    "lightning": "train",
    "jsonargparse": "train",
    "torchmetrics": "train",
    "tensorboard": "train",
    "matplotlib": "viz",
    "plotly": "viz",
    "sklearn": "viz",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
    "huggingface_hub": "hub",
    "starlette": "serve",
    "uvicorn": "serve",
    "websockets": "serve",
}


class UsageError(ValueError):
    """Wrong usage that only a command can notice: exit code 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name. (default: those of the process)

    Returns:
        The exit code. Wrong usage leaves through :class:`SystemExit`, as :mod:`argparse` does it.
    """
    parser = _parser()
    args, rest = parser.parse_known_args(argv)
    if args.command in ("fit", "reproduce"):
        args.overrides = rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if not args.debug:
        _quieten()
    try:
        args.run(args)
    except BrokenPipeError:
        # Whoever read the output has closed it, as 'head' does; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("sybio: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        print(f"sybio: error: {_describe(error)}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error, and all warnings",
    )
    checkpoint = argparse.ArgumentParser(add_help=False)
    checkpoint.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help=".ckpt file that 'sybio fit' wrote, or what 'sybio export' made of one",
    )
    checkpoint.add_argument(
        "--data-root", metavar="DIR", help="folder of the recordings (default: as in training)"
    )

    parser = argparse.ArgumentParser(
        prog="sybio",
        description="Recognise an action and forecast the motion from one skeleton sequence.",
        allow_abbrev=False,
    )
    parser.set_defaults(debug=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, summary: str, *parents: argparse.ArgumentParser, among: Any = commands, **kwargs: Any
    ) -> argparse.ArgumentParser:
        return among.add_parser(
            name, help=summary, description=summary, parents=[*parents, common], allow_abbrev=False, **kwargs
        )

    demo = command("demo", "Train a small model on synthetic motions, evaluate it and draw what it learned.")
    demo.add_argument(
        "--output", type=Path, default=Path("demo_output"), metavar="DIR", help="default: %(default)s"
    )
    demo.add_argument("--seed", type=int, default=0, help="of weights and clips (default: %(default)s)")
    demo.set_defaults(run=_demo)

    fit = command(
        "fit",
        "Train by a recipe.",
        usage="sybio fit RECIPE [--KEY VALUE ...]",
        epilog="Every setting of the recipe can be overridden: --trainer.max_epochs 3, --model.preset ntu, "
        "--data.batch_size 16, --ckpt_path last. 'sybio fit RECIPE --print_config' shows them all.",
    )
    fit.add_argument(
        "recipe",
        metavar="RECIPE",
        help="name of a shipped recipe (synthetic, motion_folder, ...) or a YAML file",
    )
    fit.set_defaults(run=_fit)

    evaluate = command(
        "evaluate", "Accuracy and motion errors of a checkpoint, beside zero velocity.", checkpoint
    )
    evaluate.add_argument(
        "--split", choices=("train", "val", "test"), default="test", help="default: %(default)s"
    )
    evaluate.add_argument("--actions", metavar="A,B,...", help="restrict to these classes (default: all)")
    evaluate.add_argument(
        "--observation-ratio",
        type=_share,
        metavar="SHARE",
        help="evaluate as if only this share of what could be observed had been, above 0 and at most 1 "
        "(default: as the recipe has it)",
    )
    looks = evaluate.add_mutually_exclusive_group()
    looks.add_argument(
        "--mirror",
        action="store_true",
        help="look at the mirror image of each clip, too, and take the mean of both answers: the model runs "
        "twice; for trainings with RandomMirror",
    )
    looks.add_argument(
        "--one-look",
        action="store_true",
        help="look at each clip once, whatever 'data.looks' of the recipe says",
    )
    evaluate.add_argument(
        "--output", type=Path, metavar="FILE.json", help="the report (default: beside the checkpoint)"
    )
    evaluate.set_defaults(run=_evaluate)

    predict = command("predict", "Recognise and forecast one clip, or every clip in a folder.", checkpoint)
    predict.add_argument(
        "path",
        type=Path,
        metavar="FILE_OR_FOLDER",
        help="any motion file with the joints that the model was trained on (.npz, .json, .bvh, .amc, "
        ".skeleton, ...); for a CMU Mocap model, a recording's .txt",
    )
    predict.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="future poses and probabilities: an .npz or .json file (default: FILE_future.npz in the current "
        "folder); for a folder, the folder to write them into (default: none are written)",
    )
    predict.add_argument(
        "--labels",
        default="clips.csv",
        metavar="CSV",
        help="in a folder, the file with the columns file and label (default: %(default)s, if it is there)",
    )
    predict.set_defaults(run=_predict)

    skeleton = command("skeleton", "The skeletons that ship with the package, or your own.")
    actions = skeleton.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="all skeletons, one a line", parents=[common])
    listing.set_defaults(run=_skeleton_list)
    show = actions.add_parser("show", help="draw a skeleton", parents=[common])
    show.add_argument("name", metavar="NAME", help="such as ntu25, cmu38:used, or the path of a JSON file")
    show.add_argument("--output", type=Path, metavar="PNG", help="the picture (default: NAME.png)")
    show.set_defaults(run=_skeleton_show)
    validate = actions.add_parser("validate", help="check a skeleton's JSON file", parents=[common])
    validate.add_argument("file", type=Path, metavar="FILE")
    validate.set_defaults(run=_skeleton_validate)
    add_skeleton_from(command, actions)
    add_data_command(command)
    add_benchmark_command(command)
    add_reproduce_command(command, UsageError)
    add_plot_command(command, checkpoint, UsageError)
    add_export_command(command, checkpoint)
    add_stream_command(command, checkpoint)
    add_serve_command(command, checkpoint)
    return parser


def _share(text: str) -> float:
    """A share above 0 and at most 1, from the command line."""
    share = number(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 1")
    return share


def _demo(args: argparse.Namespace) -> None:
    from pyg_sybio.demo import run_demo

    run_demo(args.output, seed=args.seed)


def _fit(args: argparse.Namespace) -> None:
    from pyg_sybio.training.recipes import RecipeError, fit

    try:
        cli = fit(args.recipe, args.overrides)
    except RecipeError as error:
        raise UsageError(str(error)) from error
    if cli.trainer.checkpoint_callback is not None:
        print(f"checkpoints: {cli.trainer.checkpoint_callback.dirpath}")


def _evaluate(args: argparse.Namespace) -> None:
    import torch

    from pyg_sybio.trained.evaluation import evaluate, format_report, write_report
    from pyg_sybio.trained.trained import load_checkpoint
    from pyg_sybio.trained.views import ONE_LOOK
    from pyg_sybio.training.data_module import ClipDataModule

    checkpoint = load_checkpoint(args.checkpoint)
    description, name, facts = checkpoint.data, args.split, {"split": args.split}
    if (ratio := args.observation_ratio) is not None:
        description = description | {args.split: description[args.split] | {"observation_ratio": ratio}}
        name, facts = f"{args.split}-{ratio:g}", facts | {"observation_ratio": ratio}
    data = ClipDataModule.from_description(description, root=args.data_root)
    looks = data.looks
    if args.one_look:
        name, looks = f"{name}-one-look", ONE_LOOK
    elif args.mirror:
        name, looks = f"{name}-mirror", replace(looks, mirror=data.mirror_axis)
        if looks.mirror is None:
            raise ValueError(f"{args.checkpoint} was trained without RandomMirror, which '--mirror' is for")
    facts |= {"looks": looks.count, "mirrored": looks.mirror is not None}
    actions = args.actions.split(",") if args.actions else None
    report = evaluate(
        checkpoint.model.to("cuda" if torch.cuda.is_available() else "cpu"),
        data.clips(args.split),
        seen_classes=checkpoint.seen_classes,
        batch_size=data.batch_size,
        actions=actions,
        looks=looks,
    )
    report = {"checkpoint": str(args.checkpoint)} | facts | report
    print(format_report(report))
    output = args.output or args.checkpoint.with_suffix(f".{name}.json")
    write_report(report, output)
    print(f"\nreport: {output}")


def _predict(args: argparse.Namespace) -> None:
    from pyg_sybio.data.reading import is_readable
    from pyg_sybio.trained.observation import observe_one
    from pyg_sybio.trained.prediction import predict_recording, write_prediction
    from pyg_sybio.trained.trained import load_checkpoint

    checkpoint = load_checkpoint(args.checkpoint)
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


def _skeleton_list(args: argparse.Namespace) -> None:
    from pyg_sybio.skeleton import available_skeletons, load_skeleton

    row = "{:<14}{:>7}{:>7}{:>7}  {:<12}{}"
    print(row.format("name", "joints", "bones", "parts", "coordinates", "description"))
    for name in available_skeletons():
        shipped = load_skeleton(name)
        for s in (shipped, *map(shipped.subset, shipped.subsets)):
            description = s.description if s is shipped else f"a subset of {name}"
            print(row.format(s.name, s.num_joints, s.num_bones, s.num_parts, s.coordinates, description))


def _skeleton_show(args: argparse.Namespace) -> None:
    from pyg_sybio.skeleton import load_skeleton
    from pyg_sybio.visualization.skeleton_figure import draw_skeleton

    skeleton = load_skeleton(args.name)
    output = args.output or Path(f"{skeleton.name.replace(':', '_')}.png")
    draw_skeleton(skeleton, output)
    print(output)


def _skeleton_validate(args: argparse.Namespace) -> None:
    from pyg_sybio.skeleton import load_skeleton

    if not args.file.is_file():
        raise FileNotFoundError(f"no file {args.file}: expected a skeleton's JSON file")
    skeleton = load_skeleton(args.file)
    counts = f"{skeleton.num_joints} joints, {skeleton.num_bones} bones, {skeleton.num_parts} parts"
    print(f"OK: {skeleton.name}, {counts}")


def _describe(error: Exception) -> str:
    """An error as one line that says what was wrong and what was expected."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        package = error.name.partition(".")[0]
        if package in _EXTRAS:
            return f'this command needs {package}: pip install "pyg_sybio[{_EXTRAS[package]}]"'
    message = " ".join(str(error).split())
    if isinstance(error, (ValueError, OSError)):
        return message
    # Not foreseen: name the kind of error, and say how to see where it happened.
    return f"{type(error).__name__}: {message} (--debug shows where)"


def _quieten() -> None:
    """Leave out what libraries say about themselves, which no user of the command can act on."""
    for message in (
        ".*does not have many workers.*",
        ".*LightningCLI's args parameter.*",
        ".*Experiment logs directory .* exists and is not empty.*",  # TensorBoard's files, just made
        ".*isinstance.treespec, LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message=message)
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
        logging.getLogger(name).setLevel(logging.WARNING)
