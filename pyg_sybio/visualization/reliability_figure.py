"""Drawing of a reliability diagram: accuracy by confidence."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pyg_sybio.visualization import theme
from pyg_sybio.visualization.figures import Numbers, add_legend, checked, new_figure, save_figure
from pyg_sybio.visualization.plots import DASHED, WIDTH, frame_plot

_ACCURACY: dict[str, Any] = {"color": theme.INK, "marker": "o", "linewidth": 1.3, "markersize": 4.5}
_AGREEMENT: dict[str, Any] = {"color": theme.GREY, "linestyle": DASHED, "linewidth": 1.2}
_GAP: dict[str, Any] = {"linewidth": 4, "alpha": 0.45}


def reliability_figure(
    confidence: Numbers, accuracy: Numbers, counts: Numbers, path: str | Path, *, title: str
) -> Figure:
    r"""Draw the accuracy (upper panel) and the number of clips (lower panel) by confidence.

    The title of the upper panel states the expected calibration error
    :math:`\sum_b n_b |a_b - c_b| / \sum_b n_b`.

    Args:
        confidence: Mean probability :math:`c_b` of the predicted class in each bin.
        accuracy: Fraction :math:`a_b` of correct predictions in each bin.
        counts: Number of clips :math:`n_b` in each bin; empty bins are not drawn.
        path: File to write: .png, .svg or .pdf.
        title: Title of the picture.

    Shapes:
        - **confidence, accuracy, counts:** `[B]`

    Returns:
        The figure that was written.

    Raises:
        ValueError: If the lengths differ, all bins are empty, a count is negative or not finite, or the
            confidence or accuracy of a bin with clips is outside 0 to 1.
    """
    clips = checked("counts", counts, ["B"], low=0)
    full = clips > 0
    if not full.any():
        raise ValueError(f"'counts' of {len(clips)} bins has no clip, expected at least one")
    clips = clips[full]
    sure, right = (
        # Means in float32 may exceed the bounds by rounding.
        checked(name, checked(name, values, [len(full)], gaps=True)[full], ["n"], low=-1e-6, high=1 + 1e-6)
        for name, values in (("confidence", confidence), ("accuracy", accuracy))
    )
    error = float((clips * np.abs(right - sure)).sum() / clips.sum())

    figure = new_figure(WIDTH, 4.8, title)
    above, below = figure.subplots(2, sharex=True, height_ratios=[3.2, 1])
    above.plot([0, 1], [0, 1], **_AGREEMENT)
    gaps = [theme.VERMILLION if c > a else theme.BLUE for c, a in zip(sure, right, strict=True)]
    above.vlines(sure, sure, right, colors=gaps, **_GAP)
    order = np.argsort(sure, kind="stable")
    above.plot(sure[order], right[order], zorder=3, **_ACCURACY)
    said = f"expected calibration error {100 * error:.1f} % over {clips.sum():,.0f} clips"
    above.set_title(said, fontsize=theme.TEXT, loc="left", color=theme.INK)
    below.vlines(sure, 0, clips, colors=theme.INK, linewidth=6)
    below.set_ylim(0, 1.1 * clips.max())
    above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    frame_plot(above, "", "accuracy")
    frame_plot(below, "confidence", "clips")
    entries = [
        ("accuracy", _ACCURACY),
        ("perfectly calibrated", _AGREEMENT),
        ("overconfident", {"color": theme.VERMILLION, **_GAP}),
        ("underconfident", {"color": theme.BLUE, **_GAP}),
    ]
    add_legend(figure, entries, loc="outside lower center", ncols=4)
    return save_figure(figure, path)
