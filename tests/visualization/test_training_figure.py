"""Training curves: one panel per quantity, smoothed curves, and visible raw values."""

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from pyg_sybio.visualization.theme import BLUE, VERMILLION
from pyg_sybio.visualization.training_figure import draw_training, smoothed

STEPS = np.arange(1, 41) * 10.0
NOISY = 2.0 + np.sin(STEPS)
RUN = {
    "train_loss": (STEPS, NOISY),
    "val_loss": (STEPS[::10], NOISY[::10]),
    "val_accuracy": (STEPS[::10], np.linspace(0.1, 0.9, 4)),
    "val_mpjpe_mm": (STEPS[::10], np.array([90.0, 80, 70, 60])),
    "epoch": (STEPS, STEPS),
    "hp_metric": (STEPS[:1], STEPS[:1]),
}


def lines_of(axes: Axes) -> list[tuple[str, float, np.ndarray]]:
    return [
        (line.get_color(), line.get_alpha() or 1.0, np.stack(line.get_data(), axis=1))
        for line in axes.get_lines()
    ]


def test_smoothing_is_a_weighted_mean_of_the_values_so_far() -> None:
    values = np.array([3.0, 1.0, math.nan, 4.0, 1.0])
    result = smoothed(values, 0.8)
    for place in (0, 1, 3, 4):
        known = [t for t in range(place + 1) if not math.isnan(values[t])]
        # A missing value does not reduce the weights of other values.
        weights = [0.8 ** (len(known) - 1 - rank) for rank in range(len(known))]
        expected = sum(w * values[t] for w, t in zip(weights, known, strict=True)) / sum(weights)
        assert result[place] == pytest.approx(expected)
    assert math.isnan(result[2])
    np.testing.assert_array_equal(smoothed(values, 0.0), values)
    np.testing.assert_allclose(smoothed(np.full(9, 5.0), 0.9), 5.0)


def test_each_quantity_has_a_panel_with_raw_values_in_the_background(tmp_path: Path) -> None:
    figure = draw_training({"a": RUN}, tmp_path / "a.png", smoothing=0.7)
    panels = {axes.get_title(): lines_of(axes) for axes in figure.axes if axes.get_title()}
    assert list(panels) == ["loss", "accuracy", "mpjpe (mm)"]
    (color, faint, raw), (same, full, smooth), (other, _, val) = panels["loss"]
    assert color == same == BLUE
    assert other == VERMILLION
    assert faint < 0.5 < full
    np.testing.assert_array_equal(raw, np.stack([STEPS, NOISY], axis=1))
    np.testing.assert_allclose(smooth[:, 1], smoothed(NOISY, 0.7))
    np.testing.assert_array_equal(val[:, 1], NOISY[::10])  # validation curves are not smoothed
    assert "moving averages (0.7) of the faint curves" in figure._suptitle.get_text()


def test_runs_differ_in_colour_and_stages_in_style(tmp_path: Path) -> None:
    runs = {f"runs/number {n}": RUN for n in range(3)}
    figure = draw_training(runs, tmp_path / "a.svg", smoothing=0, logarithmic=True)
    loss, accuracy = figure.axes[:2]
    assert loss.get_yscale() == "log"
    assert accuracy.get_yscale() == "linear"
    assert len({color for color, *_ in lines_of(loss)}) == 3
    assert [line.get_linestyle() for line in loss.get_lines()] == ["-"] * 3 + ["--"] * 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*runs, "training", "validation"]
    boxes = [text.get_window_extent() for text in legend.get_texts()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert figure._suptitle.get_text() == "Training"
    for axes in (loss, figure.axes[2]):
        low, high = axes.get_ylim()
        assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 3


def test_invalid_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'smoothing' is 1, expected from 0 to below 1"):
        draw_training({"a": RUN}, tmp_path / "a.png", smoothing=1.0)
    with pytest.raises(ValueError, match="1 runs have no value whose name begins with 'train_' or 'val_'"):
        draw_training({"a": {"epoch": (STEPS, STEPS)}}, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
