"""Plots of measurements show the data at the right positions, with readable texts."""

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, LineCollection
from matplotlib.colors import same_color
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text

from pyg_sybio.visualization.bar_figure import bar_figure, scatter_figure
from pyg_sybio.visualization.confusion_figure import confusion_figure
from pyg_sybio.visualization.line_figure import Series, line_figure
from pyg_sybio.visualization.plots import wrapped
from pyg_sybio.visualization.reliability_figure import reliability_figure
from pyg_sybio.visualization.theme import BLUE, VERMILLION

NAN = math.nan
Draw = Callable[[Path], Figure]


def draw_lines(path: Path, series: dict[str, Series], **options: Any) -> Figure:
    return line_figure(series, path, x_label="horizon (ms)", y_label="error (rad)", title="Errors", **options)


def draw_bars(path: Path, values: dict[str, tuple[float, float | None]], **options: Any) -> Figure:
    return bar_figure(values, path, label="accuracy (%)", title="Networks", **options)


def draw_points(path: Path, points: dict[str, tuple[float, float]]) -> Figure:
    return scatter_figure(points, path, x_label="frames in 20 ms", y_label="error", title="Speed")


def legend_of(figure: Figure) -> dict[str, Line2D]:
    """The name and the line of each entry of the legend, from top to bottom."""
    (legend,) = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    assert isinstance(legend, Legend)
    names = [text.get_text().replace("\n", " ") for text in legend.get_texts()]
    return dict(zip(names, legend.get_lines(), strict=True))


def texts_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def data_of(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_xydata())


def bands_of(axes: Axes) -> list[np.ndarray]:
    return [
        path.vertices
        for band in axes.collections
        if isinstance(band, FillBetweenPolyCollection)
        for path in band.get_paths()
    ]


# All plots ------------------------------------------------------------------------------------------------

