"""``sybio plot actional | embedding | prediction | confusion | observation | training``."""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyg_sybio.cli import options
from pyg_sybio.cli.errors import note
from pyg_sybio.cli.models import load, splits_of
from pyg_sybio.files import read_json


def add_command(commands: options.Commands) -> None:
    """Add ``plot``."""
    summary = "Draw what a model has learned, its predictions and errors, and the course of its training."
    actions = options.new_group(commands, "plot", summary, metavar="PICTURE")

    parser = _new_picture(actions, actional)
    options.add_model(parser, clips=True)
    shown = parser.add_mutually_exclusive_group()
    options.add(shown, "--clip", options.non_negative_int, "only draw the clip with this index in the split")
    options.add(shown, "--class", str, "only draw the mean of a class", dest="class_name", metavar="NAME")
    options.add(shown, "--file", Path, "draw the graph of a recording instead")
    edges = parser.add_mutually_exclusive_group()
    options.add(edges, "--strongest", options.positive_int, "number of edges to draw per graph", 12)
    threshold = "draw the edges whose weight is above X; if there are none, at most 12 per graph on average"
    options.add(edges, "--threshold", options.non_negative_float, threshold)
    relative = "draw the edges whose weight is above X times 1/M, the weight of all edges in a uniform graph"
    options.add(edges, "--relative-threshold", options.non_negative_float, relative)
    options.add_up(parser)

    parser = _new_picture(actions, embedding)
    options.add_model(parser, clips=True)
    options.add(parser, "--seed", options.non_negative_int, "random seed of t-SNE", 0)
    clips = "maximum number of clips, spread evenly over the split"
    options.add(parser, "--clips", options.positive_int, clips, 2000)  # t-SNE takes less than a minute
    options.add(parser, "--classes", str, "only show these classes", nargs="+", metavar="NAME")
    perplexity = "perplexity of t-SNE (default: 30, or a third of the number of graphs if there are few)"
    options.add(parser, "--perplexity", options.non_negative_float, perplexity)

    parser = _new_picture(actions, prediction, options.PICTURES_AND_FILMS)
    options.add_model(parser, clips=True)
    of = "a recording whose last frames are predicted and compared, or the index of a clip in the split"
    options.add(parser, "of", str, of, metavar="FILE_OR_CLIP")
    options.add(parser, "--entry", options.non_negative_int, "index of the motion in the file", 0)
    times = "times of a strip in ms (default: 80, 160, 320, 400, 560, 1000 and the end of the forecast)"
    options.add(parser, "--times", options.non_negative_float, times, nargs="+")
    compare = "further models, or zero_velocity (the last observed pose); each adds a row to the strip"
    options.add(parser, "--compare", str, compare, nargs="+", metavar="MODEL|zero_velocity")
    options.flag(parser, "--angles", "draw joint angles even if the bone offsets of the body are known")
    options.add_up(parser)

    parser = _new_picture(actions, confusion)
    source = "a report of 'sybio evaluate', or a model to evaluate"
    options.add_model(parser, "source", source, clips=True, metavar="REPORT.json|MODEL")
    orders = ("data", "name", "recall", "similar")
    sort = "order of the classes; 'similar' places classes that are confused next to each other"
    options.add(parser, "--sort", str, sort, "data", choices=orders)
    options.flag(parser, "--counts", "show counts of clips instead of percentages")

    parser = _new_picture(actions, observation)
    sources = "results of 'sybio reproduce observation', or models to evaluate at ratios of 0.1 to 1"
    options.add_model(parser, "sources", sources, clips=True, nargs="+", metavar="CSV|MODEL")

    parser = _new_picture(actions, training)
    folders = "folder with a run's TensorBoard files, or with its versions (only the last one is drawn)"
    options.add(parser, "folders", Path, folders, nargs="+", metavar="RUN_FOLDER")
    smoothing = "exponential smoothing of training curves, from 0 (none) to below 1; raw curves are faint"
    options.add(parser, "--smoothing", options.non_negative_float, smoothing, 0.9)
    options.flag(parser, "--log", "use a logarithmic axis for losses")


def _new_picture(
    actions: options.Commands, draw: options.Run, kinds: Sequence[str] = options.PICTURES
) -> argparse.ArgumentParser:
    """Add a command that draws a picture and prints its path."""

    def run(args: argparse.Namespace) -> None:
        options.check_output(args.output, kinds)
        draw(args)
        print(args.output)

    parser = options.new_command(actions, draw.__name__, draw)
    parser.set_defaults(run=run)
    options.add_output(parser, kinds, f"{draw.__name__}.png")
    return parser


# Pictures -------------------------------------------------------------------------------------------------


