"""The map of actional graphs: similar graphs are neighbours, classes are distinct, and names are readable."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.text import Annotation, Text

from pyg_sybio.visualization.embedding_figure import draw_embedding, embed, nearest_agreement


def grouped(classes: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Graphs `[n, 5, 5]`, each close to one random graph per class, and their labels."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    return rng.random((classes, 5, 5))[labels] + 0.01 * rng.normal(size=(len(labels), 5, 5)), labels


def test_a_map_keeps_groups_together_and_depends_only_on_its_seed() -> None:
    graphs, labels = grouped(4, 6)
    places = embed(torch.from_numpy(graphs), seed=1)
    assert places.shape == (24, 2)
    np.testing.assert_array_equal(places, embed(graphs, seed=1))
    away = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.diag(np.full(24, np.inf))
    assert (labels[away.argmin(axis=1)] == labels).all()


def test_agreement_compares_each_graph_with_its_nearest_neighbour() -> None:
    graphs, labels = grouped(3, 5)
    labels[::4] = 0
    right = 0
    for one in range(len(graphs)):
        others = [other for other in range(len(graphs)) if other != one]
        nearest = min(others, key=lambda other: float(((graphs[one] - graphs[other]) ** 2).sum()))
        right += labels[one] == labels[nearest]
    assert 0 < right < len(graphs)
    assert nearest_agreement(graphs, labels) == pytest.approx(right / len(graphs))


@pytest.mark.parametrize("classes", [8, 20])
def test_classes_differ_in_more_than_colour_and_names_do_not_overlap(classes: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(classes), 5)
    places = 20 * rng.normal(size=(classes, 2))[labels] + rng.normal(size=(len(labels), 2))
    names = [f"action number {n}" for n in range(classes)] + ["never seen"]
    figure = draw_embedding(places, labels, names, tmp_path / "a.png", title="A map")
    axes = figure.axes[0]
    looks = set()
    for label, dots in enumerate(axes.collections):
        np.testing.assert_allclose(np.asarray(dots.get_offsets()), places[labels == label])
        looks.add((tuple(dots.get_facecolors()[0]), dots.get_paths()[0].vertices.tobytes()))
    assert len(looks) == classes
    written = [text for text in axes.texts if isinstance(text, Annotation)]
    assert [text.get_text().replace("\n", " ") for text in written] == names[:-1]
    for label, text in enumerate(written):
        own = places[labels == label]
        median = np.median(own, axis=0)
        assert min(own.tolist(), key=lambda place: math.dist(place, median)) == pytest.approx(list(text.xy))
    boxes = [Text.get_window_extent(text) for text in written]  # the extents exclude the lines to the points
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert [text.get_text().replace("\n", " ") for text in axes.get_legend().get_texts()] == names[:-1]


def test_graphs_that_cannot_be_mapped_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are 4 actional graphs, expected at least 5 for a map"):
        embed(np.zeros((4, 3, 3)))
    with pytest.raises(ValueError, match="'perplexity' is 9, expected above 0 and below the 6 graphs"):
        embed(np.zeros((6, 3, 3)), perplexity=9)
    with pytest.raises(ValueError, match=r"'places' has shape \[3, 3\], expected \[n, 2\]"):
        draw_embedding(np.zeros((3, 3)), np.zeros(3), ["a"], tmp_path / "a.png", title="")
    with pytest.raises(ValueError, match="'labels' go from 0 to 1, but there are 1 class names"):
        draw_embedding(np.zeros((2, 2)), np.array([0, 1]), ["a"], tmp_path / "a.png", title="")
    assert not list(tmp_path.iterdir())
