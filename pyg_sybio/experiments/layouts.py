r"""Tables and figures that compare measured values with the values in the paper."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pyg_sybio.experiments.results import Measured, Value
from pyg_sybio.experiments.rows import MEAN_OF_CLASSES, OF_ZERO_VELOCITY
from pyg_sybio.visualization.bar_figure import bar_figure, scatter_figure
from pyg_sybio.visualization.confusion_figure import confusion_figure
from pyg_sybio.visualization.line_figure import Series, line_figure
from pyg_sybio.visualization.reliability_figure import reliability_figure

MISSING = "–"

Lines = dict[str, Series]


class Layout(Protocol):
    """The layout of a table and its figures."""

    def table(self, measured: Measured) -> list[str]:
        """Return the lines of the table in Markdown."""

    def draw(self, measured: Measured, path: Path, title: str) -> list[Path]:
        """Draw the available values, and return the written files; the first file is `path`."""


@dataclass(frozen=True)
class Column:
    """One value per arm, shown as a table column; or a curve per arm over several positions, such as
    horizons.

    Args:
        title: Title of the column, with the unit.
        metric: Name of the metric.
        group: Group of the metric, such as an action.
        at: Position of the value on the x axis, such as a horizon in ms. (default: none)
        until: If given, the value is the mean over all positions up to this position, and `at` is ignored.
        scale: Factor that converts the measured value to the displayed value.
        digits: Number of decimal places.
        paper: Values in the paper by data set and arm, in the displayed unit.
        baselines: Names and metrics of additional curves that do not depend on the arm, such as zero
            velocity.
    """

    title: str
    metric: str
    group: str = ""
    at: float | None = None
    until: float | None = None
    scale: float = 1.0
    digits: int = 3
    paper: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    baselines: Mapping[str, str] = field(default_factory=dict)

    def value(self, measured: Measured, arm: str) -> Value | None:
        """The displayed value of an arm."""
        return measured.value(arm, self.metric, self.group, self.at, until=self.until, scale=self.scale)

    def published(self, arm: str) -> float:
        """The value of an arm in the paper, for the first data set in `paper`; NaN if the paper has no
        value.
        """
        return next(iter(self.paper.values()), {}).get(arm, math.nan)

    def heading(self, measured: Measured) -> str:
        """The title; for the motion error of the data set, the title also has the name and unit of the
        error.
        """
        name = measured.metric(self.metric)
        return self.title if name == self.metric else f"{self.title} ({_with_unit(name)})"

    def label(self, measured: Measured) -> str:
        """The axis label, which also names the data set of the paper's values."""
        return self.heading(measured) + "".join(f" (paper: {dataset})" for dataset in list(self.paper)[:1])


