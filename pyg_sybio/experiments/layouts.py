r"""How measured numbers become a table and a picture, beside the paper's figures where it has some."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pyg_sybio.experiments.names import MEAN_OF_CLASSES, OF_ZERO_VELOCITY

if TYPE_CHECKING:
    from pyg_sybio.experiments.results import Measured, Value

# The paper's figures of one column or curve: data set -> arm -> figure.
PaperColumn = Mapping[str, Mapping[str, float]]

# A line to draw: what stands on the axis, with the value there and its deviation.
Points = list[tuple[float, tuple[float, float | None]]]

MISSING = "–"


class Layout(Protocol):
    """A kind of table with its pictures."""

    def table(self, measured: "Measured") -> list[str]:
        """The lines of the table in Markdown."""

    def draw(self, measured: "Measured", path: Path, title: str) -> list[Path]:
        """Draw what there is: the files written, the first of which is `path`; none without a value."""


@dataclass(frozen=True)
class Column:
    """One number of every arm.

    Args:
        title: With its unit.
        metric: As the measure names it.
        group: Of what.
        at: Where: a horizon (ms), ...
        until: In place of `at`: the mean of all places up to this one.
        scale: Factor from the measured number to the shown one.
        digits: Decimal places.
        paper: The paper's figures, as shown: data set to arm to figure.
    """

    title: str
    metric: str
    group: str = ""
    at: float | None = None
    until: float | None = None
    scale: float = 1.0
    digits: int = 3
    paper: PaperColumn = field(default_factory=dict)

    def value(self, measured: "Measured", arm: str) -> "Value | None":
        """The number of an arm, scaled."""
        if self.until is None:
            value = measured.value(arm, self.metric, self.group, self.at)
        else:
            value = measured.mean_until(arm, self.metric, self.group, self.until)
        return _scaled(value, self.scale)

    def published(self, arm: str) -> float:
        """The paper's figure of an arm on the first of its data sets; NaN where there is none."""
        return next(iter(self.paper.values()), {}).get(arm, math.nan)

    def label(self, measured: "Measured") -> str:
        """What an axis says: also of which data set the paper's figures are."""
        return f"{_titled(self, measured)}{_of_paper(self.paper)}"


@dataclass(frozen=True)
class ArmTable:
    """A line an arm, some columns, the paper's beside ours.

    Args:
        columns: Our columns; the first is drawn as bars unless `lines` or `scatter` say otherwise.
        lines: Lines through arms: what stands on the axis, and for each line its arms and where they stand.
        scatter: Which columns are drawn against each other.
    """

    columns: tuple[Column, ...]
    lines: tuple[str, Mapping[str, Mapping[str, float]]] | None = None
    scatter: tuple[int, int] | None = None

    def table(self, measured: "Measured") -> list[str]:
        """A line an arm."""
        heads, rows = [""], [[arm] for arm in measured.arms]
        for column in self.columns:
            heads.append(_titled(column, measured))
            for row in rows:
                row.append(_cell(column.value(measured, row[0]), column.digits))
            for dataset, values in column.paper.items():
                heads.append(f"paper: {column.title}, {dataset}")
                for row in rows:
                    row.append(_number(values.get(row[0]), column.digits))
        return markdown(heads, rows)

    def draw(self, measured: "Measured", path: Path, title: str) -> list[Path]:
        """Bars, or lines through the arms, or points; a picture a column where there are lines."""
        if self.scatter is not None:
            return self._draw_points(measured, path, title, *self.scatter)
        if self.lines is not None:
            pictures = [self._draw_lines(column, measured, path, title) for column in self.columns]
            return _renamed([picture for picture in pictures if picture is not None], path)
        from pyg_sybio.visualization.bar_figure import bar_figure

        column = self.columns[0]
        values = {arm: _point(column.value(measured, arm)) for arm in measured.arms}
        if all(math.isnan(mean) for mean, _ in values.values()):
            return []
        reference = {arm: column.published(arm) for arm in measured.arms}
        bar_figure(values, path, label=column.label(measured), title=title, reference=reference)
        return [path]

    def _draw_points(self, measured: "Measured", path: Path, title: str, across: int, up: int) -> list[Path]:
        from pyg_sybio.visualization.bar_figure import scatter_figure

        x, y = self.columns[across], self.columns[up]
        points = {
            arm: (_point(x.value(measured, arm))[0], _point(y.value(measured, arm))[0])
            for arm in measured.arms
        }
        if not any(math.isfinite(a) and math.isfinite(b) for a, b in points.values()):
            return []
        x_label, y_label = _titled(x, measured), _titled(y, measured)
        scatter_figure(points, path, x_label=x_label, y_label=y_label, title=title)
        return [path]

    def _draw_lines(self, column: Column, measured: "Measured", path: Path, title: str) -> Path | None:
        assert self.lines is not None
        x_label, lines = self.lines
        ours = {
            name: [(x, _point(column.value(measured, arm))) for arm, x in places.items()]
            for name, places in lines.items()
        }
        papers: dict[str, Points] = {
            name: [(x, (column.published(arm), None)) for arm, x in places.items()]
            for name, places in lines.items()
        }
        return _draw_lines(ours, path, column, measured, title=title, x_label=x_label, papers=papers)


