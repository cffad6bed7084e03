"""``sybio export onnx | pretrained | hub``."""

import argparse
from pathlib import Path

from pyg_sybio.cli import options
from pyg_sybio.cli.models import load


def add_command(commands: options.Commands) -> None:
    """Add ``export``."""
    summary = "Export a trained model: as an ONNX file, as a folder, or to the Hugging Face hub."
    actions = options.new_group(commands, "export", summary)

    parser = options.new_command(actions, "onnx", onnx)
    options.add_model(parser)
    options.add(parser, "--output", Path, "the file to write", required=True, metavar="FILE.onnx")
    tasks = ("all", "recognition", "prediction")
    options.add(parser, "--task", str, "outputs of the exported model", "all", choices=tasks)
    persons = (
        "several persons per clip: the inputs are poses [N, P, T, M, D] and a mask of present persons [N, P] "
        "(default: one person per clip, [N, T, M, D])"
    )
    options.flag(parser, "--persons", persons)
    frames = "number of frames to forecast (default: as in training)"
    options.add(parser, "--num-future", options.positive_int, frames)

    parser = options.new_command(actions, "pretrained", pretrained)
    options.add_model(parser)
    options.add(parser, "--output", Path, "the folder to write", required=True, metavar="DIR")
    report = "report of 'sybio evaluate' for the model card (default: none)"
    options.add(parser, "--report", Path, report, metavar="FILE.json")
    root = "folder with all recordings; only for checkpoints of version 0.1 on exponential maps"
    options.add(parser, "--data-root", str, root, metavar="DIR")
    options.add(parser, "--title", str, "title of the model card (default: the folder's name)")

    parser = options.new_command(actions, "hub", hub)
    options.add(parser, "folder", Path, "folder written by 'sybio export pretrained'")
    name = "name of the repository, which is created if it does not exist"
    options.add(parser, "name", str, name, metavar="OWNER/NAME")
    options.flag(parser, "--private", "create a private repository")


def onnx(args: argparse.Namespace) -> None:
    """Write a model as an ONNX file and compare it with PyTorch on new motions."""
    if args.output.suffix.lower() != ".onnx":
        raise ValueError(f"--output is {args.output}, expected a name that ends in .onnx")
    exported = load(args).export_onnx(
        args.output, task=args.task, persons=args.persons, num_future=args.num_future
    )
    for name, difference in exported.differences.items():
        print(f"{name:<12} largest difference from PyTorch {difference:.1e} (of the largest value)")
    print(f"outputs: {', '.join(exported.outputs)}")
    print(f"model: {args.output} ({exported.num_bytes / 1e6:.1f} MB)")


def pretrained(args: argparse.Namespace) -> None:
    """Write a model and its model card into a folder, to share or to upload to the hub."""
    from pyg_sybio.files import read_json

    report = None if args.report is None else read_json(args.report)
    load(args, root=args.data_root).save(args.output, report=report, title=args.title)
    print(f"model: {args.output}")


def hub(args: argparse.Namespace) -> None:
    """Upload a folder of 'sybio export pretrained' to the Hugging Face hub."""
    from pyg_sybio.trained.hub import push_to_hub

    print(push_to_hub(args.folder, args.name, private=args.private or None))
