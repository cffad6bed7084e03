"""Orders of classes in a confusion matrix."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from pyg_sybio.visualization.figures import Array, checked

Order = Literal["data", "name", "recall", "similar"]
ORDERS: tuple[Order, ...] = get_args(Order)


def class_order(counts: Array, class_names: Sequence[str], order: Order) -> list[int]:
    r"""Indices that sort the classes, in one of these orders:

    - ``data``: the given order;
    - ``name``: alphabetical;
    - ``recall``: by decreasing recall, classes without clips last;
    - ``similar``: classes that are confused with each other are neighbours. The order is given by the Fiedler
      vector (Fiedler, "A property of eigenvectors of nonnegative symmetric matrices", 1975), the second
      eigenvector of the Laplacian of a graph between classes. The weight of an edge is the sum of the rates
      at which each class is mistaken for the other. Without confusions, the given order is kept.

    Args:
        counts: Number of clips, true class by predicted class.
        class_names: Names of the classes in the order of `counts`.
        order: One of the names above.

    Shapes:
        - **counts:** `[C, C]`
    """
    number = len(class_names)
    table = checked("counts", counts, [number, number])
    if order == "name":
        return sorted(range(number), key=lambda place: class_names[place])
    clips = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, clips, out=np.zeros_like(table), where=clips > 0)
    if order == "recall":
        known = clips[:, 0] > 0
        return sorted(range(number), key=lambda place: (not known[place], -shares[place, place]))
    alike = shares + shares.T
    np.fill_diagonal(alike, 0.0)
    if order == "similar" and alike.any():
        # A small weight on all edges keeps the graph connected.
        alike += 1e-6
        laplacian = np.diag(alike.sum(axis=1)) - alike
        fiedler = np.linalg.eigh(laplacian)[1][:, 1]
        # Choose the sign of the vector that puts the first class in the first half.
        fiedler = fiedler * (1 if fiedler[0] <= np.median(fiedler) else -1)
        return np.argsort(fiedler, kind="stable").tolist()
    return list(range(number))
