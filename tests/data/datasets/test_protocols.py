"""Protocols compared with the published lists, and validation splits that depend only on names."""

import subprocess
import sys
from dataclasses import dataclass, field
from itertools import chain

import pytest

from pyg_sybio.data.datasets.protocols import (
    ClipProtocol,
    hold_out,
    leave_out,
    ntu_protocol,
    select,
    train_on,
)


@dataclass
class Clip:
    source: str
    label: str | None = "wave"
    ids: dict[str, str] = field(default_factory=dict)


def ntu_clips() -> list[Clip]:
    """One clip per setup, camera and performer."""
    return [
        Clip(f"/data/S{s:03}C{c:03}P{p:03}", ids={"setup": str(s), "view": str(c), "subject": str(p)})
        for s in range(1, 33)
        for c in (1, 2, 3)
        for p in range(1, 107)
    ]


def training_values(protocol: ClipProtocol, id: str) -> set[int]:
    return {int(clip.ids[id]) for clip in ntu_clips() if protocol.part(clip) == "train"}


def test_ntu_cross_subject_has_the_published_subjects() -> None:
    # The lists as published by the authors.
    ntu60 = "1 2 4 5 8 9 13 14 15 16 17 18 19 25 27 28 31 34 35 38"
    more = (
        "45 46 47 49 50 52 53 54 55 56 57 58 59 70 74 78 80 81 82 83 84 85 86 89 91 92 93 94 95 97 98 100 103"
    )
    assert training_values(ntu_protocol("cross-subject"), "subject") == set(map(int, ntu60.split()))
    ntu120 = training_values(ntu_protocol("cross-subject", 120), "subject")
    assert ntu120 == set(map(int, f"{ntu60} {more}".split()))
    assert len(ntu120) == 53


def test_ntu_cross_view_and_cross_setup_divide_cameras_and_setups() -> None:
    assert training_values(ntu_protocol("cross-view"), "view") == {2, 3}
    assert training_values(ntu_protocol("cross-setup", 120), "setup") == {
        s for s in range(1, 33) if s % 2 == 0
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ntu_protocol("xsub"),
            "'xsub', expected one of cross-subject, cross-view for 60 classes",
        ),
        (lambda: ntu_protocol("cross-setup", 60), "expected one of cross-subject, cross-view"),
        (lambda: ntu_protocol("cross-view", 120), "expected one of cross-subject, cross-setup"),
        (lambda: ntu_protocol("cross-view", 61), "'classes' is 61, expected 60 or 120"),
        (lambda: leave_out("view", "12"), "'view' is '12', expected a list"),
        (lambda: leave_out("view", []), r"'view' is \[\], expected a list of at least one value"),
    ],
)
def test_unknown_protocols_are_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_numeric_ids_are_compared_as_text() -> None:
    assert leave_out("view", [3]) == leave_out("view", ["3"])


def test_every_clip_is_in_exactly_one_split() -> None:
    clips = ntu_clips()
    for protocol in (ntu_protocol("cross-subject"), ntu_protocol("cross-view"), leave_out("subject", [7])):
        for validation in (0.1, {"setup": ["3", "4"]}):
            parts = [
                select(clips, protocol, split, validation=validation) for split in ("train", "val", "test")
            ]
            assert sorted(chain.from_iterable(parts)) == list(range(len(clips)))
            assert all(part == sorted(part) and part for part in parts)
            assert parts[2] == [i for i, clip in enumerate(clips) if protocol.part(clip) == "test"]


def test_all_training_clips_are_used_without_validation() -> None:
    clips = ntu_clips()
    train = select(clips, ntu_protocol("cross-view"), "train")
    assert train == [i for i, clip in enumerate(clips) if clip.ids["view"] in ("2", "3")]
    with pytest.raises(ValueError, match="'validation' is None, expected a fraction or groups"):
        select(clips, ntu_protocol("cross-view"), "val")


def test_hold_out_takes_the_clips_in_all_given_groups() -> None:
    clips = ntu_clips()
    val = select(clips, train_on("view", [2, 3]), "val", validation={"subject": [1, "9"], "setup": ["2"]})
    expected = [
        i
        for i, clip in enumerate(clips)
        if clip.ids["view"] != "1" and clip.ids["subject"] in ("1", "9") and clip.ids["setup"] == "2"
    ]
    assert val == expected


