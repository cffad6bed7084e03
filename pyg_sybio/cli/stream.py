"""``sybio stream``."""

import argparse
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pyg_sybio.cli.arguments import (
    Commands,
    add_model,
    add_skeleton,
    add_threads,
    argument,
    fraction,
    new_command,
    positive_float,
)
from pyg_sybio.cli.models import load
from pyg_sybio.skeleton import Skeleton, load_skeleton


def add_command(commands: Commands) -> None:
    """Add ``stream``."""
    parser = new_command(
        commands,
        "stream",
        "Recognise and forecast live: read frames, and write one line of JSON for each.",
        run,
        epilog='Format of an input line: {"type": "frame", "timestamp": 12.03, "people": [{"track": 0, '
        '"joints": [[x, y, z], null, ...]}]}, where null is a joint that was not seen. {"type": "reset"} '
        "clears the window. docs/serving.md describes all fields. An invalid line is answered with an error; "
        "the stream continues, and the exit code will be 1. A summary is written to stderr at the end.",
    )
    add_model(parser)
    path = "a motion file, or a .jsonl file of such lines (default: lines from standard input)"
    argument(parser, "path", Path, path, nargs="?", metavar="FILE")
    argument(
        parser,
        "--speed",
        positive_float,
        "play at the speed of the timestamps (1), twice as fast (2) and so on, and drop frames that are late "
        "(default: answer every frame as soon as possible)",
    )
    argument(parser, "--max-delay", positive_float, "with --speed, drop frames later than X seconds", 0.1)
    fps = "frame rate of the input (default: the frame rate of the file, or of the model)"
    argument(parser, "--fps", positive_float, fps)
    add_skeleton(parser, "joints of the input, which must include the model's (default: the model's)")
    missing = "how to fill joints that were not seen (default: as in training)"
    argument(parser, "--missing", str, missing, choices=("hold", "interpolate", "mask"))
    confidence = "a joint with at most this confidence counts as not seen"
    argument(parser, "--min-confidence", fraction, confidence, 0.0)
    enough = "part of the window that must be observed for 'enough' to be true"
    argument(parser, "--enough", fraction, enough, 0.5)
    add_threads(parser, "all processors, which is too many if other programs run")


def run(args: argparse.Namespace) -> None:
    """Run ``sybio stream``."""
    import torch

    from pyg_sybio.streaming.json_lines import Pace, Summary, answer_all

    if args.path is not None and not args.path.exists():
        raise FileNotFoundError(f"no file {args.path}: expected a motion file, or a .jsonl file of messages")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    trained = load(args)
    skeleton = None if args.skeleton is None else load_skeleton(args.skeleton)
    of_lines = args.path is None or args.path.suffix.lower() == ".jsonl"
    summary = Summary(what="line" if of_lines else "frame")
    with _items(args, trained, skeleton, of_lines) as (stream, items):
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
    args: argparse.Namespace, trained: Any, skeleton: Skeleton | None, of_lines: bool
) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The stream, and what comes to it."""
    from itertools import chain

    from pyg_sybio.data.reading import read_motions
    from pyg_sybio.streaming.json_lines import items_of_lines, items_of_motions

    def stream_at(fps: float | None) -> Any:
        return trained.stream(
            fps=args.fps or fps or trained.preparation.frame_rate,
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
    wanted = skeleton or trained.preparation.skeleton
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
