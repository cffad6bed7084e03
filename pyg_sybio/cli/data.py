"""The commands that look at recordings: ``sybio data info | show`` and ``sybio skeleton from``."""

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyg_sybio.cli.numbers import from_one, from_zero

if TYPE_CHECKING:
    from pyg_sybio.data.motion import Motion
    from pyg_sybio.skeleton import Skeleton

AddCommand = Callable[..., argparse.ArgumentParser]


def add_data_command(add: AddCommand) -> None:
    """Add ``data info`` and ``data show``.

    Args:
        add: Adds a command of a name and a summary, and returns its parser.
    """
    data = add("data", "Look at recordings: what is in a folder, and how a motion looks.")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")

    info = add("info", "Count clips, classes, lengths, frame rates, and what is missing.", among=actions)
    info.add_argument("folder", type=Path, metavar="FOLDER", help="with all folders in it; or one file")
    _add_skeleton(info)
    said = info.add_mutually_exclusive_group()
    said.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="a table with the columns file, label, and perhaps split and others (default: FOLDER/clips.csv)",
    )
    said.add_argument(
        "--pattern",
        metavar="REGEX",
        help=r"what file names say, such as '(?P<label>[^/]+)/(?P<subject>\d+)_.*'",
    )
    info.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON too")
    info.set_defaults(run=data_info)

    show = add(
        "show", "Draw a motion as a strip of frames, a GIF, a film, or a page with a player.", among=actions
    )
    show.add_argument("file", type=Path, metavar="FILE", help="any motion file")
    _add_skeleton(show)
    show.add_argument(
        "--entry", type=from_zero, metavar="N", help="which motion of the file, from 0 (default: 0)"
    )
    show.add_argument(
        "--output",
        type=Path,
        metavar="OUT",
        help=".png, .gif, .mp4 or .html (default: the file's name and .png)",
    )
    show.add_argument(
        "--frames", type=from_one, default=8, metavar="N", help="in a .png (default: %(default)s)"
    )
    add_up(show)
    show.set_defaults(run=data_show)


def add_skeleton_from(add: AddCommand, actions: Any) -> None:
    """Add ``skeleton from`` among the actions of ``skeleton``."""
    command = add("from", "Write the skeleton of a BVH or ASF file as JSON.", among=actions)
    command.add_argument("file", type=Path, metavar="FILE", help="a .bvh or .asf file")
    command.add_argument("--name", help="of the skeleton (default: rig and the number of its joints)")
    command.add_argument("--units", help="of a .bvh file, such as cm (default: unnamed)")
    command.add_argument(
        "--end-sites", action="store_true", help="make joints of the end sites of a .bvh file"
    )
    command.add_argument("--output", type=Path, metavar="JSON", help="the file to write (default: NAME.json)")
    command.set_defaults(run=skeleton_from)


def add_up(parser: argparse.ArgumentParser) -> None:
    """Add the option that says which way is up in a picture."""
    parser.add_argument(
        "--up",
        choices=("x", "y", "z", "-x", "-y", "-z"),
        help="axis that points up; write --up=-y (default: found)",
    )


def _add_skeleton(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--skeleton",
        metavar="NAME_OR_JSON",
        help="the joints of the files, or those wanted (default: the files')",
    )


def data_info(args: argparse.Namespace) -> None:
    """``sybio data info``."""
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


def data_show(args: argparse.Namespace) -> None:
    """``sybio data show``."""
    from pyg_sybio.data.reading import read_motions

    if not args.file.exists():
        raise FileNotFoundError(f"no file {args.file}: expected a motion file")
    motions = read_motions(args.file, skeleton=_skeleton(args.skeleton))
    motion = _entry(motions, args.entry or 0, args.file)
    output = args.output or Path(f"{args.file.stem}.png")
    print(motion)
    print(_draw(motion, output, args))
    if args.entry is None and next(motions, None) is not None:
        print(f"the first of several motions in {args.file}: --entry N shows another")
    print(output)


def _entry(motions: Iterator["Motion"], index: int, path: Path) -> "Motion":
    number = -1
    for number, motion in enumerate(islice(motions, index + 1)):
        if number == index:
            # The file itself, not what it was once made from.
            return motion if motion.source.startswith(str(path)) else motion.replace(source=str(path))
    raise ValueError(f"'--entry' is {index}, but {path} has {number + 1} motions, counted from 0")


def _draw(motion: "Motion", output: Path, args: argparse.Namespace) -> str:
    """Draw a motion in the kind of file that `output` names; returns a remark on the view."""
    from pyg_sybio.visualization.clip_animation import write_gif, write_html, write_mp4
    from pyg_sybio.visualization.clip_figure import draw_clip
    from pyg_sybio.visualization.rotation_figure import draw_rotations

    kind = output.suffix.lower()
    if kind not in (".png", ".gif", ".mp4", ".html"):
        raise ValueError(f"'--output' is {output}, expected a name that ends in .png, .gif, .mp4 or .html")
    if motion.num_spatial == 0:
        if kind != ".png":
            raise ValueError(
                f"{args.file} holds rotations without the lengths of bones, from which no body can be drawn: "
                "expected a .png as '--output', which shows the angles"
            )
        draw_rotations(motion, output)
        return "rotations without the lengths of bones: the angles are shown"
    if kind == ".png":
        return draw_clip(motion, output, num_frames=args.frames, up=args.up).note
    if kind == ".html":
        return write_html(motion, output, up=args.up).note
    write = write_gif if kind == ".gif" else write_mp4
    return write(motion, output, up=args.up, progress=True).note


def skeleton_from(args: argparse.Namespace) -> None:
    """``sybio skeleton from``."""
    from pyg_sybio.data.readers.rig import skeleton_from_file

    if not args.file.is_file():
        raise FileNotFoundError(f"no file {args.file}: expected a .bvh or .asf file")
    skeleton = skeleton_from_file(args.file, name=args.name, units=args.units, end_sites=args.end_sites)
    output = args.output or Path(f"{skeleton.name}.json")
    if output.exists():
        raise FileExistsError(f"{output} is there already: expected another name as '--output'")
    skeleton.save(output)
    print(_description(skeleton))
    print(f"\nskeleton: {output}; it may be edited")
    print(f"next: sybio skeleton show {output}")
    print(f"      sybio data info FOLDER --skeleton {output}")
    print(f"      sybio fit motion_folder --data.root FOLDER --data.settings.skeleton {output}")


def _description(skeleton: "Skeleton") -> str:
    pairs = ", ".join(f"{left} - {right}" for left, right in skeleton.mirror)
    width = max(len(name) for name in skeleton.parts)
    return "\n".join(
        [
            skeleton.description,
            "",
            f"bones   {skeleton.num_bones}",
            f"units   {skeleton.units}",
            f"centre  {skeleton.center}",
            f"mirror  {pairs or 'no pairs found'}",
            f"parts   {skeleton.num_parts}",
            *(f"  {name:<{width}}  {', '.join(joints)}" for name, joints in skeleton.parts.items()),
        ]
    )


def _skeleton(name: str | None) -> "Skeleton | None":
    from pyg_sybio.skeleton import load_skeleton

    return None if name is None else load_skeleton(name)