PICTURES: dict[str, Draw] = {
    "lines": lambda path: draw_lines(path, {"a": Series([1, 2], [3, 4])}),
    "bars": lambda path: draw_bars(path, {"a": (3, None)}),
    "points": lambda path: draw_points(path, {"a": (1, 2)}),
    "confusion": lambda path: confusion_figure(torch.eye(2), ["a", "b"], path, title="Confusion"),
    "reliability": lambda path: reliability_figure([0.5], [0.4], [3], path, title="Calibration"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_the_file_is_valid_and_has_the_size_of_the_figure(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_text("old")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # for example, about missing glyphs or too little space
        figure = PICTURES[kind](path)
    picture = imread(path)
    assert list(tmp_path.iterdir()) == [path]
    assert picture.shape[1] == 900
    np.testing.assert_allclose(picture.shape[1::-1], figure.get_size_inches() * 150, atol=1)
    assert 0.001 < (picture[..., :3].min(axis=-1) < 0.9).mean() < 0.5  # the picture is neither empty nor full
    assert figure.get_suptitle() in ("Errors", "Networks", "Speed", "Confusion", "Calibration")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda path: draw_lines(path, {}), "'series' has 0 lines and no value"),
        (lambda path: draw_lines(path, {"a": Series([1], [NAN])}), "'series' has 1 lines and no value"),
        (
            lambda path: draw_lines(path, {}, reference={"a": Series([1], [2])}),
            "'series' has 0 lines and no value",
        ),
        (lambda path: draw_bars(path, {}), "'values' has 0 names and no value"),
        (
            lambda path: draw_bars(path, {"a": (NAN, 1)}, reference={"a": 2}),
            "'values' has 1 names and no value",
        ),
        (lambda path: draw_points(path, {"a": (1, NAN)}), "'points' has 1 names and no value"),
        (
            lambda path: confusion_figure(torch.zeros(2, 2), ["a", "b"], path, title=""),
            "2 classes has no clip",
        ),
        (
            lambda path: reliability_figure([NAN], [NAN], [0], path, title=""),
            "'counts' of 1 bins has no clip",
        ),
        (
            lambda path: draw_lines(path, {"a": Series([1, 2], [3])}),
            r"'series\[a\].mean' has shape \[1\], expected \[2\]",
        ),
        (
            lambda path: draw_lines(path, {"a": Series([1, 2], [3, 4], [1])}),
            r"'series\[a\].deviation' has shape \[1\], expected \[2\]",
        ),
        (
            lambda path: draw_lines(path, {"a": Series([1, 1], [3, 4])}),
            r"'series\[a\].x' is \[1.0, 1.0\], expected increasing numbers",
        ),
        (
            lambda path: draw_lines(path, {"a": Series([1], [3])}, reference={"b": Series([1], [math.inf])}),
            r"'reference\[b\].mean' has inf, expected finite numbers or NaN",
        ),
        (
            lambda path: draw_lines(path, {"a": Series([1], [3], [-1])}),
            r"'series\[a\].deviation' has -1, expected finite numbers of at least 0 or NaN",
        ),
        (lambda path: draw_bars(path, {"a": (1, -1)}), r"'deviation\[a\]' has -1, expected"),
        (lambda path: draw_bars(path, {"a": (math.inf, None)}), r"'values\[a\]' has inf, expected"),
        (lambda path: draw_points(path, {"a": (1, -math.inf)}), r"'points\[a\]' has -inf, expected"),
        (
            lambda path: confusion_figure(torch.eye(3), ["a", "b"], path, title=""),
            r"'counts' has shape \[3, 3\], expected \[2, 2\]",
        ),
        (
            lambda path: confusion_figure(-torch.eye(2), ["a", "b"], path, title=""),
            "'counts' has -1, expected finite numbers of at least 0$",
        ),
        (
            lambda path: reliability_figure([0.5], [0.4], [NAN], path, title=""),
            "'counts' has nan, expected finite numbers of at least 0$",
        ),
        (
            lambda path: reliability_figure([0.5, 0.6], [0.4, NAN], [3, 1], path, title=""),
            "'accuracy' has nan, expected finite numbers of at least -1e-06 and at most 1",
        ),
        (
            lambda path: reliability_figure([50], [0.4], [3], path, title=""),
            "'confidence' has 50, expected finite numbers of at least -1e-06 and at most 1",
        ),
    ],
)
def test_invalid_values_are_refused_and_no_file_is_written(draw: Draw, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        draw(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_names_are_not_parsed_as_formulas(tmp_path: Path) -> None:
    odd = r"cost $x_1$ in $"
    figures = [
        line_figure({odd: Series([1], [2])}, tmp_path / "a.png", x_label=odd, y_label=odd, title=odd),
        bar_figure({odd: (1, 2)}, tmp_path / "a.png", label=odd, title=odd),
        scatter_figure({odd: (1, 2)}, tmp_path / "a.png", x_label=odd, y_label=odd, title=odd),
        confusion_figure(torch.eye(2), [odd, "b"], tmp_path / "a.png", title=odd),
        confusion_figure(torch.ones(25, 25), [odd] * 25, tmp_path / "a.png", title=odd),
    ]
    for figure in figures:
        shown = figure.findobj(Text)
        assert any(text.get_text().strip().startswith(odd) for text in shown)
        assert not any(text.get_parse_math() for text in shown if "$" in text.get_text())


def test_long_paths_are_wrapped_after_a_slash() -> None:
    assert wrapped("nw_ucla_slim/6c22ffea8e5d", 24) == "nw_ucla_slim/\n6c22ffea8e5d"
    assert wrapped("two words\nand 1/2", 24) == "two words\nand 1/2"
    assert wrapped("x" * 30, 24) == "x" * 24 + "\n" + "x" * 6


# Lines ----------------------------------------------------------------------------------------------------


def test_lines_and_bands_show_the_given_values(tmp_path: Path) -> None:
    x, mean, spread = [80, 160, 320, 400], [0.2, 0.4, 0.7, 0.8], [0.01, 0.02, 0.03, 0.04]
    series = {"full": Series(x, mean, spread), "zero velocity": Series([80, 400], torch.tensor([0.5, 0.6]))}
    figure = draw_lines(tmp_path / "a.png", series)
    (axes,) = figure.axes
    full, still = axes.get_lines()
    np.testing.assert_allclose(data_of(full), np.stack([x, mean], axis=1))
    np.testing.assert_allclose(data_of(still), [[80, 0.5], [400, 0.6]])
    (band,) = bands_of(axes)
    for at, value, deviation in zip(x, mean, spread, strict=True):
        np.testing.assert_allclose(np.ptp(band[band[:, 0] == at][:, 1]), 2 * deviation)
        np.testing.assert_allclose(np.unique(band[band[:, 0] == at][:, 1]).mean(), value)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("horizon (ms)", "error (rad)")
    assert set(legend_of(figure)) == {"full", "zero velocity", "band: ± standard deviation"}
    # Steps of 80 ms up to 400 ms leave space for every tick label.
    assert [label.get_text() for label in axes.get_xticklabels()] == ["80", "160", "320", "400"]


def test_lines_differ_in_more_than_colour(tmp_path: Path) -> None:
    series = {f"arm {i}": Series([1, 2], [i, i + 1]) for i in range(20)}
    figure = draw_lines(tmp_path / "a.png", series)
    lines = figure.axes[0].get_lines()
    without_colour = {(line.get_marker(), line.get_linestyle()) for line in lines[:7]}
    assert len(without_colour) == 7
    assert len({line.get_color() for line in lines[:13]}) == 13
    looks = {(line.get_color(), line.get_marker(), str(line._dash_pattern)) for line in lines}
    assert len(looks) == 20


def test_the_legend_is_next_to_the_plot_in_the_order_of_the_last_values(tmp_path: Path) -> None:
    series = {
        "low": Series([1, 2, 3], [9, 9, 1]),
        "unknown": Series([1, 2], [NAN, NAN]),
        "high": Series([1, 2, 3], [0, 5, NAN]),  # the last value that is not NaN counts
        "a name that is longer than one line of the legend": Series([1, 3], [2, 3]),
    }
    figure = draw_lines(tmp_path / "a.png", series, reference={"low": Series([1, 3], [7, 4])})
    names = list(legend_of(figure))
    long = "a name that is longer than one line of the legend"
    assert names == ["high", "low (paper)", long, "low", "unknown (no value)"]
    axes = figure.axes[0]
    legend = axes.get_legend().get_window_extent()
    assert legend.x0 > axes.bbox.x1
    assert legend.x1 <= 900
    (title,) = [text for text in figure.findobj(Text) if text.get_text() == "Errors"]
    assert title.get_window_extent().y0 > max(legend.y1, axes.bbox.y1)


def test_the_figure_grows_with_the_number_of_lines(tmp_path: Path) -> None:
    series = {f"an arm with a name of two lines, number {i}": Series([1], [i]) for i in range(20)}
    figure = draw_lines(tmp_path / "a.png", series)
    legend = figure.axes[0].get_legend().get_window_extent()
    assert legend.y0 >= 0
    assert legend.y1 <= figure.bbox.y1


def test_references_are_dashed_hollow_and_named_after_the_paper(tmp_path: Path) -> None:
    series = {"full": Series([1, 2], [3, 4]), "other": Series([1, 2], [5, 6])}
    reference = {"other": Series([1, 2], [7, 8]), "tear up paper": Series([1, 2], [1, 1])}
    figure = draw_lines(tmp_path / "a.png", series, reference=reference)
    full, other, paper_other, paper_alone = figure.axes[0].get_lines()
    np.testing.assert_allclose(data_of(paper_other)[:, 1], [7, 8])
    assert paper_other.get_color() == other.get_color()
    assert paper_other.get_marker() == other.get_marker()
    assert same_color(paper_other.get_markerfacecolor(), "white")
    assert not same_color(other.get_markerfacecolor(), "white")
    assert paper_alone.get_color() not in (full.get_color(), other.get_color())
    patterns = {str(line._dash_pattern[1]) for line in (paper_other, paper_alone)}
    assert len(patterns) == 1
    assert not patterns & {"None", str(full._dash_pattern[1]), str(other._dash_pattern[1])}
    assert set(legend_of(figure)) == {"full", "other", "other (paper)", "tear up paper (paper)"}
    assert legend_of(figure)["other (paper)"].get_markerfacecolor() == "white"


def test_gaps_are_kept_and_isolated_points_are_visible(tmp_path: Path) -> None:
    mean = [1.0, 2.0, NAN, 4.0, NAN, 6.0, 7.0]
    figure = draw_lines(tmp_path / "a.png", {"a": Series(range(7), mean, [0.1] * 6 + [NAN])})
    (axes,) = figure.axes
    line = axes.get_lines()[0]
    np.testing.assert_array_equal(data_of(line)[:, 1], mean)
    assert 3 in line.get_markevery()
    # One band over the first two points; error bars at 3 and 5, whose neighbours have no spread.
    bands = [band for band in bands_of(axes) if np.ptp(band[:, 0])]
    assert len(bands) == 1
    assert set(bands[0][:, 0]) == {0, 1}
    (bars,) = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
    segments = np.array(bars[2][0].get_segments())
    np.testing.assert_allclose(segments[:, :, 0], [[3, 3], [5, 5]])
    np.testing.assert_allclose(segments[:, :, 1], [[3.9, 4.1], [5.9, 6.1]])


def test_long_lines_have_few_markers_at_staggered_positions(tmp_path: Path) -> None:
    x = np.arange(200)
    mean = np.where(x % 50 == 7, NAN, 1.0)
    mean[[100, 102]] = NAN  # isolates 101
    figure = draw_lines(tmp_path / "a.png", {"a": Series(x, mean), "b": Series(x, mean)})
    marks = [set(line.get_markevery()) for line in figure.axes[0].get_lines()]
    assert marks[0] & marks[1] == {101}
    for marked in marks:
        assert 8 < len(marked) < 16
        assert np.isfinite(mean[list(marked)]).all()


# Bars -----------------------------------------------------------------------------------------------------


def bars_of(axes: Axes) -> list[Any]:
    return [patch for bars in axes.containers if isinstance(bars, BarContainer) for patch in bars.patches]


def test_bars_show_values_labels_and_spread(tmp_path: Path) -> None:
    figure = draw_bars(
        tmp_path / "a.png", {"joint": (87.312, 0.42), "bone": (86.0, None), "none": (NAN, None)}
    )
    (axes,) = figure.axes
    joint, bone = bars_of(axes)
    assert (joint.get_x(), joint.get_width()) == (0, pytest.approx(87.312))
    assert bone.get_width() == pytest.approx(86)
    assert joint.get_y() < bone.get_y()
    assert axes.yaxis_inverted()  # the first bar is at the top
    assert [label.get_text() for label in axes.get_yticklabels()] == ["joint", "bone", "none"]
    assert texts_of(axes) == ["87.3 ± 0.4", "86.0", "no value"]
    assert axes.texts[0].xy == pytest.approx((87.312 + 0.42, 0))
    (bars,) = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
    np.testing.assert_allclose(bars[2][0].get_segments()[0][:, 0], [86.892, 87.732])
    assert axes.get_xlabel() == "accuracy (%); ± standard deviation"


def test_references_of_bars_are_hollow_and_labelled(tmp_path: Path) -> None:
    reference = {"both": 90.1, "no prediction": 89.0, "unknown": NAN}
    figure = draw_bars(tmp_path / "a.png", {"both": (71.0, 1.0), "joint": (70.0, None)}, reference=reference)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["both", "joint", "no prediction"]
    hollow = {bar.get_width(): bar for bar in bars_of(axes) if not bar.get_facecolor()[3]}
    filled = {bar.get_width(): bar for bar in bars_of(axes) if bar.get_facecolor()[3]}
    assert set(hollow) == {90.1, 89.0}
    assert set(filled) == {71.0, 70.0}
    assert all(bar.get_linestyle() != "-" and bar.get_edgecolor()[3] for bar in hollow.values())
    ours, theirs = filled[71.0], hollow[90.1]
    assert -0.5 < ours.get_y() < ours.get_y() + ours.get_height() < theirs.get_y()
    assert theirs.get_y() + theirs.get_height() < 0.5
    assert texts_of(axes) == ["71.0 ± 1.0", "90.1 (paper)", "70.0", "89.0 (paper)"]


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([7_432_112.0, 14.0], ["7,432,112", "14"]),
        ([0.6154, 0.05], ["0.615", "0.050"]),
        ([-0.02, 0.031], ["−0.0200", "0.0310"]),
        ([12.34, 5.0], ["12.3", "5.0"]),
        ([0.0, 0.0], ["0", "0"]),
        ([2.5e-9, 0.0], ["2.50e−09", "0.00e+00"]),
    ],
)
def test_bar_labels_have_three_significant_digits_of_the_largest_value(
    values: list[float], written: list[str], tmp_path: Path
) -> None:
    figure = draw_bars(tmp_path / "a.png", {str(i): (value, None) for i, value in enumerate(values)})
    assert texts_of(figure.axes[0]) == written