@dataclass(frozen=True)
class Curve:
    """A number of every arm over horizons, frames, ratios, ...

    Args:
        title: With its unit.
        metric: As the measure names it.
        group: Of what.
        scale: Factor from the measured number to the shown one.
        digits: Decimal places.
        beside: Further metrics that do not depend on the arm, by what they are called, such as zero velocity.
    """

    title: str
    metric: str
    group: str = ""
    scale: float = 1.0
    digits: int = 3
    beside: Mapping[str, str] = field(default_factory=dict)

    def label(self, measured: "Measured") -> str:
        """What an axis says."""
        return _titled(self, measured)


@dataclass(frozen=True)
class CurveTable:
    """A table a curve: a line an arm, a column a place.

    Args:
        x_label: What the places are, with their unit.
        curves: The curves; each has a table and a picture of its own.
    """

    x_label: str
    curves: tuple[Curve, ...]

    def table(self, measured: "Measured") -> list[str]:
        """All curves, one table after the other."""
        lines: list[str] = []
        for curve in self.curves:
            if places := measured.places(curve.metric, curve.group):
                heads = [f"{_titled(curve, measured)}; {self.x_label}:", *(f"{place:g}" for place in places)]
                rows = [
                    [name, *(_cell(_scaled(value, curve.scale), curve.digits) for _, value in values)]
                    for name, values in self._lines(curve, measured).items()
                ]
                lines += [*([""] if lines else []), *markdown(heads, rows)]
        return lines

    def draw(self, measured: "Measured", path: Path, title: str) -> list[Path]:
        """A picture a curve."""
        pictures = []
        for curve in self.curves:
            ours = {
                name: [(x, _point(_scaled(value, curve.scale))) for x, value in values]
                for name, values in self._lines(curve, measured).items()
            }
            picture = _draw_lines(ours, path, curve, measured, title=title, x_label=self.x_label)
            if picture is not None:
                pictures.append(picture)
        return _renamed(pictures, path)

    def _lines(self, curve: Curve, measured: "Measured") -> dict[str, list[tuple[float, "Value | None"]]]:
        places = measured.places(curve.metric, curve.group)
        lines = {
            arm: [(x, measured.value(arm, curve.metric, curve.group, x)) for x in places]
            for arm in measured.arms
        }
        for name, metric in curve.beside.items():
            # It is the same for all arms: that of the first which has it.
            for arm in measured.arms:
                values = [(x, measured.value(arm, metric, curve.group, x)) for x in places]
                if any(value is not None for _, value in values):
                    lines[name] = values
                    break
        return lines


@dataclass(frozen=True)
class PaperErrors:
    """Errors that the paper gives by action.

    Args:
        source: The tables.
        horizons: In milliseconds.
        errors: Arm, then action, to an error a horizon; zero velocity is an arm here.
    """

    source: str
    horizons: tuple[int, ...]
    errors: Mapping[str, Mapping[str, tuple[float, ...]]]

    def at(self, arm: str, actions: Sequence[str], horizon: float) -> float | None:
        """The mean over actions at a horizon; None unless the paper has it for all of them."""
        of_arm = self.errors.get(arm, {})
        if horizon not in self.horizons or not actions or any(action not in of_arm for action in actions):
            return None
        index = self.horizons.index(int(horizon))
        mean = sum(of_arm[action][index] for action in actions) / len(actions)
        return None if math.isnan(mean) else mean


