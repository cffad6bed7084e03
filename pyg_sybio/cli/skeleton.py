"""``sybio skeleton list | show | validate | from``."""

import argparse
from pathlib import Path

from pyg_sybio import skeleton as skeletons
from pyg_sybio.cli import options
from pyg_sybio.cli.errors import note
from pyg_sybio.cli.terminal import print_line


def add_command(commands: options.Commands) -> None:
    """Add ``skeleton``."""
    actions = options.new_group(commands, "skeleton", "List, draw, check and convert skeletons.")
    options.new_command(actions, "list", list_all)

    parser = options.new_command(actions, "show", show)
    name = "name of a skeleton, such as ntu25 or cmu38:used, or its JSON file"
    options.add(parser, "name", str, name, metavar="NAME_OR_JSON")
    options.add(parser, "--output", Path, "the picture (default: NAME.png)", metavar="PNG")

    parser = options.new_command(actions, "validate", validate)
    options.add(parser, "file", Path, "the JSON file")

    parser = options.new_command(actions, "from", convert)
    options.add(parser, "file", Path, "a .bvh or .asf file")
    options.add(parser, "--name", str, "name of the skeleton (default: 'rig' with the number of joints)")
    options.add(parser, "--units", str, "length unit of a .bvh file, such as cm (default: unnamed)")
    options.flag(parser, "--end-sites", "turn the end sites of a .bvh file into joints")
    options.add(parser, "--output", Path, "the file to write (default: NAME.json)", metavar="JSON")


def list_all(args: argparse.Namespace) -> None:
    """List the skeletons that ship with the package."""
    row = "{:<14}{:>7}{:>7}{:>7}  {:<12}{}"
    print(row.format("name", "joints", "bones", "parts", "coordinates", "description"))
    for name in skeletons.available_skeletons():
        shipped = skeletons.load_skeleton(name)
        for s in (shipped, *map(shipped.subset, shipped.subsets)):
            description = s.description if s is shipped else f"a subset of {name}"
            print(row.format(s.name, s.num_joints, s.num_bones, s.num_parts, s.coordinates, description))


def show(args: argparse.Namespace) -> None:
    """Draw a skeleton."""
    from pyg_sybio.visualization.skeleton_figure import draw_skeleton

    skeleton = skeletons.load_skeleton(args.name)
    output = args.output or Path(f"{skeleton.name.replace(':', '_')}.png")
    draw_skeleton(skeleton, output)
    print_line(str(output))


def validate(args: argparse.Namespace) -> None:
    """Check the JSON file of a skeleton, and list all errors."""
    errors = skeletons.skeleton_errors(args.file)
    for error in errors[:-1]:
        note(error, kind="error")
    if errors:
        raise ValueError(errors[-1])
    skeleton = skeletons.load_skeleton(args.file)
    counts = f"{skeleton.num_joints} joints, {skeleton.num_bones} bones, {skeleton.num_parts} parts"
    print_line(f"OK: {skeleton.name}, {counts}")


def convert(args: argparse.Namespace) -> None:
    """Write the skeleton of a BVH or ASF file as JSON."""
    from pyg_sybio.data.readers.rig import skeleton_from_file

    if not args.file.is_file():
        raise FileNotFoundError(f"no file {args.file}: expected a .bvh or .asf file")
    skeleton = skeleton_from_file(args.file, name=args.name, units=args.units, end_sites=args.end_sites)
    output = args.output or Path(f"{skeleton.name}.json")
    if output.exists():
        raise FileExistsError(f"{output} already exists: expected another name as '--output'")
    skeleton.save(output)
    for line in _description(skeleton):
        print_line(line)
    print(f"\nskeleton: {output}; it may be edited")
    print(f"next: sybio skeleton show {output}")
    print(f"      sybio data info FOLDER --skeleton {output}")
    print(f"      sybio fit motion_folder --data.root FOLDER --data.settings.skeleton {output}")


def _description(skeleton: skeletons.Skeleton) -> list[str]:
    pairs = ", ".join(f"{left} - {right}" for left, right in skeleton.mirror)
    width = max(len(name) for name in skeleton.parts)
    return [
        skeleton.description,
        "",
        f"bones   {skeleton.num_bones}",
        f"units   {skeleton.units}",
        f"centre  {skeleton.center}",
        f"mirror  {pairs or 'no pairs found'}",
        f"parts   {skeleton.num_parts}",
        *(f"  {name:<{width}}  {', '.join(joints)}" for name, joints in skeleton.parts.items()),
    ]
