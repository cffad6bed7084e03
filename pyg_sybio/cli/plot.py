"""The commands that draw what a model has learned and said: ``sybio plot ...``."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyg_sybio.cli.data import add_up
from pyg_sybio.cli.numbers import from_one, from_zero, number_from_zero

if TYPE_CHECKING:
    from torch_geometric.data import Dataset

    from pyg_sybio.trained.trained import Checkpoint
    from pyg_sybio.training.data_module import ClipDataModule
    from pyg_sybio.visualization.experiment_figures import Series
    from pyg_sybio.visualization.forecast import Forecast

AddCommand = Callable[..., argparse.ArgumentParser]

_PICTURES = ("png", "svg", "pdf")
_FILMS = ("gif", "mp4", "html")
_STRONGEST = 12
_MAPPED = 2000  # clips, of which a map takes well below a minute


def add_plot_command(
    add: AddCommand, checkpoint: argparse.ArgumentParser, usage_error: Callable[[str], Exception]
) -> None:
    """Add ``plot`` with its pictures.

    Args:
        add: Adds a command of a name and a summary, and returns its parser.
        checkpoint: Parent of the commands that read a model: the arguments for it and for its data.
        usage_error: Makes the error of wrong usage.
    """
    plot = add("plot", "Draw what a model has learned and predicts, how it errs, and how its training went.")
    actions = plot.add_subparsers(dest="action", required=True, metavar="PICTURE")

    def command(
        name: str,
        summary: str,
        run: Callable[[argparse.Namespace], None],
        *parents: argparse.ArgumentParser,
    ) -> argparse.ArgumentParser:
        parser = add(name, summary, *parents, among=actions)
        parser.set_defaults(run=lambda args: _checked(args, run, usage_error))
        return parser

    actional = command(
        "actional", "The actional graph of a clip, or the mean of each class.", plot_actional, checkpoint
    )
    _add_split(actional)
    shown = actional.add_mutually_exclusive_group()
    shown.add_argument("--clip", type=from_zero, metavar="N", help="of a clip of the split, from 0")
    shown.add_argument("--class", dest="class_name", metavar="NAME", help="the mean of one class")
    shown.add_argument("--file", type=Path, metavar="FILE", help="of a recording")
    edges = actional.add_mutually_exclusive_group()
    edges.add_argument(
        "--strongest",
        type=from_one,
        default=_STRONGEST,
        metavar="K",
        help="draw so many edges a graph (default: %(default)s)",
    )
    edges.add_argument(
        "--threshold", type=number_from_zero, metavar="T", help="draw the edges heavier than this"
    )
    add_up(actional)
    _add_output(actional, "actional.png", _PICTURES)

    embedding = command(
        "embedding", "A map (t-SNE) of the actional graphs of all clips.", plot_embedding, checkpoint
    )
    _add_split(embedding)
    embedding.add_argument("--seed", type=from_zero, default=0, metavar="N", help="default: %(default)s")
    embedding.add_argument(
        "--clips",
        type=from_one,
        default=_MAPPED,
        metavar="N",
        help="map so many clips at most, evenly spread over the split (default: %(default)s)",
    )
    embedding.add_argument(
        "--perplexity",
        type=number_from_zero,
        metavar="P",
        help="about how many neighbours stay near (default: 30, a third of the graphs if they are few)",
    )
    _add_output(embedding, "embedding.png", _PICTURES)

    prediction = command(
        "prediction",
        "The predicted motion over the true one, with the error of each joint as a line: a strip of poses, "
        "a GIF, a film, or a page with a player.",
        plot_prediction,
        checkpoint,
    )
    _add_split(prediction)
    prediction.add_argument(
        "of",
        metavar="FILE_OR_CLIP",
        help="a recording, whose last frames are kept from the model to compare with, or the number of a "
        "clip of the split, from 0",
    )
    prediction.add_argument(
        "--entry",
        type=from_zero,
        default=0,
        metavar="N",
        help="which motion of the file (default: %(default)s)",
    )
    prediction.add_argument(
        "--times",
        type=number_from_zero,
        nargs="+",
        metavar="MS",
        help="future frames of a strip (default: those of 80, 160, 320, 400, 560 and 1000 that there are)",
    )
    add_up(prediction)
    _add_output(prediction, "prediction.png", (*_PICTURES, *_FILMS))

    confusion = command("confusion", "Which classes are taken for which.", plot_confusion)
    confusion.add_argument(
        "source",
        type=Path,
        metavar="REPORT.json|CHECKPOINT",
        help="a report of 'sybio evaluate', or a checkpoint to evaluate",
    )
    _add_root(confusion)
    _add_split(confusion)
    confusion.add_argument(
        "--sort",
        choices=("data", "name", "recall", "similar"),
        default="data",
        help="order of the classes; 'similar' puts those side by side that are confused "
        "(default: %(default)s)",
    )
    confusion.add_argument("--counts", action="store_true", help="write numbers of clips, not percent")
    _add_output(confusion, "confusion.png", _PICTURES)

    observation = command(
        "observation", "Accuracy by the share of the clip that was observed.", plot_observation
    )
    observation.add_argument(
        "sources",
        type=Path,
        nargs="+",
        metavar="CSV|CHECKPOINT",
        help="results of 'sybio reproduce observation', or checkpoints to evaluate at shares of .1 to 1",
    )
    _add_root(observation)
    _add_split(observation)
    _add_output(observation, "observation.png", _PICTURES)

    training = command("training", "Losses, accuracy and errors of one training or several.", plot_training)
    training.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="RUN_FOLDER",
        help="with the TensorBoard files of a run (.../version_0), or with version_N, the last of which "
        "is shown",
    )
    training.add_argument(
        "--smoothing",
        type=number_from_zero,
        default=0.9,
        metavar="A",
        help="of training curves, from 0 (none) to below 1; as logged they stay faintly visible "
        "(default: %(default)s)",
    )
    training.add_argument("--log", action="store_true", help="logarithmic losses")
    _add_output(training, "training.png", _PICTURES)


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-root", metavar="DIR", help="folder of the recordings (default: as in training)"
    )


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="test", help="default: %(default)s"
    )


def _add_output(parser: argparse.ArgumentParser, default: str, kinds: Sequence[str]) -> None:
    parser.set_defaults(kinds=kinds)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(default),
        metavar="OUT",
        help=f"{_or(kinds)} (default: %(default)s)",
    )


def _or(kinds: Sequence[str]) -> str:
    named = [f".{kind}" for kind in kinds]
    return f"{', '.join(named[:-1])} or {named[-1]}"


def _checked(
    args: argparse.Namespace,
    run: Callable[[argparse.Namespace], None],
    usage_error: Callable[[str], Exception],
) -> None:
    """Run a command whose output can be written; found out now, not after minutes of work."""
    output: Path = args.output
    if output.suffix.lower().removeprefix(".") not in args.kinds:
        raise usage_error(f"'--output' is {output}, expected a name that ends in {_or(args.kinds)}")
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"{output.parent}: no such folder; expected one in which to write {output.name}"
        )
    run(args)
    print(output)


# Pictures -------------------------------------------------------------------------------------------------


def plot_actional(args: argparse.Namespace) -> None:
    """``sybio plot actional``."""
    from pyg_sybio.trained.actional import actional_graphs, actional_graphs_of
    from pyg_sybio.trained.trained import load_checkpoint
    from pyg_sybio.visualization.actional_figure import draw_actional

    checkpoint = load_checkpoint(args.checkpoint)
    skeleton = checkpoint.model.skeleton
    if args.file is not None:
        from pyg_sybio.trained.observation import observe_one

        observation = observe_one(args.file, checkpoint, root=args.data_root)
        _note(args.file, observation.notices)
        graphs = actional_graphs_of(checkpoint.model, observation.x)
        names = _persons(args.file.name, len(graphs))
        shown = dict(zip(names, graphs, strict=True))
        poses = dict(zip(names, observation.x[:, -1], strict=True))
        title = f"Actional graph of {args.file.name}"
    else:
        dataset = _clips(checkpoint, args)
        class_names = list(dataset.class_names)
        if args.clip is not None:
            from pyg_sybio.trained.forecast import checked_number

            found = actional_graphs(checkpoint.model, dataset, [checked_number(args.clip, dataset)])
            names = _persons(f"clip {args.clip}, {class_names[int(found.y[0])]}", len(found.graphs))
            shown = dict(zip(names, found.graphs, strict=True))
            poses = dict(zip(names, found.poses, strict=True))
            title = f"Actional graph of a clip of {args.split}"
        else:
            found = _of_classes(checkpoint, dataset, args.class_name)
            means = found.class_means()
            counts = _range([len(found.of_class(label).y) for label in means])
            shown = {class_names[label]: mean for label, mean in means.items()}
            poses = {class_names[label]: found.of_class(label).poses[0] for label in means}
            title = f"Actional graphs, mean of each class over its {counts} of {args.split}"
    rotations = skeleton.coordinates == "expmap"
    title += ", on a schematic body" if rotations else ", drawn on the last observed pose"
    if not rotations and args.file is None and args.clip is None:
        title += " of one clip"
    draw_actional(
        skeleton,
        shown,
        args.output,
        poses=None if rotations else poses,
        strongest=args.strongest,
        threshold=args.threshold,
        title=title,
        up=args.up,
    )


def plot_embedding(args: argparse.Namespace) -> None:
    """``sybio plot embedding``."""
    import numpy as np

    from pyg_sybio.trained.actional import actional_graphs
    from pyg_sybio.trained.trained import load_checkpoint
    from pyg_sybio.visualization.embedding_figure import (
        draw_embedding,
        embed,
        nearest_agreement,
        perplexity_of,
    )

    checkpoint = load_checkpoint(args.checkpoint)
    dataset = _clips(checkpoint, args)
    numbers = np.unique(np.linspace(0, len(dataset) - 1, min(args.clips, len(dataset))).round().astype(int))
    found = actional_graphs(_fast(checkpoint), dataset, numbers.tolist(), progress=True)
    count = len(found.y)
    if sys.stderr.isatty():
        print(f"mapping {count} graphs ...", file=sys.stderr)
    places = embed(found.graphs, seed=args.seed, perplexity=args.perplexity)
    agreement = nearest_agreement(found.graphs, found.y)
    perplexity = args.perplexity or perplexity_of(count)
    whole = len(numbers) == len(dataset)
    clips = f"all {len(dataset)} clips" if whole else f"{len(numbers)} of {len(dataset)} clips"
    title = (
        f"{count} actional graphs of {clips} of {args.split}, mapped by t-SNE "
        f"(perplexity {perplexity:.3g}, seed {args.seed}). "
        f"Before mapping, the nearest other graph is of the same class for {agreement:.0%}."
    )
    draw_embedding(places, found.y, dataset.class_names, args.output, title=title)
    print(f"nearest other graph of the same class: {agreement:.2%} of {count}")


def plot_prediction(args: argparse.Namespace) -> None:
    """``sybio plot prediction``."""
    from pyg_sybio.trained.forecast import forecast_clip, forecast_file
    from pyg_sybio.trained.trained import load_checkpoint

    kind = args.output.suffix.lower().removeprefix(".")
    if kind == "mp4":
        from pyg_sybio.visualization.clip_animation import find_ffmpeg

        find_ffmpeg(args.output)  # before minutes of work
    checkpoint = load_checkpoint(args.checkpoint)
    if Path(args.of).is_file() or not args.of.isdecimal():
        forecast, notices = forecast_file(checkpoint, args.of, root=args.data_root, entry=args.entry)
        _note(args.of, notices)
    else:
        forecast = forecast_clip(checkpoint, _clips(checkpoint, args), int(args.of))
    print(_draw(forecast, kind, args))


def _draw(forecast: "Forecast", kind: str, args: argparse.Namespace) -> str:
    """Draw a forecast in the kind of file asked for; returns a remark on the view."""
    from pyg_sybio.trained.evaluation import HORIZONS_MS, horizon_frames
    from pyg_sybio.visualization.clip_animation import write_gif, write_html, write_mp4
    from pyg_sybio.visualization.motion_figure import draw_forecast
    from pyg_sybio.visualization.rotation_figure import draw_rotation_forecast

    frames = horizon_frames(forecast.frame_rate, forecast.future.num_frames)
    times = args.times or [ms for ms in HORIZONS_MS if ms in frames] or None
    if forecast.observed.num_spatial == 0:
        if kind in _FILMS:
            raise ValueError(
                f"{args.of} holds rotations without the lengths of bones, from which no body can be drawn: "
                f"expected {_or(_PICTURES)} as '--output', which shows the angles"
            )
        draw_rotation_forecast(forecast, args.output, times=times)
        return "rotations without the lengths of bones: the angles are shown"
    if kind in _PICTURES:
        return draw_forecast(forecast, args.output, times=times, up=args.up).note
    if kind == "html":
        return write_html(forecast.scene(), args.output, up=args.up).note
    write = write_gif if kind == "gif" else write_mp4
    return write(forecast.scene(), args.output, up=args.up, progress=True).note


def plot_confusion(args: argparse.Namespace) -> None:
    """``sybio plot confusion``."""
    import numpy as np

    from pyg_sybio.trained.evaluation import confusion_of_report
    from pyg_sybio.visualization.class_order import class_order
    from pyg_sybio.visualization.experiment_figures import confusion_figure

    report = _read_report(args.source) if args.source.suffix.lower() == ".json" else _evaluated(args)
    counts, names = confusion_of_report(report, where=str(args.source))
    order = class_order(np.array(counts), names, args.sort)
    table = np.array(counts)[np.ix_(order, order)]
    split, clips = report.get("split", "test"), int(table.sum())
    title = (
        f"Confusion of {len(names)} classes on {clips} clips of {split}: {np.trace(table) / clips:.1%} right"
    )
    confusion_figure(
        table,
        [names[place] for place in order],
        args.output,
        title=title,
        written="clips" if args.counts else "percent",
    )


def plot_observation(args: argparse.Namespace) -> None:
    """``sybio plot observation``."""
    from pyg_sybio.experiments.names import OBSERVED_SHARE
    from pyg_sybio.visualization.experiment_figures import line_figure

    series: dict[str, Series] = {}
    for path in args.sources:
        found = (
            _of_results(path) if path.suffix.lower() == ".csv" else {_name_of(path): _observed(path, args)}
        )
        for name, line in found.items():
            # Two sources may call theirs alike.
            series[f"{path.parent.name}: {name}" if name in series else name] = line
    line_figure(
        series,
        args.output,
        x_label=OBSERVED_SHARE,
        y_label="top-1 accuracy (%)",
        title="Recognition of what has been seen only in part",
    )


def plot_training(args: argparse.Namespace) -> None:
    """``sybio plot training``."""
    from pyg_sybio.training.log import Curves, read_log
    from pyg_sybio.visualization.training_figure import draw_training

    runs: dict[str, Curves] = {}
    for folder in args.folders:
        read, curves = read_log(folder)
        if read != folder:
            print(f"sybio: note: {folder}: {read.name} is shown", file=sys.stderr)
        runs[str(folder)] = curves
    title = f"Training of {args.folders[0]}" if len(runs) == 1 else f"{len(runs)} trainings"
    draw_training(runs, args.output, smoothing=args.smoothing, logarithmic=args.log, title=title)


# What they are drawn from ---------------------------------------------------------------------------------


def _fast(checkpoint: "Checkpoint") -> Any:
    """The model, on the best device there is."""
    import torch

    return checkpoint.model.to("cuda" if torch.cuda.is_available() else "cpu")


def _data(checkpoint: "Checkpoint", args: argparse.Namespace) -> "ClipDataModule":
    from pyg_sybio.training.data_module import ClipDataModule

    return ClipDataModule.from_description(checkpoint.data, root=args.data_root)


def _clips(checkpoint: "Checkpoint", args: argparse.Namespace) -> "Dataset":
    return _data(checkpoint, args).clips(args.split)


def _of_classes(checkpoint: "Checkpoint", dataset: "Dataset", class_name: str | None) -> Any:
    from pyg_sybio.trained.actional import actional_graphs

    names = list(dataset.class_names)
    if class_name is not None and class_name not in names:
        raise ValueError(f"'--class' is {class_name!r}, expected one of {', '.join(names)}")
    found = actional_graphs(_fast(checkpoint), dataset, progress=True)
    if class_name is None:
        return found
    chosen = found.of_class(names.index(class_name))
    if not len(chosen.y):
        raise ValueError(f"no clip is of the class {class_name!r}")
    return chosen


def _persons(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}, person {number + 1}" for number in range(count)]


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low} graphs" if low == high else f"{low} to {high} graphs"


def _note(source: object, notices: Sequence[str]) -> None:
    for notice in notices:
        print(f"sybio: note: {source} {notice}", file=sys.stderr)


def _read_report(path: Path) -> dict[str, Any]:
    import json

    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected a report of 'sybio evaluate'")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}), expected a report of 'sybio evaluate'") from error
    if not isinstance(report, dict):
        raise ValueError(f"{path} holds no object, expected a report of 'sybio evaluate'")
    return report


def _evaluated(args: argparse.Namespace) -> dict[str, Any]:
    """A report on a checkpoint, as 'sybio evaluate' makes it."""
    from pyg_sybio.trained.evaluation import answers, summary
    from pyg_sybio.trained.trained import load_checkpoint

    checkpoint = load_checkpoint(args.source)
    data = _data(checkpoint, args)
    dataset = data.clips(args.split)
    found = answers(_fast(checkpoint), dataset, progress=True, looks=data.looks)
    return {"split": args.split} | summary(found, dataset, seen_classes=checkpoint.seen_classes)


def _name_of(checkpoint: Path) -> str:
    """A checkpoint by its run: `runs/walk/version_0/checkpoints/best.ckpt` is `walk/version_0`."""
    parts = [part for part in checkpoint.absolute().parent.parts if part != "checkpoints"]
    return "/".join(parts[-2:])


def _observed(path: Path, args: argparse.Namespace) -> "Series":
    from pyg_sybio.experiments.experiment import Trained
    from pyg_sybio.experiments.measures import observation_ratios
    from pyg_sybio.trained.trained import load_checkpoint
    from pyg_sybio.training.data_module import ClipDataModule
    from pyg_sybio.visualization.experiment_figures import Series

    checkpoint = load_checkpoint(path)
    data = ClipDataModule.from_description(checkpoint.data, root=args.data_root)
    rows = observation_ratios(Trained(_fast(checkpoint), data, checkpoint.seen_classes, args.split))
    return Series([row.at for row in rows if row.at is not None], [100 * row.value for row in rows])


def _of_results(path: Path) -> dict[str, "Series"]:
    from pyg_sybio.experiments.results import observation_curves
    from pyg_sybio.visualization.experiment_figures import Series

    lines: dict[str, Series] = {}
    for arm, values in observation_curves(path).items():
        spread = [math.nan if value.deviation is None else 100 * value.deviation for value in values.values()]
        lines[arm] = Series(list(values), [100 * value.mean for value in values.values()], spread)
    return lines