def actional(args: argparse.Namespace) -> None:
    """Draw the actional graph of a clip, or the mean graph of each class."""
    from pyg_sybio.trained.actional import actional_graphs, actional_graphs_of
    from pyg_sybio.visualization.actional_figure import draw_actional

    trained = load(args)
    skeleton = trained.model.skeleton
    if args.file is not None:
        prediction = trained.predict(args.file, one_view=True)
        for notice in prediction.notices:
            note(f"{args.file} {notice}")
        x = prediction.prepared.observed.poses.float()
        graphs, poses = actional_graphs_of(trained.model, x), x[:, -1]
        names = _persons(args.file.name, len(graphs))
        title = f"Actional graph of {args.file.name}"
    else:
        dataset = splits_of(trained, args).clips(args.split)
        class_names = list(dataset.class_names)
        if args.clip is not None:
            found: Any = actional_graphs(trained.model, dataset, [args.clip])
            graphs, poses = found.graphs, found.poses
            names = _persons(f"clip {args.clip}, {class_names[int(found.y[0])]}", len(graphs))
            title = f"Actional graph of a clip of the {args.split} split"
        else:
            chosen = [] if args.class_name is None else [_class_index(dataset, "--class", args.class_name)]
            found = actional_graphs(trained.on_device(), dataset, progress=True)
            found = found.of_class(*chosen) if chosen else found
            if not len(found.y):
                raise ValueError(f"no clip has the class {args.class_name!r}")
            means = found.class_means()
            sizes = [len(found.of_class(label).y) for label in means]
            counts = f"{min(sizes)} to {max(sizes)}" if len({*sizes}) > 1 else f"{sizes[0]}"
            names, graphs = [class_names[label] for label in means], means.values()
            poses = [found.of_class(label).poses[0] for label in means]
            title = f"Actional graphs of classes: mean of {counts} graphs of the {args.split} split"
            title += " per class" if len(means) > 1 else ""
    rotations = skeleton.coordinates == "expmap"
    if rotations:
        title += ", on a schematic body with left joints on the left"
    else:
        title += ", on the last observed pose"
        title += " of one clip" if args.file is None and args.clip is None else ""
    draw_actional(
        skeleton,
        dict(zip(names, graphs, strict=True)),
        args.output,
        poses=None if rotations else dict(zip(names, poses, strict=True)),
        strongest=args.strongest,
        threshold=args.threshold,
        relative_threshold=args.relative_threshold,
        title=title,
        up=args.up,
    )


def embedding(args: argparse.Namespace) -> None:
    """Draw a t-SNE map of the actional graphs of all clips."""
    import numpy as np

    from pyg_sybio.trained.actional import actional_graphs
    from pyg_sybio.visualization import embedding_figure

    trained = load(args)
    dataset = splits_of(trained, args).clips(args.split)
    numbers = np.unique(np.linspace(0, len(dataset) - 1, min(args.clips, len(dataset))).round().astype(int))
    found = actional_graphs(trained.on_device(), dataset, numbers.tolist(), progress=True)
    if args.classes:
        found = found.of_class(*[_class_index(dataset, "--classes", name) for name in args.classes])
    count = len(found.y)
    if sys.stderr.isatty():
        print(f"mapping {count} graphs ...", file=sys.stderr)
    places = embedding_figure.embed(found.graphs, seed=args.seed, perplexity=args.perplexity)
    agreement = embedding_figure.nearest_agreement(found.graphs, found.y)
    perplexity = args.perplexity or embedding_figure.perplexity_of(count)
    whole = len(numbers) == len(dataset)
    clips = f"all {len(dataset)} clips" if whole else f"{len(numbers)} of {len(dataset)} clips"
    clips = f"{len(args.classes)} of {len(dataset.class_names)} classes in {clips}" if args.classes else clips
    title = (
        f"{count} actional graphs of {clips} of the {args.split} split, mapped by t-SNE "
        f"(perplexity {perplexity:.3g}, seed {args.seed}). Points that are close are similar graphs. "
        f"The nearest other graph (before t-SNE) has the same class for {agreement:.0%}."
    )
    embedding_figure.draw_embedding(places, found.y, dataset.class_names, args.output, title=title)
    print(f"nearest other graph of the same class: {agreement:.2%} of {count}")


def prediction(args: argparse.Namespace) -> None:
    """Draw a forecast over the true motion, with a line from each true joint to the predicted one: a strip of
    poses, a GIF, a video, or a page with a player.
    """
    from pyg_sybio.trained.evaluation import horizon_frames
    from pyg_sybio.visualization.forecast import Forecast
    from pyg_sybio.visualization.model_forecast import forecast_clip, forecast_file
    from pyg_sybio.visualization.motion_figure import draw_forecast

    if args.output.suffix.lower() == ".mp4":
        from pyg_sybio.visualization.clip_animation import find_ffmpeg

        find_ffmpeg(args.output)  # check before minutes of computation

    def forecast_of(trained: Any) -> Forecast:
        if Path(args.of).is_file() or not args.of.isdecimal():
            forecast, notices = forecast_file(trained, args.of, entry=args.entry, angles=args.angles)
            for notice in notices:
                note(f"{args.of} {notice}")
            return forecast
        clips = splits_of(trained, args).clips(args.split)
        return forecast_clip(trained, clips, int(args.of), angles=args.angles)

    forecast = forecast_of(load(args))
    others: dict[str, Forecast] = {}
    for name in args.compare:
        if name == "zero_velocity":
            others["zero velocity"] = forecast.zero_velocity()
        else:
            others[_name_of(Path(name))] = forecast_of(load(args, Path(name)))
    frames = horizon_frames(forecast.frame_rate, forecast.future.num_frames)
    end = forecast.milliseconds(forecast.future.num_frames - 1)
    times = args.times or [*(ms for ms in frames if ms < end), end]
    name = f"prediction of {_name_of(args.model)}" if {*args.compare} - {"zero_velocity"} else "prediction"
    shown: dict[str, Any] = {"times": times, "up": args.up, "others": others, "name": name}
    print(draw_forecast(forecast, args.output, **shown, progress=True))


