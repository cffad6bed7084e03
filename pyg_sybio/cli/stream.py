"""The command that answers live poses: ``sybio stream CHECKPOINT [FILE]``."""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pyg_sybio.cli.numbers import above_zero, from_one, number

if TYPE_CHECKING:
    from pyg_sybio.skeleton import Skeleton
    from pyg_sybio.streaming.json_lines import Item
    from pyg_sybio.streaming.streaming import MotionStream
    from pyg_sybio.trained.trained import Checkpoint


def add_stream_command(
    add: Callable[..., argparse.ArgumentParser], checkpoint: argparse.ArgumentParser
) -> None:
    """Add ``stream``.

    Args:
        add: Adds a command of a name, a summary and parents, and returns its parser.
        checkpoint: The arguments of commands that read a checkpoint.
    """
    parser = add(
        "stream",
        "Recognise and forecast live: frames in, a line of JSON for each out.",
        checkpoint,
        epilog='A line that comes in: {"type": "frame", "timestamp": 12.03, "people": [{"track": 0, "joints":'
        ' [[x, y, z], null, ...]}]}; null is a joint that was not seen. {"type": "reset"} forgets what came. '
        "All fields are in pyg_sybio/streaming/messages.py. A line that cannot be used is answered with an "
        "error, and the stream goes on; the exit code is 1 then. A summary comes last, on stderr.",
    )
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="any motion file, or a .jsonl file of such lines (default: lines from standard input)",
    )
    parser.add_argument(
        "--speed",
        type=above_zero,
        metavar="S",
        help="1 answers frames when they are due by their timestamps, 2 twice as fast, and drops those that "
        "are too late (default: every frame, as soon as it comes)",
    )
    parser.add_argument(
        "--max-delay",
        type=above_zero,
        default=0.1,
        metavar="SECONDS",
        help="with --speed, frames later than this are dropped (default: %(default)s)",
    )
    parser.add_argument(
        "--fps",
        type=above_zero,
        metavar="N",
        help="frames a second that come (default: those of the file, or of the model)",
    )
    parser.add_argument(
        "--skeleton",
        metavar="NAME_OR_JSON",
        help="the joints that come, among them the model's (default: the model's)",
    )
    parser.add_argument(
        "--missing",
        choices=("hold", "interpolate", "mask"),
        help="what becomes of joints that were not seen (default: as in training)",
    )
    parser.add_argument(
        "--min-confidence",
        type=_share,
        default=0.0,
        metavar="C",
        help="a joint with no more confidence was not seen (default: %(default)s)",
    )
    parser.add_argument(
        "--enough",
        type=_share,
        default=0.5,
        metavar="SHARE",
        help="of the window that has to be seen before it is called enough (default: %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=from_one,
        metavar="N",
        help="on how many processors the model may run (default: all, too many where others work)",
    )
    parser.set_defaults(run=stream_command)


def stream_command(args: argparse.Namespace) -> None:
    """``sybio stream``."""
    import torch

    from pyg_sybio.skeleton import load_skeleton
    from pyg_sybio.streaming.json_lines import Pace, Summary, answer_all
    from pyg_sybio.trained.trained import load_checkpoint

    if args.path is not None and not args.path.exists():
        raise FileNotFoundError(f"no file {args.path}: expected a motion file, or a .jsonl file of messages")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    checkpoint = load_checkpoint(args.checkpoint)
    skeleton = None if args.skeleton is None else load_skeleton(args.skeleton)
    of_lines = args.path is None or args.path.suffix.lower() == ".jsonl"
    summary = Summary(what="line" if of_lines else "frame")
    with _items(args, checkpoint, skeleton, of_lines) as (stream, items):
        for notice in stream.notices:
            print(f"sybio: note: what comes {notice}", file=sys.stderr)
        pace = None
        if args.speed is not None:
            # Where frames are dropped, those that are left look like poses of another rate.
            warnings.filterwarnings("ignore", message="poses come at", category=UserWarning)
            pace = Pace(args.speed, max_delay=args.max_delay, max_pause=stream.max_gap)
        try:
            answer_all(stream, items, _print, summary, pace=pace)
        finally:
            print(summary.text(), file=sys.stderr)
    if summary.refused:
        raise ValueError(f"{summary.refused} {summary.what}s could not be used, first {summary.first_error}")


@contextmanager
def _items(
    args: argparse.Namespace, checkpoint: "Checkpoint", skeleton: "Skeleton | None", of_lines: bool
) -> Iterator[tuple["MotionStream", "Iterator[Item]"]]:
    """The stream, and what comes to it."""
    from itertools import chain

    from pyg_sybio.data.reading import read_motions
    from pyg_sybio.streaming.json_lines import items_of_lines, items_of_motions

    def stream_at(fps: float | None) -> "MotionStream":
        return checkpoint.stream(
            root=args.data_root,
            fps=args.fps or fps or checkpoint.data["frame_rate"],
            skeleton=skeleton,
            missing=args.missing,
            min_confidence=args.min_confidence,
            enough=args.enough,
        )

    if of_lines:
        stream = stream_at(None)
        with _opened(args.path) as file:
            yield stream, items_of_lines(file, stream.skeleton)
        return
    wanted = skeleton or checkpoint.preparation(root=args.data_root).skeleton
    motions = read_motions(args.path, skeleton=wanted)
    first = next(motions, None)
    if first is None:
        raise ValueError(f"{args.path} holds no motion, expected one or more")
    stream = stream_at(first.frame_rate)
    yield (
        stream,
        items_of_motions(
            chain([first], motions),
            fps=stream.fps,
            same_rate=args.fps is not None,
            with_confidence=args.min_confidence > 0,
        ),
    )


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    if path is not None:
        with path.open("rb") as file:
            yield file
        return
    if sys.stdin.isatty():
        print("sybio: note: waiting for lines of JSON on standard input", file=sys.stderr)
    yield sys.stdin.buffer


def _print(line: str) -> None:
    # At once: whoever reads it reacts to it.
    print(line, flush=True)


def _share(text: str) -> float:
    share = number(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return share
