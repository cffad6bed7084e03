"""A user's own recordings: any folder of motion files."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_sybio.data.datasets.clip_table import WHOLE_FILE, Entries, match_clip_pattern, read_clip_table
from pyg_sybio.data.datasets.clip_transforms import DEFAULT_TRANSFORMS, ClipTransforms
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.protocols import SPLITS, Validation, check_split_name, leave_out, select
from pyg_sybio.data.datasets.protocols import hold_out as held_out
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.folder_walk import paths_below
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.natural_order import natural
from pyg_sybio.data.readers.keypoints import frame_files
from pyg_sybio.data.reading import FORMATS, is_readable, read_motions
from pyg_sybio.data.store.files import ClipInfo
from pyg_sybio.data.store.fingerprint import listing
from pyg_sybio.data.store.storage import DEFAULT_STORAGE, Storage
from pyg_sybio.data.transforms import Resample
from pyg_sybio.skeleton import Skeleton, load_skeleton

SAME_RATE = 1e-3
"""Frame rates with a smaller relative difference are considered equal, because files round 0.033333 s."""


class MotionFolder(MotionDataset):
    r"""Any folder of motion files, with a CSV file of labels or a pattern of the file names.

    Every file below `root` in a format of :data:`~pyg_sybio.data.reading.FORMATS` is a recording of one or
    more clips, and so is a folder of OpenPose frames. Hidden files and folders are ignored. Labels, splits
    and ids come from the first of these that is given:

    * `pattern`, whose named groups are the label, the split and the ids of a file
      (:func:`~pyg_sybio.data.datasets.clip_table.match_clip_pattern`);
    * the CSV file `labels`, with a line per file, or several with segments (`start`, `end`) and persons
      (:func:`~pyg_sybio.data.datasets.clip_table.read_clip_table`);
    * the files themselves.

    The split is the id `split` of a clip (for example a column of the CSV file), unless `hold_out` is given.
    Classes are sorted by name (numbers by value) over the whole folder, so that all splits have the same
    classes.

    Args:
        root: The folder.
        split: `"train"`, `"val"` or `"test"`.
        skeleton: A skeleton, the name of a shipped one, or the path of a JSON file. Joints are found in the
            files by their names; files without joint names must have the skeleton's joints in the skeleton's
            order. (default: the skeleton of the files, which must be the same in all of them)
        labels: The CSV file, relative to `root`; it does not have to exist.
        pattern: A regular expression of the files' paths, relative to `root`, with `/` between folders.
        hold_out: Clips held out for the test: an id and its values, such as `{"style": ["youthful"]}`
            (leave one style out), or a fraction of the clips of each class.
        validation: Training clips to hold out for validation if no clip has the split `val`: ids and values,
            or a fraction of the clips of each class (:func:`~pyg_sybio.data.datasets.protocols.hold_out`).
        frame_rate: In Hz. Recordings at another rate are resampled, and files without a frame rate are
            assumed to have this rate. (default: the frame rate of the files, which must be the same in all of
            them)
        sampling: How samples are cut out of the clips (:class:`~pyg_sybio.data.datasets.sampling.Sampling`).
            (default: 30 observed and 30 future frames of whole clips)
        transforms: Transforms of the clips
            (:class:`~pyg_sybio.data.datasets.clip_transforms.ClipTransforms`).
        storage: Where prepared clips are stored (:class:`~pyg_sybio.data.store.storage.Storage`).

    Raises:
        FileNotFoundError: If `root` is not a folder, or has no file that can be read.
        ValueError: If an argument or the CSV file is wrong, a file cannot be read or has another skeleton or
            frame rate, or a clip has no label or split.

    Note:
        The CSV file or the pattern overrides the labels in the file itself. A warning gives the number of
        files with other suffixes.

        Rotations (exponential maps) are refused, because their normalisation and their error are defined by a
        benchmark; see :class:`~pyg_sybio.data.datasets.cmu_mocap.CMUMocap`.
    """

    default_sampling = Sampling(num_observed=30, num_future=30)

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        skeleton: str | Skeleton | None = None,
        labels: str = "clips.csv",
        pattern: str | None = None,
        hold_out: float | Mapping[str, Sequence[Any]] | None = None,
        validation: Validation = None,
        frame_rate: float | None = None,
        sampling: Sampling = default_sampling,
        transforms: ClipTransforms = DEFAULT_TRANSFORMS,
        storage: Storage = DEFAULT_STORAGE,
    ) -> None:
        root = Path(root)
        files = find_motion_files(root, besides=(root / labels,))
        entries = describe_files(files, root, labels=labels, pattern=pattern)
        skeleton = None if skeleton is None else load_skeleton(skeleton)
        read = ReadEntries(root, entries, skeleton, frame_rate)
        # The store detects changes of files. For folders of frames, it needs a listing of the frames.
        frames = [listing(sorted(file.glob("*")), root) for file in files if file.is_dir()]
        store = self.prepared(files, read, root, transforms, storage, frames=frames)
        if store.skeleton.coordinates == "expmap":
            raise ValueError(
                f"{root} has rotations (skeleton '{store.skeleton.name}'), expected positions: "
                "MotionFolder has neither statistics nor an error for rotations"
            )
        if all(clip.label is None for clip in store.clips):
            raise ValueError(
                f"no clip of {root} has a label: expected a table {labels} with the columns file and label, "
                "or for a folder per class --data.settings.pattern '(?P<label>[^/]+)/.*'"
            )
        self.split = split
        super().__init__(
            store=store,
            clips=choose_clips(store.clips, split, hold_out=hold_out, validation=validation),
            class_names=sorted({clip.label for clip in store.clips if clip.label is not None}, key=natural),
            frame_rate=frame_rate,
            sampling=sampling,
            transforms=transforms,
        )


@dataclass(frozen=True)
class ReadEntries:
    """Read a file of a folder, with the labels and ids of its entry.

    Args:
        root: The folder.
        entries: The entries of each file, by its path relative to the folder.
        skeleton: The requested skeleton. (default: the file's own)
        frame_rate: In Hz; motions at another rate are resampled, and motions without a frame rate are assumed
            to have this rate. (default: the file's own)
    """

    root: Path
    entries: Entries
    skeleton: Skeleton | None
    frame_rate: float | None

    def __call__(self, path: Path) -> Iterator[Motion]:
        """The motions of the file."""
        entries = self.entries.get(path.relative_to(self.root).as_posix(), WHOLE_FILE)
        for motion in read_motions(path, skeleton=self.skeleton):
            motion = motion.replace(
                # A store has one number type, but a user's arrays may have several.
                poses=motion.poses.float(),
                confidence=None if motion.confidence is None else motion.confidence.float(),
                frame_rate=self.frame_rate if motion.frame_rate is None else motion.frame_rate,
                # Use the file itself, not its original source.
                source=motion.source if motion.source.startswith(str(path)) else str(path),
            )
            for entry in entries:
                clip = entry.clip(motion)
                yield clip if self.frame_rate is None else at_rate(clip, self.frame_rate)


def at_rate(motion: Motion, frame_rate: float) -> Motion:
    """The motion at a frame rate (Hz), resampled only if its own differs."""
    rate = motion.frame_rate
    if rate is None or abs(rate - frame_rate) <= SAME_RATE * frame_rate:
        return motion.replace(frame_rate=frame_rate)
    return Resample(frame_rate=frame_rate)(motion)


def find_motion_files(root: Path, *, besides: Sequence[Path] = ()) -> list[Path]:
    r"""The motion files below a folder, in path order; a warning gives the number of other files.

    A folder of OpenPose frames counts as a file. Files of skeletons are ignored.

    Args:
        root: The folder.
        besides: Further files to ignore.

    Raises:
        FileNotFoundError: If there is no such folder, or no file in it can be read.
    """
    left_out = {path.resolve() for path in besides}
    found: list[Path] = []
    others: Counter[str] = Counter()
    paths = paths_below(root, expected="expected a folder of motion files")
    folders = {path.parent for path in paths if path.suffix == ".json"} - {root}
    frames = {folder for folder in folders if frame_files(folder)}
    for path in paths:
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if hidden or path.resolve() in left_out or path.parent in frames:
            continue
        suffix = path.suffix.lower()
        if _is_skeleton(path):
            continue
        # The first line of a text or CSV file shows whether it is a motion.
        if path in frames or (
            path.is_file() and suffix in FORMATS and (suffix not in (".txt", ".csv") or is_readable(path))
        ):
            found.append(path)
        elif path.is_file() and suffix != ".asf":  # an .asf file is read with its .amc files
            others[suffix or path.name] += 1
    if others:
        shown = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        warnings.warn(f"{root}: files that are not read as motions: {shown}", stacklevel=3)
    if not found:
        raise FileNotFoundError(f"{root} has no motion file, expected some of {', '.join(FORMATS)}")
    return found


def _is_skeleton(path: Path) -> bool:
    """Whether a file contains a skeleton, by a field that only skeletons have."""
    if path.suffix.lower() != ".json" or not path.is_file() or path.stat().st_size > 2**18:
        return False
    content = path.read_bytes()
    return b'"part_bones"' in content and b'"poses"' not in content


def describe_files(files: Sequence[Path], root: Path, *, labels: str, pattern: str | None) -> Entries:
    """The entries of the files by their relative paths, from the pattern, or else from the CSV file."""
    names = [path.relative_to(root).as_posix() for path in files]
    if pattern is not None:
        return match_clip_pattern(pattern, names)
    table = root / labels
    return read_clip_table(table, names) if table.is_file() else {}


def choose_clips(
    clips: Sequence[ClipInfo],
    split: str,
    *,
    hold_out: float | Mapping[str, Sequence[Any]] | None,
    validation: Validation,
) -> list[int]:
    r"""Indices of the clips of one split; arguments and errors of :class:`MotionFolder`."""
    check_split_name(split)
    if isinstance(hold_out, Mapping):
        if len(hold_out) != 1:
            raise ValueError(f"'hold_out' names {len(hold_out)} ids, expected one: {dict(hold_out)}")
        ((name, values),) = hold_out.items()
        rule = leave_out(name, values)
        known = {clip.ids[name] for clip in clips if name in clip.ids}
        if known and (unknown := sorted(rule.values - known, key=natural)):
            expected = f"expected some of {', '.join(sorted(known, key=natural))}"
            raise ValueError(f"'hold_out' has {name!r} {unknown[0]!r}, which no clip has, {expected}")
        return select(clips, rule, split, validation=validation)
    if hold_out is None:
        parts = [_split_of(clip) for clip in clips]
        chosen = {name: [index for index, part in enumerate(parts) if part == name] for name in SPLITS}
    else:
        training, test = held_out(clips, range(len(clips)), hold_out)
        chosen = {"train": training, "val": [], "test": test}
    if validation is not None and not chosen["val"]:
        chosen["train"], chosen["val"] = held_out(clips, chosen["train"], validation)
    if not chosen[split]:
        remedy = "validation" if split == "val" else "hold_out"
        advice = f"give '{remedy}', or assign clips to it ('split' in the CSV file)"
        raise ValueError(f"split {split!r} has no clip: {advice}")
    return chosen[split]


def _split_of(clip: ClipInfo) -> str:
    split = clip.ids.get("split")
    if split not in SPLITS:
        came = "no split" if split is None else f"the split {split!r}"
        raise ValueError(
            f"{clip.source} has {came}, expected train, val or test: add a column 'split' to the CSV file, "
            "or give 'hold_out', such as 0.2 or {subject: [3]}"
        )
    return split
