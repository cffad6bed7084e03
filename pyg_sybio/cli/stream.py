"""``sybio stream``."""

import argparse
import sys
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pyg_sybio.cli import options
from pyg_sybio.cli.errors import note
from pyg_sybio.cli.models import load
from pyg_sybio.skeleton import Skeleton, load_skeleton


def add_command(commands: options.Commands) -> None:
    """Add ``stream``."""
    parser = options.new_command(
        commands,
        "stream",
        run,
        epilog='Format of an input line: {"type": "frame", "timestamp": 12.03, "people": [{"track": 0, '
        '"joints": [[x, y, z], null, ...]}]}, where null is a joint that was not observed. {"type": "reset"} '
        "clears the window. docs/serving.md describes all fields. An invalid line is answered with an error; "
        "the stream continues, and the exit code will be 1. A summary is written to stderr at the end.",
    )
    options.add_model(parser)
    path = "a motion file, or a .jsonl file with input lines (default: standard input)"
    options.add(parser, "path", Path, path, nargs="?", metavar="FILE")
    options.add(
        parser,
        "--speed",
        options.positive_float,
        "play at X times the speed of the timestamps, and drop frames that are late (default: answer every "
        "frame as soon as possible)",
    )
    options.add(
        parser, "--max-delay", options.positive_float, "with --speed, drop frames later than X seconds", 0.1
    )
    fps = "frame rate of the input (default: the frame rate of the file, or of the model)"
    options.add(parser, "--fps", options.positive_float, fps)
    options.add_skeleton(
        parser, "skeleton of the input; it needs all joints of the model (default: the model's)"
    )
    missing = "how to fill joints that were not observed (default: as in training)"
    options.add(parser, "--missing", str, missing, choices=("hold", "interpolate", "mask"))
    confidence = "treat joints with at most this confidence as not observed"
    options.add(parser, "--min-confidence", options.fraction, confidence, 0.0)
    enough = (
        "fraction of the window that must be observed for 'enough' to be true in a result (default: half of "
        "the joints, in a window that is as long as the training clips)"
    )
    options.add(parser, "--enough", options.fraction, enough)
    options.add_threads(parser, "all processors; use fewer if other programs run")


def run(args: argparse.Namespace) -> None:
    """Recognise and forecast live: read frames, and write one line of JSON for each."""
    from itertools import chain

    import torch

    from pyg_sybio.data.reading import read_motions
    from pyg_sybio.streaming.json_lines import Pace, Summary, answer_all, items_of_motions

    if args.path is not None and not args.path.exists():
        raise FileNotFoundError(f"no file {args.path}: expected a motion file, or a .jsonl file of messages")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    trained = load(args)
    skeleton = trained.preparation.skeleton if args.skeleton is None else load_skeleton(args.skeleton)
    is_text = args.path is None or args.path.suffix.lower() == ".jsonl"
    motions = iter(()) if is_text else read_motions(args.path, skeleton=skeleton)
    first = next(motions, None)
    if first is None and not is_text:
        raise ValueError(f"{args.path} contains no motion")
    recorded_rate = None if first is None else first.frame_rate
    stream = trained.stream(
        fps=args.fps or recorded_rate or trained.preparation.frame_rate,
        skeleton=skeleton,
        missing=args.missing,
        min_confidence=args.min_confidence,
        enough=args.enough,
    )
    for notice in stream.notices:
        note(f"the input {notice}")
    if first is None:
        items = _items_of_file(args.path, skeleton)
    else:
        items = items_of_motions(
            chain([first], motions),
            fps=stream.fps,
            same_rate=args.fps is not None,
            with_confidence=args.min_confidence > 0,
        )
    pace = None
    if args.speed is not None:
        # After dropped frames, the stream would warn that the frame rate has changed.
        warnings.filterwarnings("ignore", message="poses come at", category=UserWarning)
        pace = Pace(args.speed, max_delay=args.max_delay, max_pause=stream.max_gap)
    summary = Summary(what="line" if is_text else "frame")
    try:
        answer_all(stream, items, lambda line: print(line, flush=True), summary, pace=pace)
    finally:
        print(summary.text(), file=sys.stderr)
    if summary.refused:
        raise ValueError(f"{summary.refused} invalid {summary.what}s, the first: {summary.first_error}")


def _items_of_file(path: Path | None, skeleton: Skeleton) -> Iterator[Any]:
    """Yield the messages of a file, or of standard input."""
    from pyg_sybio.streaming.json_lines import items_of_lines

    if path is None and sys.stdin.isatty():
        note("waiting for lines of JSON on standard input")
    with nullcontext(sys.stdin.buffer) if path is None else path.open("rb") as file:
        yield from items_of_lines(file, skeleton)