@dataclass(frozen=True)
class ArmTable:
    """A table with one row per arm; the values from the paper are in the last columns.

    Args:
        columns: Columns of measured values; the first column is drawn as bars unless `lines` or `scatter` is
            given.
        lines: Label of the x axis, and for each line the arms on it with their x values. An arm that is not
            on any line is drawn as a horizontal line.
        scatter: Indices of the two columns of a scatter plot.
    """

    columns: tuple[Column, ...]
    lines: tuple[str, Mapping[str, Mapping[str, float]]] | None = None
    scatter: tuple[int, int] | None = None

    def table(self, measured: Measured) -> list[str]:
        """The table."""
        heads, rows = [""], [[arm] for arm in measured.arms]
        for column in self.columns:
            heads.append(column.heading(measured))
            heads += [f"paper: {column.title}, {dataset}" for dataset in column.paper]
            for row in rows:
                row.append(_cell(column.value(measured, row[0]), column.digits))
                row += [_number(values.get(row[0]), column.digits) for values in column.paper.values()]
        return markdown(heads, rows)

    def draw(self, measured: Measured, path: Path, title: str) -> list[Path]:
        """Draw bars, points, or one figure of lines per column."""
        if self.lines is not None:
            return _draw_lines(measured, path, title, self.lines[0], self._lines(measured, self.lines[1]))
        if self.scatter is not None:
            x, y = (self.columns[index] for index in self.scatter)
            points = {
                a: (_point(x.value(measured, a))[0], _point(y.value(measured, a))[0]) for a in measured.arms
            }
            if not np.isfinite(list(points.values())).all(axis=1).any():
                return []
            labels = {"x_label": x.heading(measured), "y_label": y.heading(measured)}
            scatter_figure(points, path, title=title, **labels)
            return [path]
        column = self.columns[0]
        values = {arm: _point(column.value(measured, arm)) for arm in measured.arms}
        if all(math.isnan(mean) for mean, _ in values.values()):
            return []
        reference = {arm: column.published(arm) for arm in measured.arms}
        bar_figure(values, path, label=column.label(measured), title=title, reference=reference)
        return [path]

    def _lines(
        self, measured: Measured, lines: Mapping[str, Mapping[str, float]]
    ) -> Iterator[tuple[Column, Lines, Lines]]:
        places = sorted({place for arms in lines.values() for place in arms.values()})
        points = {name: list(arms.items()) for name, arms in lines.items()}
        # The remaining arms have no x value.
        others = [arm for arm in measured.arms if not any(arm in arms for arms in lines.values())]
        points |= {arm: [(arm, place) for place in places] for arm in others}
        for column in self.columns:
            ours, papers = Lines(), Lines()
            for name, pairs in points.items():
                x = [place for _, place in pairs]
                ours[name] = _series(x, [column.value(measured, arm) for arm, _ in pairs])
                papers[name] = Series(x, [column.published(arm) for arm, _ in pairs])
            yield column, ours, papers


@dataclass(frozen=True)
class CurveTable:
    """One table and one figure per curve; a table has one row per arm and one column per position.

    Args:
        x_label: Label of the x axis, with the unit.
        curves: The curves.
    """

    x_label: str
    curves: tuple[Column, ...]

    def table(self, measured: Measured) -> list[str]:
        """Return all tables, one after the other."""
        tables = []
        for curve in self.curves:
            if places := measured.places(curve.metric, curve.group):
                heads = [f"{curve.heading(measured)}; {self.x_label}:", *(f"{place:g}" for place in places)]
                rows = [
                    [name, *(_cell(value, curve.digits) for value in values)]
                    for name, values in _values(curve, measured, places).items()
                ]
                tables.append(markdown(heads, rows))
        return [line for table in tables for line in ("", *table)][1:]

    def draw(self, measured: Measured, path: Path, title: str) -> list[Path]:
        """Draw one figure per curve."""
        lines = []
        for curve in self.curves:
            places = measured.places(curve.metric, curve.group)
            ours = {name: _series(places, v) for name, v in _values(curve, measured, places).items()}
            lines.append((curve, ours, Lines()))
        return _draw_lines(measured, path, title, self.x_label, lines)


def _values(curve: Column, measured: Measured, places: Sequence[float]) -> dict[str, list[Value | None]]:
    """Return the values of all arms and baselines at all positions."""

    def along(arm: str, metric: str) -> list[Value | None]:
        return [measured.value(arm, metric, curve.group, place, scale=curve.scale) for place in places]

    lines = {arm: along(arm, curve.metric) for arm in measured.arms}
    for name, metric in curve.baselines.items():
        # A baseline is the same for all arms, so use the first arm with values.
        of_arms = (along(arm, metric) for arm in measured.arms)
        if values := next((values for values in of_arms if any(values)), None):
            lines[name] = values
    return lines