@dataclass(frozen=True)
class ActionTable:
    """Motion errors by action and horizon: our arms, zero velocity, and the paper's of the same data set.

    Args:
        metric: The error.
        paper: Name of a dataset class to what the paper gives of this data set.
        digits: Decimal places.
    """

    metric: str
    paper: Mapping[str, PaperErrors]
    digits: int = 3

    def table(self, measured: "Measured") -> list[str]:
        """A line an action and predictor, the mean of the actions first."""
        horizons = measured.places(self.metric)
        name = measured.metric(self.metric)
        rows = []
        for group, predictor, values in self._rows(measured, horizons):
            rows.append([group, predictor, *(_cell(value, self.digits) for value in values)])
        return markdown([name, "", *(f"{ms:g} ms" for ms in horizons)], rows)

    def draw(self, measured: "Measured", path: Path, title: str) -> list[Path]:
        """The mean of the actions over the horizons."""
        horizons = measured.places(self.metric)
        column = Column(MEAN_OF_CLASSES, self.metric)
        ours: dict[str, Points] = {}
        papers: dict[str, Points] = {}
        for group, predictor, values in self._rows(measured, horizons):
            if group == MEAN_OF_CLASSES:
                target = papers if predictor.startswith("paper: ") else ours
                points = [(x, _point(value)) for x, value in zip(horizons, values, strict=True)]
                target[predictor.removeprefix("paper: ")] = points
        picture = _draw_lines(ours, path, column, measured, title=title, x_label="horizon, ms", papers=papers)
        return _renamed([] if picture is None else [picture], path)

    def _rows(
        self, measured: "Measured", horizons: Sequence[float]
    ) -> Iterable[tuple[str, str, list["Value | None"]]]:
        from pyg_sybio.experiments.results import Value

        groups = measured.groups(self.metric)
        actions = [group for group in groups if group != MEAN_OF_CLASSES]
        published = self.paper.get(measured.dataset)
        for group in sorted(groups, key=lambda group: group != MEAN_OF_CLASSES):
            still: list[Value | None] = []
            for arm in measured.arms:
                yield group, arm, [measured.value(arm, self.metric, group, at) for at in horizons]
                zero = [measured.value(arm, self.metric + OF_ZERO_VELOCITY, group, at) for at in horizons]
                still = still or (zero if any(zero) else [])
            if still:
                yield group, "zero velocity", still
            if published is not None:
                wanted = actions if group == MEAN_OF_CLASSES else [group]
                for arm in published.errors:
                    found = [published.at(arm, wanted, at) for at in horizons]
                    if any(error is not None for error in found):
                        values = [None if error is None else Value(error, None) for error in found]
                        yield group, f"paper: {arm}", values


@dataclass(frozen=True)
class ConfusionTable:
    """Which classes are taken for which: the most frequent mistakes, and the whole matrix as a picture.

    Args:
        most: How many mistakes the table has.
    """

    most: int = 10

    def table(self, measured: "Measured") -> list[str]:
        """The recall of each class, then the mistakes."""
        counts = confusion_counts(measured)
        names = list(dict.fromkeys(true for true, _ in counts))
        rows = []
        for name in names:
            clips = sum(count for (true, _), count in counts.items() if true == name)
            right = counts.get((name, name), 0.0)
            others = {p: c for (true, p), c in counts.items() if true == name and p != name and c > 0}
            taken = max(others, key=lambda p: others[p], default=None)
            if clips:
                most = MISSING if taken is None else f"{taken} ({100 * others[taken] / clips:.0f} %)"
                rows.append((right / clips, [name, f"{clips:g}", f"{100 * right / clips:.1f}", most]))
        rows.sort(key=lambda row: row[0])
        return markdown(
            ["class, the least recognised first", "clips", "recognised, %", "most often taken for"],
            [cells for _, cells in rows],
        )

    def draw(self, measured: "Measured", path: Path, title: str) -> list[Path]:
        """The matrix."""
        import torch

        from pyg_sybio.visualization.confusion_figure import confusion_figure

        counts = confusion_counts(measured)
        names = list(dict.fromkeys([true for true, _ in counts] + [predicted for _, predicted in counts]))
        matrix = torch.tensor([[counts.get((true, taken), 0.0) for taken in names] for true in names])
        if not matrix.numel() or not matrix.any():
            return []
        confusion_figure(matrix, names, path, title=title)
        return [path]


def confusion_counts(measured: "Measured") -> dict[tuple[str, str], float]:
    """True and predicted class -> number of clips, mean over the seeds."""
    counts = {}
    for group in measured.groups("confusion"):
        true, _, predicted = group.partition(" -> ")
        value = measured.value(measured.arms[0], "confusion", group)
        counts[true, predicted] = 0.0 if value is None else value.mean
    return counts


