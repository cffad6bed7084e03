"""The two-task split compared with the rule, by hand or in a loop."""

import math

import pytest
import torch

from pyg_sybio.data.datasets.two_tasks import Part, ratio_range, split_tasks
from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import load_skeleton

SKELETON = load_skeleton("jhmdb15")


def clip(num_frames: int, *, num_persons: int = 1, drop: float = 0.0) -> Motion:
    """A clip in which every value is the index of the frame."""
    poses = torch.arange(1.0, num_frames + 1).view(1, -1, 1, 1).expand(num_persons, -1, 15, 2).clone()
    present = torch.rand(num_persons, num_frames, 15) >= drop
    return Motion(
        poses=poses * present[..., None],
        present=present,
        confidence=poses[..., 0] * present,
        skeleton=SKELETON,
        label="wave",
        ids={"subject": "3"},
    )


def frames(motion: Motion) -> list[int]:
    """The frame indices of a motion; -1 for empty frames."""
    return [int(value) - 1 for value in motion.poses[0, :, 0, 0]]


@pytest.mark.parametrize(
    ("num_frames", "padding", "observed", "future"),
    [
        (12, "repeat", [4, 5, 6, 7, 8], [9, 10, 11]),
        (8, "repeat", [0, 1, 2, 3, 4], [5, 6, 7]),
        (6, "repeat", [1, 2, 0, 1, 2], [3, 4, 5]),
        (6, "hold", [0, 0, 0, 1, 2], [3, 4, 5]),
        # For clips shorter than two futures, half of the clip is still observed.
        (5, "repeat", [1, 2, 0, 1, 2], [3, 4, -1]),
        (3, "repeat", [1, 0, 1, 0, 1], [2, -1, -1]),
        (2, "repeat", [0, 0, 0, 0, 0], [1, -1, -1]),
        (1, "repeat", [0, 0, 0, 0, 0], [-1, -1, -1]),
        (1, "hold", [0, 0, 0, 0, 0], [-1, -1, -1]),
    ],
)
def test_observed_and_future_frames_equal_examples_computed_by_hand(
    num_frames: int, padding: str, observed: list[int], future: list[int]
) -> None:
    sample = split_tasks(clip(num_frames), num_observed=5, num_future=3, padding=padding)
    assert frames(sample.observed) == observed
    assert frames(sample.future) == future
    assert sample.future.present[0, :, 0].tolist() == [frame >= 0 for frame in future]


