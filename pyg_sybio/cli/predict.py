"""``sybio predict``."""

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyg_sybio.cli import options
from pyg_sybio.cli.errors import IncompleteError, UsageError, note
from pyg_sybio.cli.models import load
from pyg_sybio.cli.terminal import print_line


def add_command(commands: options.Commands) -> None:
    """Add ``predict``."""
    epilog = (
        "With a folder as '--output', the result of each file is also written to it, and the same command "
        "continues after an interruption. The exit code is 3 if some clips of a folder cannot be predicted."
    )
    parser = options.new_command(commands, "predict", run, epilog=epilog)
    options.add_model(parser)
    path = (
        "a motion file with the joints of the model (.npz, .json, .bvh, .amc, .skeleton, ...; for a CMU "
        "Mocap model, the .txt file of a recording), or a folder of motion files"
    )
    options.add(parser, "path", Path, path, metavar="FILE_OR_FOLDER")
    output = (
        "for a file, the .npz or .json file to write the forecast and the probabilities to (default: "
        "FILE_future.npz in the current folder); for a folder, the folder to write them to (default: none)"
    )
    options.add(parser, "--output", Path, output, metavar="PATH")
    timeline = "file to write the actions over time to: .csv (a row per segment) or .json"
    options.add(parser, "--timeline", Path, timeline)
    window = "length of a window in seconds (default: the frames that the model observes)"
    options.add(parser, "--window", options.positive_float, window)
    step = "seconds between the starts of two windows (default: an eighth of a window)"
    options.add(parser, "--step", options.positive_float, step)
    persons = "label each person, or all persons together (default: together if the classes are interactions)"
    options.add(parser, "--persons", str, persons, choices=("apart", "together"))
    labels = "table of the labels of a folder, with the columns file and label, if it exists"
    options.add(parser, "--labels", str, labels, "clips.csv", metavar="CSV")
    pattern = "regular expression for file names that replaces the table; its group 'label' is the label"
    options.add(parser, "--pattern", str, pattern, metavar="REGEX")
    options.add(parser, "--processes", options.positive_int, "number of processes for a folder", 1)


def run(args: argparse.Namespace) -> None:
    """Recognise the actions in recordings over time, and forecast the motion after their ends."""
    from pyg_sybio.data.reading import is_readable
    from pyg_sybio.trained.predicting import predict_recording

    if args.timeline is not None and args.timeline.suffix.lower() not in (".csv", ".json"):
        raise UsageError(f"'--timeline' is {args.timeline}, expected a name that ends in .csv or .json")
    trained = load(args)
    together = None if args.persons is None else args.persons == "together"
    reader = trained.reader(window=args.window, step=args.step, together=together)
    if args.path.is_dir() and not is_readable(args.path):
        _predict_folder(args, trained, reader)
        return
    prediction = predict_recording(reader, trained.read(args.path))
    for notice in prediction.notices:
        note(f"{args.path} {notice}")
    output = args.output or Path(f"{args.path.stem}_future.npz")
    prediction.write(output)
    for person in prediction.persons:
        if len(prediction.persons) > 1:
            print(f"person {person.track}")
        if person.num_windows > 1:
            length = f"{reader.window / reader.preparation.frame_rate:g} s"
            print(f"{prediction.unit:<20}{person.num_windows} windows of {length}")
            for segment in person.segments:
                times = f"{segment.start:8.2f} to {segment.end:<8.2f}"
                print_line(f"{times}{segment.label:<24}{segment.probability:8.4f}")
            print("mean of the windows")
        for name, probability in prediction.ranked(person):
            print_line(f"{name:<24}{probability:8.4f}")
    print(f"{'forecast' if prediction.future is not None else 'probabilities'}: {output}")
    if args.timeline is not None:
        _write_timeline(args.timeline, [{"name": str(args.path)} | prediction.to_dict()])


def _predict_folder(args: argparse.Namespace, trained: Any, reader: Any) -> None:
    from pyg_sybio.trained.folder import ClipFolder, PredictFile, predict_files

    clips = ClipFolder.find(args.path, labels=args.labels, pattern=args.pattern)
    settings = {
        "model": trained.digest,
        "window": reader.window,
        "step": reader.step,
        "together": reader.together,
    }
    task = PredictFile(clips, reader, args.output, settings)
    counts: defaultdict[str | None, list[int]] = defaultdict(lambda: [0, 0])
    notices: set[str] = set()
    rows = []
    for row in predict_files(task, num_processes=args.processes):
        rows.append(row)
        if "error" in row:
            note(f"{row['name']} is left out: {row['error']}", kind="warning")
            continue
        for notice in row["notices"]:
            if notice not in notices:  # print each notice once
                note(f"{row['name']} {notice}")
            notices.add(notice)
        named, label = row["recognised"] or "", row["label"]
        shown = "" if label is None else f"  {label}"
        print_line(f"{row['name']:<48}{named:<24}{row['probability'] or 0:8.4f}{shown}")
        if named and label in reader.class_names:
            counts[row["split"]][0] += named == label
            counts[row["split"]][1] += 1
    for split, (right, known) in sorted(counts.items(), key=lambda item: str(item[0])):
        which = f"split {split}" if split else "no split; may include training clips"
        print(f"accuracy ({which}): {right / known:.2%} of {known} clips with a known label")
    if args.output:
        print(f"forecasts and results: {args.output}")
    if args.timeline is not None:
        _write_timeline(args.timeline, rows)
    if failed := [row for row in rows if "error" in row]:
        raise IncompleteError(
            f"{len(failed)} of {len(rows)} clips could not be predicted, the first: {failed[0]['error']}"
        )


def _write_timeline(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write results as JSON, or their segments as a CSV table, in the format of a folder's ``clips.csv``."""
    from pyg_sybio.files import write_json, write_text
    from pyg_sybio.trained.folder import segment_table

    if path.suffix.lower() == ".json":
        write_json(path, list(rows))
    else:
        write_text(path, segment_table(rows))
    print(f"timeline: {path}")
