"""Orders of classes: each contains all classes, sorted by its criterion."""

import numpy as np
import pytest

from pyg_sybio.visualization.class_order import ORDERS, class_order

NAMES = ["run", "jump", "walk", "sit", "stand", "unseen"]
# run and walk are confused with each other, and so are jump and stand; nothing is confused with sit.
COUNTS = np.array(
    [
        [5, 0, 5, 0, 0, 0],
        [0, 8, 0, 0, 2, 0],
        [3, 0, 7, 0, 0, 0],
        [0, 0, 0, 9, 0, 0],
        [0, 4, 0, 0, 6, 0],
        [0, 0, 0, 0, 0, 0],
    ]
)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_contains_each_class_once(order) -> None:
    assert sorted(class_order(COUNTS, NAMES, order)) == list(range(6))


def test_orders_follow_their_definition() -> None:
    assert class_order(COUNTS, NAMES, "data") == list(range(6))
    assert [NAMES[place] for place in class_order(COUNTS, NAMES, "name")] == sorted(NAMES)
    recalls = [NAMES[place] for place in class_order(COUNTS, NAMES, "recall")]
    assert recalls == ["sit", "jump", "walk", "stand", "run", "unseen"]
    similar = class_order(COUNTS, NAMES, "similar")
    for one, other in ((0, 2), (1, 4)):
        assert abs(similar.index(one) - similar.index(other)) == 1
    assert class_order(np.diag([3, 4, 5]), NAMES[:3], "similar") == [0, 1, 2]  # nothing is confused