@pytest.mark.parametrize("ratio", [0.01, 0.2, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("padding", ["repeat", "hold"])
def test_clips_of_every_length_are_split_by_the_documented_rule(padding: str, ratio: float) -> None:
    for num_frames in range(1, 40):
        sample = split_tasks(
            clip(num_frames), num_observed=7, num_future=6, observation_ratio=ratio, padding=padding
        )
        split = max(1, round(ratio * max(num_frames - 6, math.ceil(num_frames / 2))))
        expected = list(range(split))[-7:]
        while len(expected) < 7:  # the rule, one frame at a time
            before = 0 if padding == "hold" else (expected[0] - 1 if expected[0] > 0 else split - 1)
            expected.insert(0, before)
        assert frames(sample.observed) == expected
        future = [frame if frame < num_frames else -1 for frame in range(split, split + 6)]
        assert frames(sample.future) == future


@pytest.mark.parametrize(
    ("part", "padding", "observed"),
    [
        ((0.0, 1.0), "hold", [3, 4, 5, 6, 7]),
        ((0.0, 0.75), "hold", [1, 2, 3, 4, 5]),
        ((0.5, 1.0), "hold", [4, 4, 5, 6, 7]),
        ((0.25, 0.5), "hold", [2, 2, 2, 2, 3]),
        ((0.25, 0.5), "repeat", [3, 2, 3, 2, 3]),
        ((0.0, 0.01), "hold", [0, 0, 0, 0, 0]),
        ((0.99, 1.0), "hold", [7, 7, 7, 7, 7]),
    ],
)
def test_frames_outside_the_part_are_not_observed(
    part: tuple[float, float], padding: str, observed: list[int]
) -> None:
    sample = split_tasks(clip(11), num_observed=5, num_future=3, padding=padding, part=Part(*part))
    assert frames(sample.observed) == observed
    assert frames(sample.future) == [8, 9, 10]


def test_parts_are_relative_to_the_observed_frames() -> None:
    sample = split_tasks(clip(20), num_observed=4, num_future=4, observation_ratio=0.5, part=Part(0.25, 1.0))
    assert frames(sample.observed) == [4, 5, 6, 7]
    assert (
        max(frames(split_tasks(clip(20), num_observed=4, num_future=4, part=Part(0.5, 1.0)).observed)) == 15
    )


@pytest.mark.parametrize("part", [(0.5, 0.5), (0.6, 0.5), (-0.1, 1.0), (0.0, 1.1), (0.0, float("nan"))])
def test_parts_out_of_range_are_refused(part: tuple[float, float]) -> None:
    with pytest.raises(
        ValueError, match=r"'part' is .*, expected two fractions from 0 to 1 in ascending order"
    ):
        split_tasks(clip(11), num_observed=5, num_future=3, part=Part(*part))


def test_smaller_ratios_observe_less_and_the_future_follows_immediately() -> None:
    sample = split_tasks(clip(30), num_observed=10, num_future=10, observation_ratio=0.5)
    assert frames(sample.observed) == list(range(10))
    assert frames(sample.future) == list(range(10, 20))


@pytest.mark.parametrize(
    ("num_frames", "reserved", "observed", "future"),
    [
        (12, 1, [6, 7, 8, 9, 10], [11, -1, -1]),
        (12, 3, [4, 5, 6, 7, 8], [9, 10, 11]),
        (12, 5, [2, 3, 4, 5, 6], [7, 8, 9]),
        # At most half of a clip is reserved for the future.
        (12, 9, [1, 2, 3, 4, 5], [6, 7, 8]),
    ],
)
def test_reserved_frames_equal_examples_computed_by_hand(
    num_frames: int, reserved: int, observed: list[int], future: list[int]
) -> None:
    sample = split_tasks(clip(num_frames), num_observed=5, num_future=3, reserved=reserved)
    assert frames(sample.observed) == observed
    assert frames(sample.future) == future
    assert sample.future.present[0, :, 0].tolist() == [frame >= 0 for frame in future]


@pytest.mark.parametrize("num_frames", [1, 2, 3, 12])
def test_clips_are_fully_observed_without_reserved_frames(num_frames: int) -> None:
    sample = split_tasks(clip(num_frames), num_observed=12, num_future=3, reserved=0)
    assert frames(sample.observed)[-num_frames:] == list(range(num_frames))
    assert frames(sample.future) == [-1, -1, -1]
    assert not sample.future.present.any()
    early = split_tasks(clip(12), num_observed=12, num_future=8, reserved=0, observation_ratio=0.5)
    assert frames(early.future) == [6, 7, 8, 9, 10, 11, -1, -1]


def test_a_number_is_a_range_of_one_ratio() -> None:
    assert ratio_range(0.4) == (0.4, 0.4)
    assert ratio_range([0.1, 1]) == (0.1, 1)


@pytest.mark.parametrize(
    "value", [0.0, 1.1, [0.5], [0.1, 0.2, 0.3], [0.6, 0.5], [0.0, 1.0], [0.5, 2], "0.5", None]
)
def test_values_that_are_neither_a_ratio_nor_a_range_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"'observation_ratio' is .*, expected a number above 0") as error:
        ratio_range(value)  # type: ignore[arg-type]
    assert repr(value) in str(error.value)


def test_a_fixed_split_frame_overrides_the_rule() -> None:
    # Two observed and three future frames, although by the rule, three of the five frames would be observed.
    sample = split_tasks(clip(5), num_observed=2, num_future=3, split=2)
    assert frames(sample.observed) == [0, 1]
    assert frames(sample.future) == [2, 3, 4]


def test_all_fields_have_the_same_frame_order() -> None:
    motion = clip(9, num_persons=3, drop=0.4).replace(tracks=(7, 5, 6))
    sample = split_tasks(motion, num_observed=10, num_future=6)
    index = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]  # ceil(9 / 2) frames, twice
    for name in ("poses", "present", "confidence"):
        assert torch.equal(getattr(sample.observed, name), getattr(motion, name)[:, index])
        assert torch.equal(getattr(sample.future, name)[:, :4], getattr(motion, name)[:, 5:])
        assert not getattr(sample.future, name)[:, 4:].any()
    for part in (sample.observed, sample.future):
        assert (part.label, part.ids, part.tracks) == ("wave", {"subject": "3"}, (7, 5, 6))
        part.replace()  # the values are still valid for a motion


def test_splitting_rotations_keeps_the_path_of_the_root() -> None:
    path = torch.arange(12.0).view(1, 4, 3)
    motion = Motion(poses=torch.randn(1, 4, 32, 3), skeleton=load_skeleton("h36m32"), translation=path)
    sample = split_tasks(motion, num_observed=4, num_future=3)
    assert torch.equal(sample.observed.translation, path[:, [0, 1, 0, 1]])
    assert torch.equal(sample.future.translation, torch.cat([path[:, 2:], torch.zeros(1, 1, 3)], 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_observed": 0}, "'num_observed' is 0, expected an integer of at least 1"),
        ({"num_future": 0}, "'num_future' is 0, expected an integer of at least 1"),
        ({"reserved": -1}, "'reserved' is -1, expected an integer of at least 0"),
        ({"observation_ratio": 0.0}, "'observation_ratio' is 0.0, expected above 0 and at most 1"),
        ({"observation_ratio": 1.1}, "'observation_ratio' is 1.1"),
        ({"padding": "zeros"}, "'padding' is 'zeros', expected one of 'repeat', 'hold'"),
        ({"split": 0}, "'split' is 0, expected 1 to 9, the number of frames"),
        ({"split": 10}, "'split' is 10, expected 1 to 9"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_tasks(clip(9), **({"num_observed": 4, "num_future": 2} | arguments))
