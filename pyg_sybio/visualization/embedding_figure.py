"""A t-SNE map of actional graphs (Fig. 13)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pyg_sybio.visualization.figures import Array, add_legend, checked, new_figure, save_figure, to_numpy
from pyg_sybio.visualization.plots import WIDTH, frame_plot, looks_of, name_points, wrapped

_PERPLEXITY = 30.0
_FEWEST = 5  # minimum number of graphs for a map
_KEYS = 20  # classes per column of the legend


def embed(graphs: Array, *, seed: int = 0, perplexity: float | None = None) -> np.ndarray:
    r"""Map graphs to points of the plane by t-SNE, which keeps similar graphs close to each other.

    Distances between groups have little meaning.

    Args:
        graphs: Weights of the graphs.
        seed: Random seed; the map is reproducible on the same machine.
        perplexity: Perplexity of t-SNE, roughly the number of neighbours that stay close. (default: 30, or a
            third of the number of graphs if there are fewer than 91)

    Shapes:
        - **graphs:** `[n, M, M]`
        - **output:** `[n, 2]`

    Raises:
        ValueError: If there are too few graphs, or the perplexity is not below the number of graphs.
    """
    vectors = to_numpy(graphs).reshape(len(graphs), -1)
    count = len(vectors)
    if count < _FEWEST:
        raise ValueError(f"there are {count} actional graphs, expected at least {_FEWEST} for a map")
    chosen = perplexity_of(count) if perplexity is None else perplexity
    if not 0 < chosen < count:
        raise ValueError(f"'perplexity' is {chosen:g}, expected above 0 and below the {count} graphs")
    # Imported here, because no other figure needs it.
    from sklearn.manifold import TSNE

    # Starting from the principal components makes the maps of different seeds similar.
    return TSNE(2, perplexity=chosen, init="pca", random_state=seed).fit_transform(vectors.astype(np.float32))


def perplexity_of(count: int) -> float:
    """The default perplexity for a number of graphs."""
    return min(_PERPLEXITY, (count - 1) / 3)


def nearest_agreement(graphs: Array, labels: Array) -> float:
    """Fraction of the graphs `[n, M, M]` whose nearest other graph has the same label `[n]`."""
    from sklearn.neighbors import NearestNeighbors

    vectors, y = to_numpy(graphs).reshape(len(graphs), -1), to_numpy(labels)
    nearest = NearestNeighbors(n_neighbors=1).fit(vectors).kneighbors(return_distance=False)[:, 0]
    return float((y[nearest] == y).mean())


def draw_embedding(
    places: Array, labels: Array, class_names: Sequence[str], path: str | Path, *, title: str
) -> Figure:
    """Draw a map with one colour and marker per class.

    The name of a class is next to the point that is closest to the median of its points.

    Args:
        places: Coordinates of the points.
        labels: Class of each point.
        class_names: Names of all classes; classes without a point are left out.
        path: File to write: .png, .svg or .pdf.
        title: Title of the picture.

    Shapes:
        - **places:** `[n, 2]`
        - **labels:** `[n]`

    Returns:
        The figure that was written.

    Raises:
        ValueError: If a shape or a label does not fit.
    """
    points = checked("places", places, ["n", 2])
    y = checked("labels", labels, [len(points)]).astype(int)
    if len(y) and not 0 <= y.min() <= y.max() < len(class_names):
        raise ValueError(
            f"'labels' go from {y.min()} to {y.max()}, but there are {len(class_names)} class names"
        )
    looks = looks_of(class_names[label] for label in np.unique(y))

    columns = -(-len(looks) // _KEYS)
    figure = new_figure(WIDTH + 1.6 * columns, 5.0, title)
    axes = figure.subplots()
    size = np.clip(17_000 / max(len(points), 1), 14, 34)  # area of a marker
    named = {}
    for label in np.unique(y):
        color, marker, _ = looks[class_names[label]]
        own = points[y == label]
        axes.scatter(
            own[:, 0], own[:, 1], s=size, c=color, marker=marker, edgecolors="white", linewidths=0.5, zorder=2
        )
        away = np.linalg.norm(own - np.median(own, axis=0), axis=1)
        named[class_names[label]] = own[away.argmin()]
    axes.margins(0.1)
    frame_plot(axes, "t-SNE, first direction", "t-SNE, second direction", grid="both")
    axes.tick_params(labelleft=False, labelbottom=False, length=0)
    style = {"linestyle": "none", "markersize": 5}
    entries = [
        (wrapped(name), {"color": look.color, "marker": look.marker, **style}) for name, look in looks.items()
    ]
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "ncols": columns, "handletextpad": 0.2}
    add_legend(axes, entries, **place)
    name_points(figure, axes, named, others=points)
    return save_figure(figure, path)