def share_clips(folder: str) -> list[Clip]:
    counts = {"rare": 1, "pair": 2, "some": 8, "many": 100}
    return [Clip(f"{folder}/{label}_{i:03}", label) for label, count in counts.items() for i in range(count)]


def test_a_fraction_of_each_class_is_held_out_but_never_all_clips() -> None:
    clips = share_clips("/a")
    for share, expected in (
        (0.05, {"pair": 1, "some": 1, "many": 5}),
        (0.5, {"pair": 1, "some": 4, "many": 50}),
        (0.99, {"pair": 1, "some": 7, "many": 99}),
    ):
        train, val = hold_out(clips, range(len(clips)), share)
        held = [clips[i].label for i in val]
        assert {label: held.count(label) for label in set(held)} == expected
        assert sorted(train + val) == list(range(len(clips)))


def test_held_out_clips_depend_only_on_names() -> None:
    clips = share_clips("/a")
    _, val = hold_out(clips, range(len(clips)), 0.2)
    names = {clips[i].source.rsplit("/", 1)[1] for i in val}
    # The same clips in another folder and order.
    moved = share_clips("/b/c")[::-1]
    _, again = hold_out(moved, range(len(moved)), 0.2)
    assert {moved[i].source.rsplit("/", 1)[1] for i in again} == names
    # The held-out clips are not simply the first ones.
    assert names != {f"many_{i:03}" for i in range(20)} | {"some_000", "some_001", "pair_000"}


def test_held_out_clips_do_not_depend_on_the_hash_seed() -> None:
    script = (
        "from pyg_sybio.data.datasets.protocols import hold_out\n"
        "from dataclasses import make_dataclass\n"
        "Clip = make_dataclass('Clip', ['source', 'label'])\n"
        "print(hold_out([Clip(f'/x/{i}.json', 'a') for i in range(40)], range(40), 0.25)[1])"
    )
    expected = hold_out([Clip(f"/y/{i}.json") for i in range(40)], range(40), 0.25)[1]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True
        )
        assert done.stdout.strip() == str(expected), done.stderr


def test_a_missing_id_names_the_clip() -> None:
    clips = [Clip("/data/one.bvh", ids={"view": "1", "style": "x"})]
    with pytest.raises(ValueError, match=r"/data/one.bvh has no id 'setup', .* it has view, style"):
        select(clips, leave_out("setup", [1]), "train")
    with pytest.raises(ValueError, match=r"/data/one.bvh has no id 'subject'"):
        hold_out(clips, [0], {"subject": ["1"]})


def test_the_error_of_an_empty_split_lists_the_existing_ids() -> None:
    clips = [Clip(f"/{i}", ids={"view": view}) for i, view in enumerate(["1", "2", "10", "1"])]
    message = (
        "split 'test' is empty: clips with 'view' 3 are for test, and the 4 clips that exist have 1, 2, 10"
    )
    with pytest.raises(ValueError, match=message):
        select(clips, leave_out("view", ["3"]), "test")
    with pytest.raises(ValueError, match="split 'train' is empty"):
        select(clips, leave_out("view", [1, 2, 10]), "train")
    with pytest.raises(ValueError, match="split 'train' is empty"):
        select([], leave_out("view", [1]), "train", validation=0.5)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (0.0, "'validation' is 0.0, expected a fraction above 0 and below 1"),
        (1.0, "'validation' is 1.0"),
        ({"view": ["7"]}, r"'validation' \('view' in 7\) leaves none of 2 clips for validation"),
        ({"view": ["1", "2"]}, r"'validation' \('view' in 1, 2\) leaves none of 2 clips for training"),
    ],
)
def test_validation_without_remaining_training_clips_is_refused(validation: object, message: str) -> None:
    clips = [Clip("/1", ids={"view": "1"}), Clip("/2", ids={"view": "2"})]
    with pytest.raises(ValueError, match=message):
        hold_out(clips, [0, 1], validation)  # type: ignore[arg-type]


def test_unknown_splits_are_refused() -> None:
    with pytest.raises(ValueError, match="'split' is 'dev', expected 'train', 'val' or 'test'"):
        select([], leave_out("view", [1]), "dev")