@dataclass(frozen=True)
class ReliabilityTable:
    """How far probabilities are to be believed: errors of calibration, and bins of confidence."""

    columns: tuple[Column, ...]

    def table(self, measured: "Measured") -> list[str]:
        """The errors, then the bins."""
        bins = measured.places("count")
        arm = measured.arms[0]
        rows = []
        for name, metric, digits in (
            ("mean confidence", "confidence", 3),
            ("accuracy", "accuracy", 3),
            ("clips", "count", 0),
        ):
            rows.append([name, *(_cell(measured.value(arm, metric, "", at), digits) for at in bins)])
        heads = ["bin of confidence", *(f"{at:g}" for at in bins)]
        return [*ArmTable(self.columns).table(measured), "", *markdown(heads, rows)]

    def draw(self, measured: "Measured", path: Path, title: str) -> list[Path]:
        """The bins."""
        import torch

        from pyg_sybio.visualization.reliability_figure import reliability_figure

        arm = measured.arms[0]
        bins = [
            [_point(measured.value(arm, metric, "", at))[0] for metric in ("confidence", "accuracy", "count")]
            for at in measured.places("count")
        ]
        if not bins:
            return []
        confidence, accuracy, counts = torch.tensor(bins).T
        reliability_figure(confidence, accuracy, counts.nan_to_num(), path, title=title)
        return [path]


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table: names on the left, numbers on the right."""
    numbers = [
        all(row[i][:1].isdigit() or row[i][:1] in ("-", MISSING, "∞") for row in rows)
        for i in range(len(heads))
    ]
    rule = ["--:" if number else "---" for number in numbers]
    return [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]


def _draw_lines(
    ours: Mapping[str, Points],
    path: Path,
    column: Column | Curve,
    measured: "Measured",
    *,
    title: str,
    x_label: str,
    papers: Mapping[str, Points] | None = None,
) -> Path | None:
    """Draw lines into a file named for what they show; None without a value."""
    from pyg_sybio.visualization.line_figure import Series, line_figure

    def series(points: Points) -> Series:
        spread = [math.nan if deviation is None else deviation for _, (_, deviation) in points]
        return Series([x for x, _ in points], [mean for _, (mean, _) in points], spread)

    def known(lines: Mapping[str, Points]) -> dict[str, Series]:
        # A line without any value is left out; in the others, a missing value is a gap.
        some = {n: points for n, points in lines.items() if not all(math.isnan(p[1][0]) for p in points)}
        return {name: series(points) for name, points in some.items()}

    if not (drawn := known(ours)):
        return None
    words = f"{column.metric} {column.group}".split()
    slug = "_".join("".join(filter(str.isalnum, word)) for word in words)
    file = path.with_stem(f"{path.stem}-{slug}")
    reference = known(papers or {})
    line_figure(
        drawn, file, x_label=x_label, y_label=column.label(measured), title=title, reference=reference
    )
    return file


def _renamed(pictures: list[Path], path: Path) -> list[Path]:
    """The first picture has the table's own name."""
    if not pictures:
        return []
    return [pictures[0].replace(path), *pictures[1:]]


def _scaled(value: "Value | None", scale: float) -> "Value | None":
    if value is None:
        return None
    deviation = None if value.deviation is None else value.deviation * scale
    return value._replace(mean=value.mean * scale, deviation=deviation)


def _point(value: "Value | None") -> tuple[float, float | None]:
    """A value to draw: NaN where there is none, or none that can be drawn."""
    if value is None or not math.isfinite(value.mean):
        return math.nan, None
    return value.mean, value.deviation


def _cell(value: "Value | None", digits: int) -> str:
    if value is None:
        return MISSING
    spread = "" if value.deviation is None else f" ± {value.deviation:.{digits}f}"
    return _number(value.mean, digits) + spread


def _number(value: float | None, digits: int) -> str:
    if value is None or math.isnan(value):
        return MISSING
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def _titled(column: Column | Curve, measured: "Measured") -> str:
    """The title, with the name of the error that stands for the motion error of this data set."""
    name = measured.metric(column.metric)
    return column.title if name == column.metric else f"{column.title} ({name})"


def _of_paper(paper: PaperColumn) -> str:
    return "".join(f" (paper: {dataset})" for dataset in list(paper)[:1])