@pytest.mark.parametrize("number", [2, 20])
def test_names_and_labels_of_bars_stay_inside_the_figure_without_overlap(number: int, tmp_path: Path) -> None:
    values = {f"an arm of a table with a rather long name, {i}": (50.0 + i, 3.0) for i in range(number)}
    figure = draw_bars(tmp_path / "a.png", values, reference=dict.fromkeys(values, 100.0))
    (axes,) = figure.axes
    for texts in (axes.texts, axes.get_yticklabels()):
        boxes = sorted((text.get_window_extent() for text in texts), key=lambda box: box.y0)
        assert len(boxes) >= number
        assert all(box.x0 >= 0 and box.x1 <= 900 for box in boxes)
        assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))


def test_a_negative_bar_has_its_label_right_of_zero(tmp_path: Path) -> None:
    (axes,) = draw_bars(tmp_path / "a.png", {"worse": (-2.0, 0.5), "better": (3.0, None)}).axes
    assert [text.xy[0] for text in axes.texts] == [0, 3]
    assert axes.get_xlim()[0] < -2.5


# Points ---------------------------------------------------------------------------------------------------


def test_points_have_the_given_positions_and_names(tmp_path: Path) -> None:
    points = {"K = 0": (40.0, 0.65), "K = 4": (20.0, 0.60), "K = 3": (NAN, 0.62)}
    (axes,) = draw_points(tmp_path / "a.png", points).axes
    np.testing.assert_allclose(
        np.concatenate([data_of(line) for line in axes.get_lines()]), list(points.values())[:2]
    )
    assert len({line.get_marker() for line in axes.get_lines()}) == 2
    assert {text.get_text(): text.xy for text in axes.texts} == {
        name: points[name] for name in ("K = 0", "K = 4")
    }
    assert axes.get_xlabel() == "frames in 20 ms\nwithout a value: K = 3"
    assert axes.get_ylabel() == "error"