def confusion(args: argparse.Namespace) -> None:
    """Draw the confusion matrix."""
    import numpy as np

    from pyg_sybio.trained.report import confusion_of_report
    from pyg_sybio.visualization.class_order import class_order
    from pyg_sybio.visualization.confusion_figure import confusion_figure

    if args.source.suffix.lower() == ".json":
        report = read_json(args.source, expected="a report of 'sybio evaluate'")
    else:
        trained = load(args, args.source)
        report = {"split": args.split} | trained.evaluate(splits_of(trained, args).clips(args.split))
    counts, names = confusion_of_report(report, where=str(args.source))
    order = class_order(np.array(counts), names, args.sort)
    table = np.array(counts)[np.ix_(order, order)]
    split, clips = report.get("split", "test"), int(table.sum())
    accuracy = f"{np.trace(table) / clips:.1%}"
    title = f"Confusion of {len(names)} classes on {clips} clips of the {split} split: accuracy {accuracy}"
    names, written = [names[place] for place in order], "clips" if args.counts else "percent"
    confusion_figure(table, names, args.output, title=title, written=written)


def observation(args: argparse.Namespace) -> None:
    """Draw the accuracy by the observed fraction of the clip."""
    from pyg_sybio.experiments.rows import OBSERVED_RATIO
    from pyg_sybio.visualization.line_figure import line_figure

    series: dict[str, Any] = {}
    for path in args.sources:
        is_table = path.suffix.lower() == ".csv"
        found = _of_results(path) if is_table else {_name_of(path): _observed(path, args)}
        for name, line in found.items():
            # Curves of two sources may have the same name.
            series[f"{path.parent.name}: {name}" if name in series else name] = line
    line_figure(
        series,
        args.output,
        x_label=OBSERVED_RATIO,
        y_label="top-1 accuracy (%)",
        title="Recognition of partly observed clips",
    )


def training(args: argparse.Namespace) -> None:
    """Draw losses, accuracy and errors during one or more training runs."""
    from pyg_sybio.training.log import Curves, read_log
    from pyg_sybio.visualization.training_figure import draw_training

    runs: dict[str, Curves] = {}
    for folder in args.folders:
        read, curves = read_log(folder)
        if read != folder:
            note(f"{folder}: only {read.name} is drawn")
        runs[str(folder)] = curves
    if len(runs) > 1:  # name runs relative to their common folder
        start = Path(os.path.commonpath([Path(name).absolute() for name in runs])).parent
        runs = {os.path.relpath(name, start): curves for name, curves in runs.items()}
    title = f"Training of {args.folders[0]}" if len(runs) == 1 else f"{len(runs)} training runs"
    draw_training(runs, args.output, smoothing=args.smoothing, logarithmic=args.log, title=title)


# Sources of the figures -----------------------------------------------------------------------------------


def _class_index(dataset: Any, option: str, name: str) -> int:
    names = list(dataset.class_names)
    if name not in names:
        raise ValueError(f"'{option}' is {name!r}, expected one of {', '.join(names)}")
    return names.index(name)


def _persons(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}, person {number + 1}" for number in range(count)]


def _name_of(checkpoint: Path) -> str:
    """Name a checkpoint after its run: `walk/version_0` for `walk/version_0/checkpoints/best.ckpt`."""
    folder = checkpoint.absolute() if checkpoint.is_dir() else checkpoint.absolute().parent
    parts = [part for part in folder.parts if part != "checkpoints"]
    return "/".join(parts[-2:])


def _observed(path: Path, args: argparse.Namespace) -> Any:
    from pyg_sybio.experiments.experiment import MeasuredModel
    from pyg_sybio.experiments.measures import observation_ratios
    from pyg_sybio.visualization.line_figure import Series

    trained = load(args, path)
    rows = observation_ratios(MeasuredModel.of(trained, splits_of(trained, args), args.split))
    return Series([row.at for row in rows if row.at is not None], [100 * row.value for row in rows])


def _of_results(path: Path) -> dict[str, Any]:
    from pyg_sybio.experiments.results import observation_curves
    from pyg_sybio.visualization.line_figure import Series

    lines: dict[str, Any] = {}
    for arm, values in observation_curves(path).items():
        spread = [math.nan if value.deviation is None else 100 * value.deviation for value in values.values()]
        lines[arm] = Series(list(values), [100 * value.mean for value in values.values()], spread)
    return lines