@dataclass(frozen=True)
class ActionTable:
    """Motion errors by action and horizon, for the arms, zero velocity, and the paper's model on the same
    data set.

    Args:
        metrics: Names of the errors; each has a table and a figure. Errors that the data set does not report
            are left out.
        paper: The paper's values of the first metric, by the name of the dataset class: ``horizons`` in ms,
            and ``arms``, which has a list of errors for each arm and action, one error per horizon. Errors at
            the last horizons may be missing.
    """

    metrics: tuple[str, ...]
    paper: Mapping[str, Mapping[str, Any]]

    def table(self, measured: Measured) -> list[str]:
        """Return one row per action and arm, after the rows of the mean over actions."""
        lines = []
        for metric in self._known(measured):
            horizons, digits = measured.places(metric), 1 if metric.endswith("_mm") else 3
            rows = [
                [group, name, *(_cell(value, digits) for value in values)]
                for group, name, values in self._rows(measured, metric, horizons)
            ]
            lines += ["", *markdown([metric, "", *(f"{ms:g} ms" for ms in horizons)], rows)]
        return lines[1:]

    def draw(self, measured: Measured, path: Path, title: str) -> list[Path]:
        """Draw the mean error over actions at each horizon."""
        drawn = []
        for metric in self._known(measured):
            horizons, ours, papers = measured.places(metric), Lines(), Lines()
            for group, name, values in self._rows(measured, metric, horizons):
                if group == MEAN_OF_CLASSES:
                    lines = papers if name.startswith("paper: ") else ours
                    lines[name.removeprefix("paper: ")] = _series(horizons, values)
            drawn.append((Column(f"{_with_unit(metric)}, {MEAN_OF_CLASSES}", metric), ours, papers))
        return _draw_lines(measured, path, title, "horizon, ms", drawn)

    def _known(self, measured: Measured) -> list[str]:
        """The names of the errors that were measured, without repetitions."""
        return list(dict.fromkeys(measured.metric(name) for name in self.metrics if measured.places(name)))

    def _rows(
        self, measured: Measured, metric: str, horizons: Sequence[float]
    ) -> Iterator[tuple[str, str, list[Value | None]]]:
        groups = sorted(measured.groups(metric), key=lambda group: group != MEAN_OF_CLASSES)
        published: Mapping[str, Any] = {"horizons": [], "arms": {}}
        if metric == measured.metric(self.metrics[0]):
            published = self.paper.get(measured.dataset, published)
        for group in groups:
            column = Column("", metric, group, baselines={"zero velocity": metric + OF_ZERO_VELOCITY})
            for name, values in _values(column, measured, horizons).items():
                yield group, name, values
            actions = [group] if group != MEAN_OF_CLASSES else [name for name in groups if name != group]
            for arm, errors in published["arms"].items():
                found = [_mean_error(errors, actions, published["horizons"], at) for at in horizons]
                if any(found):
                    yield group, f"paper: {arm}", found


def _mean_error(
    errors: Mapping[str, Sequence[float]], actions: Sequence[str], horizons: Sequence[int], at: float
) -> Value | None:
    """The paper's mean error over actions at a horizon; None if the paper has no error for some action."""
    if not actions or at not in horizons:
        return None
    index = horizons.index(int(at))
    known = [errors[action][index] for action in actions if len(errors.get(action, ())) > index]
    return Value(sum(known) / len(known), None) if len(known) == len(actions) else None


@dataclass(frozen=True)
class ConfusionTable:
    """Recall and most frequent confusion of each class as a table, and the confusion matrix as a figure."""

    def table(self, measured: Measured) -> list[str]:
        """Return one row per class with clips, by increasing recall."""
        names, counts = _confusion(measured)
        rows = []
        for name, row in zip(names, counts, strict=True):
            clips, right = row.sum(), row[names.index(name)]
            wrong = np.where(np.array(names) == name, 0, row)
            taken = f"{names[wrong.argmax()]} ({100 * wrong.max() / clips:.0f} %)" if wrong.any() else MISSING
            if clips:
                rows.append((right / clips, [name, f"{clips:g}", f"{100 * right / clips:.1f}", taken]))
        rows.sort(key=lambda row: row[0])
        heads = ["class, by rising recall", "clips", "recall, %", "most frequent mistake"]
        return markdown(heads, [cells for _, cells in rows])

    def draw(self, measured: Measured, path: Path, title: str) -> list[Path]:
        """Draw the confusion matrix."""
        names, counts = _confusion(measured)
        if not counts.any():
            return []
        confusion_figure(counts, names, path, title=title)
        return [path]


