"""``sybio data info | show``."""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pyg_sybio.cli import options
from pyg_sybio.cli.errors import note
from pyg_sybio.skeleton import Skeleton, load_skeleton

_SKELETON = "skeleton of the files, or one whose joints are selected (default: as stored in the files)"


def add_command(commands: options.Commands) -> None:
    """Add ``data``."""
    actions = options.new_group(commands, "data", "Inspect recordings: summarise a folder, or draw a motion.")

    parser = options.new_command(actions, "info", info)
    options.add(parser, "folder", Path, "folder, which is read with its subfolders, or one file")
    options.add_skeleton(parser, _SKELETON)
    labels = parser.add_mutually_exclusive_group()
    columns = "table with the columns file, label, and optionally split and others"
    options.add(labels, "--labels", Path, f"{columns} (default: FOLDER/clips.csv)", metavar="CSV")
    example = r"(?P<label>[^/]+)/(?P<subject>\d+)_.*"
    pattern = f"regular expression that reads labels from file names, such as '{example}'"
    options.add(labels, "--pattern", str, pattern, metavar="REGEX")
    options.add(parser, "--json", Path, "also write the summary as JSON")

    parser = options.new_command(actions, "show", show)
    options.add(parser, "file", Path, "a motion file")
    options.add_skeleton(parser, _SKELETON)
    options.add(parser, "--entry", options.non_negative_int, "index of the motion in the file (default: 0)")
    options.add_output(parser, options.PICTURES_AND_FILMS)
    options.add(parser, "--frames", options.positive_int, "number of frames of a strip", 8)
    options.flag(parser, "--angles", "draw joint angles even if the bone offsets of the body are known")
    options.add_up(parser)


def info(args: argparse.Namespace) -> None:
    """Count clips, classes, lengths, frame rates and missing values."""
    import json

    from pyg_sybio.data.summary.summary import summarise
    from pyg_sybio.data.summary.text import summary_text
    from pyg_sybio.files import write_whole

    summary = summarise(
        args.folder,
        skeleton=_skeleton(args.skeleton),
        labels=args.labels,
        pattern=args.pattern,
        besides=[Path(name) for name in (args.skeleton, args.json) if name is not None],
    )
    print(summary_text(summary))
    if args.json is not None:
        text = json.dumps(summary.to_dict(), indent=2, ensure_ascii=False) + "\n"
        write_whole(args.json, lambda file: file.write(text.encode()))
        print(f"\nreport: {args.json}")
    if summary.failures:
        first = next(iter(summary.failures.values()))
        count = len(summary.failures)
        raise ValueError(f"{count} of {summary.num_files} files cannot be read, such as {first}")


def show(args: argparse.Namespace) -> None:
    """Draw a motion: a strip of frames, a GIF, a video, or a page with a player."""
    from pyg_sybio.data.reading import read_motions
    from pyg_sybio.visualization.motion_figure import draw_motion

    output = args.output or Path(f"{args.file.stem}.png")
    options.check_output(output, options.PICTURES_AND_FILMS)
    motions = read_motions(args.file, skeleton=_skeleton(args.skeleton))
    motion = _entry(motions, args.entry or 0, args.file)
    print(motion)
    for notice in motion.notes:
        note(f"{args.file} {notice}")
    shown = {"num_frames": args.frames, "up": args.up, "angles": args.angles}
    print(draw_motion(motion, output, **shown, progress=True))
    if args.entry is None and next(motions, None) is not None:
        print(f"the first of several motions in {args.file}: --entry N shows another")
    print(output)


def _entry(motions: Iterator[Any], index: int, path: Path) -> Any:
    number = -1
    for number, motion in enumerate(islice(motions, index + 1)):
        if number == index:
            # Name the given file, not the original recording that is stored in it.
            return motion if motion.source.startswith(str(path)) else motion.replace(source=str(path))
    raise ValueError(f"'--entry' is {index}, but {path} has {number + 1} motions, counted from 0")


def _skeleton(name: str | None) -> Skeleton | None:
    return None if name is None else load_skeleton(name)