@pytest.mark.parametrize("spread", [1.0, 0.05])
def test_names_of_points_overlap_neither_points_nor_each_other(spread: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # Two distant points determine the axes; other points are crowded in the middle or fill the axes.
    places = [(0.0, 0.0), (1.0, 1.0), *(0.5 + spread * (rng.random((8, 2)) - 0.5)).tolist()]
    figure = draw_points(tmp_path / "a.png", {f"K = {i}": (x, y) for i, (x, y) in enumerate(places)})
    (axes,) = figure.axes
    # The extent of an annotation would include its line to the point.
    extents = [Text.get_window_extent(text) for text in axes.texts]
    dots = axes.transData.transform(places)
    for i, box in enumerate(extents):
        assert not any(box.overlaps(other) for other in extents[:i])
        assert not any(box.contains(*dot) for dot in dots)
        assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1
        assert axes.bbox.y0 <= box.y0 < box.y1 <= axes.bbox.y1
        near = np.clip(dots[i], box.min, box.max)
        away = np.linalg.norm(near - dots[i]) * 72 / 150
        assert away < 60  # typographic points
        # Distant names have a line to their point.
        assert (away > 10) <= (axes.texts[i].arrow_patch is not None)


# Confusions -----------------------------------------------------------------------------------------------


def test_confusion_shows_fractions_of_the_true_class(tmp_path: Path) -> None:
    counts = torch.tensor([[3, 1, 0], [0, 0, 0], [1, 0, 199]])
    figure = confusion_figure(counts, ["walk", "run", "jump"], tmp_path / "a.png", title="Confusion")
    axes, side = figure.axes
    (image,) = axes.images
    drawn = np.ma.filled(image.get_array().astype(float), NAN)
    np.testing.assert_allclose(drawn, [[75, 25, 0], [NAN, NAN, NAN], [0.5, 0, 99.5]])
    assert (image.norm.vmin, image.norm.vmax) == (0, 100)
    cells = {text.get_position(): text.get_text() for text in axes.texts}  # (column, row)
    assert cells == {(0, 0): "75", (1, 0): "25", (0, 2): "<1", (2, 2): "100"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["walk  (4)", "run  (0)", "jump  (200)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["walk", "run", "jump"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class (clips)", "predicted class")
    assert side.get_ylabel() == "% of the true class"


@pytest.mark.parametrize(("classes", "figures"), [(2, True), (17, True), (18, False), (60, False)])
def test_values_are_written_in_cells_that_are_large_enough(
    classes: int, figures: bool, tmp_path: Path
) -> None:
    counts = torch.full((classes, classes), 1.0) + 400 * torch.eye(classes)
    names = [f"class number {i}" for i in range(classes)]
    figure = confusion_figure(counts, names, tmp_path / "a.png", title="Confusion")
    axes = figure.axes[0]
    assert len(axes.texts) == (classes**2 if figures else 0)
    cell = axes.bbox.width / classes
    assert axes.bbox.height / classes == pytest.approx(cell)
    assert all(text.get_window_extent().width < cell for text in axes.texts)


@pytest.mark.parametrize("classes", [3, 20, 60, 400])
def test_class_names_are_inside_the_figure_without_overlap(classes: int, tmp_path: Path) -> None:
    names = [f"use a fan (with hand or paper) and feel warm, {i}" for i in range(classes)]
    path = tmp_path / "a.png"
    figure = confusion_figure(torch.eye(classes), names, path, title="A title that goes on and on " * 5)
    axes = figure.axes[0]
    np.testing.assert_allclose(imread(path).shape[1::-1], figure.get_size_inches() * 150, atol=1)
    for labels, low, high in ((axes.get_yticklabels(), "y0", "y1"), (axes.get_xticklabels(), "x0", "x1")):
        boxes = [label.get_window_extent() for label in labels if label.get_text()]
        assert len(boxes) >= min(classes, 12)
        boxes.sort(key=lambda box: getattr(box, low))
        for one, next_one in pairwise(boxes):
            assert getattr(one, high) <= getattr(next_one, low) + 0.5
        for box in boxes:
            assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
            assert 0 <= box.y0 < box.y1 <= figure.bbox.y1
    (above,) = [text for text in figure.findobj(Text) if text.get_text().startswith("A title")]
    assert above.get_window_extent().y0 > axes.bbox.y1
    assert above.get_window_extent().x1 <= figure.bbox.x1
    beside, below = axes.yaxis.label.get_window_extent(), axes.xaxis.label.get_window_extent()
    assert 0 <= beside.x0 < beside.x1 <= min(label.get_window_extent().x0 for label in axes.get_yticklabels())
    assert 0 <= below.y0 < below.y1 <= min(label.get_window_extent().y0 for label in axes.get_xticklabels())


def test_many_classes_are_numbered_and_the_largest_confusions_listed(tmp_path: Path) -> None:
    counts = 90 * torch.eye(60)
    counts[10, 11], counts[3, 40] = 30, 10
    figure = confusion_figure(
        counts, [f"action {i}" for i in range(60)], tmp_path / "a.png", title="Confusion"
    )
    axes = figure.axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows[10:12] == ["10  action 10  (120)", "11  action 11  (90)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(i) for i in range(0, 60, 5)]
    (listed,) = [text for text in figure.findobj(Text) if "frequent" in text.get_text()]
    assert listed.get_text().splitlines()[1:] == [
        "25 % of 120: 10 action 10 → 11 action 11",
        "10 % of 100: 3 action 3 → 40 action 40",
    ]
    box = listed.get_window_extent()
    assert 0 <= box.y0 < box.y1 < axes.bbox.y0
    assert box.x1 <= figure.bbox.x1
    # Shown at a width of 600 pixels, the text is as large as in the other figures.
    assert listed.get_fontsize() / figure.get_figwidth() == pytest.approx(8.5 / 6)


# Calibration ----------------------------------------------------------------------------------------------


def test_reliability_draws_bins_gaps_and_counts(tmp_path: Path) -> None:
    confidence, accuracy = torch.tensor([0.2, NAN, 0.6, 0.9]), torch.tensor([0.3, NAN, 0.5, 0.7])
    counts = torch.tensor([10, 0, 30, 60])
    figure = reliability_figure(confidence, accuracy, counts, tmp_path / "a.png", title="Calibration")
    above, below = figure.axes
    diagonal, curve = above.get_lines()
    np.testing.assert_array_equal(data_of(diagonal), [[0, 0], [1, 1]])
    np.testing.assert_allclose(data_of(curve), [[0.2, 0.3], [0.6, 0.5], [0.9, 0.7]], rtol=1e-6)
    (gaps,) = [lines for lines in above.collections if isinstance(lines, LineCollection)]
    np.testing.assert_allclose(np.array(gaps.get_segments())[..., 1], [[0.2, 0.3], [0.6, 0.5], [0.9, 0.7]])
    for color, expected in zip(gaps.get_colors(), (BLUE, VERMILLION, VERMILLION), strict=True):
        assert same_color(color[:3], expected)
    (bars,) = below.collections
    np.testing.assert_allclose(
        np.array(bars.get_segments())[:, 1], [[0.2, 10], [0.6, 30], [0.9, 60]], rtol=1e-6
    )
    # (10 · 0.1 + 30 · 0.1 + 60 · 0.2) / 100
    assert above.get_title(loc="left") == "expected calibration error 16.0 % over 100 clips"
    assert list(legend_of(figure)) == ["accuracy", "perfectly calibrated", "overconfident", "underconfident"]
    assert (above.get_ylabel(), below.get_ylabel(), below.get_xlabel()) == ("accuracy", "clips", "confidence")
