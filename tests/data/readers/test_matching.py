"""The same person in successive frames."""

from collections.abc import Sequence

import numpy as np
import pytest
from same_persons import same_persons

from pyg_sybio.data.readers.matching import (
    BY_DISTANCE,
    IN_ORDER,
    MAX_MATCHED,
    NOT_UNIQUE,
    Persons,
    persons_of,
)


def persons(frames: Sequence[Sequence[float]], ids: Sequence[int | None] = ()) -> Persons:
    """People of size 10 at the given places."""
    places = np.array([place for frame in frames for place in frame])
    points = places[:, None, None] + np.array([[0.0, 0], [10, 0], [0, 5]])
    numbers = [number for number, frame in enumerate(frames) for _ in frame]
    return persons_of(points, np.ones(points.shape[:2], bool), numbers, ids)


def test_people_are_identified_by_track_numbers() -> None:
    found = persons([[100, 900], [900, 100], [100]], [7, 3, 3, 7, 7])
    assert found == Persons([0, 1, 1, 0, 0], (7, 3))


def test_people_without_track_numbers_are_matched_by_distance() -> None:
    found = persons([[100, 900], [903, 101], [102], [905, 104]])
    assert found == Persons([0, 1, 1, 0, 0, 1, 0], (0, 1), BY_DISTANCE)


def test_the_nearest_people_are_matched_first() -> None:
    # The first entry of the second frame is near both persons, but the second entry is nearer to person 0.
    assert persons([[0, 8], [5, 0]]).index == [0, 1, 1, 0]


def test_a_new_person_does_not_continue_another_person() -> None:
    assert persons([[100], [500, 101], [502]]).index == [0, 1, 0, 1]
    assert persons([[100, 200], [101, 201], [900]]).index == [0, 1, 0, 1, 0]  # no third person


def test_people_without_a_track_number_are_only_matched_with_each_other() -> None:
    found = persons([[100, 500, 900], [901, 100, 501]], [4, None, None, None, 4, None])
    assert found.index == [0, 1, 2, 2, 0, 1] and found.tracks == (4, 5, 6)
    assert found.note == BY_DISTANCE


def test_track_numbers_that_are_repeated_within_a_frame_are_not_used() -> None:
    found = persons([[100, 900], [900, 100]], [0, 0, 0, 0])
    assert found == Persons([0, 1, 1, 0], (0, 1), NOT_UNIQUE)


def test_a_single_person_needs_no_matching() -> None:
    assert persons([[100], [900], [100]]) == Persons([0, 0, 0], (0,))


def test_people_in_crowds_keep_the_order_of_the_file() -> None:
    crowd = [100.0 * k for k in range(MAX_MATCHED + 1)]
    found = persons([crowd, crowd[::-1]])
    assert found.index == [*range(MAX_MATCHED + 1)] * 2 and found.note == IN_ORDER


@pytest.mark.parametrize("seed", range(20))
def test_matching_equals_a_search_with_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [
        [
            np.concatenate([rng.uniform(0, 100, (5, 2)), rng.integers(0, 2, (5, 1))], axis=-1)
            for _ in range(rng.integers(0, 4))
        ]
        for _ in range(12)
    ]
    people = np.array([person for frame in frames for person in frame])
    numbers = [number for number, frame in enumerate(frames) for _ in frame]
    found = persons_of(people[..., :2], people[..., 2] > 0, numbers)
    assert found.index == [row for rows in same_persons(frames) for row in rows]
