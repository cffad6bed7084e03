"""The order in which classes are shown."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from pyg_sybio.visualization.figures import Array, check_shape, to_numpy

Order = Literal["data", "name", "recall", "similar"]
ORDERS: tuple[Order, ...] = get_args(Order)


def class_order(counts: Array, class_names: Sequence[str], order: Order) -> list[int]:
    r"""Places of the classes in an order for the eye.

    - ``data``: as they come;
    - ``name``: by the alphabet;
    - ``recall``: the best recognised first, classes without clips last;
    - ``similar``: those that are taken for each other side by side: by the Fiedler vector of the graph whose
      edges are the shares of both confusions (Fiedler, "A property of eigenvectors of nonnegative symmetric
      matrices", 1975), the second eigenvector of its Laplacian; as they come if nothing is confused.

    Args:
        counts: Number of clips, true class by predicted class.
        class_names: In the order of `counts`.
        order: Which order.

    Shapes:
        - **counts:** `[C, C]`
    """
    table, number = to_numpy(counts), len(class_names)
    check_shape("counts", table, [number, number])
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
        # A little of everything keeps the graph in one piece.
        alike += 1e-6
        laplacian = np.diag(alike.sum(axis=1)) - alike
        fiedler = np.linalg.eigh(laplacian)[1][:, 1]
        # A vector and its opposite are one order: the first class is in the first half.
        fiedler = fiedler * (1 if fiedler[0] <= np.median(fiedler) else -1)
        return np.argsort(fiedler, kind="stable").tolist()
    return list(range(number))
