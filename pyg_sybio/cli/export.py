"""The commands that hand a model on: ``sybio export onnx | pretrained | hub``."""

import argparse
from collections.abc import Callable
from pathlib import Path

from pyg_sybio.cli.numbers import from_one


def add_export_command(
    add: Callable[..., argparse.ArgumentParser], checkpoint: argparse.ArgumentParser
) -> None:
    """Add ``export``.

    Args:
        add: Adds a command of a name and a summary, and returns its parser.
        checkpoint: Has the arguments of all commands that read a checkpoint.
    """
    parser = add("export", "Hand a trained model on: as an ONNX file, as a folder, or on the hub.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    onnx = add(
        "onnx",
        "Write a model as an ONNX file, checked against PyTorch on fresh motions.",
        checkpoint,
        among=actions,
    )
    onnx.add_argument("--output", type=Path, required=True, metavar="FILE.onnx", help="the file")
    onnx.add_argument(
        "--task",
        choices=("all", "recognition", "prediction"),
        default="all",
        help="what the file can do; the rest is left out of it (default: %(default)s)",
    )
    onnx.add_argument(
        "--persons",
        action="store_true",
        help="for clips of several persons: poses [N, P, T, M, D], and who is present [N, P] "
        "(default: one person a clip, [N, T, M, D])",
    )
    onnx.add_argument(
        "--num-future", type=from_one, metavar="FRAMES", help="to predict (default: as in training)"
    )
    onnx.set_defaults(run=_onnx)

    pretrained = add(
        "pretrained",
        "Write a model with its model card into a folder, for others and for the hub.",
        checkpoint,
        among=actions,
    )
    pretrained.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="the folder")
    pretrained.add_argument(
        "--report",
        type=Path,
        metavar="FILE.json",
        help="report of 'sybio evaluate' for the card (default: none, and the card says so)",
    )
    pretrained.add_argument(
        "--title", metavar="TEXT", help="name of the model in its card (default: that of the folder)"
    )
    pretrained.set_defaults(run=_pretrained)

    hub = add("hub", "Put a folder of 'sybio export pretrained' on the Hugging Face hub.", among=actions)
    hub.add_argument("folder", type=Path, metavar="FOLDER", help="that 'sybio export pretrained' wrote")
    hub.add_argument("name", metavar="OWNER/NAME", help="of the repository; made if it does not exist")
    hub.add_argument("--private", action="store_true", help="make it a private one")
    hub.set_defaults(run=_hub)


def _onnx(args: argparse.Namespace) -> None:
    from pyg_sybio.trained.sharing import export_checkpoint
    from pyg_sybio.trained.trained import load_checkpoint

    if args.output.suffix.lower() != ".onnx":
        raise ValueError(f"--output is {args.output}, expected a file that ends in .onnx")
    checkpoint = load_checkpoint(args.checkpoint)
    exported = export_checkpoint(
        checkpoint,
        args.output,
        root=args.data_root,
        task=args.task,
        persons=args.persons,
        num_future=args.num_future,
    )
    for name, difference in exported.differences.items():
        print(f"{name:<12} largest difference from PyTorch {difference:.1e} of the largest magnitude")
    print(f"outputs: {', '.join(exported.outputs)}")
    print(f"model: {args.output} ({exported.num_bytes / 1e6:.1f} MB)")


def _pretrained(args: argparse.Namespace) -> None:
    from pyg_sybio.data.readers.json_file import read_json
    from pyg_sybio.trained.sharing import share
    from pyg_sybio.trained.trained import load_checkpoint

    report = None if args.report is None else read_json(args.report)
    checkpoint = load_checkpoint(args.checkpoint)
    share(checkpoint, args.output, report=report, title=args.title, root=args.data_root)
    print(f"model: {args.output}")


def _hub(args: argparse.Namespace) -> None:
    from pyg_sybio.trained.hub import push_to_hub

    print(push_to_hub(args.folder, args.name, private=args.private or None))
