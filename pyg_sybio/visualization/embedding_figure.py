"""A map of actional graphs (Fig. 13): what a model finds alike lies together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pyg_sybio.visualization.figures import Array, check_shape, new_figure, save_figure, to_numpy
from pyg_sybio.visualization.plots import (
    WIDTH,
    frame_plot,
    looks_of,
    name_points,
    plot_legend,
    title_height,
    wrapped,
    write_title,
)

_PERPLEXITY = 30.0
_FEWEST = 5  # graphs of which there is a map
_NAMED = 12  # so many classes are told apart by the names in the map alone
_KEYS = 20  # classes in a column of the legend


def embed(graphs: Array, *, seed: int = 0, perplexity: float | None = None) -> np.ndarray:
    r"""A map of graphs by t-SNE, which keeps near ones together; distances between groups mean little.

    Args:
        graphs: Weights.
        seed: The same seed gives the same map on the same machine.
        perplexity: About how many neighbours each graph is kept near to. (default: 30, or less for fewer than
            91 graphs: a third of them)

    Shapes:
        - **graphs:** `[n, M, M]`
        - **output:** `[n, 2]`

    Raises:
        ValueError: If there are too few graphs, or the perplexity is not below their number.
    """
    vectors = to_numpy(graphs).reshape(len(graphs), -1)
    count = len(vectors)
    if count < _FEWEST:
        raise ValueError(f"there are {count} actional graphs, expected at least {_FEWEST} for a map")
    chosen = perplexity_of(count) if perplexity is None else perplexity
    if not 0 < chosen < count:
        raise ValueError(f"'perplexity' is {chosen:g}, expected above 0 and below the {count} graphs")
    # Imported here: no other picture needs it.
    from sklearn.manifold import TSNE

    # A start along the principal components, scaled by TSNE itself, makes maps of other seeds alike.
    return TSNE(2, perplexity=chosen, init="pca", random_state=seed).fit_transform(vectors.astype(np.float32))


def perplexity_of(count: int) -> float:
    """The perplexity of a map of so many graphs, unless another is asked for."""
    return min(_PERPLEXITY, (count - 1) / 3)


def nearest_agreement(graphs: Array, labels: Array) -> float:
    """Share of the graphs `[n, M, M]` whose nearest other one has the same label `[n]`; no map needed."""
    vectors, y = to_numpy(graphs).reshape(len(graphs), -1), to_numpy(labels)
    square = (vectors**2).sum(axis=1)
    right = 0
    for one in range(len(vectors)):  # a row at a time: all distances at once may be too many
        away = square - 2 * vectors @ vectors[one]
        away[one] = np.inf
        right += int(y[away.argmin()] == y[one])
    return right / len(vectors)


def draw_embedding(
    places: Array, labels: Array, class_names: Sequence[str], path: str | Path, *, title: str
) -> Figure:
    """Draw a map with a colour and a marker a class, and the name of each at the median of its points.

    Args:
        places: Where the points are.
        labels: The class of each.
        class_names: Of all classes; those without a point are left out.
        path: File to write: .png, .svg or .pdf.
        title: Line above the map.

    Shapes:
        - **places:** `[n, 2]`
        - **labels:** `[n]`

    Returns:
        The figure as written.

    Raises:
        ValueError: If a shape or a label does not fit.
    """
    points, y = to_numpy(places), to_numpy(labels).astype(int)
    check_shape("places", points, ["n", 2])
    check_shape("labels", y, [len(points)])
    if len(y) and not 0 <= y.min() <= y.max() < len(class_names):
        raise ValueError(
            f"'labels' go from {y.min()} to {y.max()}, but there are {len(class_names)} class names"
        )
    shown = [label for label in range(len(class_names)) if (y == label).any()]
    looks = looks_of(class_names[label] for label in shown)

    with_legend = len(shown) > _NAMED
    columns = -(-len(shown) // _KEYS) if with_legend else 0
    figure = new_figure(WIDTH + 1.6 * columns, 5.0 + title_height(title))
    write_title(figure, title)
    axes = figure.subplots()
    size = 34 if len(points) <= 500 else 14
    for label in shown:
        color, marker, _ = looks[class_names[label]]
        own = points[y == label]
        axes.scatter(
            own[:, 0], own[:, 1], s=size, c=color, marker=marker, edgecolors="white", linewidths=0.5, zorder=2
        )
    axes.margins(0.1)
    frame_plot(axes, "t-SNE, first direction", "t-SNE, second direction", grid="both")
    axes.tick_params(labelleft=False, labelbottom=False, length=0)
    if with_legend:
        handles = [
            Line2D([], [], color=look.color, marker=look.marker, linestyle="none", markersize=5)
            for look in looks.values()
        ]
        beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "ncols": columns, "handletextpad": 0.2}
        plot_legend(axes, handles, [wrapped(name) for name in looks], **beside)
    medians = {class_names[label]: np.median(points[y == label], axis=0) for label in shown}
    name_points(figure, axes, medians, others=points)
    save_figure(figure, path)
    return figure
