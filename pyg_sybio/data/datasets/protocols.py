r"""Which clips train, validate and test: the protocols of the benchmarks, and those a user makes of ids."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pyg_sybio.data.natural_order import natural

SPLITS = ("train", "val", "test")

Validation = float | Mapping[str, Sequence[Any]] | None


class Described(Protocol):
    """What a protocol reads of a clip; a motion has it, and so has the entry of a store."""

    @property
    def label(self) -> str | None: ...
    @property
    def ids(self) -> Mapping[str, str]: ...
    @property
    def source(self) -> str: ...


@dataclass(frozen=True)
class ClipProtocol:
    r"""A rule that divides clips into training and test by one of their ids.

    Args:
        id: The id that decides, such as `subject` or `view`.
        values: The values of that id on the named side; every other value is on the other side.
        side: `"train"` or `"test"`: the side that `values` names.

    Note:
        The benchmarks publish one side (NTU RGB+D the subjects of training, say), and what is not on it is on
        the other. So a clip is always on exactly one side.
    """

    id: str
    values: frozenset[str]
    side: str

    def part(self, clip: Described) -> str:
        """`"train"` or `"test"`.

        Raises:
            ValueError: If the clip does not have the id.
        """
        named = _id(clip, self.id) in self.values
        other = {"train": "test", "test": "train"}[self.side]
        return self.side if named else other


def train_on(id: str, values: Sequence[Any]) -> ClipProtocol:
    """The clips with these values of an id train, all others test; numbers are taken as text."""
    return ClipProtocol(id, _texts(id, values), "train")


def leave_out(id: str, values: Sequence[Any]) -> ClipProtocol:
    """Leave one out (or more): the clips with these values of an id test, all others train."""
    return ClipProtocol(id, _texts(id, values), "test")


# Numbers of the performers whose clips train in NTU RGB+D's cross-subject protocol.
NTU60_TRAIN_SUBJECTS = (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)
NTU120_TRAIN_SUBJECTS = (
    *NTU60_TRAIN_SUBJECTS,
    *(45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96)),
    *(97, 98, 100, 103),
)


def ntu_protocol(name: str, classes: int = 60) -> ClipProtocol:
    r"""The protocols of NTU RGB+D (60 classes) and NTU RGB+D 120 (120 classes).

    * `"cross-subject"`: 20 of 40 performers train; of the 120 classes' 106 performers, 53 train.
    * `"cross-view"` (60 classes): cameras 2 and 3 train, camera 1 tests.
    * `"cross-setup"` (120 classes): the even of the 32 setups train, the odd ones test.

    Args:
        name: One of these names.
        classes: 60 or 120.

    Raises:
        ValueError: If the benchmark has no such protocol.
    """
    if classes not in (60, 120):
        raise ValueError(f"'classes' is {classes}, expected 60 or 120")
    subjects = NTU60_TRAIN_SUBJECTS if classes == 60 else NTU120_TRAIN_SUBJECTS
    known = {"cross-subject": train_on("subject", subjects)}
    if classes == 60:
        known["cross-view"] = train_on("view", (2, 3))
    else:
        known["cross-setup"] = train_on("setup", range(2, 33, 2))
    if name not in known:
        raise ValueError(
            f"'protocol' is {name!r}, expected one of {', '.join(known)} for NTU RGB+D with {classes} classes"
        )
    return known[name]


def named_protocol(name: str, *, test: Sequence[Any], id: str | None = None) -> ClipProtocol:
    r"""A protocol for any clips that have ids, by the name the field has for it.

    Args:
        name: `"cross-subject"`, `"cross-view"` or `"cross-setup"` (divides by the id of that name), or
            `"leave-one-out"` (divides by `id`: leave one style out, say).
        test: The value or values of the id that test; all others train.
        id: The id, for `"leave-one-out"` alone.

    Raises:
        ValueError: If there is no such protocol, or `id` is missing or contradicts the name.
    """
    known = {"cross-subject": "subject", "cross-view": "view", "cross-setup": "setup", "leave-one-out": id}
    if name not in known:
        raise ValueError(f"'protocol' is {name!r}, expected one of {', '.join(known)}")
    chosen = known[name]
    if chosen is None:
        raise ValueError(f"protocol {name!r} needs 'id', such as 'subject' or 'style'")
    if id is not None and id != chosen:
        raise ValueError(f"'id' is {id!r}, but protocol {name!r} divides by {chosen!r}")
    return leave_out(chosen, test)


def check_split_name(split: str) -> None:
    """Raise a :class:`ValueError` unless `split` is one of :data:`SPLITS`."""
    if split not in SPLITS:
        raise ValueError(f"'split' is {split!r}, expected 'train', 'val' or 'test'")


def select(
    clips: Sequence[Described], protocol: ClipProtocol, split: str, *, validation: Validation = None
) -> list[int]:
    r"""The clips of one split, by their place in `clips`.

    Args:
        clips: All clips.
        protocol: Divides them into training and test.
        split: `"train"`, `"val"` or `"test"`.
        validation: What is held out of training as `"val"`; see :func:`hold_out`. With None, `"train"` has
            all training clips, and there is no `"val"`.

    Raises:
        ValueError: If there is no such split, it would be empty, or a clip lacks an id that decides.
    """
    check_split_name(split)
    if split == "val" and validation is None:
        raise ValueError(
            "'validation' is None, expected a share or groups of the training clips for split 'val'"
        )
    parts = [protocol.part(clip) for clip in clips]
    chosen = [index for index, part in enumerate(parts) if (part == "test") == (split == "test")]
    if split != "test" and validation is not None and chosen:
        train, val = hold_out(clips, chosen, validation)
        chosen = val if split == "val" else train
    if not chosen:
        values = sorted({_id(clip, protocol.id) for clip in clips}, key=natural)
        raise ValueError(
            f"split {split!r} is empty: clips with '{protocol.id}' "
            f"{', '.join(sorted(protocol.values, key=natural))} are for {protocol.side}, and the "
            f"{len(clips)} clips there are have {', '.join(values) or 'none'}"
        )
    return chosen


def hold_out(
    clips: Sequence[Described], training: Sequence[int], validation: float | Mapping[str, Sequence[Any]]
) -> tuple[list[int], list[int]]:
    r"""Divide training clips into those that train and those that validate.

    Args:
        clips: All clips.
        training: The places of the training clips in `clips`.
        validation: A share between 0 and 1, taken of each class (at least one clip of a class that has two,
            and never all of it); or ids and their values, such as `{"subject": ["1", "5"]}`: the clips that
            have one of the values for every id named.

    Returns:
        The places of those that train, and of those that validate, in their order.

    Raises:
        ValueError: If the share is out of its range, a clip lacks a named id, or either part is empty.

    Note:
        Which clips a share takes depends on the names of their files alone (by a hash of the name), neither
        on the folder, the order, the machine nor a seed: another machine validates on the same clips.
        Clips of one person or one performance may be on both sides; name groups where that matters.
    """
    if isinstance(validation, Mapping):
        groups = {id: _texts(id, values) for id, values in validation.items()}
        held = {i for i in training if all(_id(clips[i], id) in values for id, values in groups.items())}
        what = ", ".join(f"'{id}' in {', '.join(sorted(v, key=natural))}" for id, v in groups.items())
    else:
        if not 0 < validation < 1:
            raise ValueError(f"'validation' is {validation}, expected a share above 0 and below 1")
        held = _share(clips, training, validation)
        what = f"a share of {validation:g} a class"
    train = [index for index in training if index not in held]
    val = [index for index in training if index in held]
    for name, part in (("training", train), ("validation", val)):
        if not part:
            raise ValueError(
                f"'validation' ({what}) leaves no {name} clip "
                f"of the {len(training)} that are not for the test"
            )
    return train, val


def _share(clips: Sequence[Described], training: Sequence[int], share: float) -> set[int]:
    by_class: dict[str | None, list[int]] = defaultdict(list)
    for index in training:
        by_class[clips[index].label].append(index)
    held: set[int] = set()
    for indices in by_class.values():
        indices.sort(key=lambda index: (_hash(clips[index].source), clips[index].source))
        if len(indices) > 1:
            held.update(indices[: min(max(1, round(share * len(indices))), len(indices) - 1)])
    return held


def _hash(source: str) -> bytes:
    return hashlib.blake2b(Path(source).name.encode(), digest_size=16).digest()


def _texts(id: str, values: Sequence[Any]) -> frozenset[str]:
    # A lone text is a sequence of letters: '12' would pass for '1' and '2'.
    if isinstance(values, str) or not values:
        raise ValueError(f"'{id}' is {values!r}, expected a list of one value or more")
    return frozenset(map(str, values))


def _id(clip: Described, id: str) -> str:
    if id not in clip.ids:
        raise ValueError(
            f"{clip.source} has no id {id!r}, expected it for the split; "
            f"it has {', '.join(clip.ids) or 'none'}"
        )
    return clip.ids[id]