def _confusion(measured: Measured) -> tuple[list[str], np.ndarray]:
    """Return the class names, and the number of clips by true and predicted class `[C, C]`, averaged over
    seeds.
    """
    pairs = {tuple(group.split(" -> ")): group for group in measured.groups("confusion")}
    names = list(dict.fromkeys([true for true, _ in pairs] + [predicted for _, predicted in pairs]))
    counts = np.zeros((len(names), len(names)))
    for (true, predicted), group in pairs.items():
        value = measured.value(measured.arms[0], "confusion", group)
        counts[names.index(true), names.index(predicted)] = 0 if value is None else value.mean
    return names, counts


@dataclass(frozen=True)
class ReliabilityTable:
    """Tables of calibration errors and of bins of confidence, and a reliability diagram."""

    columns: tuple[Column, ...]

    def table(self, measured: Measured) -> list[str]:
        """Return the table of errors, then the table of bins."""
        bins = measured.places("count")
        metrics = (("mean confidence", "confidence", 3), ("accuracy", "accuracy", 3), ("clips", "count", 0))
        rows = [
            [name, *(_cell(measured.value(measured.arms[0], metric, "", at), digits) for at in bins)]
            for name, metric, digits in metrics
        ]
        heads = ["bin of confidence", *(f"{at:g}" for at in bins)]
        return [*ArmTable(self.columns).table(measured), "", *markdown(heads, rows)]

    def draw(self, measured: Measured, path: Path, title: str) -> list[Path]:
        """Draw the reliability diagram."""
        bins = measured.places("count")
        confidence, accuracy, counts = (
            _series(bins, [measured.value(measured.arms[0], metric, "", at) for at in bins]).mean
            for metric in ("confidence", "accuracy", "count")
        )
        if not counts:
            return []
        reliability_figure(confidence, accuracy, np.nan_to_num(counts), path, title=title)
        return [path]


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Format a Markdown table with left-aligned names and right-aligned numbers."""
    columns = zip(*rows, strict=True) if rows else [()] * len(heads)
    numbers = [
        all(cell[:1].isdigit() or cell[:1] in ("-", MISSING, "∞") for cell in column) for column in columns
    ]
    rule = ["--:" if number else "---" for number in numbers]
    return [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]


def _draw_lines(
    measured: Measured, path: Path, title: str, x_label: str, lines: Iterable[tuple[Column, Lines, Lines]]
) -> list[Path]:
    """Draw one figure per column with values. The first file is `path`; the names of the other files add the
    column.
    """
    pictures: list[Path] = []
    for column, *both in lines:
        # A line without any value is left out; a single missing value is a gap in its line.
        ours, papers = ({n: s for n, s in some.items() if not np.isnan(s.mean).all()} for some in both)
        if ours:
            words = f"{column.metric} {column.group}".split()
            slug = "_".join("".join(filter(str.isalnum, word)) for word in words)
            file = path.with_stem(f"{path.stem}-{slug}") if pictures else path
            labels = {"x_label": x_label, "y_label": column.label(measured)}
            line_figure(ours, file, title=title, reference=papers, **labels)
            pictures.append(file)
    return pictures


def _series(places: Iterable[float], values: Iterable[Value | None]) -> Series:
    points = [_point(value) for value in values]
    spread = [math.nan if deviation is None else deviation for _, deviation in points]
    return Series(list(places), [mean for mean, _ in points], spread)


def _with_unit(error: str) -> str:
    return re.sub(r"^mpjpe_mm", "mpjpe, mm", re.sub(r"^angle_mae", "angle_mae, rad", error))


def _point(value: Value | None) -> tuple[float, float | None]:
    """Return the mean and standard deviation to draw, or NaN if the value is missing or infinite."""
    return (math.nan, None) if value is None or not math.isfinite(value.mean) else value


def _cell(value: Value | None, digits: int) -> str:
    if value is None:
        return MISSING
    spread = "" if value.deviation is None else f" ± {value.deviation:.{digits}f}"
    return _number(value.mean, digits) + spread


def _number(value: float | None, digits: int) -> str:
    if value is None or math.isnan(value):
        return MISSING
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"
