r"""Training, validation and test clips: the protocols of the benchmarks, and splits by ids."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_sybio.data.natural_order import natural
from pyg_sybio.data.store.files import ClipInfo

SPLITS = ("train", "val", "test")

Validation = float | Mapping[str, Sequence[Any]] | None


@dataclass(frozen=True)
class ClipProtocol:
    r"""A rule that divides clips into training and test by one of their ids.

    Args:
        id: The id by which clips are divided, such as `subject` or `view`.
        values: The values of `id` on the given side; all other values are on the other side.
        side: The side of `values`: `"train"` or `"test"`.

    Note:
        Benchmarks publish one side (for NTU RGB+D, the training subjects); all other values are on the other
        side, so that every clip is on exactly one side.
    """

    id: str
    values: frozenset[str]
    side: str

    def part(self, clip: ClipInfo) -> str:
        """`"train"` or `"test"`.

        Raises:
            ValueError: If the clip does not have the id.
        """
        named = _id(clip, self.id) in self.values
        return "train" if named == (self.side == "train") else "test"


def train_on(id: str, values: Sequence[Any]) -> ClipProtocol:
    """Train on the clips with these values of an id, test on all others; numbers are compared as text."""
    return ClipProtocol(id, _texts(id, values), "train")


def leave_out(id: str, values: Sequence[Any]) -> ClipProtocol:
    """Test on the clips with these values of an id (leave one or more out), train on all others."""
    return ClipProtocol(id, _texts(id, values), "test")


# The training subjects of NTU RGB+D's cross-subject protocol.
NTU60_TRAIN_SUBJECTS = (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)
NTU120_TRAIN_SUBJECTS = (
    *NTU60_TRAIN_SUBJECTS,
    *(45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96)),
    *(97, 98, 100, 103),
)


def ntu_protocol(name: str, classes: int = 60) -> ClipProtocol:
    r"""The protocols of NTU RGB+D (60 classes) and NTU RGB+D 120 (120 classes).

    * `"cross-subject"`: training on 20 of 40 subjects (60 classes), or on 53 of 106 (120 classes).
    * `"cross-view"` (60 classes): training on cameras 2 and 3, test on camera 1.
    * `"cross-setup"` (120 classes): training on the even setups (of 32), test on the odd setups.

    Args:
        name: Name of the protocol.
        classes: 60 or 120.

    Raises:
        ValueError: If the benchmark has no such protocol.
    """
    if classes not in (60, 120):
        raise ValueError(f"'classes' is {classes}, expected 60 or 120")
    if classes == 60:
        subjects, other = NTU60_TRAIN_SUBJECTS, {"cross-view": train_on("view", (2, 3))}
    else:
        subjects, other = NTU120_TRAIN_SUBJECTS, {"cross-setup": train_on("setup", range(2, 33, 2))}
    known = {"cross-subject": train_on("subject", subjects), **other}
    if name not in known:
        expected = f"expected one of {', '.join(known)} for {classes} classes"
        raise ValueError(f"'protocol' is {name!r}, {expected}")
    return known[name]


def check_split_name(split: str) -> None:
    """Raise a :class:`ValueError` unless `split` is one of :data:`SPLITS`."""
    if split not in SPLITS:
        raise ValueError(f"'split' is {split!r}, expected 'train', 'val' or 'test'")


def select(
    clips: Sequence[ClipInfo], protocol: ClipProtocol | None, split: str, *, validation: Validation = None
) -> list[int]:
    r"""Indices of the clips of one split.

    Args:
        clips: All clips.
        protocol: Divides the clips into training and test. (None: `clips` are only training clips, or only
            test clips)
        split: `"train"`, `"val"` or `"test"`.
        validation: Clips held out of training as `"val"`, as in :func:`hold_out`. With None, `"train"` has
            all training clips, and there is no `"val"`.

    Raises:
        ValueError: If `split` is unknown or would be empty, or a clip lacks a required id.
    """
    check_split_name(split)
    if split == "val" and validation is None:
        raise ValueError("'validation' is None, expected a fraction or groups of clips for split 'val'")
    wanted = "test" if split == "test" else "train"
    chosen = [index for index, clip in enumerate(clips) if protocol is None or protocol.part(clip) == wanted]
    if split != "test" and validation is not None and chosen:
        train, val = hold_out(clips, chosen, validation)
        chosen = val if split == "val" else train
    if not chosen and protocol is not None:
        values = sorted({_id(clip, protocol.id) for clip in clips}, key=natural)
        raise ValueError(
            f"split {split!r} is empty: clips with '{protocol.id}' "
            f"{', '.join(sorted(protocol.values, key=natural))} are for {protocol.side}, and the "
            f"{len(clips)} clips that exist have {', '.join(values) or 'none'}"
        )
    return chosen


def hold_out(
    clips: Sequence[ClipInfo], training: Sequence[int], validation: float | Mapping[str, Sequence[Any]]
) -> tuple[list[int], list[int]]:
    r"""Divide training clips into clips for training and clips for validation.

    Args:
        clips: All clips.
        training: Indices of the training clips in `clips`.
        validation: A fraction between 0 and 1 of the clips of each class (at least one clip if the class has
            two, and never all of its clips). Alternatively, ids and values, such as `{"subject": ["1",
            "5"]}`, which select the clips with one of the listed values for each id.

    Returns:
        Indices of the clips for training and of the clips for validation, in their order.

    Raises:
        ValueError: If the fraction is out of its range, a clip lacks a named id, or no clip is left for
            training or validation.

    Note:
        For a fraction, clips are chosen by a hash of their file names. The choice does not depend on the
        folder, the order of the clips, the machine or a seed. Clips of one person or one performance may be
        on both sides; to prevent this, give ids and values.
    """
    if isinstance(validation, Mapping):
        groups = {id: _texts(id, values) for id, values in validation.items()}
        held = {i for i in training if all(_id(clips[i], id) in values for id, values in groups.items())}
        what = ", ".join(f"'{id}' in {', '.join(sorted(v, key=natural))}" for id, v in groups.items())
    else:
        if not 0 < validation < 1:
            raise ValueError(f"'validation' is {validation}, expected a fraction above 0 and below 1")
        held = _share(clips, training, validation)
        what = f"a fraction of {validation:g} per class"
    train = [index for index in training if index not in held]
    val = [index for index in training if index in held]
    for name, part in (("training", train), ("validation", val)):
        if not part:
            raise ValueError(f"'validation' ({what}) leaves none of {len(training)} clips for {name}")
    return train, val


def _share(clips: Sequence[ClipInfo], training: Sequence[int], share: float) -> set[int]:
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
    # A string is a sequence of characters: '12' would be read as '1' and '2'.
    if isinstance(values, str) or not values:
        raise ValueError(f"'{id}' is {values!r}, expected a list of at least one value")
    return frozenset(map(str, values))


def _id(clip: ClipInfo, id: str) -> str:
    if id not in clip.ids:
        found = ", ".join(clip.ids) or "none"
        raise ValueError(f"{clip.source} has no id {id!r}, which the split needs; it has {found}")
    return clip.ids[id]
